package change

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// planOf is a plan of one host with sites, which need no sizing here.
func planOf(host string, sites ...*plan.Site) *plan.Plan {
	h := &plan.Host{Host: &spec.Host{Name: host}, Sites: sites}
	for _, s := range sites {
		s.Host = h.Host
		s.Policy.Control, s.Policy.Data, s.Policy.Gate, s.Policy.Addresses4 = s.Port, s.DataPorts, s.Gate, s.Addresses
		s.Policy.Clients4 = s.Clients
	}
	return &plan.Plan{Hosts: []*plan.Host{h}, Sites: sites}
}

func site(name string, first, last uint16) *plan.Site {
	return &plan.Site{
		Site: &spec.Site{Name: name, Port: 21, Gate: true, Server: "vsftpd", Workload: sizing.Workload{Sessions: 40, SessionsPerAddress: 20},
			Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.10")}, Clients: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
		DataPorts: spec.PortRange{First: first, Last: last},
		Sizing:    sizing.Result{Ports: int(last-first) + 1, Binding: "contention", Bounds: []sizing.Bound{{Name: "contention", Why: "all may hold a port at once"}}},
	}
}

func TestKinds(t *testing.T) {
	for _, c := range []struct {
		was, is *plan.Site
		renamed map[string]string
		want    string
	}{
		{site("a", 61000, 61009), site("a", 61000, 61009), nil, ""},
		{site("a", 61000, 61009), site("a", 61000, 61019), nil, "a resized"},
		{site("a", 61000, 61009), site("a", 61005, 61014), nil, "a moved"},
		{site("a", 61000, 61009), site("b", 61000, 61009), nil, "a gone, b new"},
		{site("a", 61000, 61009), site("b", 61000, 61009), map[string]string{"a": "b"}, "b renamed from a"},
		{site("b", 61000, 61009), site("c", 61000, 61009), map[string]string{"a": "c", "b": "c"}, "c renamed from b"},
		{site("c", 61000, 61009), site("c", 61000, 61009), map[string]string{"a": "c", "b": "c"}, ""},
		{site("x", 61000, 61009), site("c", 61000, 61009), map[string]string{"a": "c"}, "c new, x gone"},
		{site("a", 61000, 61009), site("a", 61000, 61009), map[string]string{"a": "c"}, ""},
		{site("a", 61000, 61009), site("b", 61000, 61010), map[string]string{"a": "b"}, "b resized from a"},
	} {
		var got []string
		for _, s := range Between(planOf("h", c.was), planOf("h", c.is), c.renamed).Sites {
			text := s.Name + " " + string(s.Kind)
			if s.WasName != "" {
				text += " from " + s.WasName
			}
			got = append(got, text)
		}
		if text := strings.Join(got, ", "); text != c.want {
			t.Errorf("%s, want %s", text, c.want)
		}
	}
}

// A network within one that is there opens nothing; one beside it does.
func TestOpensExactly(t *testing.T) {
	was, is := site("a", 61000, 61009), site("a", 61000, 61009)
	was.Clients = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	is.Clients = append(was.Clients[:1:1], netip.MustParsePrefix("10.1.0.0/16"))
	c := Between(planOf("h", was), planOf("h", is), nil)
	if len(c.Firewalls) != 0 || len(c.Sites) != 1 {
		t.Errorf("%+v", c)
	}
	is.Clients[1] = netip.MustParsePrefix("11.0.0.0/8")
	c = Between(planOf("h", was), planOf("h", is), nil)
	if got := fmt.Sprint(c.Firewalls); got != "[{h  [{a control [203.0.113.10] [21] [11.0.0.0/8] false false invalid AddrPort} {a data [203.0.113.10] [61000-61009] [11.0.0.0/8] true false invalid AddrPort}] [] [] []}]" {
		t.Error(got)
	}
	// The next two: one range goes from a site to another of other clients.
	b := site("b", 61000, 61009)
	b.Clients = []netip.Prefix{netip.MustParsePrefix("10.128.0.0/9"), netip.MustParsePrefix("12.0.0.0/8")}
	b.Port = 2121
	c = Between(planOf("h", was), planOf("h", b), nil)
	f := c.Firewalls[0]
	if len(f.Opens) != 2 || fmt.Sprint(f.Opens[1].Networks) != "[12.0.0.0/8]" || len(f.Shuts) != 2 || fmt.Sprint(f.Shuts[1].Networks) != "[10.0.0.0/9]" {
		t.Errorf("%+v", f)
	}
}

// Whoever reads no prefixes reads who everybody is.
func TestAnyone(t *testing.T) {
	for networks, want := range map[string]string{
		"0.0.0.0/0 ::/0":                         "anyone",
		"0.0.0.0/0":                              "anyone on IPv4",
		"::/0":                                   "anyone on IPv6",
		"::/0 10.0.0.0/8":                        "`10.0.0.0/8` and anyone on IPv6",
		"0.0.0.0/1 128.0.0.0/2 192.0.0.0/3":      "anyone on IPv4 except `224.0.0.0/3`",
		"10.0.0.0/8 12.0.0.0/8 2001:db8::/32":    "`10.0.0.0/8`, `12.0.0.0/8` and `2001:db8::/32`",
		"":                                       "",
		"::/0 0.0.0.0/1 128.0.0.0/2 192.0.0.0/3": "anyone on IPv6, and anyone on IPv4 except `224.0.0.0/3`",
		"1.0.0.0/32 1.0.0.2/32 1.0.0.4/32 ::/0":  "`1.0.0.0/32`, `1.0.0.2/32`, `1.0.0.4/32` and anyone on IPv6",
		"1.0.0.0/32 1.0.0.2/32 1.0.0.4/32 1.0.0.6/32 ::/0": "anyone on IPv6, `1.0.0.0/32`, `1.0.0.2/32` and 2 more",
	} {
		var all []netip.Prefix
		for _, n := range strings.Fields(networks) {
			all = append(all, netip.MustParsePrefix(n))
		}
		if got := clients(all, 3); got != want {
			t.Errorf("%s: %s, want %s", networks, got, want)
		}
	}
}

// The verdict says of both families who is let in.
func TestVerdictOfBothFamilies(t *testing.T) {
	was, is := site("a", 61000, 61009), site("a", 61000, 61009)
	was.Addresses = append(was.Addresses, netip.MustParseAddr("2001:db8::10"))
	is.Addresses = was.Addresses
	was.Clients = []netip.Prefix{netip.MustParsePrefix("224.0.0.0/3")}
	is.Clients = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	const want = "1 site changes. Firewalls open 11 ports to anyone on IPv6, and anyone on IPv4 except `224.0.0.0/3`."
	if got := Between(planOf("h", was), planOf("h", is), nil).Page().Verdict; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestGateIsSaidLoudly(t *testing.T) {
	was, is := site("a", 61000, 61009), site("a", 61000, 61009)
	is.Gate, is.SessionsPerAddress = false, 40
	c := Between(planOf("h", was), planOf("h", is), nil)
	for _, text := range []string{c.Page().Verdict, c.Markdown(0)} {
		for _, want := range []string{"The gate is off: a client without a control connection can reach the data ports of `a`.", "One client address may have more connections to `a` than before."} {
			if !strings.Contains(text, want) {
				t.Errorf("%s\ndoes not say: %s", text, want)
			}
		}
	}
	if o := c.Firewalls[0].Opens; len(o) != 1 || !o[0].GateOnly || o[0].Gated {
		t.Errorf("%+v", o)
	}
	if back := Between(planOf("h", is), planOf("h", was), nil); strings.Contains(back.Page().Verdict, "gate") || len(back.Firewalls[0].Opens) > 0 {
		t.Error(back.Page().Verdict)
	}
}

// What does not fit is left out by whole sites, first those that open nothing.
func TestMarkdownIsBounded(t *testing.T) {
	var was, is []*plan.Site
	for i := range 1000 {
		a, b := site(fmt.Sprintf("site-%03d", i), uint16(20000+10*i), uint16(20009+10*i)), site(fmt.Sprintf("site-%03d", i), uint16(20000+10*i), uint16(20008+10*i))
		a.Port, b.Port = uint16(2000+i), uint16(2000+i)
		was, is = append(was, a), append(is, b)
	}
	is[990].Gate = false
	c := Between(planOf("h", was...), planOf("h", is...), nil)
	whole := c.Markdown(1 << 30)
	for _, limit := range []int{0, 2000, 20_000, 60_000, len(whole) - 1} {
		text := c.Markdown(limit)
		rows := strings.Count(text, "\n| `")
		if len(text) > max(limit, 1500) || !strings.Contains(text, fmt.Sprintf("%s left out here", agree(1000-rows, "more site", "is", "are"))) || rows > 0 && !strings.Contains(text, "`site-990`") {
			t.Errorf("limit %d: %d bytes, %d rows", limit, len(text), rows)
		}
		if first, _, _ := strings.Cut(text, "\n"); first+"\n" != whole[:len(first)+1] {
			t.Errorf("the verdict is of the part: %s", first)
		}
		if limit >= 20_000 && len(text) < limit-2000 {
			t.Errorf("limit %d: only %d bytes", limit, len(text))
		}
	}
	if got := Between(planOf("h", was...), planOf("h", was...), nil).Markdown(60_000); got != "**No port, firewall or limit changes. Settings of targets are not compared.**\n" {
		t.Error(got)
	}
}

var (
	codeSpan = regexp.MustCompile("`[^`\n]+`") // code in our Markdown has one backtick on each side
	leader   = regexp.MustCompile(`^(#### |- )`)
	cellBar  = regexp.MustCompile(`\| (--- )?`)
	escaped  = regexp.MustCompile(`\\[\\*_{}\[\]<>#+!|~&$^=]`)
	link     = regexp.MustCompile(`(?i)[@#][^\x{200B}]|[@#]$|:/[^\x{200B}]|www[^\x{200B}]|GH-[^\x{200B}]`)
)

// FuzzMarkdown writes changes of names and texts that no spec should have.
func FuzzMarkdown(f *testing.F) {
	for _, text := range []string{"a", "@team", "a|b", "`rm`", "<img src=x onerror=y>", "[x](https://example.com)", "http://example.com www.example.com", "a\n# b", "a\r\n\r\n- b", "![x](y)",
		"\\", "\\`", "*b*", "__b__", "~~b~~", "$x$", "#1", "GH-1", "a@example.com", "\u202Eb", "\x1b[31m", "\xff", "", " ", "&lt;", "<!--", "| --- |", strings.Repeat("`", 300)} {
		f.Add(text, text)
	}
	f.Fuzz(func(t *testing.T, name, why string) {
		was, is := site("a", 61000, 61009), site("a", 61000, 61019)
		is.Server, is.AnnounceName, is.Sizing.Bounds[0].Why = name, name, why
		more := site(name, 62000, 62009)
		text := Between(planOf("h", was), planOf(name, is, more), nil).Markdown(60_000)
		prose := codeSpan.ReplaceAllString(text, "CODE")
		prose = strings.TrimSuffix(strings.TrimPrefix(strings.Replace(prose, "**\n", "\n", 1), "**"), "\n")
		for i, line := range strings.Split(prose, "\n") {
			bare := leader.ReplaceAllString(line, "")
			if strings.HasPrefix(bare, "| ") {
				if cells := strings.Count(bare, "|"); cells != 5 {
					t.Errorf("line %d has %d bars: %s", i, cells, line)
				}
				bare = cellBar.ReplaceAllString(strings.TrimSuffix(bare, "|"), "")
			}
			bare = escaped.ReplaceAllString(bare, "E")
			if strings.ContainsAny(bare, "\\*_{}[]<>#+!|~&$^=`") {
				t.Errorf("line %d has a mark: %q", i, line)
			}
			if m := link.FindString(bare); m != "" {
				t.Errorf("line %d links %q: %q", i, m, line)
			}
		}
		for _, r := range text {
			if r != '\n' && r != '\u200B' && (!unicode.IsGraphic(r) || unicode.Is(unicode.Cf, r)) {
				t.Errorf("%U in %q", r, text)
			}
		}
	})
}

// What is left of a range after a cut has each port that the cut does not, once.
func TestCut(t *testing.T) {
	for _, out := range []spec.PortRange{{First: 1, Last: 9}, {First: 5, Last: 12}, {First: 12, Last: 14}, {First: 10, Last: 20}, {First: 18, Last: 30}, {First: 21, Last: 30}, {First: 1, Last: 30}, {First: 10, Last: 10}, {First: 20, Last: 20}} {
		left := cut([]spec.PortRange{{First: 10, Last: 20}}, out)
		for port := uint16(1); port <= 40; port++ {
			n := 0
			for _, r := range left {
				if r.Contains(port) {
					n++
				}
			}
			want := 0
			if port >= 10 && port <= 20 && !out.Contains(port) {
				want = 1
			}
			if n != want {
				t.Errorf("without %s: %v has port %d %d times", out, left, port, n)
			}
		}
	}
}

// The line that everybody reads says what lets more in, even if no firewall opens a
// port to clients, and names the largest networks.
func TestVerdictHidesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(was, is *plan.Plan)
		want   string
	}{
		"a gateway": {func(_, is *plan.Plan) {
			s := is.Sites[0]
			is.Gateways = []*plan.Gateway{{Gateway: &spec.Gateway{Name: "nat1"}, Forwards: []plan.Forward{{Site: s, Ports: s.DataPorts, To: s.Addresses[0], ToPorts: s.DataPorts}}}}
		}, "No site changes. Gateways open the forward of 10 ports."},
		"active mode": {func(_, is *plan.Plan) { is.Sites[0].Policy.Active = spec.PortRange{First: 20, Last: 20} },
			"In active mode more connections may go out from the servers of `a`."},
		"less TLS": {func(was, is *plan.Plan) { was.Sites[0].TLS.Required = true },
			"1 site changes. No port opens or shuts. TLS protects less at `a`."},
		"no TLS": {func(was, is *plan.Plan) {
			was.Sites[0].TLS.Mode, is.Sites[0].TLS.Mode = spec.TLSExplicit, spec.TLSOff
		}, "TLS protects less at `a`."},
		"nearly anyone beside anyone": {func(was, is *plan.Plan) {
			b := func() *plan.Site {
				b := site("b", 61010, 61019)
				b.Port = 2121
				return b
			}
			wasB, isB := b(), b()
			wasB.Clients = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
			*was, *is = *planOf("h", wasB), *planOf("h", site("a", 61000, 61009), isB)
		}, "Firewalls open 22 ports, 11 of them to anyone on IPv4 and the others to anyone on IPv4 except `10.0.0.0/8`."},
		"an interface": {func(was, _ *plan.Plan) { was.Hosts[0].Interface = "eth0" },
			"The rules hold for another interface or in another chain on `h`."},
		"a prefix": {func(was, is *plan.Plan) { was.Sites[0].IPv6ClientPrefix, is.Sites[0].IPv6ClientPrefix = 64, 48 },
			"Networks of another size count as one IPv6 client of `a`."},
		"no gate on another site's ports": {func(was, is *plan.Plan) {
			*was, *is = *planOf("h", site("a", 61000, 61009), site("b", 61010, 61019)), *planOf("h", site("b", 61000, 61019))
			for _, s := range []*plan.Site{was.Sites[1], is.Sites[0]} {
				s.Port, s.Gate, s.Policy.Gate = 2121, false, false
			}
		}, "The gate is off: a client without a control connection can reach the data ports of `b`."},
		"a large network": {func(was, is *plan.Plan) {
			was.Sites[0].Policy.Clients4 = nil
			is.Sites[0].Policy.Clients4 = nil
			for _, n := range []string{"1.0.0.0/32", "1.0.0.2/32", "1.0.0.4/32", "1.0.0.6/32", "128.0.0.0/2"} {
				is.Sites[0].Policy.Clients4 = append(is.Sites[0].Policy.Clients4, netip.MustParsePrefix(n))
			}
		}, "open 11 ports to `128.0.0.0/2`, `1.0.0.0/32`, `1.0.0.2/32` and 2 more."},
	} {
		was, is := planOf("h", site("a", 61000, 61009)), planOf("h", site("a", 61000, 61009))
		c.change(was, is)
		is.Sites[0].ActiveMode = is.Sites[0].Policy.Active.First > 0
		if got := Between(was, is, nil).Page().Verdict; !strings.Contains(got, c.want) {
			t.Errorf("%s: %q does not say %q", name, got, c.want)
		}
	}
}

// A shorter prefix gives one client's limit, and its pass through the gate, to more
// addresses: it neither loosens nor tightens.
func TestIPv6ClientPrefixIsBoth(t *testing.T) {
	was, is := site("a", 61000, 61009), site("a", 61000, 61009)
	was.IPv6ClientPrefix, is.IPv6ClientPrefix = 64, 48
	c := Between(planOf("h", was), planOf("h", is), nil)
	if d := c.Sites[0].difference("ipv6_client_prefix"); d.Effect != "" || len(c.Firewalls) > 0 {
		t.Errorf("%+v, %+v", d, c.Firewalls)
	}
	was.Policy.Addresses6 = []netip.Addr{netip.IPv6Loopback()}
	is.Policy.Addresses6 = was.Policy.Addresses6
	for _, s := range Between(planOf("h", was), planOf("h", is), nil).Page().Sections {
		if s.Title == "Firewall of host `h`" && !strings.Contains(s.Items[len(s.Items)-1], "a /48 is one client, and a /64 was before") {
			t.Error(s.Items)
		}
	}
}
