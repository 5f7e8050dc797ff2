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
	"text/template"

	"github.com/hashicorp/hcl/v2"
	"go4.org/netipx"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
	"github.com/pasvctl/pasvctl/templates"
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

// openingsOf are what the plan's flat list says of a host, in one address family,
// at each address of the sites that want it, with what else the policy says.
func openingsOf(h *plan.Host, v6 bool) (all []opening) {
	clients := map[opening]*netipx.IPSetBuilder{}
	for _, a := range h.Admissions() {
		if a.From.Addr().Is6() != v6 {
			continue
		}
		for _, purpose := range a.For {
			for _, at := range purpose.Site.Addresses {
				if at.Is6() != v6 {
					continue
				}
				o := opening{at: at, ports: a.Ports.String()}
				if policy := purpose.Site.Policy; purpose.Data {
					o.gated = policy.Gate
				} else {
					o.most = fmt.Sprint(policy.MaxPerClient)
				}
				if clients[o] == nil {
					clients[o] = &netipx.IPSetBuilder{}
				}
				clients[o].AddPrefix(a.From)
			}
		}
	}
	for o, b := range clients {
		set, err := b.IPSet()
		if err != nil {
			panic(err)
		}
		o.clients = clientsText(set.Prefixes())
		all = append(all, o)
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

// needsKernel is what loading rules into a namespace needs.
func needsKernel(t *testing.T) {
	t.Helper()
	needs.Root(t)
	for _, tool := range []string{"unshare", "nft", "ipset", "iptables-restore", "ip6tables-restore"} {
		needs.Tool(t, tool)
	}
}

// TestKernelsAgreeWithRandomPlans loads drawn specs, and compares what nft,
// iptables-save and ipset then list with the plan's flat list.
func TestKernelsAgreeWithRandomPlans(t *testing.T) {
	t.Parallel()
	needsKernel(t)
	compared, specs := 0, 0
	for seed := uint64(0); specs < 100; seed++ {
		r := rand.New(rand.NewPCG(seed, 3))
		s := newRandomSpec(r)
		if len(s.sites) == 0 {
			continue
		}
		specs++
		p := s.load(t, r, nil)
		files, diags := p.Files("nftables", "iptables")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		docker, _ := dockerRules{}.Files(p.Plan)
		files = append(files, docker...)
		for _, h := range p.Plan.Hosts {
			compared += len(openingsOf(h, false)) + len(openingsOf(h, true))
			if problem := kernelDisagreement(t, h, files, nil); problem != "" {
				t.Errorf("seed %d, %s: %s", seed, h.Name, problem)
			}
		}
	}
	if compared < 500 {
		t.Errorf("only %d openings were compared", compared)
	}
}

// kernelDisagreement loads a host's rules, and says how what the tools then list
// differs from the plan, or that they refuse them; "" if nothing is wrong. Older
// files, if there are some, are loaded before.
func kernelDisagreement(t *testing.T, h *plan.Host, files, older []File) string {
	t.Helper()
	dir := t.TempDir()
	write := func(dir string, files []File) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if filepath.Dir(f.Path) == h.Name {
				if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.Path)), f.Content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	write(dir, files)
	if older != nil {
		write(filepath.Join(dir, "older"), older)
	}
	c := exec.CommandContext(t.Context(), "unshare", "--net", "sh", "-c", loadAndList)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Sprintf("%v\n%s", err, out)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, m := range regexp.MustCompile(`(?m)^create (\S+)`).FindAllStringSubmatch(read("sets"), -1) {
		if !strings.Contains(read("save4")+read("save6"), " "+m[1]+" ") {
			return "no rule matches the set " + m[1]
		}
	}
	for _, v6 := range []bool{false, true} {
		want := openingsOf(h, v6)
		save, docker := read("save4"), read("docker4")
		if v6 {
			save, docker = read("save6"), read("docker6")
		}
		for backend, got := range map[string][]opening{
			"nft": openingsOfNft(t, read("nft.json"), v6), "iptables": openingsOfIptables(t, save, read("sets")),
			"Docker's chain": openingsOfIptables(t, undocked.Replace(dockerWay.ReplaceAllString(docker, "-A PASVCTL -d $1 -p tcp --dport $2 ")), read("dockersets")),
		} {
			if !sameOpenings(want, got) {
				return fmt.Sprintf("%s, IPv6 %v: the plan has\n%+v\nthe kernel\n%+v", backend, v6, want, got)
			}
		}
	}
	return ""
}

// TestFirewallTemplatesAreHeldToThePlan changes each expression of the firewalls'
// templates that is about a port, a client or a family: the kernel refuses the
// rules, or what it lists is not the plan's.
func TestFirewallTemplatesAreHeldToThePlan(t *testing.T) {
	needsKernel(t)
	// Not parallel: the changed templates are rendered in place of the real ones.
	at := func(first uint16, client string, into *spec.Chain) *plan.Plan {
		host := handHost("edge1", "203.0.113.10", "2001:db8::10")
		host.Firewall = into
		p := handPlan(
			handSite(host, "few", "vsftpd", 21, spec.PortRange{First: first, Last: first + 9}, func(s *plan.Site) {
				s.Clients = prefixes(client, "192.0.2.0/25", "2001:db8:1::/48", "2001:db8:3::/48")
			}),
			handSite(host, "all", "vsftpd", 2121, spec.PortRange{First: first + 10, Last: first + 10}, nil),
			handSite(host, "one", "vsftpd", 2122, spec.PortRange{First: first + 20, Last: first + 29}, func(s *plan.Site) {
				s.Clients, s.Gate = prefixes(client, "2001:db8:7::/48"), false
			}),
		)
		for name, address := range map[string]string{"nat4": "198.51.100.7", "nat6": "2001:db8:f::7"} {
			g := &plan.Gateway{Gateway: &spec.Gateway{Name: name, Address: netip.MustParseAddr(address)}, Sites: p.Sites[:1]}
			to := p.Sites[0].Policy.Addresses4
			if g.Address.Is6() {
				to = p.Sites[0].Policy.Addresses6
			}
			control := spec.PortRange{First: 21, Last: 21}
			g.Forwards = []plan.Forward{
				{Site: p.Sites[0], Ports: p.Sites[0].DataPorts, To: to[0], ToPorts: p.Sites[0].DataPorts},
				{Site: p.Sites[0], Ports: control, To: to[0], ToPorts: control},
				{Site: p.Sites[0], Ports: spec.PortRange{First: 2100, Last: 2100}, To: to[0], ToPorts: control},
			}
			p.Gateways = append(p.Gateways, g)
		}
		return p
	}
	files := func(p *plan.Plan, set *template.Template) (all []File) {
		for _, target := range []Target{handTarget(t, "nftables", ""), handTarget(t, "iptables", ""), dockerRules{}} {
			made := mutantFiles(target, set, p)
			if len(made) == 0 {
				return nil
			}
			all = append(all, made...)
		}
		return all
	}
	sound := template.Must(templates.Parse())
	red := func(set *template.Template) bool {
		into := &spec.Chain{Family: "inet", Table: "filter", Chain: "input"}
		for _, p := range []*plan.Plan{at(61000, "198.51.100.7/32", nil), at(61000, "198.51.100.7/32", into)} {
			made := files(p, set)
			if made == nil || kernelDisagreement(t, p.Hosts[0], made, nil) != "" || gatewayDisagreement(p, made) != "" ||
				kernelDisagreement(t, p.Hosts[0], made, files(at(62000, "198.51.100.9/32", p.Hosts[0].Firewall), sound)) != "" {
				return true
			}
		}
		return false
	}
	if red(sound) {
		t.Fatal("red without a change")
	}
	for _, folder := range []string{"nftables", "iptables"} {
		n := 0
		mutants(t, folder, func(expression string, set *template.Template) {
			n++
			if !harmlessRules[folder+" "+expression] && !red(set) {
				t.Errorf("%s: nothing notices a change of %s", folder, expression)
			}
		})
		if n < 8 {
			t.Errorf("%s has only %d expressions", folder, n)
		}
	}
}

// harmlessRules are expressions that decide no rule of who reaches what.
var harmlessRules = map[string]bool{
	`iptables {{if eq .Family "inet6"}}`: true, "nftables {{.Family}}": true, // in a comment
	"nftables {{.}} 4": true, "iptables {{.}}": true, // the interface
	// How wide a client is: who counts as one, not who gets in.
	"iptables {{.ClientBits}}": true, "iptables {{.ClientBits}} 2": true, `iptables {{if and (eq $family "inet6") (lt .ClientBits 128)}}`: true,
	// What active mode lets out, which the flat list does not have.
	"nftables {{.Family}} 3": true, "nftables {{.Prefix}}": true, "nftables {{.}} 5": true, "nftables {{.}} 6": true,
	"iptables {{.}} 2": true, "iptables {{range .Addresses}}": true, "iptables {{.}} 3": true, "iptables {{if $s.ClientSet}}": true, "iptables {{$s.ClientSet}}": true,
	`iptables {{$s.Active.String | replace "-" ":"}}`: true,
}

// loadAndList loads older rules, as a load that was cut off leaves them, then the
// rules.
const loadAndList = `set -eu
nft add table inet filter
nft add chain inet filter input
[ ! -d older ] || nft -f older/nftables.nft
nft -f nftables.nft
[ ! -e nftables.jump.nft ] || nft -f nftables.jump.nft
nft -j list ruleset >nft.json
nft flush ruleset
if [ -d older ]; then
	ipset restore -exist <older/ipset
	iptables-restore --noflush older/iptables.v4
	ip6tables-restore --noflush older/iptables.v6
	sed '/^swap/d; /^destroy/d' older/ipset | ipset restore -exist
fi
ipset restore -exist <ipset
iptables-restore --noflush iptables.v4
ip6tables-restore --noflush iptables.v6
iptables-save >save4
ip6tables-save >save6
ipset save >sets
unshare --net sh -eu <<END
ipset restore -exist <docker-user.ipset
iptables-restore --noflush docker-user.v4
ip6tables-restore --noflush docker-user.v6
iptables-save >docker4
ip6tables-save >docker6
ipset save >dockersets
END
`

// What is different in Docker's chain: how a packet's destination is named, and
// where one goes that passes.
var (
	dockerWay = regexp.MustCompile(`(?m)^-A PASVCTL-DOCKER -p tcp -m conntrack --ctorigdst (\S+) --ctorigdstport (\S+) --ctdir ORIGINAL `)
	undocked  = strings.NewReplacer(" src -j RETURN\n", " src -g PASVCTL-PASS\n")
)

// dockerRules is a target that renders the rules for Docker's chain alone.
type dockerRules struct{}

func (dockerRules) Files(p *plan.Plan) (all []File, _ hcl.Diagnostics) {
	for _, h := range p.Hosts {
		all = append(all, dockerUser(p, h)...)
	}
	return all, nil
}

func sameOpenings(want, got []opening) bool {
	count := func(all []opening) map[opening]int {
		n := map[opening]int{}
		for _, o := range all {
			n[o]++
		}
		return n
	}
	return maps.Equal(count(want), count(got))
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
		if name != "ports"+family && name != "pasvctl_ports"+family || !anyRule(rules, `"data":"@`+name+`"`) {
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
				if m := nftLearnt.FindStringSubmatch(rule); m != nil && strings.HasSuffix(m[1], "_learnt"+family) {
					o.gated = anyRule(rules, `"op":"update"`, `"set":"@`+m[1]+`"`) && strings.Contains(chain[len(chain)-1], `"drop":null`)
				}
			}
			all = append(all, o)
		}
	}
	return all
}

var (
	nftWay    = regexp.MustCompile(`\{"concat":\[(?:(\d+)|\{"range":\[(\d+),(\d+)\]\}),"([0-9a-f.:]+)"\]\},\{"goto":\{"target":"([^"]+)"`)
	nftLearnt = regexp.MustCompile(`"right":"@([^"]+)"`)
	nftCount  = regexp.MustCompile(`"ct count":\{"val":(\d+)`)
	nftEntry  = regexp.MustCompile(`\{"prefix":\{"addr":"([^"]+)","len":(\d+)\}\}|"([0-9a-f.:]+)"`)
)

// anyRule reports whether a rule has all of these texts.
func anyRule(rules map[string][]string, texts ...string) bool {
	for _, chain := range rules {
		for _, rule := range chain {
			if !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(rule, text) }) {
				return true
			}
		}
	}
	return false
}

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
