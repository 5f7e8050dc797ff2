package generators

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
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
	units := renderUnits(t, "/bin/true")
	if out := analyzed(t, units); strings.Contains(out, "pasvctl-") {
		t.Error(out)
	}
	for name, unit := range units {
		broken := map[string]string{name: strings.NewReplacer("Type=oneshot", "Type=once", "AccuracySec=5s", "AccuracySec=soon").Replace(unit)}
		if out := analyzed(t, broken); !strings.Contains(out, name) {
			t.Errorf("a broken %s passed:\n%s", name, out)
		}
	}
	// The sets come before saved rules are loaded.
	if sets := units["pasvctl-sets.service"]; !strings.Contains(sets, "\nBefore=netfilter-persistent.service ") {
		t.Errorf("the order at boot is lost:\n%s", sets)
	}
	// The rules come after those of others, and follow them.
	for _, key := range []string{"After=systemd-sysctl.service ", "PartOf=", "ReloadPropagatedFrom="} {
		if line := "\n" + key + "nftables.service netfilter-persistent.service firewalld.service ufw.service\n"; !strings.Contains(units["pasvctl-rules.service"], line) {
			t.Errorf("%q is missing:\n%s", line, units["pasvctl-rules.service"])
		}
	}
}

// A boot with the units that the rules come after has an order: no unit waits
// for itself.
func TestTheUnitsHaveAnOrderAtBoot(t *testing.T) {
	others := map[string]string{ // as Debian 12 has them
		"nftables.service":             "[Unit]\nWants=network-pre.target\nBefore=network-pre.target shutdown.target\nConflicts=shutdown.target\nDefaultDependencies=no\n[Service]\nType=oneshot\nExecStart=/bin/true\n",
		"netfilter-persistent.service": "[Unit]\nDefaultDependencies=no\nWants=network-pre.target systemd-modules-load.service local-fs.target\nBefore=network-pre.target shutdown.target\nAfter=systemd-modules-load.service local-fs.target\nConflicts=shutdown.target\n[Service]\nType=oneshot\nExecStart=/bin/true\n",
		"firewalld.service":            "[Unit]\nBefore=network-pre.target\nWants=network-pre.target\nAfter=dbus.service\n[Service]\nExecStart=/bin/true\n",
		"ufw.service":                  "[Unit]\nDefaultDependencies=no\nBefore=network-pre.target\nWants=network-pre.target local-fs.target\nAfter=local-fs.target\n[Service]\nType=oneshot\nExecStart=/bin/true\n",
		"boot.target":                  "[Unit]\nWants=sysinit.target basic.target network-pre.target nftables.service netfilter-persistent.service firewalld.service ufw.service pasvctl-rules.service pasvctl-sets.service\n",
	}
	all := renderUnits(t, "/bin/true")
	maps.Copy(all, others)
	const cycle = "ordering cycle"
	if out := analyzed(t, all); strings.Contains(out, cycle) {
		t.Error(out)
	}
	all["pasvctl-rules.service"] = strings.Replace(all["pasvctl-rules.service"], "After=", "After=network.target ", 1)
	all["network.target"] = "[Unit]\nAfter=network-pre.target\n"
	all["boot.target"] += "Wants=network.target\n"
	if out := analyzed(t, all); !strings.Contains(out, cycle) {
		t.Errorf("a cycle passed:\n%s", out)
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
