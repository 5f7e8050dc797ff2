package generators

import (
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
