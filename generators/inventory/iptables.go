package inventory

import (
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() { register(reader{tellsIptables, readIptables}) }

var (
	iptablesLine = regexp.MustCompile(`(?m)^(?:\*filter\b|:[A-Za-z0-9_.-]+ (?:ACCEPT|DROP|-)(?: |$)|(?:\[[0-9]+:[0-9]+\] )?-A [A-Z])`)
	// counters are what iptables-save -c puts before a rule.
	counters  = regexp.MustCompile(`^\[[0-9]+:[0-9]+\] `)
	ip6tables = regexp.MustCompile(`ip6tables|icmp6|ipv6-icmp|(?m)^-A .*-[sd] [0-9a-f]*:`)
)

func tellsIptables(text []byte) int { return matches(iptablesLine, text) }

// readIptables reads what iptables-save and ip6tables-save print: the chain
// INPUT of the table filter, and pasvctl's chains.
func readIptables(in *input) error {
	six := ip6tables.Match(in.text) || strings.Contains(path.Base(in.source.Name), "v6")
	rs := &ruleset{in: in, chains: map[string]*chain{}, ours: func(name string) bool { return strings.HasPrefix(name, "PASVCTL") }}
	f := &Firewall{At: in.at(0), Format: "iptables", Name: "INPUT", IPv4: !six, IPv6: six, Accepts: true}
	table, declared := "filter", false
	for i, line := range strings.Split(string(in.text), "\n") {
		line = counters.ReplaceAllString(strings.TrimSpace(line), "")
		switch {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
		case strings.HasPrefix(line, ":") && table == "filter":
			name, policy, _ := strings.Cut(line[1:], " ")
			rs.chain(name)
			if name == "INPUT" {
				declared = true
				f.Accepts = !strings.HasPrefix(policy, "DROP")
			}
		case strings.HasPrefix(line, "-A "):
			words := shellWords(line)
			switch {
			case len(words) < 2:
			case table == "filter":
				c := rs.chain(words[1])
				c.rules = append(c.rules, iptablesRule(in.at(i+1), words, six))
			case table == "nat" && words[1] == "PREROUTING" && !strings.Contains(line, "PASVCTL"):
				in.unread(in.at(i+1), "-A PREROUTING", "it may send connections to another port or address")
			}
		}
	}
	in.Firewalls = append(in.Firewalls, f)
	if ours := rs.chains["PASVCTL"]; ours != nil && !declared && rs.chains["INPUT"] == nil {
		rs.open(f, ours) // a file that is loaded beside other rules
		return nil
	}
	rs.open(f, rs.chain("INPUT"))
	if ours := rs.chains["PASVCTL"]; ours != nil && !rs.entered(ours) {
		in.unread(in.at(0), "chain PASVCTL", "no rule of INPUT jumps to it")
	}
	return nil
}

// chain is the chain of a name, which may be empty so far.
func (rs *ruleset) chain(name string) *chain {
	if rs.chains[name] == nil {
		rs.chains[name] = &chain{name: name}
	}
	return rs.chains[name]
}

// iptablesRule reads the words of "-A CHAIN …".
func iptablesRule(at At, words []string, six bool) rule {
	r := rule{at: at, name: "-A " + words[1], v4: !six, v6: six}
	p := &iptablesParser{rule: &r}
	for words = words[2:]; len(words) > 0; {
		if words[0] == "!" && len(words) > 1 {
			p.not, words = true, words[1:]
			continue
		}
		n := p.option(words)
		p.not = false
		words = words[min(max(1, n), len(words)):]
	}
	return r
}

type iptablesParser struct {
	*rule
	not bool // a ! is before the option
}

func (p *iptablesParser) strange(what string) {
	if p.odd == "" {
		p.odd = "it matches " + what
	}
}

// option reads an option and its values, and returns how many words that took.
func (p *iptablesParser) option(words []string) int {
	value := ""
	if len(words) > 1 {
		value = words[1]
	}
	switch words[0] {
	case "-p":
		p.protocol(value)
	case "-s", "-d":
		p.address(words[0], value)
	case "-i":
		if p.from, p.notFrom = value, p.not; value == "lo" {
			p.irrelevant, p.from, p.notFrom = !p.not, "", false
		}
	case "-m":
		if !slices.Contains([]string{"tcp", "comment", "state", "conntrack", "multiport", "set", "connlimit", "udp", "icmp", "icmp6", "addrtype"}, value) {
			p.strange("with -m " + value)
		}
	case "--dport", "--destination-port", "--dports", "--destination-ports":
		p.dports(value)
	case "--state", "--ctstate":
		p.irrelevant = p.irrelevant || slices.Contains(strings.Split(value, ","), "NEW") == p.not
	case "--ctstatus":
		p.irrelevant = true // of connections that have begun
	case "--tcp-flags":
		p.flags(value, words)
		return 3
	case "--syn", "--connlimit-saddr", "--exist":
		if p.not && words[0] == "--syn" {
			p.irrelevant = true
		}
		return 1
	case "--match-set":
		if p.source = (match{ipset: value, not: p.not}); len(words) < 3 || words[2] != "src" {
			p.strange("a set of other things than clients")
		}
		return 3
	case "--connlimit-above":
		p.perAddress, _ = strconv.Atoi(value)
	case "--comment", "--connlimit-mask", "--log-prefix", "--log-level", "--reject-with", "--add-set", "--timeout":
	case "-j", "-g":
		p.verdict(value)
	default:
		p.strange("with " + words[0])
		return 1
	}
	return 2
}

// flags reads a mask and the flags that must be set in it: --syn is SYN alone,
// and ACK or RST are of connections that have begun.
func (p *iptablesParser) flags(mask string, words []string) {
	set := ""
	if len(words) > 2 {
		set = words[2]
	}
	switch {
	case strings.Contains(mask, "ACK") && (set == "NONE" || set == "SYN"):
		p.irrelevant = p.irrelevant || p.not
	default:
		p.strange("TCP flags")
	}
}

func (p *iptablesParser) protocol(name string) {
	is := name == "tcp" || name == "6" || name == "all"
	p.irrelevant = p.irrelevant || is == p.not
}

func (p *iptablesParser) address(option, value string) {
	m := match{not: p.not}
	for text := range strings.SplitSeq(value, ",") {
		n, err := network(text)
		if err != nil {
			p.strange("an address that is none")
			return
		}
		if n.Bits() > 0 || p.not {
			m.nets = append(m.nets, n)
		}
	}
	if option == "-s" {
		p.source = m
	} else {
		p.rule.target = m
	}
}

func (p *iptablesParser) dports(value string) {
	if p.not {
		p.strange("all ports except some")
	}
	for text := range strings.SplitSeq(value, ",") {
		r, ok := spec.ParsePortRange(strings.Replace(text, ":", "-", 1))
		if !ok || r.Last == 0 {
			p.strange("a port that is none")
			return
		}
		p.ports = append(p.ports, r)
	}
}

func (p *iptablesParser) verdict(name string) {
	switch name {
	case "ACCEPT":
		p.does = accepts
	case "DROP", "REJECT":
		p.does = drops
	case "RETURN":
		p.does = returns
	case "LOG", "NFLOG", "ULOG", "SET", "MARK", "CONNMARK", "TRACE", "CT", "NOTRACK", "AUDIT":
	default:
		p.does, p.to = jumps, name
		if name == "PASVCTL-PASS" {
			p.does = accepts
		}
	}
}

type ipset struct{ nets []netip.Prefix }

func init() {
	register(reader{func(text []byte) int { return matches(ipsetLine, text) }, readIpset})
}

var ipsetLine = regexp.MustCompile(`(?m)^(?:create \S+ (?:hash|list|bitmap):|add \S+ [0-9a-f])`)

// readIpset reads what ipset save prints, and files for ipset restore.
func readIpset(in *input) error {
	if in.ipsets == nil {
		in.ipsets = map[string]*ipset{}
	}
	for i, line := range strings.Split(string(in.text), "\n") {
		words := strings.Fields(line)
		if len(words) < 2 || words[0][0] == '#' {
			continue
		}
		s := in.ipsets[words[1]]
		switch {
		case words[0] == "create":
			in.ipsets[words[1]] = &ipset{}
		case s == nil || len(words) < 3 && words[0] != "flush" && words[0] != "destroy":
		case words[0] == "add":
			n, err := network(words[2])
			if err != nil {
				in.unread(in.at(i+1), "add "+words[1], "it is not a network")
				continue
			}
			s.nets = append(s.nets, n)
		case words[0] == "swap" && in.ipsets[words[2]] != nil:
			in.ipsets[words[1]], in.ipsets[words[2]] = in.ipsets[words[2]], s
		case words[0] == "flush":
			s.nets = nil
		case words[0] == "destroy":
			delete(in.ipsets, words[1])
		}
	}
	return nil
}

// resolve puts the members of sets in place of their names. An opening for a set
// that is empty is none.
func (inv *Inventory) resolve() {
	for _, f := range inv.Firewalls {
		f.Openings = slices.DeleteFunc(f.Openings, func(o Opening) bool {
			for _, name := range o.ipsets {
				if s := inv.ipsets[name]; s != nil && len(s.nets) == 0 {
					if o.Only {
						f.Shut = append(f.Shut, o)
					}
					return true
				}
			}
			return false
		})
		for i := range f.Openings {
			o := &f.Openings[i]
			for _, name := range o.ipsets {
				s := inv.ipsets[name]
				if s == nil {
					o.Others = append(o.Others, "ipset "+name)
					inv.Unread = append(inv.Unread, Unread{o.At, "set " + name, "no file that was read has its members"})
					continue
				}
				o.Sources = append(o.Sources, s.nets...)
			}
			o.ipsets = nil
		}
	}
}
