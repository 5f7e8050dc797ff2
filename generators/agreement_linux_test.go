package generators

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// opening is a way in as every backend must have it: some ports of an address,
// for whom, and behind what.
type opening struct {
	at      netip.Addr
	ports   string // "21", "61000-61009"
	clients string // prefixes in order, or "everyone"
	gated   bool
	most    string // control connections of a client
}

// openingsOf are what the plan says of a host, in one address family.
func openingsOf(h *plan.Host, v6 bool) (all []opening) {
	for _, s := range h.Sites {
		addresses, clients := s.Policy.Addresses4, s.Policy.Clients4
		if v6 {
			addresses, clients = s.Policy.Addresses6, s.Policy.Clients6
		}
		for _, a := range addresses {
			all = append(all,
				opening{at: a, ports: fmt.Sprint(s.Policy.Control), clients: clientsText(clients), most: fmt.Sprint(s.Policy.MaxPerClient)},
				opening{at: a, ports: s.Policy.Data.String(), clients: clientsText(clients), gated: s.Policy.Gate})
		}
	}
	return all
}

func clientsText(clients []netip.Prefix) string {
	if everyone(clients) {
		return "everyone"
	}
	clients = slices.Clone(clients)
	slices.SortFunc(clients, netip.Prefix.Compare)
	return fmt.Sprint(clients)
}

// network reads a prefix as the tools print it, single addresses bare.
func network(t *testing.T, text string) netip.Prefix {
	t.Helper()
	if p, err := netip.ParsePrefix(text); err == nil {
		return p
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		t.Fatal(err)
	}
	return netip.PrefixFrom(a, a.BitLen())
}

// TestKernelsAgreeWithRandomPlans loads drawn specs, and compares what nft,
// iptables-save and ipset then list, and what AWS is given, with the plan.
func TestKernelsAgreeWithRandomPlans(t *testing.T) {
	needs.Root(t)
	for _, tool := range []string{"unshare", "nft", "ipset", "iptables-restore", "ip6tables-restore"} {
		needs.Tool(t, tool)
	}
	compared := 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		s := newRandomSpec(r)
		if len(s.sites) == 0 {
			continue
		}
		p := s.load(t, r, nil)
		files, diags := p.Files("nftables", "iptables")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, h := range p.Plan.Hosts {
			dir := t.TempDir()
			for _, f := range files {
				if filepath.Dir(f.Path) == h.Name {
					if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.Path)), f.Content, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			c := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", loadAndList)
			c.Dir = dir
			if out, err := c.CombinedOutput(); err != nil {
				t.Fatalf("seed %d: %v\n%s", seed, err, out)
			}
			read := func(name string) string {
				text, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				return string(text)
			}
			for _, v6 := range []bool{false, true} {
				want := openingsOf(h, v6)
				compared += len(want)
				same(t, fmt.Sprintf("seed %d, %s, nft, IPv6 %v", seed, h.Name, v6), want, openingsOfNft(t, read("nft.json"), v6))
				save := read("save4")
				if v6 {
					save = read("save6")
				}
				same(t, fmt.Sprintf("seed %d, %s, iptables, IPv6 %v", seed, h.Name, v6), want, openingsOfIptables(t, save, read("sets")))
			}
		}
		clouds, diags := (&aws{Format: "cli", RulesPerGroup: 1000}).Files(p.Plan)
		if !diags.HasErrors() { // AWS cannot do every drawn spec
			cloudsAgree(t, p.Plan, clouds)
		}
	}
	if compared < 100 {
		t.Errorf("only %d openings were compared", compared)
	}
}

const loadAndList = `set -eu
nft add table inet filter
nft add chain inet filter input
nft -f nftables.nft
nft -j list ruleset >nft.json
nft flush ruleset
ipset restore -exist <ipset
iptables-restore --noflush iptables.v4
ip6tables-restore --noflush iptables.v6
iptables-save >save4
ip6tables-save >save6
ipset save >sets
`

func same(t *testing.T, what string, want, got []opening) {
	t.Helper()
	count := func(all []opening) map[opening]int {
		n := map[opening]int{}
		for _, o := range all {
			n[o]++
		}
		return n
	}
	if w, g := count(want), count(got); !maps.Equal(w, g) {
		t.Errorf("%s: the plan has\n%+v\nthe kernel\n%+v", what, w, g)
	}
}

