package generators

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// randomSite is one site block as text, with its name apart.
type randomSite struct{ name, text string }

// randomSpec is a spec drawn from all that its readers expect: dual and single
// stack hosts, shared addresses, gateways, odd clients, pins, own chains.
type randomSpec struct {
	hosts string
	sites []randomSite
	after string
}

// files writes the spec as one file for the hosts and some for the sites.
func (s randomSpec) files(order *rand.Rand) map[string]string {
	files := map[string]string{"a.pasv.hcl": s.hosts + s.after}
	for i, at := range order.Perm(len(s.sites)) {
		files[fmt.Sprintf("s%d.pasv.hcl", i%3)] += s.sites[at].text
	}
	return files
}

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

func newRandomSpec(r *rand.Rand) randomSpec {
	var s randomSpec
	var hosts strings.Builder
	var behind []string
	for h := range 1 + r.IntN(3) {
		var addresses []string
		four, six := r.IntN(4), r.IntN(3)
		if four+six == 0 {
			six = 1
		}
		for i := range four {
			addresses = append(addresses, fmt.Sprintf("203.0.%d.%d", h, 10+i))
		}
		for i := range six {
			addresses = append(addresses, fmt.Sprintf("2001:db8:%x::%x", h, 10+i))
		}
		fmt.Fprintf(&hosts, "host \"h%d\" {\n  addresses = %s\n", h, hclList(addresses))
		if r.IntN(3) == 0 {
			fmt.Fprintf(&hosts, "  interface = %q\n", pick(r, "eth0", "bond0.100", "wg_1", "0a-b"))
		}
		if r.IntN(3) == 0 {
			fmt.Fprintf(&hosts, "  avoid_ports = [\"30000-32767\", \"61000-61%03d\"]\n", 1+r.IntN(900))
		}
		if r.IntN(3) == 0 {
			fmt.Fprintf(&hosts, "  firewall {\n    into = \"inet filter input\"\n  }\n")
		}
		hosts.WriteString("}\n")
		for i := range r.IntN(5) {
			name := fmt.Sprintf("h%d-%s%d", h, pick(r, "a", "orders", "a-name-of-many-lett"), i)
			s.sites = append(s.sites, randomSite{name, randomSiteText(r, name, h, i, addresses)})
			if four > 0 {
				behind = append(behind, name)
			}
		}
	}
	s.hosts = hosts.String()
	if len(behind) > 0 && r.IntN(3) == 0 {
		// Control ports of two hosts may meet behind one gateway.
		s.after = fmt.Sprintf("gateway \"nat\" {\n  address = \"198.51.100.7\"\n  sites = %s\n}\n", hclList(behind[:1]))
	}
	return s
}

func hclList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = fmt.Sprintf("%q", text)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func randomSiteText(r *rand.Rand, name string, host, nth int, addresses []string) string {
	var b strings.Builder
	server := pick(r, "vsftpd", "proftpd", "embedded", "pureftpd")
	if server == "pureftpd" && nth > 0 {
		server = "proftpd" // it runs once a host
	}
	fmt.Fprintf(&b, "site %q {\n  host = \"h%d\"\n  server = %q\n  port = %d\n  gate = %v\n", name, host, server, 2100+nth, r.IntN(4) > 0)
	if r.IntN(3) == 0 {
		fmt.Fprintf(&b, "  addresses = %s\n", hclList(addresses[:1+r.IntN(len(addresses))]))
	}
	if r.IntN(2) == 0 {
		clients := []string{pick(r, "0.0.0.0/0", "0.0.0.0/1", "192.0.2.7", "10.0.0.0/9"), pick(r, "::/0", "2000::/3", "2001:db8:ffff::1", "fc00::/7")}
		for i := range r.IntN(20) {
			clients = append(clients, fmt.Sprintf("172.16.%d.0/%d", i*2, 23+r.IntN(2)), fmt.Sprintf("2001:db8:ff%02x::/%d", i, 48+r.IntN(17)))
		}
		fmt.Fprintf(&b, "  clients = %s\n  ipv6_client_prefix = %d\n", hclList(clients), pick(r, 1, 48, 56, 63, 64, 128))
	}
	sessions := 1 + r.IntN(200)
	fmt.Fprintf(&b, "  concurrency {\n    sessions = %d\n    sessions_per_address = %d\n  }\n", sessions, 1+r.IntN(sessions))
	if r.IntN(3) == 0 {
		fmt.Fprintf(&b, "  traffic {\n    transfers_per_second = %g\n    transfer_time = \"%dms\"\n    abandoned = %g\n  }\n", float64(sessions)/float64(20+r.IntN(50)), 1+r.IntN(2000), pick(r, 0, 0, 0.0001))
	}
	refused := pick(r, 1e-4, 1e-3, 0.5)
	if server == "vsftpd" || server == "embedded" { // the others lose a race now and then
		refused = pick(r, 1e-12, 1e-6)
	}
	fmt.Fprintf(&b, "  objective {\n    refused = %g\n    squatted = %d\n  }\n}\n", refused, r.IntN(4))
	return b.String()
}

