package generators

import (
	"fmt"
	"regexp"
	"strconv"
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
			s.SessionsPerAddress = 5 + n%3
			if n%2 == 1 {
				s.Clients = prefixes("192.0.2.0/24", "198.51.100.0/24", "2001:db8:1::/48")
			}
		}))
	}
	return handPlan(all...)
}

var block = regexp.MustCompile(`(?s)chain (\S+) \{.*?\n\t\}`)

// A packet goes by one verdict map to the chain of its site. The base chain is
// the same for 10 sites as for 1,000, and so are a site's own chains.
func TestRulesDoNotGrowWithSites(t *testing.T) {
	chains := func(sites int) map[string]string {
		file := mustFiles(t, &nftables{}, crowd(sites, sites))["host0000/nftables.nft"]
		found := map[string]string{}
		for _, m := range block.FindAllStringSubmatch(file, -1) {
			found[m[1]] = m[0]
		}
		if len(found) != 1+3*sites {
			t.Fatalf("%d sites have %d chains", sites, len(found))
		}
		return found
	}
	ten, thousand := chains(10), chains(1000)
	for _, name := range []string{"input", "site00001_control", "site00001_learn", "site00001_data"} {
		if ten[name] != thousand[name] || ten[name] == "" {
			t.Errorf("among 10 sites\n%s\namong 1,000\n%s", ten[name], thousand[name])
		}
	}
	if n := strings.Count(ten["input"], "\n"); n > 5 {
		t.Errorf("the base chain has %d lines:\n%s", n, ten["input"])
	}
}

// An auditor reads the file: one site of both families is 80 lines at most.
func TestOneSiteIsShort(t *testing.T) {
	for name, into := range map[string]*spec.Chain{"own table": nil, "into": {Family: "inet", Table: "filter", Chain: "input"}} {
		host := handHost("edge1", "203.0.113.10", "2001:db8::10")
		host.Firewall = into
		site := handSite(host, "downloads", "vsftpd", 21, spec.PortRange{First: 61000, Last: 62856}, nil)
		file := mustFiles(t, &nftables{}, handPlan(site))["edge1/nftables.nft"]
		if n := strings.Count(file, "\n"); n > 80 && into == nil || n > 100 {
			t.Errorf("%s: %d lines\n%s", name, n, file)
		}
	}
}

// The kernel takes a set's size, in 16 bits, for the number of buckets to
// start with: 2 MB for 65,535, and the fewest for multiples of 65,536 (measured).
func TestSizesOfSetsCostNothing(t *testing.T) {
	file := mustFiles(t, &nftables{}, crowd(2, 2))["host0000/nftables.nft"]
	sizes := regexp.MustCompile(`size (\d+)`).FindAllStringSubmatch(file, -1)
	if len(sizes) != 8 {
		t.Errorf("%d sets have a size, want 8", len(sizes))
	}
	for _, size := range sizes {
		if n, err := strconv.Atoi(size[1]); err != nil || n%65536 != 0 {
			t.Errorf("a set of size %s", size[1])
		}
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