// openingsOfNft reads nft's JSON: the verdict map, then what the rules of the
// chains that it leads to ask for.
func openingsOfNft(t *testing.T, text string, v6 bool) (all []opening) {
	t.Helper()
	var doc struct {
		Nftables []map[string]struct {
			Name, Chain string
			Elem, Expr  json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	family, proto := "4", "ip"
	if v6 {
		family, proto = "6", "ip6"
	}
	sets, rules := map[string]string{}, map[string][]string{}
	for _, entry := range doc.Nftables {
		for kind, o := range entry {
			switch kind {
			case "set", "map":
				sets[o.Name] = squeezed(o.Elem)
			case "rule":
				rules[o.Chain] = append(rules[o.Chain], squeezed(o.Expr))
			}
		}
	}
	outside := regexp.MustCompile(`"op":"!=","left":\{"payload":\{"protocol":"` + proto + `","field":"saddr"\}\},"right":(?:"@([^"]+)"|"([^"]+)"|\{"prefix":\{"addr":"([^"]+)","len":(\d+)\}\})\}\}.*"drop":null`)
	for name, elements := range sets {
		if name != "ports"+family && name != "pasvctl_ports"+family {
			continue
		}
		for _, m := range nftWay.FindAllStringSubmatch(elements, -1) {
			o := opening{at: netip.MustParseAddr(m[4]), ports: m[1], clients: "everyone"}
			if m[1] == "" {
				o.ports = spec.PortRange{First: port(t, m[2]), Last: port(t, m[3])}.String()
			}
			chain := rules[m[5]]
			for _, rule := range chain {
				if m := outside.FindStringSubmatch(rule); m != nil {
					o.clients = clientsText(nftClients(t, m, sets))
				} else if strings.Contains(rule, `{"meta":{"key":"nfproto"}},"right":"ipv`+family+`"`) && strings.Contains(rule, `"drop":null`) {
					o.clients = clientsText(nil)
				}
				if m := nftCount.FindStringSubmatch(rule); m != nil && strings.Contains(rule, "_sessions"+family+"_") {
					o.most = m[1]
				}
				o.gated = o.gated || strings.Contains(rule, `_learnt`+family+`"`) && !strings.Contains(rule, "assured") &&
					strings.Contains(chain[len(chain)-1], `"drop":null`)
			}
			all = append(all, o)
		}
	}
	return all
}

var (
	nftWay   = regexp.MustCompile(`\{"concat":\[(?:(\d+)|\{"range":\[(\d+),(\d+)\]\}),"([0-9a-f.:]+)"\]\},\{"goto":\{"target":"([^"]+)"`)
	nftCount = regexp.MustCompile(`"ct count":\{"val":(\d+)`)
	nftEntry = regexp.MustCompile(`\{"prefix":\{"addr":"([^"]+)","len":(\d+)\}\}|"([0-9a-f.:]+)"`)
)

// nftClients are the networks that a rule names, or those of its set.
func nftClients(t *testing.T, m []string, sets map[string]string) (clients []netip.Prefix) {
	t.Helper()
	switch {
	case m[2] != "":
		return []netip.Prefix{network(t, m[2])}
	case m[3] != "":
		return []netip.Prefix{network(t, m[3]+"/"+m[4])}
	}
	for _, e := range nftEntry.FindAllStringSubmatch(sets[m[1]], -1) {
		if e[3] != "" {
			clients = append(clients, network(t, e[3]))
		} else {
			clients = append(clients, network(t, e[1]+"/"+e[2]))
		}
	}
	return clients
}

// squeezed is JSON without white space, keys as nft orders them.
func squeezed(raw json.RawMessage) string {
	return strings.NewReplacer(": ", ":", ", ", ",").Replace(string(raw))
}

// openingsOfIptables reads iptables-save and ipset save.
func openingsOfIptables(t *testing.T, save, sets string) (all []opening) {
	t.Helper()
	members := map[string][]netip.Prefix{}
	for line := range strings.Lines(sets) {
		if f := strings.Fields(line); len(f) > 2 && f[0] == "add" {
			members[f[1]] = append(members[f[1]], network(t, f[2]))
		}
	}
	for _, m := range iptWay.FindAllStringSubmatch(save, -1) {
		o := opening{at: network(t, m[1]).Addr(), ports: strings.Replace(m[2], ":", "-", 1), clients: "everyone"}
		for _, rule := range regexp.MustCompile(`(?m)^-A `+regexp.QuoteMeta(m[3])+` .*$`).FindAllString(save, -1) {
			if set := iptOutside.FindStringSubmatch(rule); set != nil {
				o.clients = clientsText(members[set[1]])
			}
			if over := iptOver.FindStringSubmatch(rule); over != nil {
				o.most = over[1]
			}
			o.gated = o.gated || iptLearnt.MatchString(rule) && strings.Contains(save, "-A "+m[3]+" -j DROP\n")
		}
		all = append(all, o)
	}
	return all
}

var (
	iptWay     = regexp.MustCompile(`(?m)^-A PASVCTL -d (\S+) .*--dport (\S+) .* -j (PASVCTL-\S+)$`)
	iptOutside = regexp.MustCompile(`! --match-set (\S+\.c[46]) src -j DROP$`)
	iptOver    = regexp.MustCompile(`--connlimit-above (\d+) .*-j DROP$`)
	iptLearnt  = regexp.MustCompile(` --match-set \S+\.s[46]\S* src -g PASVCTL-PASS$`)
)

func port(t *testing.T, text string) (n uint16) {
	t.Helper()
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// cloudsAgree compares whom AWS lets in to which ports with the plan. A group
// knows no addresses of its host and no gates.
func cloudsAgree(t *testing.T, p *plan.Plan, files []File) {
	t.Helper()
	for _, h := range p.Hosts {
		want, got := map[string]bool{}, map[string]bool{}
		for _, a := range h.Admissions() {
			want[fmt.Sprintf("%d-%d %s", a.Ports.First, a.Ports.Last, a.From)] = true
		}
		for _, f := range files {
			if f.Path != "aws/"+h.Name+".ip-permissions.json" {
				continue
			}
			var permissions []struct {
				FromPort, ToPort int
				IpRanges         []struct{ CidrIp string }
				Ipv6Ranges       []struct{ CidrIpv6 string }
			}
			if err := json.Unmarshal(f.Content, &permissions); err != nil {
				t.Fatal(err)
			}
			for _, p := range permissions {
				for _, r := range p.IpRanges {
					got[fmt.Sprintf("%d-%d %s", p.FromPort, p.ToPort, r.CidrIp)] = true
				}
				for _, r := range p.Ipv6Ranges {
					got[fmt.Sprintf("%d-%d %s", p.FromPort, p.ToPort, r.CidrIpv6)] = true
				}
			}
		}
		if !maps.Equal(want, got) {
			t.Errorf("%s: the plan has\n%v\nAWS is given\n%v", h.Name, slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got)))
		}
	}
}
