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

// systemd itself reads the units of a served site, and finds nothing to
// complain about.
func TestSystemdTakesTheUnitsOfASite(t *testing.T) {
	analyze := needs.Tool(t, "systemd-analyze")
	host := handHost("edge1", "203.0.113.10", "2001:db8::10")
	p := handPlan(handSite(host, "orders", "embedded", 21, spec.PortRange{First: 61000, Last: 61001}, nil))
	made := mustFiles(t, &systemd{Program: "/bin/true", Spec: "/etc/pasvctl", User: "ftp"}, p)
	socket := made["edge1/pasvctl-orders.socket"]
	for _, at := range []string{"203.0.113.10:21", "[2001:db8::10]:21", "203.0.113.10:61000", "[2001:db8::10]:61001"} {
		if !strings.Contains(socket, "\nListenStream="+at+"\n") {
			t.Errorf("%s is missing:\n%s", at, socket)
		}
	}
	verify := func(change func(string) string) string {
		dir := t.TempDir()
		var names []string
		for name, content := range made {
			if strings.Contains(name, "orders") {
				at := filepath.Join(dir, filepath.Base(name))
				if err := os.WriteFile(at, []byte(change(content)), 0o644); err != nil {
					t.Fatal(err)
				}
				names = append(names, at)
			}
		}
		if len(names) != 2 {
			t.Fatal(names)
		}
		out, _ := exec.Command(analyze, append([]string{"verify", "--man=no"}, names...)...).CombinedOutput()
		return string(out)
	}
	if out := verify(func(s string) string { return s }); strings.Contains(out, "orders") {
		t.Error(out)
	}
	if out := verify(func(s string) string { return strings.Replace(s, "ListenStream=", "ListenStreams=", 1) }); !strings.Contains(out, "orders") {
		t.Errorf("a broken unit passed: %s", out)
	}
}

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
