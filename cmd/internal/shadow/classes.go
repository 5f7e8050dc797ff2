package shadow

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"go4.org/netipx"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// span is an inclusive range that a rule or a set names.
type span[T any] struct {
	first, last T
	group       int // spans of one rule or set, which it does not tell apart
}

// named are the ports and the networks that live rules name.
type named struct {
	ports    []span[uint16]
	networks []span[netip.Addr]
}

// maxNamed bounds what is read from a ruleset.
const maxNamed = 1_000_000

// foreign leaves our own objects out of what the programs printed.
func foreign(ruleset string) string {
	var out strings.Builder
	end := "" // of what is left out
	for line := range strings.Lines(ruleset) {
		text := strings.TrimRight(line, "\n")
		switch {
		case end != "":
			if text == end {
				end = ""
			}
		case text == "table inet pasvctl {":
			end = "}"
		case ownBlock.MatchString(text):
			end = "\t}"
		case !ownLine.MatchString(text):
			out.WriteString(line)
		}
	}
	return out.String()
}

var (
	ownBlock = regexp.MustCompile(`^\t(chain|set|map) pasvctl(_\S*)? \{$`)
	ownLine  = regexp.MustCompile(`^(-A|:)\s?PASVCTL|^(add|create) pasvctl-`)
)

// names reads them, from what nft, iptables-save and ipset print, word by
// word. A number that is no port only makes one class into two.
func names(ruleset string) (n named) {
	group, sets := 0, map[string]int{}
	block := false // in a set or map of nftables, which has many lines
	for line := range strings.Lines(ruleset) {
		line = strings.TrimSpace(line)
		f := strings.Fields(line)
		switch {
		case line == "" || line[0] == '#' || line[0] == ':' || line[0] == '*' || f[0] == "create":
			continue
		case line == "}":
			block = false
			continue
		case f[0] == "set" && f[len(f)-1] == "{":
			block, group = true, group+1
			continue
		case f[0] == "add" && len(f) > 2: // of ipset
			if sets[f[1]] == 0 {
				group++
				sets[f[1]] = group
			}
			own := sets[f[1]]
			if strings.Contains(f[2], ",") { // an address with a port
				group++
				own = group
			}
			n.words(f[2:3], func() int { return own })
			continue
		case !block:
			group++
		}
		// The elements of a map lead to different ends, and those of a
		// concatenation tell addresses apart by ports.
		apart := strings.Contains(line, " : ") || strings.Contains(line, " . ")
		n.words(strings.FieldsFunc(line, separates), func() int {
			if apart {
				group++
			}
			return group
		})
		if len(n.ports)+len(n.networks) > maxNamed {
			break
		}
	}
	return n
}

func separates(r rune) bool { return strings.ContainsRune(" \t,;{}=!\"", r) }

func (n *named) words(words []string, group func() int) {
	for _, w := range words {
		for part := range strings.SplitSeq(w, ",") {
			_, port, found := strings.Cut(part, "tcp:")
			if !found {
				port = part
			}
			if r, ok := network(part); ok {
				n.networks = append(n.networks, span[netip.Addr]{r.From(), r.To(), group()})
			} else if r, ok := spec.ParsePortRange(strings.Replace(port, ":", "-", 1)); ok {
				n.ports = append(n.ports, span[uint16]{r.First, r.Last, group()})
			}
		}
	}
}

func network(word string) (netipx.IPRange, bool) {
	if a, err := netip.ParseAddr(word); err == nil {
		return netipx.IPRangeFrom(a, a), true
	}
	if p, err := netip.ParsePrefix(word); err == nil {
		return netipx.RangeOfPrefix(p), true
	}
	r, err := netipx.ParseIPRange(word)
	return r, err == nil
}

// class is what the rules cannot tell apart.
type class[T any] struct {
	spans []span[T] // in order
	named bool      // at least one rule or set names it
}

// order is how ports and addresses follow each other.
type order[T any] struct {
	compare    func(a, b T) int
	next, prev func(T) T // next of the last one is less than it
}

var (
	portOrder = order[uint16]{cmp.Compare[uint16], func(p uint16) uint16 { return p + 1 }, func(p uint16) uint16 { return p - 1 }}
	addrOrder = order[netip.Addr]{netip.Addr.Compare, netip.Addr.Next, netip.Addr.Prev}
)

// classes splits spans, which are in order and disjoint, by what the rules
// name.
func (o order[T]) classes(of, names []span[T]) []class[T] {
	// At each point, which groups begin to hold it and which do no longer.
	type event struct {
		at    T
		group int
		by    int
	}
	var events []event
	for _, n := range names {
		events = append(events, event{n.first, n.group, 1})
		if after := o.next(n.last); o.compare(after, n.last) > 0 {
			events = append(events, event{after, n.group, -1})
		}
	}
	slices.SortStableFunc(events, func(a, b event) int { return o.compare(a.at, b.at) })
	held := map[int]int{}
	var all []class[T]
	index := map[string]int{}
	add := func(first, last T) {
		var groups []int
		for g := range held {
			groups = append(groups, g)
		}
		slices.Sort(groups)
		key := fmt.Sprint(groups)
		i, known := index[key]
		if !known {
			i = len(all)
			index[key] = i
			all = append(all, class[T]{named: len(groups) > 0})
		}
		s := &all[i].spans
		if k := len(*s); k > 0 && o.compare(o.next((*s)[k-1].last), first) == 0 {
			(*s)[k-1].last = last
			return
		}
		*s = append(*s, span[T]{first: first, last: last})
	}
	i := 0
	for _, whole := range of {
		first := whole.first
		for ; i < len(events) && o.compare(events[i].at, whole.last) <= 0; i++ {
			e := events[i]
			if o.compare(e.at, first) > 0 {
				add(first, o.prev(e.at))
				first = e.at
			}
			if held[e.group] += e.by; held[e.group] == 0 {
				delete(held, e.group)
			}
		}
		add(first, whole.last)
	}
	return all
}

// addressClasses wants the prefixes of one family, sorted and disjoint.
func addressClasses(of []netip.Prefix, n named) []class[netip.Addr] {
	var spans, same []span[netip.Addr]
	for _, p := range of {
		r := netipx.RangeOfPrefix(p)
		spans = append(spans, span[netip.Addr]{first: r.From(), last: r.To()})
	}
	for _, s := range n.networks {
		if len(of) > 0 && s.first.Is4() == of[0].Addr().Is4() {
			same = append(same, s)
		}
	}
	return addrOrder.classes(spans, same)
}
