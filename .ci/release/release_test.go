package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"debug/elf"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// folder is where the release of all tests is.
var folder string

func TestMain(m *testing.M) {
	var err error
	if folder, err = os.MkdirTemp("", "release-test-"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// made is what `make release` does, in a clone of its own: once for all tests.
var made = sync.OnceValues(func() (said string, err error) {
	return makeIn(filepath.Join(folder, "clone"), filepath.Join(folder, "out"), "")
})

// makeIn makes a release in a new clone, after some commands of the shell.
func makeIn(clone, out, first string) (string, error) {
	c := exec.Command("unshare", "--uts", "--", "bash", "-euc", `git clone -q --no-tags ../.. "$1"; `+first+`
		cd "$1/.ci/release"; go run . "$2"`, "bash", clone, out)
	said, err := c.CombinedOutput()
	return string(said), err
}

func theRelease(t *testing.T) (clone, out string) {
	t.Helper()
	if said, err := made(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return filepath.Join(folder, "clone"), filepath.Join(folder, "out")
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Another folder, host name, mask, time zone and settings give the same bytes.
func TestTwoReleasesAreEqual(t *testing.T) {
	_, out := theRelease(t)
	again := t.TempDir()
	said, err := makeIn(filepath.Join(again, "elsewhere", "it is"), filepath.Join(again, "out"), `
		echo other >/proc/sys/kernel/hostname
		umask 077
		export TZ=Asia/Tokyo LC_ALL=C GOFLAGS=-buildvcs=false GOAMD64=v3 CGO_ENABLED=1 SOURCE_DATE_EPOCH=1 COLUMNS=200`)
	if err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	files, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	others, err := os.ReadDir(filepath.Join(again, "out"))
	if err != nil || len(others) != len(files) || len(files) != 11 {
		t.Fatalf("%d files and %d: %v", len(files), len(others), err)
	}
	for _, f := range files {
		if !bytes.Equal(read(t, filepath.Join(out, f.Name())), read(t, filepath.Join(again, "out", f.Name()))) {
			t.Errorf("%s differs", f.Name())
		}
	}
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = out
	if text, err := check.CombinedOutput(); err != nil || bytes.Count(text, []byte(": OK\n")) != 10 {
		t.Errorf("%v\n%s", err, text)
	}
}

// unpacked are the files of an archive, whose times are the commit's.
func unpacked(t *testing.T, path string, at time.Time) map[string][]byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(at) || h.Uid != 0 || h.Mode&0o7022 != 0 {
			t.Errorf("%s: %s is of %v, user %d, mode %o", path, h.Name, h.ModTime, h.Uid, h.Mode)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// The binaries are static, know their commit, and hold no path of this machine.
func TestBinaries(t *testing.T) {
	clone, out := theRelease(t)
	git := func(args ...string) string {
		text, err := exec.Command("git", append([]string{"-C", clone}, args...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	commit := git("rev-parse", "HEAD")
	at, err := time.Parse(time.RFC3339, git("log", "-1", "--format=%cI"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range platforms {
		archives, err := filepath.Glob(filepath.Join(out, "pasvctl-*-"+p.system+"-"+p.arch+".tar.gz"))
		if err != nil || len(archives) != 1 {
			t.Fatalf("%v: %v, %v", p, archives, err)
		}
		files := unpacked(t, archives[0], at)
		name := map[bool]string{true: "pasvctl.exe", false: "pasvctl"}[p.system == "windows"]
		binary := files[name]
		info, err := buildinfo.Read(bytes.NewReader(binary))
		if err != nil {
			t.Fatalf("%v: %v", p, err)
		}
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		for key, want := range map[string]string{
			"GOOS": p.system, "GOARCH": p.arch, "CGO_ENABLED": "0", "-trimpath": "true",
			"vcs.revision": commit, "vcs.modified": "false", "vcs.time": at.UTC().Format(time.RFC3339),
		} {
			if settings[key] != want {
				t.Errorf("%v: %s is %q, want %q", p, key, settings[key], want)
			}
		}
		for _, path := range []string{clone, os.TempDir() + "/release-", runtime.GOROOT() + "/src", "/pkg/mod/"} {
			if bytes.Contains(binary, []byte(path)) {
				t.Errorf("%v holds the path %s", p, path)
			}
		}
		for _, m := range info.Deps {
			if !bytes.Contains(files["LICENSES.txt"], []byte("\n"+m.Path+" "+m.Version+": ")) {
				t.Errorf("%v: no licence of %s", p, m.Path)
			}
		}
		if p.system != "linux" {
			continue
		}
		program, err := elf.NewFile(bytes.NewReader(binary))
		if err != nil {
			t.Fatal(err)
		}
		for _, header := range program.Progs {
			if header.Type == elf.PT_INTERP || header.Type == elf.PT_DYNAMIC {
				t.Errorf("%v is not static: %v", p, header.Type)
			}
		}
		if p.arch != runtime.GOARCH {
			continue
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, binary, 0o755); err != nil {
			t.Fatal(err)
		}
		text, err := exec.Command(path, "version", "--json").Output()
		var about struct {
			Commit string
			Time   time.Time `json:"commit_time"`
		}
		if err := json.Unmarshal(text, &about); err != nil || about.Commit != commit || !about.Time.Equal(at) {
			t.Errorf("%v: %s", err, text)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

// indented are the README's lines that start with a word and are indented.
func indented(t *testing.T, word string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^    (`+word+` .*)$`).FindAllSubmatch(read(t, "../../README.md"), -1)
	if len(m) != 1 {
		t.Fatalf("the README has %d commands of %s", len(m), word)
	}
	return string(m[0][1])
}

// TestPackages installs the deb and the rpm in the smallest Debian and does
// there what the README says: see testdata/packages.sh.
func TestPackages(t *testing.T) {
	clone, out := theRelease(t)
	next := &release{root: clone, work: t.TempDir(), out: t.TempDir()}
	all := platforms
	defer func() { platforms = all }()
	platforms = []platform{{"linux", "amd64"}}
	if err := next.prepare(); err != nil {
		t.Fatal(err)
	}
	version := next.version
	next.version += ".1"
	for _, format := range []string{"deb", "rpm"} {
		if err := next.pack(format, "amd64"); err != nil {
			t.Fatal(err)
		}
	}
	var block strings.Builder
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(read(t, "../../README.md"), -1) {
		block.Write(m[1])
	}
	if !strings.Contains(block.String(), "pasvctl serve ") {
		t.Fatalf("the README's commands:\n%s", block.String())
	}
	script(t, "packages.sh",
		"OUT="+out, "NEXT="+next.out, "VERSION="+version, "README="+strings.ReplaceAll(block.String(), "go run ./cmd/pasvctl", "pasvctl"),
		"APT="+indented(t, "apt"), "DNF="+indented(t, "dnf"), "TAR="+indented(t, "tar"))
}

// TestImage reads the image with others' tools and runs it as they would:
// see testdata/image.sh. Then its daemon serves behind Docker's rules and behind
// a proxy, over TLS and in clear text, on both families.
func TestImage(t *testing.T) {
	_, out := theRelease(t)
	daemon := filepath.Join(t.TempDir(), "pasvctl")
	script(t, "image.sh", "OUT="+out, "DAEMON="+daemon)
	c := exec.Command("go", "test", "-count=1", "-run", "^TestContainers$", "./cmd/pasvctl")
	c.Dir, c.Env = "../..", append(os.Environ(), "PASVCTL_TEST_DAEMON="+daemon, "CI=true")
	if said, err := c.CombinedOutput(); err != nil || !bytes.HasPrefix(said, []byte("ok")) {
		t.Errorf("behind Docker: %v\n%s", err, said)
	}
}

// script runs a script in namespaces of its own, in a folder of its own.
func script(t *testing.T, name string, env ...string) {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--", "bash", "-euo", "pipefail", path}
	c := exec.Command("unshare", args...)
	c.Dir = t.TempDir()
	c.Env = append(os.Environ(), append(env, "CI_FOLDER="+filepath.Dir(here))...)
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, said)
	} else {
		t.Logf("%s", said)
	}
}
