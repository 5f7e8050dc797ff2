package inventory

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

func init() { register(reader{tellsNftables, readNftables}) }

func tellsNftables(text []byte) int {
	return tellsJSON(text, "nftables")
}

// nftObject is an element of the list, as libnftables-json(5) has it.
type nftObject struct {
	Chain *struct {
		Family, Table, Name, Type, Hook, Policy string
	}
	Set, Map *nftSet
	Rule     *struct {
		Family, Table, Chain string
		Handle               int
		Expr                 []map[string]any
	}
}

type nftSet struct {
	Family, Table, Name string
	Flags               []string
	Elem                []any
	Map                 any // "verdict"
}

// nftables reads what nft -j list ruleset prints.
type nftables struct {
	in     *input
	tables map[string]*nftTable
	order  []*nftTable
}

type nftTable struct {
	family, name string
	rs           ruleset
	sets         map[string]*nftSet
	inputs       []*Firewall
}

func readNftables(in *input) error {
	n := &nftables{in: in, tables: map[string]*nftTable{}}
	list, err := elements(in.text, 1, "nftables")
	if err != nil {
		return fmt.Errorf("%s: it is not the JSON that nft prints: %w", in.at(0), err)
	}
	objects := make([]nftObject, len(list))
	for i, e := range list {
		if err := json.Unmarshal(e.text, &objects[i]); err != nil {
			in.unread(in.at(e.line), "the object", "it is not as nft prints it")
		}
	}
	for i, o := range objects { // what rules refer to
		n.declare(o, in.at(list[i].line))
	}
	for i, o := range objects {
		if r := o.Rule; r != nil {
			t := n.table(r.Family, r.Table)
			c := t.rs.chain(r.Chain)
			name := fmt.Sprintf("rule %d of %s %s %s", r.Handle, r.Family, r.Table, r.Chain)
			c.rules = append(c.rules, t.rules(in.at(list[i].line), name, r.Expr)...)
		}
	}
	for _, t := range n.order {
		for _, f := range t.inputs {
			_, chain, _ := cutLast(f.Name)
			t.rs.open(f, t.rs.chain(chain))
			in.Firewalls = append(in.Firewalls, f)
		}
	}
	return nil
}

func cutLast(name string) (before, after string, ok bool) {
	i := strings.LastIndex(name, " ")
	return name[:max(0, i)], name[i+1:], i >= 0
}

func (n *nftables) table(family, name string) *nftTable {
	key := family + " " + name
	t := n.tables[key]
	if t == nil {
		t = &nftTable{family: family, name: name, sets: map[string]*nftSet{}}
		t.rs = ruleset{in: n.in, chains: map[string]*chain{}, ours: func(c string) bool {
			return key == "inet pasvctl" || c == "pasvctl" || strings.HasPrefix(c, "pasvctl_")
		}}
		n.tables[key] = t
		n.order = append(n.order, t)
	}
	return t
}

// declare notes chains and sets.
func (n *nftables) declare(o nftObject, at At) {
	for _, s := range []*nftSet{o.Set, o.Map} {
		if s != nil {
			n.table(s.Family, s.Table).sets[s.Name] = s
		}
	}
	c := o.Chain
	if c == nil || c.Hook == "" || !slices.Contains([]string{"ip", "ip6", "inet"}, c.Family) {
		return
	}
	name := c.Family + " " + c.Table + " " + c.Name
	switch {
	case c.Hook == "input" && c.Type == "filter":
		t := n.table(c.Family, c.Table)
		t.inputs = append(t.inputs, &Firewall{
			At: at, Format: "nftables", Name: name, IPv4: c.Family != "ip6", IPv6: c.Family != "ip", Accepts: c.Policy != "drop",
		})
	case c.Hook == "prerouting":
		n.in.unread(at, "chain "+name, "its hook is prerouting, and it may drop connections or send them elsewhere")
	}
}

// rules are the rules that a rule is: one, or with a map of ours one for each
// element.
func (t *nftTable) rules(at At, name string, expr []map[string]any) []rule {
	r := rule{at: at, name: name, v4: t.family != "ip6", v6: t.family != "ip"}
	p := &nftParser{rule: &r, t: t}
	for _, e := range expr {
		for _, key := range slices.Sorted(maps.Keys(e)) {
			if key == "vmap" {
				return p.vmap(e[key])
			}
			p.statement(key, e[key])
		}
	}
	return []rule{r}
}
