package pipelines

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pull runs the job of a pull request of a branch.
func pull(r repository, f *forge, branch string) result {
	r.Helper()
	return job{T: r.T, repository: r.merged(branch), base: r.git("rev-parse", "main"), token: writer, forge: f}.run()
}

func TestARangeMoves(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("grow", func() { r.grow(); r.generate() })
	was, is := r.ports("main", "downloads"), r.ports("grow", "downloads")
	if was == is {
		t.Fatal("the range has not moved")
	}
	done := pull(r, f, "grow")
	if done.code != 0 || len(done.commands) != 0 {
		t.Errorf("exit code %d, commands %v:\n%s", done.code, done.commands, done.log)
	}
	contains(t, "the comment", f.only(t), "<!-- pasvctl ", "\n### pasvctl: `ftp sites`\n\n", "downloads", was, is, "moved")
	contains(t, "the summary", done.summary, was, is)

	// The same comment is updated.
	id := f.notes[0].ID
	r.git("checkout", "-q", "grow")
	r.replace(specFile, "sessions = 60", "sessions = 70")
	r.generate()
	r.commit("grow more")
	if done = pull(r, f, "grow"); done.code != 0 {
		t.Errorf("exit code %d:\n%s", done.code, done.log)
	}
	contains(t, "the comment", f.only(t), was, r.ports("grow", "downloads"))
	if f.notes[0].ID != id || strings.Contains(f.notes[0].Body, is) {
		t.Errorf("%+v", f.notes)
	}

	// Nothing has changed in the end.
	r.git("checkout", "-q", "grow")
	r.git("checkout", "-q", "main", "--", folder)
	r.commit("as it was")
	if done = pull(r, f, "grow"); done.code != 0 || strings.Contains(f.only(t), was) {
		t.Errorf("exit code %d, %q", done.code, f.notes[0].Body)
	}
}

func TestForgottenFiles(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("grow", r.grow)
	done := pull(r, f, "grow")
	if done.code != 2 {
		t.Errorf("exit code %d:\n%s", done.code, done.log)
	}
	r.git("checkout", "-q", "grow")
	r.generate()
	r.commit("generate")
	contains(t, "the log", done.log,
		`-  data_ports = "`+r.ports("main", "downloads")+`"`, `+  data_ports = "`+r.ports("grow", "downloads")+`"`, "+++ ", "nftables.nft")
	contains(t, "the comment", f.only(t), "**The committed files are not those of the spec.**", `    pasvctl generate "ftp sites" -o "ftp sites/out"`,
		r.ports("main", "downloads"), r.ports("grow", "downloads"))
}

func TestAConflictInTheLock(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.conflict("media")
	done := pull(r, f, "media")
	if done.code != 1 || len(done.commands) != 1 {
		t.Fatalf("exit code %d, commands %v:\n%s", done.code, done.commands, done.log)
	}
	r.git("checkout", "-q", "media")
	contains(t, "the annotation", done.commands[0].String(), "error (", "file="+lockFile+",", "[lock-damaged]", "git checkout BRANCH -- pasvctl.lock.hcl",
		fmt.Sprintf(" line=%d,", r.line(lockFile, "<<<<<<< ")))
	contains(t, "the comment", f.only(t), "**The change cannot be shown**", "\n    A merge left both sides in the lock.", "git checkout BRANCH -- pasvctl.lock.hcl")

	// The remedy works.
	r.run("sh", "-c", `cd "ftp sites" && git checkout main -- pasvctl.lock.hcl out/.pasvctl-files`)
	r.generate()
	r.commit("resolve")
	if done = pull(r, f, "media"); done.code != 0 {
		t.Errorf("exit code %d:\n%s", done.code, done.log)
	}
	contains(t, "the comment", f.only(t), "media", r.ports("media", "media"))
	if strings.Contains(f.notes[0].Body, "mirror") || strings.Contains(f.notes[0].Body, "cannot be shown") {
		t.Errorf("the comment names what main has added, or the past:\n%s", f.notes[0].Body)
	}
}

