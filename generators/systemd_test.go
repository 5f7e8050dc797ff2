package generators

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/needs"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// systemd itself reads the unit and finds nothing to complain about.
func TestSystemdTakesTheUnit(t *testing.T) {
	analyze := needs.Tool(t, "systemd-analyze")
	unit := renderUnit(t, "/bin/true")
	name := filepath.Join(t.TempDir(), "pasvctl-rules.service")
	if err := os.WriteFile(name, unit, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(analyze, "verify", "--man=no", name).CombinedOutput()
	if err != nil || strings.Contains(string(out), "pasvctl-rules") {
		t.Errorf("%v\n%s", err, out)
	}
	broken := strings.Replace(string(unit), "Type=oneshot", "Type=once", 1)
	if err := os.WriteFile(name, []byte(broken), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, _ := exec.Command(analyze, "verify", "--man=no", name).CombinedOutput(); !strings.Contains(string(out), "pasvctl-rules") {
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
