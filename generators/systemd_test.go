package generators

import (
	"testing"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// renderUnits renders the units of a host whose site is not the daemon's.
func renderUnits(t *testing.T, program string) (rules, sets string) {
	t.Helper()
	p := &plan.Plan{SpecName: "boot", Hosts: []*plan.Host{{Host: &spec.Host{Name: "edge1"}}}}
	files, diags := (&systemd{Program: program, Spec: "/etc/pasvctl", User: "ftp"}).Files(p)
	if diags.HasErrors() || len(files) != 2 {
		t.Fatal(files, diags)
	}
	return string(files[0].Content), string(files[1].Content)
}

func TestSystemdRefusesPathsThatAUnitReadsOtherwise(t *testing.T) {
	for _, program := range []string{"", "pasvctl", "/usr/bin/pasv ctl", "/usr/bin/%h", "/usr/bin/a\nExecStop=/bin/b", "/", "/usr//bin/pasvctl", "-/usr/bin/pasvctl"} {
		if _, diags := (&systemd{Program: program, Spec: "/etc/pasvctl", User: "ftp"}).Files(&plan.Plan{}); !diags.HasErrors() {
			t.Errorf("%q passed", program)
		}
	}
}
