package inventory

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// nftParser reads the statements of one rule, as libnftables-json(5) has them.
type nftParser struct {
	*rule
	t *nftTable
}

func (p *nftParser) strange(format string, args ...any) {
	if p.odd == "" {
		p.odd = fmt.Sprintf(format, args...)
	}
}

func (p *nftParser) statement(key string, value any) {
	switch key {
	case "match":
		m, _ := value.(map[string]any)
		p.match(m)
	case "accept":
		p.does = accepts
	case "drop", "reject":
		p.does = drops
	case "return":
		p.does = returns
	case "jump", "goto":
		m, _ := value.(map[string]any)
		p.to, _ = m["target"].(string)
		if p.does = jumps; p.to == "pasvctl_pass" {
			p.does = accepts
		}
	case "counter", "log", "comment", "mangle", "notrack":
	case "set":
		m, _ := value.(map[string]any)
		p.count(m)
	default:
		p.strange("it has the statement %s", key)
	}
}

// count reads the cap of connections from an address.
func (p *nftParser) count(set map[string]any) {
	statements, _ := set["stmt"].([]any)
	for _, s := range statements {
		m, _ := s.(map[string]any)
		count, _ := m["ct count"].(map[string]any)
		if n, ok := count["val"].(float64); ok && 0 < n && n < 1<<31 && count["inv"] == true {
			p.perAddress = int(n)
			p.family(set["elem"])
			return
		}
	}
	p.irrelevant = true // it learns
}

// family narrows the rule to that of an address's expression.
func (p *nftParser) family(expr any) {
	protocol, _ := payload(expr)
	p.v4, p.v6 = p.v4 && protocol != "ip6", p.v6 && protocol != "ip"
}

// payload is the field of a packet that an expression is about, without its mask.
func payload(expr any) (protocol, field string) {
	m, _ := expr.(map[string]any)
	if both, ok := m["&"].([]any); ok && len(both) == 2 {
		m, _ = both[0].(map[string]any)
	}
	f, _ := m["payload"].(map[string]any)
	protocol, _ = f["protocol"].(string)
	field, _ = f["field"].(string)
	return protocol, field
}

func key(left any, of string) string {
	m, _ := left.(map[string]any)
	f, _ := m[of].(map[string]any)
	k, _ := f["key"].(string)
	return k
}

// match reads a comparison.
func (p *nftParser) match(m map[string]any) {
	op, _ := m["op"].(string)
	left, right, not := m["left"], m["right"], op == "!="
	protocol, field := payload(left)
	switch {
	case op != "==" && op != "in" && !not:
		p.strange("it compares with %s", op)
	case protocol == "tcp" && field == "dport", protocol == "th" && field == "dport":
		p.dports(right, not)
	case (protocol == "ip" || protocol == "ip6") && (field == "saddr" || field == "daddr"):
		p.family(left)
		p.address(field, p.set(right), not)
	case protocol == "tcp" && field == "flags":
		p.flags(left, right, op)
	case protocol == "udp", protocol == "icmp", protocol == "icmpv6", protocol == "sctp", protocol == "dccp", protocol == "igmp":
		p.irrelevant = true
	case key(left, "meta") == "l4proto", protocol == "ip" && field == "protocol", protocol == "ip6" && field == "nexthdr":
		if protocol != "" {
			p.family(left)
		}
		p.irrelevant = p.irrelevant || slices.ContainsFunc(p.set(right), isTCP) == not
	case key(left, "meta") == "nfproto":
		name, _ := right.(string)
		six := (name == "ipv6") != not
		p.v4, p.v6 = p.v4 && !six, p.v6 && six
	case key(left, "meta") == "iifname", key(left, "meta") == "iif":
		name, ok := right.(string)
		if p.from, p.notFrom = name, not; name == "lo" {
			p.irrelevant, p.from, p.notFrom = p.irrelevant || !not, "", false
		} else if !ok {
			p.strange("it matches several interfaces")
		}
	case key(left, "ct") == "state":
		p.irrelevant = p.irrelevant || slices.Contains(p.set(right), any("new")) == not
	case key(left, "ct") == "status":
		p.irrelevant = true // of connections that have begun
	default:
		p.strange("it matches what is not read: %s", subject(left))
	}
	if !p.v4 && !p.v6 {
		p.irrelevant = true
	}
}

// subject is what a comparison is about, in a few words.
func subject(left any) string {
	for _, of := range []string{"meta", "ct", "rt", "socket", "osf"} {
		if k := key(left, of); k != "" {
			return of + " " + k
		}
	}
	if protocol, field := payload(left); protocol != "" {
		return protocol + " " + field
	}
	return "an expression"
}

func isTCP(v any) bool { return v == "tcp" || v == 6.0 }

// flags reads a match of TCP's flags: those with ACK or RST are of connections
// that have begun.
func (p *nftParser) flags(left, right any, op string) {
	m, _ := left.(map[string]any)
	if list, ok := right.([]any); ok && op == "in" && m["payload"] != nil && slices.Contains(list, any("ack")) {
		p.irrelevant = true
		return
	}
	if both, ok := m["&"].([]any); ok && len(both) == 2 && op == "!=" && right == 0.0 {
		p.irrelevant = true
		return
	}
	p.strange("it matches TCP flags")
}

