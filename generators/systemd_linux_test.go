package generators

import (
	"errors"
	"os"
	"os/exec"
	"path"
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

func TestSystemdTakesTheUnits(t *testing.T) {
	rules, sets := renderUnits(t, "/bin/true")
	both := map[string]string{"pasvctl-rules.service": rules, "pasvctl-sets.service": sets}
	if out := analyzed(t, both); strings.Contains(out, "pasvctl-") {
		t.Error(out)
	}
	for name, unit := range both {
		broken := map[string]string{name: strings.Replace(unit, "Type=oneshot", "Type=once", 1)}
		if out := analyzed(t, broken); !strings.Contains(out, name) {
			t.Errorf("a broken %s passed:\n%s", name, out)
		}
	}
	// The sets come before saved rules are loaded, and the rules after.
	if !strings.Contains(sets, "\nBefore=netfilter-persistent.service ") || !strings.Contains(rules, "\nAfter=systemd-sysctl.service nftables.service netfilter-persistent.service\n") {
		t.Errorf("the order at boot is lost:\n%s\n%s", sets, rules)
	}
}

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
