package generators

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/realserver"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// twoSites are two sites of one host, with their own ranges and caps.
func twoSites() (*plan.Plan, []*plan.Site) {
	host := handHost("edge1", serverAddresses...)
	p := handPlan(
		handSite(host, "shop", "proftpd", 2121, spec.PortRange{First: 61000, Last: 61002}, nil),
		handSite(host, "depot", "proftpd", 2122, spec.PortRange{First: 61003, Last: 61005}, nil),
	)
	return p, p.Sites
}

// systemd takes the units of a host with several ProFTPDs.
func TestSystemdTakesTheUnitsOfProFTPD(t *testing.T) {
	p, _ := twoSites()
	units := map[string]string{}
	for path, content := range mustFiles(t, &proftpd{}, p) {
		if name := path[strings.LastIndexByte(path, '/')+1:]; strings.HasSuffix(name, ".service") {
			units[name] = strings.ReplaceAll(content, "/usr/sbin/proftpd ", "/bin/true ")
		}
	}
	if len(units) != 2 {
		t.Fatalf("%d units", len(units))
	}
	if out := analyzed(t, units); strings.Contains(out, "proftpd-") {
		t.Error(out)
	}
	for name, unit := range units {
		if out := analyzed(t, map[string]string{name: strings.Replace(unit, "[Service]", "[Servce]", 1)}); !strings.Contains(out, name) {
			t.Errorf("a broken %s passed:\n%s", name, out)
		}
	}
}

// Two sites of one host run at once, as their units start them: each hands out
// ports of its own range only, all of them, and has files of its own.
func TestTwoSitesOfProFTPD(t *testing.T) {
	server := realServerOf("proftpd", &proftpd{})
	if !inNamespaces(t, server) {
		return
	}
	p, sites := twoSites()
	if err := realserver.LayOver(os.Getenv(inside)); err != nil {
		t.Fatal(err)
	}
	for _, address := range append([]string{clientAddresses[0]}, serverAddresses...) {
		bits := "/32"
		if strings.Contains(address, ":") {
			bits = "/128"
		}
		run(t, "ip", "address", "add", address+bits, "dev", "lo")
	}
	write(t, realserver.Home+"/list.txt", fileContent, 0o644)
	files := mustFiles(t, server.target, p)
	for _, site := range sites {
		write(t, "/etc/proftpd/"+site.Name+".conf", files["edge1/"+site.Name+"/proftpd.conf"], 0o644)
		commands := map[string][]string{}
		for line := range strings.Lines(files["edge1/"+site.Name+"/proftpd-"+site.Name+".service"]) {
			if key, command, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
				commands[key] = strings.Fields(command)
			}
		}
		test, start := commands["ExecStartPre"], commands["ExecStart"]
		run(t, test[0], test[1:]...)
		cmd := exec.Command(start[0], start[1:]...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
	for _, site := range sites {
		address := net.JoinHostPort(serverAddresses[0], map[string]string{"shop": "2121", "depot": "2122"}[site.Name])
		await(t, address)
		seen := map[uint16]bool{}
		for range site.DataPorts.Count() { // sessions that all hold a port
			session, err := dialFTP(clientAddresses[0], address, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(session.close)
			if err := session.login(); err != nil {
				t.Fatal(err)
			}
			for range 10 {
				port, err := session.passive(true)
				if err != nil {
					t.Fatal(err)
				}
				if !site.DataPorts.Contains(port.Port()) {
					t.Fatalf("site %s hands out port %d, outside %s", site.Name, port.Port(), site.DataPorts)
				}
				if content, err := session.retrieve("list.txt", clientAddresses[0], port, false); err != nil || content != fileContent {
					t.Fatalf("site %s: %q, %v", site.Name, content, err)
				}
			}
			port, err := session.passive(false)
			if err != nil {
				t.Fatal(err)
			}
			seen[port.Port()] = site.DataPorts.Contains(port.Port())
		}
		if len(seen) != site.DataPorts.Count() {
			t.Errorf("site %s hands out %d of %d ports: %v", site.Name, len(seen), site.DataPorts.Count(), seen)
		}
		for port, within := range seen {
			if !within {
				t.Errorf("site %s hands out port %d, outside %s", site.Name, port, site.DataPorts)
			}
		}
		for _, kind := range []string{".pid", ".scoreboard", ".sock", ".delay"} {
			if _, err := os.Stat("/run/proftpd-" + site.Name + kind); err != nil {
				t.Error(err)
			}
		}
	}
	for _, kind := range []string{".pid", ".scoreboard", ".sock", ".delay"} {
		if _, err := os.Stat("/run/proftpd" + kind); err == nil {
			t.Errorf("both share /run/proftpd%s", kind)
		}
	}
}
