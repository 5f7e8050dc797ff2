package verify_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/verify"
	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// siteText is a site of at most six sessions on edge1, some a client, with
// attributes of its own.
func siteText(name string, port, aClient int, attributes ...string) string {
	return fmt.Sprintf(`
site %q {
  host   = "edge1"
  server = "proftpd"
  port   = %d
  %s
  concurrency {
    sessions             = 6
    sessions_per_address = %d
  }
}
`, name, port, strings.Join(attributes, "\n  "), aClient)
}

func hostText(addresses, more string) string {
	return fmt.Sprintf("host \"edge1\" {\n  addresses = %s\n  %s\n}\n", addresses, more)
}

// text has two sites whose ranges lie side by side, on two addresses of each
// family, for clients whose prefixes end at no round number.
func text(host, gate, more string) string {
	return hostText(`["203.0.113.10", "203.0.113.11", "2001:db8::10"]`, host) +
		siteText("downloads", 21, 3, `announce = "198.51.100.7"`, `clients = ["192.0.2.0/25", "192.0.2.128/26", "2001:db8:1::/49"]`, `data_ports = "61000-61007"`) +
		siteText("public", 2121, 2, `addresses = ["203.0.113.10", "2001:db8::10"]`, `data_ports = "61008-61015"`, gate) + more
}

const nat = `
gateway "nat1" {
  address       = "198.51.100.7"
  sites         = ["downloads", "public"]
  control_ports = { public = 30000 }
}
`

var specs = map[string]string{
	"plain":     text("", "", ""),
	"no gate":   text("", "gate = false", ""),
	"into":      text(`firewall { into = "inet filter input" }`, "", ""),
	"interface": text(`interface = "wan0"`, "", ""),
	"gateway":   text("", `announce = "198.51.100.7"`, nat),
	"one client a site": strings.ReplaceAll(text("", `clients = ["192.0.2.7/32"]`, ""),
		`["192.0.2.0/25", "192.0.2.128/26", "2001:db8:1::/49"]`, `["192.0.2.7/32", "2001:db8:1:1::/64"]`),
}

// load plans a spec and renders the rules for a backend.
func load(t testing.TB, backend, text string) (*generators.Project, []generators.File) {
	t.Helper()
	fsys := fstest.MapFS{"test.pasv.hcl": {Data: []byte(text)}}
	p, diags := generators.Load(fsys, []string{"test.pasv.hcl"}, generators.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	files, diags := p.Files(targets[backend])
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p, files
}

var targets = map[string]string{kernel.NFT: "nftables", kernel.IPTables: "iptables"}

func tools(t testing.TB) {
	t.Helper()
	needs.Root(t)
	for _, tool := range []string{"ip", "nft", "iptables", "ip6tables", "ipset"} {
		needs.Tool(t, tool)
	}
}

var backends = []string{kernel.NFT, kernel.IPTables}

func TestRenderedRulesMeetThePlan(t *testing.T) {
	tools(t)
	t.Parallel()
	for _, backend := range backends {
		for name, text := range specs {
			t.Run(backend+"/"+name, func(t *testing.T) {
				t.Parallel()
				p, files := load(t, backend, text)
				r, err := verify.Run(t.Context(), p.Plan, files, verify.Options{Backend: backend, Expects: p.Spec.Expects}, nil)
				if err != nil {
					t.Fatal(err)
				}
				if len(r.Expectations) < 100 {
					t.Errorf("only %d expectations", len(r.Expectations))
				}
				for _, e := range r.Unmet() {
					t.Errorf("%+v", e)
				}
				for _, u := range r.Untried {
					if tooSlow(u) {
						t.Logf("untried: %+v", u)
					} else {
						t.Errorf("untried: %+v", u)
					}
				}
			})
		}
	}
}

// A range that has moved stays open beside the new one, by the same rules.
func TestDrainingRangesMeetThePlan(t *testing.T) {
	tools(t)
	t.Parallel()
	for _, backend := range backends {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			p, _ := load(t, backend, specs["plain"])
			drained := *p
			drained.Plan = p.Plan.Drain(map[string][]spec.PortRange{
				"downloads": {{First: 20000, Last: 20007}, {First: 61000, Last: 61019}},
				"public":    {{First: 30000, Last: 30000}},
			})
			files, diags := drained.Files(targets[backend])
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			r, err := verify.Run(t.Context(), drained.Plan, files, verify.Options{Backend: backend}, nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, port := range []string{":20000", ":20007", ":61016", ":61019", ":30000"} {
				for _, want := range []string{"admitted", "dropped"} {
					if !slices.ContainsFunc(r.Expectations, func(e verify.Expectation) bool {
						return strings.HasSuffix(e.To, port) && e.Want == want && e.Met()
					}) {
						t.Errorf("port %s was never %s", port, want)
					}
				}
			}
			for _, e := range r.Unmet() {
				t.Errorf("%+v", e)
			}
		})
	}
}
