package generators

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/plan"
)

func TestSystemdRefusesWhatAUnitCannotHold(t *testing.T) {
	for _, s := range []systemd{
		{Spec: "etc", User: "ftp"},
		{Spec: "/etc/%h", User: "ftp"},
		{Spec: "/etc/pasvctl", User: "root"},
		{Spec: "/etc/pasvctl", User: ""},
		{Spec: "/etc/pasvctl", User: "ftp\nExecStart=/bin/sh"},
	} {
		s.Program = "/usr/bin/pasvctl"
		if files, diags := s.Files(&plan.Plan{}); !diags.HasErrors() || files != nil {
			t.Errorf("%q passed", s)
		}
	}
}

// The unit of a site with foreign_data, whose daemon does not hand over, offers
// no reload.
func TestUnitOfASiteWithForeignDataRestarts(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		p, diags := loadText("x.pasv.hcl", strings.Replace(foreignSite("embedded", ""), "foreign_data = true", fmt.Sprint("foreign_data = ", foreign), 1)+
			"target \"systemd\" {}\n")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		files, diags := p.Files()
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		found := false
		for _, f := range files {
			if strings.Contains(string(f.Content), "pasvctl serve ") {
				found = true
				if reloads := strings.Contains(string(f.Content), "ExecReload="); reloads == foreign {
					t.Errorf("foreign_data = %v:\n%s", foreign, f.Content)
				}
			}
		}
		if !found {
			t.Error("no unit runs the daemon")
		}
	}
}
