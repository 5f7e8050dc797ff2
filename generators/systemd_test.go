package generators

import (
	"path"
	"testing"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// renderUnits renders the units of a host whose site is not the daemon's.
// renderUnits renders the units of a host by name.
func renderUnits(t *testing.T, program string) map[string]string {
	t.Helper()
	p := &plan.Plan{SpecName: "boot", Hosts: []*plan.Host{{Host: &spec.Host{Name: "edge1"}}}}
	files, diags := (&systemd{Program: program, Spec: "/etc/pasvctl", User: "ftp"}).Files(p)
	if diags.HasErrors() || len(files) != 4 {
		t.Fatal(files, diags)
	}
	units := map[string]string{}
	for _, f := range files {
		units[path.Base(f.Path)] = string(f.Content)
	}
	return units
}

func TestSystemdRefusesPathsThatAUnitReadsOtherwise(t *testing.T) {
	for _, program := range []string{"", "pasvctl", "/usr/bin/pasv ctl", "/usr/bin/%h", "/usr/bin/a\nExecStop=/bin/b", "/", "/usr//bin/pasvctl", "-/usr/bin/pasvctl"} {
		if _, diags := (&systemd{Program: program, Spec: "/etc/pasvctl", User: "ftp"}).Files(&plan.Plan{}); !diags.HasErrors() {
			t.Errorf("%q passed", program)
		}
	}
}
