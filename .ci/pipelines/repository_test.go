// Package pipelines runs examples/ci for real, on a repository that git makes in
// the test: the GitHub action as actionlint reads it, the GitLab job with
// gitlab-ci-local, and the hooks with pre-commit.
package pipelines

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// examples is the folder that users copy to ci/pasvctl.
const examples = "../../examples/ci"

// The program under test, and a release's archive of it.
var tools, archive, checksum string

func TestMain(m *testing.M) {
	code, err := prepared(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func prepared(m *testing.M) (int, error) {
	work, err := os.MkdirTemp("", "pipelines-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(work)
	tools, archive = filepath.Join(work, "bin"), filepath.Join(work, "pasvctl-linux.tar.gz")
	out, err := exec.Command("go", "build", "-C", "../..", "-o", tools+"/", "./cmd/pasvctl").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	if checksum, err = pack(filepath.Join(tools, "pasvctl"), archive); err != nil {
		return 0, err
	}
	if err := os.Setenv("PATH", tools+":"+os.Getenv("PATH")); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// pack writes an archive as a release has it, and returns its SHA-256.
func pack(program, to string) (string, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	file, err := os.Create(to)
	if err != nil {
		return "", err
	}
	defer file.Close()
	z, err := gzip.NewWriterLevel(file, gzip.BestSpeed)
	if err != nil {
		return "", err
	}
	a := tar.NewWriter(z)
	if err := a.WriteHeader(&tar.Header{Name: "pasvctl", Mode: 0o755, Size: int64(len(text))}); err != nil {
		return "", err
	}
	if _, err := a.Write(text); err != nil {
		return "", err
	}
	if err := a.Close(); err != nil {
		return "", err
	}
	if err := z.Close(); err != nil {
		return "", err
	}
	packed, err := os.ReadFile(to)
	return fmt.Sprintf("%x", sha256.Sum256(packed)), err
}

const (
	folder   = "ftp sites"
	specFile = folder + "/edge.pasv.hcl"
	lockFile = folder + "/pasvctl.lock.hcl"

	downloads = `host "edge1" {
  addresses = ["203.0.113.10"]
}

site "downloads" {
  host   = "edge1"
  server = "vsftpd"
  port   = 21

  concurrency {
    sessions = 40
  }
}
`
	edi = `
site "edi" {
  host    = "edge1"
  server  = "proftpd"
  port    = 2121
  clients = ["192.0.2.0/24"]

  concurrency {
    sessions = 20
  }
}
`
)

// added is a spec file of one more site.
func added(name string, port int) string {
	return fmt.Sprintf("site %q {\n  host   = \"edge1\"\n  server = \"vsftpd\"\n  port   = %d\n\n  concurrency {\n    sessions = 10\n  }\n}\n", name, port)
}

// repository is a clone, or where clones come from.
type repository struct {
	*testing.T
	dir string
}

// withoutSpec is a repository that has adopted examples/ci and has no spec yet.
func withoutSpec(t *testing.T) repository {
	t.Helper()
	r := repository{t, t.TempDir()}
	r.git("init", "-q", "-b", "main")
	if err := os.CopyFS(filepath.Join(r.dir, "ci/pasvctl"), os.DirFS(examples)); err != nil {
		t.Fatal(err)
	}
	r.adopt("github-workflow.yml", ".github/workflows/pasvctl.yml", "output: ftp/out", "output: ftp sites/out", "spec: ftp", "spec: ftp sites")
	r.adopt("gitlab-ci.yml", ".gitlab-ci.yml", "ftp/out", "ftp sites/out", "SPEC: ftp", "SPEC: ftp sites")
	r.adopt("pre-commit-config.yaml", ".pre-commit-config.yaml",
		"generate ftp -o ftp/out", `generate "ftp sites" -o "ftp sites/out"`, "validate ftp", `validate "ftp sites"`, "^ftp/", "^ftp sites/")
	r.commit("adopt examples/ci")
	return r
}

// newRepository has a spec and what it generates on its branch main.
func newRepository(t *testing.T) repository {
	t.Helper()
	r := withoutSpec(t)
	r.write(specFile, downloads+edi)
	r.generate()
	r.commit("a spec of two sites")
	return r
}

// adopt copies an example to where its reader looks for it, with this repository's
// names, each of which must be in it.
func (r repository) adopt(name, to string, names ...string) {
	r.Helper()
	text := r.read("ci/pasvctl/" + name)
	for i := 0; i < len(names); i += 2 {
		if !strings.Contains(text, names[i]) {
			r.Fatalf("%s has no %q", name, names[i])
		}
		text = strings.ReplaceAll(text, names[i], names[i+1])
	}
	r.write(to, text)
}

func (r repository) run(name string, args ...string) string {
	r.Helper()
	c := exec.CommandContext(r.Context(), name, args...)
	c.Dir = r.dir
	c.Env = environment(r.T, "GIT_AUTHOR_DATE=2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2026-01-01T00:00:00Z")
	out, err := c.CombinedOutput()
	if err != nil {
		r.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r repository) git(args ...string) string {
	r.Helper()
	return r.run("git", append([]string{"-c", "user.name=Ada", "-c", "user.email=ada@example.net"}, args...)...)
}

func (r repository) commit(message string) {
	r.Helper()
	r.git("add", "-A")
	r.git("commit", "-q", "--no-verify", "-m", message)
}

func (r repository) generate() {
	r.Helper()
	r.run("pasvctl", "generate", folder, "-o", folder+"/out")
}

func (r repository) read(name string) string {
	r.Helper()
	text, err := os.ReadFile(filepath.Join(r.dir, name))
	if err != nil {
		r.Fatal(err)
	}
	return string(text)
}

func (r repository) write(name, text string) {
	r.Helper()
	at := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		r.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		r.Fatal(err)
	}
}

// replace changes a file, which must have the old text.
func (r repository) replace(name, old, text string) {
	r.Helper()
	was := r.read(name)
	if !strings.Contains(was, old) {
		r.Fatalf("%s has no %q", name, old)
	}
	r.write(name, strings.Replace(was, old, text, 1))
}

// branch makes a branch of main with what change does, and returns to main.
func (r repository) branch(name string, change func()) {
	r.Helper()
	r.git("checkout", "-q", "-b", name, "main")
	change()
	r.commit(name)
	r.git("checkout", "-q", "main")
}

// clone is what a job gets: the whole history, at HEAD of a branch.
func (r repository) clone(branch string) repository {
	r.Helper()
	to := repository{r.T, filepath.Join(r.TempDir(), "clone")}
	r.git("clone", "-q", "--branch", branch, "file://"+r.dir, to.dir)
	return to
}

// line is the number of the first line of a file that starts with text.
func (r repository) line(name, text string) int {
	r.Helper()
	for i, line := range strings.Split(r.read(name), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), text) {
			return i + 1
		}
	}
	r.Fatalf("%s has no line %q", name, text)
	return 0
}

// ports are the range that a branch's lock gives a site.
func (r repository) ports(branch, site string) string {
	r.Helper()
	_, block, _ := strings.Cut(r.git("show", branch+":"+lockFile), fmt.Sprintf("site %q {", site))
	_, value, _ := strings.Cut(block, `data_ports = "`)
	value, _, ok := strings.Cut(value, `"`)
	if !ok {
		r.Fatalf("%s has no range of %s", branch, site)
	}
	return value
}

// environment is that of a job: nothing of this machine's but where programs are.
func environment(t *testing.T, more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8"}, more...)
}

// What the branches of pull requests do.

// grow lets a site's range move, because its neighbour is in the way.
func (r repository) grow() { r.Helper(); r.replace(specFile, "sessions = 40", "sessions = 60") }

// admit lets another network into a site.
func (r repository) admit() {
	r.Helper()
	r.replace(specFile, `["192.0.2.0/24"]`, `["192.0.2.0/24", "198.51.100.0/24"]`)
}

// conflict makes a branch that adds a site, merges main, which has added another
// one, and commits git's markers.
func (r repository) conflict(name string) {
	r.Helper()
	r.branch(name, func() {
		r.write(folder+"/media.pasv.hcl", added("media", 2221))
		r.generate()
	})
	r.write(folder+"/mirror.pasv.hcl", added("mirror", 2321))
	r.generate()
	r.commit("add mirror")
	r.git("checkout", "-q", name)
	c := exec.Command("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.net", "merge", "main")
	c.Dir, c.Env = r.dir, environment(r.T)
	if out, err := c.CombinedOutput(); err == nil || !strings.Contains(string(out), "CONFLICT (content): Merge conflict in "+lockFile) {
		r.Fatalf("%v: %s", err, out)
	}
	r.commit("merge main")
	r.git("checkout", "-q", "main")
}
