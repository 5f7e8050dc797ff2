package kernel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// nftObject is one object of ours as `nft -j list ruleset` tells it, with the
// fields that matter. The JSON itself is kept to compare by.
type nftObject struct {
	Family string            `json:"family"`
	Table  string            `json:"table"`
	Name   string            `json:"name"`
	Chain  string            `json:"chain"`
	Handle int               `json:"handle"`
	Elem   []json.RawMessage `json:"elem"`
	Expr   json.RawMessage   `json:"expr"`
	Remark string            `json:"comment"`

	kind string // table, chain, rule, set, map, or jump: a rule of ours in another's chain
	raw  json.RawMessage
	text string // of a rule, as nft prints it
}

func (o nftObject) owner() owner { return owner{o.Family, o.Table, o.Chain} }

// id names the object as nft's commands do.
func (o nftObject) id() string {
	switch o.kind {
	case "table":
		return fmt.Sprintf("table %s %s", o.Family, o.Name)
	case "rule", "jump":
		return fmt.Sprintf("chain %s %s %s", o.Family, o.Table, o.Chain)
	default:
		return fmt.Sprintf("%s %s %s %s", o.kind, o.Family, o.Table, o.Name)
	}
}

// ours tells whether the object belongs to pasvctl, and finds our jumps.
func (o *nftObject) ours() bool {
	own := func(name string) bool { return name == "pasvctl" || strings.HasPrefix(name, "pasvctl_") }
	switch {
	case o.inOwnTable():
		return true
	case o.kind == "table":
		return false
	case o.kind != "rule":
		return own(o.Name)
	case own(o.Chain):
		return true
	case o.Remark == "pasvctl" && jumpsToUs.Match(o.Expr):
		o.kind = "jump"
		return true
	}
	return false
}

// inOwnTable tells whether the object is the table that is all ours, or in it.
func (o *nftObject) inOwnTable() bool {
	return o.id() == ownTable || o.Family == "inet" && o.Table == "pasvctl"
}

var jumpsToUs = regexp.MustCompile(`"jump": ?\{"target": ?"pasvctl"\}`)

// read lists our objects in the kernel.
func (n *nft) read(ctx context.Context) ([]*nftObject, error) {
	text, err := n.exec(ctx, "", "nft", "-n", "-j", "list", "ruleset")
	if err != nil {
		return nil, err
	}
	objects, err := parseRuleset(text)
	if err != nil || len(objects) == 0 {
		return objects, err
	}
	readable, err := n.exec(ctx, "", "nft", "-s", "-a", "list", "ruleset")
	if err != nil {
		return nil, err
	}
	texts := rulesByHandle(readable)
	for _, o := range objects {
		if o.kind == "rule" || o.kind == "jump" {
			o.text = texts[fmt.Sprintf("%s %s %d", o.Family, o.Table, o.Handle)]
		}
	}
	return objects, nil
}

func parseRuleset(text string) ([]*nftObject, error) {
	var doc struct {
		Nftables []map[string]json.RawMessage `json:"nftables"`
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return nil, fmt.Errorf("reading the list of nft rules: %w", err)
	}
	var all []*nftObject
	for _, entry := range doc.Nftables {
		for kind, raw := range entry {
			if !slices.Contains([]string{"table", "chain", "rule", "set", "map"}, kind) {
				continue
			}
			o := &nftObject{kind: kind, raw: raw}
			if err := json.Unmarshal(raw, o); err != nil {
				return nil, fmt.Errorf("reading the list of nft rules: %w", err)
			}
			if o.ours() {
				all = append(all, o)
			}
		}
	}
	return all, nil
}

// rulesByHandle finds each rule's text in nft's readable list, where it ends
// with its handle. Handles count within a table.
func rulesByHandle(text string) map[string]string {
	texts := map[string]string{}
	table := ""
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, "table "); found {
			f := strings.Fields(rest)
			table = strings.Join(f[:min(2, len(f))], " ")
		}
		i := strings.LastIndex(line, " # handle ")
		if i < 0 {
			continue
		}
		texts[table+" "+strings.TrimSpace(line[i+len(" # handle "):])] = strings.TrimSpace(line[:i])
	}
	return texts
}

// list turns objects into a Listing.
func list(objects []*nftObject) Listing {
	var l Listing
	chains := map[string]*Object{}
	var order []string
	chain := func(o *nftObject) *Object {
		id := o.id()
		if o.kind == "jump" {
			id = "jump in " + id
		}
		if chains[id] == nil {
			chains[id] = &Object{Name: id, Ordered: true}
			order = append(order, id)
		}
		return chains[id]
	}
	for _, o := range objects {
		switch o.kind {
		case "rule", "jump":
			c := chain(o)
			c.Lines = append(c.Lines, o.text)
		case "chain":
			c := chain(o)
			if header := plain(o.raw, "family", "table", "name", "handle"); header != "{}" {
				c.Lines = append([]string{header}, c.Lines...)
			}
		default:
			l.add(Object{Name: o.id(), Lines: append(o.elements(), "is "+plain(o.raw, "family", "table", "name", "handle", "elem"))})
		}
	}
	for _, id := range order {
		l.add(*chains[id])
	}
	l.sort()
	return l
}

// learnt tells whether the kernel adds the set's members by itself.
func (o *nftObject) learnt() bool {
	name := strings.TrimPrefix(o.Name, "pasvctl_")
	return strings.HasPrefix(name, "seen") || strings.HasPrefix(name, "conns")
}

func (o *nftObject) elements() []string {
	if o.learnt() {
		return nil
	}
	var lines []string
	for _, e := range o.Elem {
		var v any
		if err := decode(e, &v); err != nil {
			lines = append(lines, string(e))
			continue
		}
		lines = append(lines, elementText(v))
	}
	return lines
}

func decode(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}

// elementText writes an element as nft does: "203.0.113.10 . 61000-61010 : goto open4".
func elementText(v any) string {
	switch v := v.(type) {
	case []any: // a key and its value
		parts := make([]string, len(v))
		for i, p := range v {
			parts[i] = elementText(p)
		}
		return strings.Join(parts, " : ")
	case map[string]any:
		return compoundText(v)
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

func compoundText(v map[string]any) string {
	if e, ok := v["elem"].(map[string]any); ok {
		text := elementText(e["val"])
		if c, ok := e["comment"].(string); ok {
			text += " comment " + strconv.Quote(c)
		}
		return text
	}
	if p, ok := v["prefix"].(map[string]any); ok {
		return fmt.Sprintf("%v/%v", p["addr"], p["len"])
	}
	for key, dash := range map[string]string{"concat": " . ", "range": "-"} {
		if list, ok := v[key].([]any); ok {
			parts := make([]string, len(list))
			for i, p := range list {
				parts[i] = elementText(p)
			}
			return strings.Join(parts, dash)
		}
	}
	for _, verdict := range []string{"goto", "jump"} {
		if target, ok := v[verdict].(map[string]any); ok {
			return fmt.Sprintf("%s %v", verdict, target["target"])
		}
	}
	text, err := json.Marshal(v) // map keys come sorted
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// plain is a JSON object without some of its fields, in a canonical form.
func plain(raw json.RawMessage, without ...string) string {
	var fields map[string]any
	if err := decode(raw, &fields); err != nil {
		return string(raw)
	}
	for _, w := range without {
		delete(fields, w)
	}
	text, err := json.Marshal(fields)
	if err != nil {
		return string(raw)
	}
	return string(text)
}