func TestANetworkIsAdded(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("admit", func() { r.admit(); r.generate() })
	if done := pull(r, f, "admit"); done.code != 0 {
		t.Errorf("exit code %d:\n%s", done.code, done.log)
	}
	contains(t, "the comment", f.only(t), "edi", "198.51.100.0/24", "2121", r.ports("main", "edi"))
	if strings.Contains(f.notes[0].Body, r.ports("main", "downloads")) {
		t.Errorf("the comment names a range that has not changed:\n%s", f.notes[0].Body)
	}
}

func TestMistakesAreAnnotations(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("zero", func() { r.replace(specFile, "sessions = 40", "sessions = 0") })
	done := pull(r, f, "zero")
	if done.code != 1 || len(done.commands) != 1 {
		t.Fatalf("exit code %d, commands %v:\n%s", done.code, done.commands, done.log)
	}
	r.git("checkout", "-q", "zero")
	contains(t, "the annotation", done.commands[0].String(), "error (", "file="+specFile+",", fmt.Sprintf(" line=%d,", r.line(specFile, "sessions = 0")))
	validated, _, _ := strings.Cut(done.log, "== pasvctl fmt")
	contains(t, "the log", validated, "sessions = 0", "ftp sites has 1 error")
	contains(t, "the comment", f.only(t), "**The change cannot be shown**", "    ", "sessions = 0")
}

func TestLayoutIsADifference(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("layout", func() { r.replace(specFile, "  port   = 21\n", "  port = 21\n") })
	done := pull(r, f, "layout")
	if done.code != 2 {
		t.Errorf("exit code %d:\n%s", done.code, done.log)
	}
	contains(t, "the log", done.log, "\n-  port = 21\n+  port   = 21\n")
}

// TestForks: a fork's token may only read, and no token is less.
func TestForks(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.branch("admit", func() { r.admit(); r.generate() })
	for name, fork := range map[string]func(*job){
		"read-only": func(j *job) { j.token = reader },
		"no token":  func(j *job) { j.change = func(inputs map[string]string) { inputs["token"] = "" } },
		"API down":  func(j *job) { j.forge.broken = true; j.change = func(in map[string]string) { in["archive"] = "" } },
		"no network": func(j *job) {
			j.env = []string{"http_proxy=http://127.0.0.1:9"}
			j.change = func(in map[string]string) { in["archive"] = "" }
		},
	} {
		j := job{T: t, repository: r.merged("admit"), base: r.git("rev-parse", "main"), token: writer, forge: newForge(t)}
		fork(&j)
		done := j.run()
		if done.code != 0 || len(j.forge.notes) != 0 {
			t.Errorf("%s: exit code %d, comments %v:\n%s", name, done.code, j.forge.notes, done.log)
		}
		contains(t, name+": the summary", done.summary, "198.51.100.0/24")
		contains(t, name+": the log", done.log, "no comment was written: what changes is in the job's summary")
	}
}

// TestTheFirstSpec: there is none in the commit that it is compared with.
func TestTheFirstSpec(t *testing.T) {
	t.Parallel()
	r, f := withoutSpec(t), newForge(t)
	r.branch("first", func() {
		r.write(specFile, downloads+edi)
		r.generate()
	})
	if done := pull(r, f, "first"); done.code != 0 {
		t.Errorf("exit code %d:\n%s", done.code, done.log)
	}
	contains(t, "the comment", f.only(t), "downloads", r.ports("first", "downloads"), "edi", r.ports("first", "edi"), "new")
}

// TestAMistakeIsMended: the commit that it is compared with cannot be planned.
func TestAMistakeIsMended(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.replace(specFile, "sessions = 40", "sessions = 0")
	r.commit("break it")
	r.branch("mend", func() { r.replace(specFile, "sessions = 0", "sessions = 40") })
	if done := pull(r, f, "mend"); done.code != 0 || len(done.commands) != 0 {
		t.Errorf("exit code %d, commands %v:\n%s", done.code, done.commands, done.log)
	}
	contains(t, "the comment", f.only(t), "**The change cannot be shown**", "sessions = 0")
}

