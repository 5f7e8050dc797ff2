package generators

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/needs"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// analyzed is what systemd itself says of units, by their names.
func analyzed(t *testing.T, units map[string]string) string {
	t.Helper()
	analyze := needs.Tool(t, "systemd-analyze")
	dir := t.TempDir()
	args := []string{"verify", "--man=no"}
	for name, content := range units {
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, at)
	}
	out, err := exec.Command(analyze, args...).CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return string(out)
}

func TestSystemdTakesTheUnit(t *testing.T) {
	const name = "pasvctl-rules.service"
	unit := string(renderUnit(t, "/bin/true"))
	if out := analyzed(t, map[string]string{name: unit}); strings.Contains(out, "pasvctl-rules") {
		t.Error(out)
	}
	broken := strings.Replace(unit, "Type=oneshot", "Type=once", 1)
	if out := analyzed(t, map[string]string{name: broken}); !strings.Contains(out, "pasvctl-rules") {
		t.Errorf("a broken unit passed:\n%s", out)
	}
}

func renderUnit(t *testing.T, program string) []byte {
	t.Helper()
	p := &plan.Plan{SpecName: "boot", Hosts: []*plan.Host{{Host: &spec.Host{Name: "edge1"}}}}
	files, diags := (&systemd{Program: program, Spec: "/etc/pasvctl", User: "ftp"}).Files(p)
	if diags.HasErrors() || len(files) != 1 {
		t.Fatal(files, diags)
	}
	return files[0].Content
}

func TestSystemdRefusesPathsThatAUnitReadsOtherwise(t *testing.T) {
	for _, program := range []string{"", "pasvctl", "/usr/bin/pasv ctl", "/usr/bin/%h", "/usr/bin/a\nExecStop=/bin/b", "/", "/usr//bin/pasvctl", "-/usr/bin/pasvctl"} {
		if _, diags := (&systemd{Program: program, Spec: "/etc/pasvctl", User: "ftp"}).Files(&plan.Plan{}); !diags.HasErrors() {
			t.Errorf("%q passed", program)
		}
	}
}