// set is the list of elements of a right side: of a named set its own.
func (p *nftParser) set(right any) []any {
	switch v := right.(type) {
	case []any:
		return v
	case map[string]any:
		if list, ok := v["set"].([]any); ok {
			return list
		}
	case string:
		if name, named := strings.CutPrefix(v, "@"); named {
			s := p.t.sets[name]
			if s == nil || len(s.Elem) == 0 || slices.Contains(s.Flags, "timeout") || slices.Contains(s.Flags, "dynamic") {
				return []any{v}
			}
			return s.Elem
		}
	}
	return []any{right}
}

// address reads the networks of a source or a destination.
func (p *nftParser) address(field string, list []any, not bool) {
	m := match{not: not}
	for _, e := range list {
		nets, ok := nftNetworks(e)
		if name, isSet := e.(string); !ok && isSet && strings.HasPrefix(name, "@") {
			if s := p.t.sets[name[1:]]; s != nil && len(s.Elem) == 0 && len(s.Flags) > 0 && !slices.Contains(s.Flags, "timeout") && !slices.Contains(s.Flags, "dynamic") {
				m.nothing = true
			} else {
				m.learnt = true
			}
			continue
		}
		if !ok {
			p.strange("it matches an address that is none")
			return
		}
		m.nets = append(m.nets, nets...)
	}
	if field == "saddr" {
		p.source = m
	} else {
		p.target = m
	}
}

func nftNetworks(element any) ([]netip.Prefix, bool) {
	switch v := element.(type) {
	case string:
		n, err := network(v)
		return []netip.Prefix{n}, err == nil
	case map[string]any:
		if e, ok := v["elem"].(map[string]any); ok {
			if _, again := e["val"].(map[string]any); !again || e["val"].(map[string]any)["elem"] == nil {
				return nftNetworks(e["val"])
			}
			return nil, false
		}
		if prefix, ok := v["prefix"].(map[string]any); ok {
			address, _ := prefix["addr"].(string)
			bits, _ := prefix["len"].(float64)
			n, err := network(fmt.Sprintf("%s/%d", address, int(bits)))
			return []netip.Prefix{n}, err == nil
		}
		if ends, ok := v["range"].([]any); ok && len(ends) == 2 {
			first, _ := ends[0].(string)
			last, _ := ends[1].(string)
			nets := prefixes(first, last)
			return nets, len(nets) > 0
		}
	}
	return nil, false
}

func (p *nftParser) dports(right any, not bool) {
	if not {
		p.strange("it matches all ports except some")
		return
	}
	for _, e := range p.set(right) {
		r, ok := nftPorts(e)
		if !ok {
			p.strange("it matches a port that is none")
			return
		}
		p.ports = append(p.ports, r)
	}
}

func nftPorts(element any) (spec.PortRange, bool) {
	first, last := element, element
	if m, ok := element.(map[string]any); ok {
		if e, ok := m["elem"].(map[string]any); ok {
			first, last = e["val"], e["val"]
			m, _ = e["val"].(map[string]any)
		}
		if ends, ok := m["range"].([]any); ok && len(ends) == 2 {
			first, last = ends[0], ends[1]
		}
	}
	a, ok1 := first.(float64)
	b, ok2 := last.(float64)
	if !ok1 || !ok2 || a < 0 || b < 1 || b > 65535 || a > b {
		return spec.PortRange{}, false
	}
	return spec.PortRange{First: uint16(a), Last: uint16(b)}, true
}

// vmap reads a map of verdicts. Ours are keyed by port and address of ours; the
// literal verdicts of another one by port are read, too.
func (p *nftParser) vmap(value any) []rule {
	m, _ := value.(map[string]any)
	if key(m["key"], "ct") != "" {
		return nil // of connections that have begun, as everybody writes it
	}
	k, _ := m["key"].(map[string]any)
	fields, _ := k["concat"].([]any)
	name, _ := m["data"].(string)
	s := p.t.sets[strings.TrimPrefix(name, "@")]
	ours := s != nil && (strings.HasPrefix(s.Name, "pasvctl_ports") || p.t.rs.ours("") && strings.HasPrefix(s.Name, "ports"))
	if !ours || len(fields) != 2 {
		p.strange("it looks up a verdict in a map")
		p.does = accepts // or another: it cannot be read
		return []rule{*p.rule}
	}
	var all []rule
	for _, e := range s.Elem {
		pair, _ := e.([]any)
		if len(pair) != 2 {
			continue
		}
		r := *p.rule
		one := &nftParser{rule: &r, t: p.t}
		k, _ := pair[0].(map[string]any)
		parts, _ := k["concat"].([]any)
		verdict, _ := pair[1].(map[string]any)
		if len(parts) != 2 {
			continue
		}
		one.dports(parts[0], false)
		one.family(fields[1])
		one.address("daddr", []any{parts[1]}, false)
		for _, key := range slices.Sorted(maps.Keys(verdict)) {
			one.statement(key, verdict[key])
		}
		all = append(all, r)
	}
	return all
}
