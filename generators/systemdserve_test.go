package generators

import (
	"path"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func TestSystemdTakesTheUnitsOfASite(t *testing.T) {
	host := handHost("edge1", "203.0.113.10", "2001:db8::10")
	p := handPlan(handSite(host, "orders", "embedded", 21, spec.PortRange{First: 61000, Last: 61001}, nil))
	made := mustFiles(t, &systemd{Program: "/bin/true", Spec: "/etc/pasvctl", User: "ftp"}, p)
	socket := made["edge1/pasvctl-orders.socket"]
	for _, at := range []string{"203.0.113.10:21", "[2001:db8::10]:21", "203.0.113.10:61000", "[2001:db8::10]:61001"} {
		if !strings.Contains(socket, "\nListenStream="+at+"\n") {
			t.Errorf("%s is missing:\n%s", at, socket)
		}
	}
	if !strings.Contains(socket, "\nFreeBind=yes\n") {
		t.Errorf("at boot, before the addresses are there, the sockets cannot be bound:\n%s", socket)
	}
	service := made["edge1/pasvctl-orders.service"]
	for _, want := range []string{"--xferlog /var/log/pasvctl-orders/xferlog\n", "\nLogsDirectory=pasvctl-orders\n", plan.LockFile + " to /etc/pasvctl:"} {
		if !strings.Contains(service, want) {
			t.Errorf("%q is missing:\n%s", want, service)
		}
	}
	units := func(change func(string) string) map[string]string {
		all := map[string]string{}
		for name, content := range made {
			if strings.Contains(name, "orders") {
				all[path.Base(name)] = change(content)
			}
		}
		return all
	}
	good := units(func(s string) string { return s })
	if len(good) != 2 {
		t.Fatal(good)
	}
	if out := analyzed(t, good); strings.Contains(out, "orders") {
		t.Error(out)
	}
	broken := units(func(s string) string { return strings.Replace(s, "ListenStream=", "ListenStreams=", 1) })
	if out := analyzed(t, broken); !strings.Contains(out, "orders") {
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
