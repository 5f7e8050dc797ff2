package generators

import (
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// powershellTable is a hash table: the strings of each key, or what its value is
// as it is written.
type powershellTable map[string][]string

var (
	powershellEntry = regexp.MustCompile(`^ +([A-Za-z]+) += (\$rule\.[A-Za-z]+|'.*')$`)
	powershellQuote = regexp.MustCompile(`^'((?:[^'‘’‚‛]|'')*)'(?:, |$)`)
)

// powershellTables reads the hash tables of a script, each "@{" to a line "}", with
// single-quoted strings, lists of them and members of $rule as values.
func powershellTables(script string) (all []powershellTable, err error) {
	var open powershellTable
	for n, line := range strings.Split(script, "\n") {
		switch m := powershellEntry.FindStringSubmatch(line); {
		case strings.HasSuffix(line, "@{"):
			if open != nil {
				return nil, fmt.Errorf("line %d: a table within a table", n+1)
			}
			open = powershellTable{}
		case open == nil:
		case strings.TrimSpace(line) == "}":
			all, open = append(all, open), nil
		case m == nil || open[m[1]] != nil:
			return nil, fmt.Errorf("line %d: not an entry, or a second one: %s", n+1, line)
		case strings.HasPrefix(m[2], "$"):
			open[m[1]] = []string{m[2]}
		default:
			for rest := m[2]; rest != ""; {
				q := powershellQuote.FindStringSubmatch(rest)
				if q == nil {
					return nil, fmt.Errorf("line %d: not a list of strings: %s", n+1, m[2])
				}
				open[m[1]] = append(open[m[1]], strings.ReplaceAll(q[1], "''", "'"))
				rest = rest[len(q[0]):]
			}
		}
	}
	if open != nil {
		return nil, fmt.Errorf("a table is open")
	}
	return all, nil
}

// waysOfWindows is what scripts admit at each address, and what is wrong with them.
func waysOfWindows(files []File) (ways, []string) {
	all := ways{}
	var wrong []string
	for _, f := range files {
		tables, err := powershellTables(string(f.Content))
		if err != nil || len(tables) < 2 {
			return nil, []string{fmt.Sprint(f.Path, ": ", err)}
		}
		settings, rules := tables[len(tables)-1], tables[:len(tables)-1]
		for key, want := range map[string]string{"Name": "$rule.Name", "Direction": "Inbound", "Action": "Allow", "Enabled": "True", "Profile": "Any", "Protocol": "TCP",
			"LocalAddress": "$rule.LocalAddress", "LocalPort": "$rule.LocalPort", "RemoteAddress": "$rule.RemoteAddress", "ErrorAction": "Stop"} {
			if strings.Join(settings[key], ",") != want {
				wrong = append(wrong, fmt.Sprintf("%s is %q", key, settings[key]))
			}
		}
		names := map[string]bool{}
		for _, rule := range rules {
			wrong = append(wrong, addWindowsRule(all, path.Dir(f.Path), rule)...)
			name := rule["Name"]
			if len(rule) != 5 || len(name) != 1 || names[name[0]] || len(rule["DisplayName"]) != 1 {
				wrong = append(wrong, fmt.Sprintf("a rule is %q", rule))
				continue
			}
			names[name[0]] = true
		}
	}
	return all, wrong
}

// addWindowsRule adds what a rule admits. Its addresses are of the one family that
// its name has.
func addWindowsRule(all ways, host string, rule powershellTable) (wrong []string) {
	ports, name := rule["LocalPort"], strings.Join(rule["Name"], "")
	if len(ports) != 1 || len(rule["LocalAddress"]) == 0 {
		return []string{fmt.Sprintf("a rule is %q", rule)}
	}
	for _, at := range rule["LocalAddress"] {
		family := familyOf(at)
		if addr, err := netip.ParseAddr(at); err != nil || addr.Zone() != "" || !strings.HasSuffix(name, map[string]string{"IPv4": "-v4", "IPv6": "-v6"}[family]) {
			wrong = append(wrong, fmt.Sprintf("%s has the address %q", name, at))
		}
		networks := rule["RemoteAddress"]
		if slices.Equal(networks, []string{"Any"}) {
			networks = []string{map[string]string{"IPv4": "0.0.0.0/0", "IPv6": "::/0"}[family]}
		}
		for _, n := range networks {
			if prefix, err := netip.ParsePrefix(n); err != nil || prefix != prefix.Masked() || familyOf(n) != family {
				wrong = append(wrong, fmt.Sprintf("%s has the network %q", name, n))
			}
		}
		if len(wrong) == 0 {
			all.product(host+"@"+at, ports, networks)
		}
	}
	return wrong
}

// waysAt is what the plan admits at each address of the sites that want it, for
// firewalls that know the host's addresses.
func waysAt(p *plan.Plan) []string {
	all := ways{}
	for _, host := range p.Hosts {
		for _, a := range host.Admissions() {
			for _, purpose := range a.For {
				for _, at := range purpose.Site.Addresses {
					if at.Is4() == a.From.Addr().Is4() {
						all.add(host.Name+"@"+at.String(), a.Family(), a.Ports.First, a.Ports.Last, a.From.String())
					}
				}
			}
		}
	}
	return all.sorted()
}

func windowsScripts(t *testing.T, p *plan.Plan) []File {
	t.Helper()
	files, diags := (&windowsFirewall{}).Files(p)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return files
}

func TestWindowsFirewallIsHeldToThePlan(t *testing.T) {
	files := windowsScripts(t, cloudPlan())
	format := cloudFormats["windows_firewall"]
	if problem := format.disagreement(cloudPlan(), files); problem != "" {
		t.Fatal(problem)
	}
	for old, changed := range map[string]string{
		"'Inbound'":            "'Outbound'",
		"'Allow'":              "'Block'",
		"'TCP'":                "'UDP'",
		"$rule.LocalAddress":   "$rule.RemoteAddress",
		"'Stop'":               "'Continue'",
		"-control-v4'":         "-control-v6'",
		"'203.0.113.20'":       "'203.0.113.21'",
		"= '2121'":             "= '2122'",
		"'192.0.2.0/25'":       "'192.0.2.1/25'",
		"'192.0.2.128/25'":     "'192.0.2.128/25",
		"'198.51.100.7/32'":    "'2001:db8::/32'",
		"    }\n    @{":        "    @{",
		"\n        LocalPort ": "\n        LocalPort     = '21'\n        LocalPort ",
	} {
		mutated := slices.Clone(files)
		changes := 0
		for i, f := range mutated {
			text := strings.Replace(string(f.Content), old, changed, 1)
			if text != string(f.Content) {
				changes++
			}
			mutated[i].Content = []byte(text)
		}
		if problem := format.disagreement(cloudPlan(), mutated); changes == 0 || problem == "" {
			t.Errorf("%s for %s, %d changes: nothing notices", changed, old, changes)
		}
	}
}

// A range that moves and a network that comes change no rule's name, so that the
// script changes the rules in place; two sites of one range on two addresses have
// rules of their own; everyone needs no list.
func TestWindowsFirewallRules(t *testing.T) {
	host := handHost("edge1", "203.0.113.10", "203.0.113.11", "2001:db8::10")
	at := func(first uint16, clients ...string) []windowsRule {
		one := func(name, address string) *plan.Site {
			return handSite(host, name, "iis", 21, spec.PortRange{First: first, Last: first + 9}, func(s *plan.Site) {
				s.Addresses = []netip.Addr{netip.MustParseAddr(address)}
				s.Clients = prefixes(clients...)
			})
		}
		return windowsRules(handPlan(one("a", "203.0.113.10"), one("b", "203.0.113.11")).Hosts[0])
	}
	text := func(rules []windowsRule) (all []string) {
		for _, r := range rules {
			all = append(all, fmt.Sprintf("%s%v%s%v%t", r.Name, r.Local, r.Ports, r.From, r.Everyone))
		}
		return all
	}
	want := []string{
		"pasvctl-edge1--a-control-v4[203.0.113.10]21[192.0.2.0/24]false", "pasvctl-edge1--b-control-v4[203.0.113.11]21[192.0.2.0/24]false",
		"pasvctl-edge1--a-data-v4[203.0.113.10]61000-61009[192.0.2.0/24]false", "pasvctl-edge1--b-data-v4[203.0.113.11]61000-61009[192.0.2.0/24]false",
	}
	if got := text(at(61000, "192.0.2.0/24")); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	for i, w := range want {
		w = strings.NewReplacer("61000-61009", "62000-62009", "[192.0.2.0/24]false", "[0.0.0.0/0 192.0.2.0/24]true").Replace(w)
		if got := text(at(62000, "192.0.2.0/24", "0.0.0.0/0")); got[i] != w {
			t.Errorf("got %s, want %s", got[i], w)
		}
	}
}

// A rule that is gone is removed after all others are as they should be.
func TestWindowsFirewallRemovesLast(t *testing.T) {
	script := string(windowsScripts(t, cloudPlan())[0].Content)
	last := -1
	for _, step := range []string{"\n$present = @(Get-NetFirewallRule -ErrorAction Stop", "\n        Set-NetFirewallRule @settings\n", "\n        New-NetFirewallRule @settings ",
		"\n$present | Where-Object { $kept -notcontains $_.Name } | Remove-NetFirewallRule -ErrorAction Stop\n"} {
		at := strings.Index(script, step)
		if at <= last || strings.Count(script, step) != 1 {
			t.Errorf("%q is at %d, after %d", step, at, last)
		}
		last = at
	}
	for _, r := range script {
		if r > '~' || r < ' ' && r != '\n' {
			t.Errorf("the script has %q, which Windows PowerShell reads in the system's code page", r)
		}
	}
}
