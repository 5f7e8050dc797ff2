package generators

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// crowd is a plan of small sites with two clients' lists and three caps, on
// hosts of so many sites each.
func crowd(sites, perHost int) *plan.Plan {
	var all []*plan.Site
	var host *spec.Host
	for i := range sites {
		n := i % perHost
		if n == 0 {
			h := i / perHost
			host = handHost(fmt.Sprintf("host%04d", h), fmt.Sprintf("10.0.%d.%d", h/256, h%256), fmt.Sprintf("2001:db8::%x", h+1))
		}
		data := spec.PortRange{First: uint16(20000 + 10*n), Last: uint16(20009 + 10*n)}
		all = append(all, handSite(host, fmt.Sprintf("site%05d", i), "proftpd", uint16(2000+n), data, func(s *plan.Site) {
			s.Concurrency.SessionsPerAddress = 5 + n%3
			if n%2 == 1 {
				s.Clients = prefixes("192.0.2.0/24", "198.51.100.0/24", "2001:db8:1::/48")
			}
		}))
	}
	return handPlan(all...)
}

var elements = regexp.MustCompile(`(?s)\n*add element [^{]*\{.*?\n\}\n`)

// The sites of a host stand in its sets and maps. Its chains and rules are the
// same for 10 sites as for 1,000.
func TestRulesDoNotGrowWithSites(t *testing.T) {
	policy := func(sites int) string {
		file := mustFiles(t, &nftables{}, crowd(sites, sites))["host0000/nftables.nft"]
		var rest []string
		for line := range strings.Lines(elements.ReplaceAllString(file, "\n")) {
			if !strings.HasPrefix(line, "#") {
				rest = append(rest, line)
			}
		}
		return strings.Join(rest, "")
	}
	ten, thousand := policy(10), policy(1000)
	if ten != thousand {
		t.Errorf("the policy of 1,000 sites has %d lines, of 10 sites %d", strings.Count(thousand, "\n"), strings.Count(ten, "\n"))
	}
	if n := strings.Count(ten, "\n"); n < 50 {
		t.Errorf("only %d lines were compared", n)
	}
}

// A site's id must stay when others come and go, or their learnt clients
// would become its own.
func TestSiteIDsAreTheirOwn(t *testing.T) {
	host := handHost("edge1", "203.0.113.10")
	site := func(name string, perAddress int) *plan.Site {
		return handSite(host, name, "vsftpd", 21, spec.PortRange{First: 61000, Last: 61001}, func(s *plan.Site) {
			s.Concurrency.SessionsPerAddress = perAddress
		})
	}
	b := site("b", 5)
	alone := siteIDs([]*plan.Site{b})[b]
	if among := siteIDs([]*plan.Site{site("a", 5), b, site("c", 5)})[b]; among != alone {
		t.Errorf("site b has the id %s alone and %s among others", alone, among)
	}
	if other := site("b", 6); siteIDs([]*plan.Site{other})[other] == alone {
		t.Error("another cap must come with another id")
	}
	sites := crowd(2000, 2000).Sites
	seen := map[string]bool{"0:0": true, "ffff:ffff": true}
	for _, id := range siteIDs(sites) {
		if seen[id] {
			t.Fatalf("the id %s is taken", id)
		}
		seen[id] = true
	}
}

// These two names have the same first letters and the same digest.
func TestChainsAreOneSitesOnly(t *testing.T) {
	host := handHost("edge1", "203.0.113.10", "2001:db8::10")
	var sites []*plan.Site
	for i, name := range []string{"orders-jbmdfrrqguis", "orders-wwificrmhxak"} {
		first := uint16(61000 + 10*i)
		sites = append(sites, handSite(host, name, "vsftpd", uint16(21+i), spec.PortRange{First: first, Last: first + 9}, nil))
	}
	files := mustFiles(t, &iptables{}, handPlan(sites...))
	for _, name := range []string{"edge1/iptables.v4", "edge1/iptables.v6", "edge1/ipset"} {
		seen := map[string]bool{}
		for line := range strings.Lines(files[name]) {
			if made := strings.Fields(line); len(made) > 1 && (made[0] == "create" || line[0] == ':') {
				what := made[0]
				if what == "create" {
					what = made[1]
				}
				if seen[what] {
					t.Errorf("%s: two sites make %s", name, what)
				}
				seen[what] = true
			}
		}
		if len(seen) < 2 {
			t.Errorf("%s: only %d chains or sets", name, len(seen))
		}
	}
}
