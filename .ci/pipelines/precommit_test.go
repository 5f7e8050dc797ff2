package pipelines

import (
	"os/exec"
	"strings"
	"testing"
)

// hooks runs a program that runs the hooks, with their own folder for what
// pre-commit keeps.
func (r repository) hooks(name string, args ...string) (string, bool) {
	r.Helper()
	c := exec.CommandContext(r.Context(), name, args...)
	c.Dir = r.dir
	c.Env = environment(r.T, "GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.net", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.net")
	out, err := c.CombinedOutput()
	return string(out), err == nil
}

func TestPreCommitRun(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	out, passed := r.hooks("pre-commit", "run", "--all-files")
	if !passed || strings.Count(out, "Passed") != 3 {
		t.Error(out)
	}
	for name, c := range map[string]struct {
		change func()
		want   []string
	}{
		"layout":    {func() { r.replace(specFile, "  port   = 21\n", "  port = 21\n") }, []string{"pasvctl-fmt", "files were modified by this hook", specFile}},
		"mistake":   {func() { r.replace(specFile, "sessions = 40", "sessions = 0") }, []string{"pasvctl-validate", "edge.pasv.hcl line 11", "exit code: 1"}},
		"forgotten": {func() { r.grow() }, []string{"pasvctl-generate", "exit code: 2", "+  data_ports = ", "run pasvctl generate without --check"}},
	} {
		c.change()
		out, passed := r.hooks("pre-commit", "run", "--all-files")
		if passed {
			t.Errorf("%s passes:\n%s", name, out)
		}
		contains(t, name, out, c.want...)
		r.git("checkout", "-q", "--", ".")
	}
}

func TestPreCommitInstalled(t *testing.T) {
	t.Parallel()
	r := newRepository(t)
	r.conflict("media")
	if out, ok := r.hooks("pre-commit", "install"); !ok {
		t.Fatal(out)
	}
	commit := func() (string, bool) {
		r.git("add", "-A")
		return r.hooks("git", "commit", "-m", "change")
	}

	r.git("checkout", "-q", "-b", "grow")
	r.grow()
	out, committed := commit()
	if committed {
		t.Error("committed without the generated files")
	}
	contains(t, "the hook", out, "pasvctl-generate", "exit code: 2")
	r.generate()
	if out, committed := commit(); !committed {
		t.Error(out)
	}

	// git commits a conflict that is added with its markers.
	r.git("checkout", "-q", "media")
	r.write(folder+"/notes.txt", "words\n")
	out, committed = commit()
	if committed {
		t.Error("committed a lock with a conflict")
	}
	contains(t, "the hook", out, "pasvctl-validate", "pasvctl.lock.hcl line", "git checkout BRANCH", "exit code: 1")
	r.run("git", "reset", "-q", "--hard")

	// The hooks do not run for what has nothing to do with the spec.
	r.write("notes.txt", "words\n")
	if out, committed := commit(); !committed || strings.Count(out, "Skipped") != 3 {
		t.Error(out)
	}
}
