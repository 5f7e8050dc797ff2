package pipelines

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// pipeline is one run of gitlab-ci-local, which reads .gitlab-ci.yml with what it
// includes, decides by the rules which jobs run, and runs their scripts in a shell.
type pipeline struct {
	repository // the clone that it runs in
	output     string
	passed     bool
}

func gitlab(t *testing.T) string {
	t.Helper()
	program, err := filepath.Abs("node_modules/.bin/gitlab-ci-local")
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// pipeline runs that of a branch's merge request, or of a push if base is empty.
func (r repository) pipeline(f *forge, branch, base, token string, more ...string) pipeline {
	r.Helper()
	clone := r.clone(branch)
	variables := []string{"CI_API_V4_URL=" + f.URL, "PASVCTL_TOKEN=" + token, "CI_DEFAULT_BRANCH=main", "CI_COMMIT_BRANCH=" + branch, "CI_PIPELINE_SOURCE=push",
		"PASVCTL_ARCHIVE=" + f.URL + "/pasvctl-linux.tar.gz", "PASVCTL_SHA256=" + checksum}
	if base != "" {
		variables = append(variables, "CI_PIPELINE_SOURCE=merge_request_event", "CI_COMMIT_BRANCH=", "CI_MERGE_REQUEST_DIFF_BASE_SHA="+base,
			"CI_MERGE_REQUEST_PROJECT_ID=42", "CI_MERGE_REQUEST_IID=7")
	}
	args := []string{"--force-shell-executor", "--no-color"}
	for _, v := range append(variables, more...) {
		args = append(args, "--variable", v)
	}
	c := exec.CommandContext(r.Context(), gitlab(r.T), args...)
	c.Dir = clone.dir
	c.Env = environment(r.T, "TMPDIR="+r.TempDir())
	out, err := c.CombinedOutput()
	return pipeline{clone, string(out), err == nil}
}

// finding is an entry of a Code Quality report.
type finding struct {
	Description string
	CheckName   string `json:"check_name"`
	Fingerprint string
	Severity    string
	Location    struct {
		Path  string
		Lines struct{ Begin int }
	}
}

func (p pipeline) findings() (found []finding) {
	p.Helper()
	if err := json.Unmarshal([]byte(p.read("gl-code-quality-report.json")), &found); err != nil || found == nil {
		p.Errorf("Code Quality report: %v: %s", err, p.read("gl-code-quality-report.json"))
	}
	return found
}

func TestGitLabMove(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("grow", func() { r.grow(); r.generate() })
	base := r.git("rev-parse", "main")
	for range 2 { // the second updates the note of the first
		p := r.pipeline(f, "grow", base, writer)
		if !p.passed || len(p.findings()) != 0 {
			t.Error(p.output)
		}
		contains(t, "the note", f.only(t), "downloads", r.ports("main", "downloads"), r.ports("grow", "downloads"))
		contains(t, "the artifact", p.read("pasvctl-change.md"), r.ports("main", "downloads"), r.ports("grow", "downloads"))
	}

	r.branch("forgotten", r.grow)
	p := r.pipeline(newForge(t), "forgotten", base, "")
	if p.passed || !strings.Contains(p.output, "FAIL 2 ") {
		t.Error(p.output)
	}
	contains(t, "the log", p.output, `-  data_ports = "`+r.ports("main", "downloads")+`"`, `+  data_ports = "`+r.ports("grow", "downloads")+`"`,
		"what changes is in the job's artifact pasvctl-change.md")
	contains(t, "the artifact", p.read("pasvctl-change.md"), r.ports("grow", "downloads"), "**The committed files are not those of the spec.**")
}

func TestGitLabConflict(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.conflict("media")
	p := r.pipeline(f, "media", r.git("rev-parse", "main"), writer)
	if p.passed || !strings.Contains(p.output, "FAIL 1 ") {
		t.Error(p.output)
	}
	found := p.findings()
	if len(found) != 1 {
		t.Fatal(found)
	}
	if c := found[0]; c.CheckName != "lock-damaged" || c.Severity != "major" || c.Fingerprint == "" || c.Location.Path != lockFile ||
		c.Location.Lines.Begin != p.line(lockFile, "<<<<<<< ") || !strings.Contains(c.Description, "git checkout BRANCH -- pasvctl.lock.hcl") {
		t.Errorf("%+v", c)
	}
	contains(t, "the note", f.only(t), "**The change cannot be shown**", "git checkout BRANCH -- pasvctl.lock.hcl")
}

func TestGitLabNetwork(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.branch("admit", func() { r.admit(); r.generate() })
	base := r.git("rev-parse", "main")
	for token, notes := range map[string]int{writer: 1, reader: 0, "": 0} {
		f := newForge(t)
		p := r.pipeline(f, "admit", base, token)
		if !p.passed || len(f.notes) != notes {
			t.Error(token, f.notes, p.output)
		}
		contains(t, "the artifact", p.read("pasvctl-change.md"), "edi", "198.51.100.0/24", "2121", r.ports("main", "edi"))
	}
}

// TestGitLabMergedResult: a pipeline of the merge of both branches has the target
// branch's commit, which is then the one to compare with.
func TestGitLabMergedResult(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	base := r.git("rev-parse", "main")
	r.branch("admit", func() { r.admit() })
	r.write(folder+"/mirror.pasv.hcl", added("mirror", 2321))
	r.generate()
	r.commit("add mirror")
	r.branch("result", func() {
		r.git("merge", "-q", "--no-commit", "--no-ff", "admit")
		r.generate()
	})
	p := r.pipeline(f, "result", base, writer, "CI_MERGE_REQUEST_TARGET_BRANCH_SHA="+r.git("rev-parse", "main"))
	if !p.passed {
		t.Error(p.output)
	}
	contains(t, "the note", f.only(t), "198.51.100.0/24")
	if strings.Contains(f.notes[0].Body, "mirror") {
		t.Error(f.notes[0].Body)
	}
}

func TestGitLabPush(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	p := r.pipeline(f, "main", "", writer)
	if !p.passed || len(f.notes) != 0 || len(p.findings()) != 0 || !strings.Contains(p.output, "is valid: 2 sites on 1 host") {
		t.Error(f.notes, p.output)
	}
	if _, err := os.Stat(filepath.Join(p.dir, "pasvctl-change.md")); err == nil {
		t.Error("a push has a page of changes")
	}
	// There is no job for the push of another branch.
	r.branch("grow", r.grow)
	if p := r.pipeline(f, "grow", "", writer); strings.Contains(p.output, "pasvctl validate") {
		t.Error(p.output)
	}
}

// TestGitLabWithoutSpec: GitLab reads no empty report.
func TestGitLabWithoutSpec(t *testing.T) {
	t.Parallel()
	r := withoutSpec(t)
	p := r.pipeline(newForge(t), "main", "", "")
	if p.passed || len(p.findings()) != 0 {
		t.Error(p.output)
	}
	contains(t, "the log", p.output, "there is no file or folder ftp sites", "FAIL 1 ")
}

// TestGitLabLinks: a branch has links where the job writes.
func TestGitLabLinks(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	trap := filepath.Join(t.TempDir(), "trap")
	r.branch("links", func() {
		r.admit()
		r.generate()
		for _, name := range []string{"pasvctl-change.md", "gl-code-quality-report.json"} {
			if err := os.Symlink(trap, filepath.Join(r.dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	})
	p := r.pipeline(f, "links", r.git("rev-parse", "main"), "")
	if _, err := os.Lstat(trap); !p.passed || err == nil {
		t.Error("the job has written through a link", p.output)
	}
	contains(t, "the artifact", p.read("pasvctl-change.md"), "198.51.100.0/24")
}

// TestBusybox runs the script with the programs that the job's image has.
func TestBusybox(t *testing.T) {
	t.Parallel()
	r, f := newRepository(t), newForge(t)
	r.branch("admit", func() { r.admit(); r.generate() })
	path := t.TempDir()
	out, err := exec.Command("busybox", "--list").Output()
	if err != nil {
		t.Fatal(err)
	}
	links := map[string]string{}
	for applet := range strings.FieldsSeq(string(out)) {
		links[applet] = "busybox"
	}
	for _, name := range []string{"git", "curl", "jq"} {
		links[name] = name
	}
	for name, program := range links {
		at, err := exec.LookPath(program)
		if err == nil {
			err = os.Symlink(at, filepath.Join(path, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	clone := r.clone("admit")
	c := exec.Command(filepath.Join(path, "sh"), "ci/pasvctl/review.sh")
	c.Dir = clone.dir
	c.Env = []string{"HOME=" + t.TempDir(), "PATH=" + path, "TMPDIR=" + t.TempDir(), "PASVCTL_SPEC=" + folder, "PASVCTL_OUTPUT=" + folder + "/out", "PASVCTL_TOKEN=" + writer,
		"PASVCTL_ARCHIVE=" + f.URL + "/pasvctl-linux.tar.gz", "PASVCTL_SHA256=" + checksum, "CI_API_V4_URL=" + f.URL,
		"CI_MERGE_REQUEST_PROJECT_ID=42", "CI_MERGE_REQUEST_IID=7", "CI_MERGE_REQUEST_DIFF_BASE_SHA=" + r.git("rev-parse", "main")}
	if out, err := c.CombinedOutput(); err != nil || strings.Contains(string(out), "not found") {
		t.Errorf("%v\n%s", err, out)
	}
	contains(t, "the note", f.only(t), "198.51.100.0/24")
}

// TestGitLabJob looks at what gitlab-ci-local makes of the include, of which it
// heeds no depth of the clone and no report.
func TestGitLabJob(t *testing.T) {
	t.Parallel()
	c := exec.Command(gitlab(t), "--preview")
	c.Dir, c.Env = withoutSpec(t).dir, environment(t)
	out, err := c.Output()
	var file struct {
		Pasvctl struct {
			Variables map[string]string
			Artifacts struct {
				When    string
				Paths   []string
				Reports map[string]any
			}
		}
	}
	if err = errors.Join(err, yaml.Unmarshal(out, &file)); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	job := file.Pasvctl
	if job.Variables["GIT_DEPTH"] != "0" || job.Variables["PASVCTL_SPEC"] != folder || job.Artifacts.When != "always" ||
		fmt.Sprintf("%v %v", job.Artifacts.Paths, job.Artifacts.Reports["codequality"]) != "[pasvctl-change.md] gl-code-quality-report.json" {
		t.Errorf("%+v", job)
	}
}

// TestGitLabSchema: gitlab-ci-local compares the files with GitLab's own schema.
func TestGitLabSchema(t *testing.T) {
	t.Parallel()
	r := withoutSpec(t)
	file := r.read("ci/pasvctl/gitlab.yml")
	for change, want := range map[string]bool{"stage: test": true, "stagee: test": false} {
		r.write("ci/pasvctl/gitlab.yml", strings.Replace(file, "stage: test", change, 1))
		c := exec.Command(gitlab(t), "--list", "--json-schema-validation")
		c.Dir = r.dir
		c.Env = environment(t)
		out, err := c.CombinedOutput()
		if got := err == nil; got != want {
			t.Errorf("%s: %v", change, fmt.Sprint(err, string(out)))
		}
	}
}