// TestTwoSpecs, of which one is named by its file, have a comment each.
func TestTwoSpecs(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("admit", func() { r.admit(); r.generate() })
	pull(r, f, "admit")
	file := func(inputs map[string]string) { inputs["spec"] = specFile }
	done := job{T: t, repository: r.merged("admit"), base: r.git("rev-parse", "main"), token: writer, forge: f, change: file}.run()
	if done.code != 0 || len(f.notes) != 2 {
		t.Fatalf("exit code %d, %v:\n%s", done.code, f.notes, done.log)
	}
	contains(t, "the second comment", f.notes[1].Body, "### pasvctl: `ftp sites/edge.pasv.hcl`", "198.51.100.0/24")
}

// TestSinceTheCommonCommit: what main has changed meanwhile is not this branch's.
func TestSinceTheCommonCommit(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("admit", func() { r.admit(); r.generate() })
	r.write(folder+"/mirror.pasv.hcl", added("mirror", 2321))
	r.generate()
	r.commit("add mirror")
	done := job{T: t, repository: r.clone("admit"), base: r.git("rev-parse", "main"), token: writer, forge: f}.run()
	if done.code != 0 {
		t.Errorf("exit code %d:\n%s", done.code, done.log)
	}
	contains(t, "the comment", f.only(t), "198.51.100.0/24")
	if strings.Contains(f.notes[0].Body, "mirror") {
		t.Errorf("the comment names what main has added:\n%s", f.notes[0].Body)
	}
}

func TestAShallowClone(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("admit", func() { r.admit(); r.generate() })
	shallow := repository{t, filepath.Join(t.TempDir(), "clone")}
	r.git("clone", "-q", "--depth", "1", "--branch", "admit", "file://"+r.dir, shallow.dir)
	done := job{T: t, repository: shallow, base: r.git("rev-parse", "main"), token: writer, forge: f}.run()
	if done.code != 1 || len(f.notes) != 0 {
		t.Errorf("exit code %d, %v:\n%s", done.code, f.notes, done.log)
	}
	contains(t, "the log", done.log, "is valid: 2 sites", "GitHub: fetch-depth: 0")
}

// TestOtherChanges: a pull request that leaves the spec alone gets no comment.
func TestOtherChanges(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("words", func() { r.write("notes.txt", "words\n") })
	if done := pull(r, f, "words"); done.code != 0 || len(f.notes) != 0 {
		t.Errorf("exit code %d, %v:\n%s", done.code, f.notes, done.log)
	}
}

func TestAPush(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("grow", r.grow)
	for branch, want := range map[string]int{"main": 0, "grow": 2} {
		if done := (job{T: t, repository: r.clone(branch), token: writer, forge: f}).run(); done.code != want || len(f.notes) != 0 {
			t.Errorf("%s: exit code %d, %v:\n%s", branch, done.code, f.notes, done.log)
		}
	}
}

// TestManyComments has those of others on the first two pages. One of them starts as
// the action's comment does.
func TestManyComments(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("admit", func() { r.admit(); r.generate() })
	pull(r, f, "admit")
	marker, _, _ := strings.Cut(f.only(t), "\n")
	f.notes = nil
	f.add("mallory", marker+"\nmine")
	f.add(bot, "another action's\n"+marker)
	for range 248 {
		f.add("grace", "words")
	}
	for range 2 {
		if done := pull(r, f, "admit"); done.code != 0 {
			t.Errorf("exit code %d:\n%s", done.code, done.log)
		}
	}
	if len(f.notes) != 251 || f.notes[0].Body != marker+"\nmine" || f.notes[1].Body != "another action's\n"+marker || f.notes[250].User.Login != bot {
		t.Errorf("%d comments, the first %+v", len(f.notes), f.notes[:2])
	}
	contains(t, "the comment", f.notes[250].Body, marker, "198.51.100.0/24")
}

// TestALargeChange exceeds what GitHub takes as a comment.
func TestALargeChange(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("large", func() {
		for i := range 300 {
			r.write(fmt.Sprintf("%s/s%d.pasv.hcl", folder, i), added(fmt.Sprintf("customer-of-long-name%d", i), 3000+i))
		}
		r.run("rm", "-r", folder+"/out") // 302 sites are too many for a target
		r.generate()
	})
	if done := pull(r, f, "large"); done.code != 0 {
		t.Errorf("exit code %d:\n%s", done.code, done.log)
	}
	if body := f.only(t); len(body) < 30_000 {
		t.Errorf("only %d bytes", len(body))
	}
}

