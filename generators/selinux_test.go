package generators

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// semanageStub stands for semanage(8): it lists ports as seobject.py does, and takes
// an import only if each line is one of ours that the real one would take, whole or
// not at all. The files policy and own have lines "TYPE RANGE"; own wins.
const semanageStub = `#!/bin/sh
cd "${0%/*}"
list() {
	awk '!($2 in seen) { seen[$2] = 1; all[$1] = all[$1] (all[$1] == "" ? "" : ", ") $2 }
		END { for (t in all) printf "%-30s %-8s %s\n", t, "tcp", all[t]; printf "%-30s %-8s %s\n", "ftp_port_t", "udp", "990, 61000-61009" }' "$@"
}
echo "$*" >>calls
case "$*" in
"port -l -n") list own policy ;;
"port -l -C -n") list own ;;
import)
	cp own next
	while read -r line; do
		echo "  $line" >>calls
		set -- $line
		last=
		for last; do :; done
		case $line in
		"port -d -p tcp "*) grep -q "^ftp_port_t $last\$" next || exit 1; grep -v " $last\$" next >less || :; mv less next ;;
		"port -a -t ftp_port_t -p tcp "*) ! cat next policy | grep -q " $last\$" || exit 1; echo "ftp_port_t $last" >>next ;;
		"port -m -t ftp_port_t -p tcp "*) cat next policy | grep -q " $last\$" || exit 1; echo "ftp_port_t $last" >>next ;;
		"boolean -m -1 ftpd_connect_all_unreserved") echo on >boolean ;;
		*) exit 1 ;;
		esac
		# As libsemanage: local ranges do not overlap.
		awk '{ split($2, r, "-"); if (r[2] == "") r[2] = r[1]; for (p = r[1]; p <= r[2]; p++) if (seen[p]++) exit 1 }' next || exit 1
	done
	[ ! -e broken ] || exit 1
	mv next own ;;
*) exit 1 ;;
esac
`

func TestSELinuxScript(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"sh", "awk", "grep"} {
		needs.Tool(t, tool)
	}
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return ""
		}
		return string(text)
	}
	write("semanage", semanageStub)
	write("getsebool", "#!/bin/sh\necho \"$1 --> $(cat \"${0%/*}/boolean\")\"\n")
	write("boolean", "off\n")
	write("policy", "ftp_port_t 21\nftp_port_t 990\npostgrey_port_t 60000\nunreserved_port_t 1024-65535\n")
	write("own", "ftp_port_t 5000-5009\nhttp_port_t 8021\n")
	// run runs the script for a control port and data ports, and returns what it asks
	// semanage to change.
	run := func(port, first uint16, active bool) (string, error) {
		t.Helper()
		host := handHost("edge1", "203.0.113.10")
		p := handPlan(
			handSite(host, "a", "vsftpd", port, spec.PortRange{First: first, Last: first + 9}, func(s *plan.Site) { s.ActiveMode = active }),
			handSite(host, "b", "pyftpdlib", 2100, spec.PortRange{First: 2200, Last: 2209}, nil))
		script := strings.ReplaceAll(mustFiles(t, &selinux{}, p)["edge1/selinux.sh"], "/var/lib/pasvctl", dir+"/state")
		write("calls", "")
		c := exec.CommandContext(t.Context(), "sh")
		c.Stdin, c.Env = strings.NewReader(script), append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
		out, err := c.CombinedOutput()
		if len(out) > 0 {
			t.Logf("%s", out)
		}
		return strings.TrimPrefix(read("calls"), "port -l -n\nport -l -C -n\n"), err
	}
	steps := []struct {
		name        string
		port, first uint16
		active      bool
		calls, own  string
	}{
		{"at first", 21, 61000, false, "import\n  port -a -t ftp_port_t -p tcp 61000-61009\n", "ftp_port_t 61000-61009\n"},
		{"again", 21, 61000, false, "", "ftp_port_t 61000-61009\n"},
		{"moved, overlapping", 2121, 61005, false, "import\n  port -d -p tcp 61000-61009\n  port -a -t ftp_port_t -p tcp 2121\n  port -a -t ftp_port_t -p tcp 61005-61014\n",
			"ftp_port_t 2121\nftp_port_t 61005-61014\n"},
		{"a port of another type, and active mode", 60000, 61005, true,
			"import\n  port -d -p tcp 2121\n  port -m -t ftp_port_t -p tcp 60000\n  boolean -m -1 ftpd_connect_all_unreserved\n", "ftp_port_t 61005-61014\nftp_port_t 60000\n"},
		{"the boolean is on", 60000, 61005, true, "", "ftp_port_t 61005-61014\nftp_port_t 60000\n"},
	}
	for _, s := range steps {
		calls, err := run(s.port, s.first, s.active)
		if err != nil || calls != s.calls {
			t.Errorf("%s: %v, asked for %q", s.name, err, calls)
		}
		if got := read("own"); got != "ftp_port_t 5000-5009\nhttp_port_t 8021\n"+s.own {
			t.Errorf("%s: the machine has %q", s.name, got)
		}
	}
	// What fails changes nothing, and is known at the next run.
	write("broken", "")
	if _, err := run(60000, 62000, true); err == nil || read("state/selinux-ports") != "60000 61005-61014\n" {
		t.Errorf("a failure: %v, %q", err, read("state/selinux-ports"))
	}
	if err := os.Remove(filepath.Join(dir, "broken")); err != nil {
		t.Fatal(err)
	}
	if _, err := run(60000, 62000, true); err != nil || read("own") != "ftp_port_t 5000-5009\nhttp_port_t 8021\nftp_port_t 60000\nftp_port_t 62000-62009\n" {
		t.Errorf("after it: %v, %q", err, read("own"))
	}
}

// TestSELinuxLabelsWhatServersBind compares the ports of the scripts of drawn specs
// with those that the plan gives to servers in the domain ftpd_t.
func TestSELinuxLabelsWhatServersBind(t *testing.T) {
	wanted := regexp.MustCompile(`(?m)^wanted='([0-9 -]+)'$`)
	compared := 0
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 5))
		s := newRandomSpec(r)
		if len(s.sites) == 0 {
			continue
		}
		p := s.load(t, r, nil).Plan
		got, want := map[string]bool{}, map[string]bool{}
		files, _ := (&selinux{}).Files(p)
		for _, f := range files {
			m := wanted.FindSubmatch(f.Content)
			if m == nil {
				t.Fatalf("seed %d: %s has no ports", seed, f.Path)
			}
			for _, ports := range strings.Fields(string(m[1])) {
				var first, last int
				if n, _ := fmt.Sscanf(ports, "%d-%d", &first, &last); n == 1 {
					last = first
				}
				for ; first <= last; first++ {
					got[fmt.Sprint(path.Dir(f.Path), first)] = true
				}
			}
		}
		for _, site := range p.Sites {
			if site.Server != "vsftpd" && site.Server != "proftpd" && site.Server != "pureftpd" {
				continue
			}
			want[fmt.Sprint(site.Host.Name, site.Port)] = true
			for port := int(site.DataPorts.First); port <= int(site.DataPorts.Last); port++ {
				want[fmt.Sprint(site.Host.Name, port)] = true
			}
		}
		compared += len(want)
		if !maps.Equal(got, want) {
			t.Errorf("seed %d: labels %d ports, want %d: %v", seed, len(got), len(want), slices.Sorted(maps.Keys(got)))
		}
	}
	if compared < 1000 {
		t.Errorf("only %d ports were compared", compared)
	}
}