// load loads the spec with a lock, which may be nil.
func (s randomSpec) load(t *testing.T, order *rand.Rand, lock []byte) *Project {
	t.Helper()
	return loadTexts(t, s.files(order), lock)
}

// loadTexts loads spec files by name with a lock, which may be nil.
func loadTexts(t *testing.T, files map[string]string, lock []byte) *Project {
	t.Helper()
	fsys, names := fstest.MapFS{}, []string{}
	for name, text := range files {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
		names = append(names, name)
	}
	if lock != nil {
		fsys[plan.LockFile] = &fstest.MapFile{Data: lock}
	}
	p, diags := Load(fsys, names, Options{})
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, files)
	}
	return p
}

// seeds is how many specs TestRandomSpecs draws.
const seeds = 150

// TestRandomSpecs holds what is promised of every spec against drawn ones.
func TestRandomSpecs(t *testing.T) {
	rendered, compared := 0, map[string]int{}
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := newRandomSpec(r)
		if len(s.sites) == 0 {
			continue
		}
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p := s.load(t, r, nil)
			cloudsAgree(t, p.Plan, compared)
			files, diags := p.Files()
			if diags.HasErrors() {
				return // a server or a cloud cannot do it: not every drawn spec can be rendered
			}
			rendered++
			for _, f := range files {
				agrees(t, "random", p.Plan, f)
			}
			if problem := gatewayDisagreement(p.Plan, files); problem != "" {
				t.Error(problem)
			}
			disjoint(t, p.Plan)
			again, _ := s.load(t, r, p.Lock.Bytes()).Files()
			if !slices.EqualFunc(files, again, func(a, b File) bool { return a.Path == b.Path && bytes.Equal(a.Content, b.Content) }) {
				t.Error("the sites in other files, in another order and beside the lock render otherwise")
			}
			staysPut(t, r, s, p)
		})
	}
	for name := range cloudFormats {
		if compared[name] < 100 {
			t.Errorf("%s was compared with %d plans", name, compared[name])
		}
	}
	if rendered < seeds/2 {
		t.Errorf("only %d of %d specs were rendered", rendered, seeds)
	}
}

// disjoint checks, port by port, that no two sites share one on an address or
// behind a gateway, and that the plan's JSON has the lock's ranges.
func disjoint(t *testing.T, p *plan.Plan) {
	t.Helper()
	type at struct {
		where netip.Addr
		port  int
	}
	taken := map[at]string{}
	take := func(where netip.Addr, site *plan.Site) {
		for port := int(site.DataPorts.First); port <= int(site.DataPorts.Last); port++ {
			if other, twice := taken[at{where, port}]; twice {
				t.Fatalf("%s and %s share port %d on %s", other, site.Name, port, where)
			}
			taken[at{where, port}] = site.Name
		}
		if other, twice := taken[at{where, int(site.Port)}]; twice {
			t.Fatalf("the control port of %s is %s's too", site.Name, other)
		}
		taken[at{where, int(site.Port)}] = site.Name
	}
	for _, site := range p.Sites {
		for _, address := range site.Addresses {
			take(address, site)
		}
	}
	for _, g := range p.Gateways {
		for _, site := range g.Sites {
			take(g.Address, site)
		}
	}
}

// staysPut removes a site, adds it again, and renames it: beside the lock, no
// other site moves.
func staysPut(t *testing.T, r *rand.Rand, s randomSpec, before *Project) {
	t.Helper()
	if len(s.sites) < 2 || s.after != "" {
		return // a gateway names its sites
	}
	gone := r.IntN(len(s.sites))
	name := s.sites[gone].name
	fewer, renamed := s, s
	fewer.sites = slices.Delete(slices.Clone(s.sites), gone, gone+1)
	renamed.sites = slices.Clone(s.sites)
	renamed.sites[gone].text = strings.Replace(s.sites[gone].text, name, "renamed", 1)
	less := fewer.load(t, r, before.Lock.Bytes())
	kept := renamed
	kept.after = spec.MovedBlock(name, "renamed")
	moved := kept.load(t, r, before.Lock.Bytes())
	for what, other := range map[string]*Project{
		"removed":        less,
		"added again":    s.load(t, r, less.Lock.Bytes()),
		"under its name": renamed.load(t, r, before.Lock.Bytes()),
		"moved":          moved,
	} {
		for _, was := range before.Plan.Sites {
			for _, is := range other.Plan.Sites {
				same := was.Name == is.Name && was.Name != name || what == "moved" && was.Name == name && is.Name == "renamed"
				if same && was.DataPorts != is.DataPorts {
					t.Errorf("%s: site %s went from %s to %s", what, was.Name, was.DataPorts, is.DataPorts)
				}
			}
		}
		for _, m := range other.Moves {
			if m.Site != name && m.Site != "renamed" {
				t.Errorf("%s: %s", what, m)
			}
		}
	}
	if len(moved.Moves) != 1 || moved.Moves[0].Kind() != plan.RenamedSite || moved.Moves[0].Was != name {
		t.Errorf("a moved block: %v", moved.Moves)
	}
}