func TestOnlyThePinnedArchive(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	for name, change := range map[string]func(map[string]string){
		"another checksum": func(in map[string]string) { in["sha256"] = strings.Repeat("0", 64) },
		"no checksum":      func(in map[string]string) { in["sha256"] = "" },
		"no such archive":  func(in map[string]string) { in["archive"] += ".old" },
	} {
		done := job{T: t, repository: r.clone("main"), token: writer, forge: f, change: change}.run()
		if done.code != 1 || strings.Contains(done.log, "pasvctl version") || strings.Contains(done.log, "== pasvctl") {
			t.Errorf("%s: exit code %d:\n%s", name, done.code, done.log)
		}
	}
	// The archive is what runs, and not what is on PATH.
	old := t.TempDir()
	if err := os.WriteFile(old+"/pasvctl", []byte("#!/bin/sh\necho old\nexit 9\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if done := (job{T: t, repository: r.clone("main"), token: writer, forge: f, env: []string{"PATH=" + old + ":" + os.Getenv("PATH")}}).run(); done.code != 0 {
		t.Errorf("exit code %d:\n%s", done.code, done.log)
	}
	none := func(in map[string]string) { in["archive"] = "" }
	done := job{T: t, repository: r.clone("main"), token: writer, forge: f, change: none, env: []string{"PATH=/usr/bin:/bin"}}.run()
	if done.code != 1 || !strings.Contains(done.log, "pasvctl is not on PATH: install it, or name a release's archive and its sha256") {
		t.Errorf("exit code %d:\n%s", done.code, done.log)
	}
}

// TestTheTokenStays: no program gets it in its environment or arguments.
func TestTheTokenStays(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("admit", func() { r.admit(); r.generate() })
	spies, seen := t.TempDir(), filepath.Join(t.TempDir(), "seen")
	for _, name := range []string{"pasvctl", "git", "curl", "jq"} {
		real, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		script := fmt.Sprintf("#!/bin/sh\n{ echo %s \"$@\"; env; } >>%s\nexec %s \"$@\"\n", name, seen, real)
		if err := os.WriteFile(filepath.Join(spies, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	none := func(in map[string]string) { in["archive"] = "" }
	done := job{T: t, repository: r.merged("admit"), base: r.git("rev-parse", "main"), token: writer, forge: f, change: none,
		env: []string{"PATH=" + spies + ":" + os.Getenv("PATH")}}.run()
	contains(t, "the comment", f.only(t), "198.51.100.0/24")
	contains(t, "the log", readFile(t, seen), "pasvctl validate", "git merge-base", "curl --config", "jq -r")
	if strings.Contains(readFile(t, seen)+done.log, writer) {
		t.Error("a program is given the token")
	}
}

// TestAFolderNamedAsTheCommit would be compared with instead of the commit.
func TestAFolderNamedAsTheCommit(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	base := r.git("rev-parse", "main")
	r.branch("admit", func() {
		r.admit()
		r.generate()
		r.run("cp", "-r", folder, base)
	})
	done := pull(r, f, "admit")
	if done.code != 1 || len(f.notes) != 0 {
		t.Errorf("exit code %d, %v:\n%s", done.code, f.notes, done.log)
	}
	contains(t, "the log", done.log, "a file or folder is named "+base)
}

// TestAnotherOwner is a job in a container, whose user does not own the clone.
func TestAnotherOwner(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("admit", func() { r.admit(); r.generate() })
	clone := r.merged("admit")
	if os.Geteuid() == 0 {
		clone.run("chown", "-R", "65534:65534", ".")
	}
	if done := (job{T: t, repository: clone, base: r.git("rev-parse", "main"), token: writer, forge: f}).run(); done.code != 0 {
		t.Errorf("exit code %d:\n%s", done.code, done.log)
	}
	contains(t, "the comment", f.only(t), "198.51.100.0/24")
}
