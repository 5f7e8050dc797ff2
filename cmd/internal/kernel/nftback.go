package kernel

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

func (n *nft) Save(ctx context.Context) (Snapshot, error) {
	s := Snapshot{Backend: NFT}
	live, err := n.read(ctx)
	if isMissing(err) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if ours := live.ours(); len(ours) > 0 {
		s.Text = map[string]string{"nft": ours.text(ours.beyond(maxLearnt))}
	}
	s.Jumps = live.jumps()
	return s, nil
}

// jumps are our rules in the chains of others.
func (r ruleset) jumps() (all []Jump) {
	for _, o := range r {
		if o.ours {
			continue
		}
		theirs := 0
		for _, rule := range o.rules() {
			if rule.jump {
				all = append(all, Jump{Chain: o.chain().String(), After: theirs, Rule: rule.text})
			} else {
				theirs++
			}
		}
	}
	return all
}

// maxLearnt bounds what is kept of learnt members, in bytes: clients by the
// million may have filled the gates, and each is learnt again at its next packet.
const maxLearnt = 32 << 20

// beyond are the sets whose members do not fit into so many bytes.
func (r ruleset) beyond(bytes int) (sets ruleset) {
	for _, o := range r {
		if !o.learns() {
			continue
		}
		for _, line := range o.lines {
			bytes -= len(line)
		}
		if bytes < 0 {
			sets = append(sets, o)
		}
	}
	return sets
}

func (r ruleset) listing() Listing { return listed(r.list(), r.jumps()) }

// text writes objects as a file that nft loads, those of bare without their
// elements.
func (r ruleset) text(bare ruleset) string {
	var out strings.Builder
	table := ""
	for _, o := range r {
		at := fmt.Sprintf("table %s %s {", o.family, o.table)
		if at != table {
			if table != "" {
				out.WriteString("}\n")
			}
			table = at
			out.WriteString(at + "\n")
		}
		lines := o.lines
		if slices.Contains(bare, o) {
			lines = o.definition()
		}
		if o.kind != "table" {
			fmt.Fprintf(&out, "\t%s %s {\n", o.kind, o.name)
		}
		for _, line := range lines {
			out.WriteString("\t\t" + line + "\n")
		}
		if o.kind != "table" {
			out.WriteString("\t}\n")
		}
	}
	if table != "" {
		out.WriteString("}\n")
	}
	return out.String()
}

func (n *nft) PutBack(ctx context.Context, s Snapshot, age time.Duration) error {
	live, err := n.read(ctx)
	if isMissing(err) && len(s.Text) == 0 {
		return nil // without nft there is nothing of ours in nftables
	}
	if err != nil {
		return err
	}
	was, err := parseRuleset(s.Text["nft"])
	if err != nil {
		return err
	}
	stay := was.index()
	gone := slices.DeleteFunc(live.ours(), func(o *object) bool { return stay[o.id] != nil })
	if users := live.users(gone); len(users) > 0 {
		return &BusyError{users}
	}
	text := live.back(was, s.Jumps, age)
	if text == "" {
		return nil
	}
	_, err = n.exec(ctx, text, "nft", "-f", "-")
	return err
}

// back is a file that leads from the live objects to those that were there
// once. What a gate has learnt since then stays.
func (r ruleset) back(was ruleset, jumps []Jump, age time.Duration) string {
	live, there := r.ours(), r.index()
	was = slices.DeleteFunc(was, func(o *object) bool { // their table is gone, with its owner
		return !o.inOwnTable() && there[o.tableID()] == nil
	})
	for _, o := range was {
		o.grow(age)
	}
	stands, used := standing(live, was), len(r.users(live)) > 0
	var change, gone, bare ruleset
	once := was.index()
	for _, o := range live {
		w := once[o.id]
		same := w != nil && slices.Equal(w.definition(), o.definition())
		switch {
		case !same || !stands[o.tableID()] && !used:
			gone = append(gone, o)
			if same && o.learns() {
				w.lines = o.lines
			}
		case o.learns():
			bare = append(bare, w) // as it is, with its counts of connections
			continue
		}
		change = append(change, o)
	}
	text := emptied(change) + deletion(gone) + was.text(bare)
	if len(gone) > 0 || !slices.Equal(r.jumps(), jumps) {
		gone, _ := r.withoutJumps(nil)
		text = gone + text + r.withJumps(jumps)
	}
	return text
}

func (o *object) tableID() string { return "table " + o.family + " " + o.table }

// standing finds the tables in which all that was there once is there in the
// same order. In the others our objects start again, to list the same.
func standing(live, was ruleset) map[string]bool {
	names := func(from ruleset, other map[string]*object) map[string][]string {
		all := map[string][]string{}
		for _, o := range from {
			if w := other[o.id]; w != nil && slices.Equal(w.definition(), o.definition()) {
				all[o.tableID()] = append(all[o.tableID()], o.id)
			}
		}
		return all
	}
	stands := map[string]bool{}
	now, once := names(live, was.index()), names(was, was.index())
	for _, o := range live {
		stands[o.tableID()] = slices.Equal(now[o.tableID()], once[o.tableID()])
	}
	return stands
}

// grow makes the members of a set older, and leaves out those whose time is over.
func (o *object) grow(age time.Duration) {
	elements := o.elements()
	if len(elements) == 0 {
		return
	}
	elements = slices.DeleteFunc(elements, func(e string) bool {
		m := expires.FindStringSubmatch(e)
		return m != nil && parseLeft(m[1]) <= age
	})
	for i, e := range elements {
		elements[i] = expires.ReplaceAllStringFunc(e, func(m string) string {
			left := parseLeft(strings.TrimPrefix(m, " expires ")) - age
			return fmt.Sprintf(" expires %ds%dms", left/time.Second, left%time.Second/time.Millisecond)
		})
	}
	i := slices.IndexFunc(o.lines, func(line string) bool { return strings.HasPrefix(line, "elements = {") })
	o.lines = o.lines[:i:i]
	if len(elements) > 0 {
		o.lines = append(o.lines, "elements = { "+strings.Join(elements, ", ")+" }")
	}
}

// withoutJumps is a file that deletes our jumps, except the first of each that is
// wanted. It returns those that are missing.
func (r ruleset) withoutJumps(wanted []jump) (text string, missing []jump) {
	var lines []string
	missing = slices.Clone(wanted)
	for _, o := range r {
		if o.ours {
			continue
		}
		for _, rule := range o.rules() {
			if !rule.jump {
				continue
			}
			at := slices.IndexFunc(missing, func(j jump) bool { return j.from == o.chain() && j.to == rule.uses })
			if at >= 0 {
				missing = slices.Delete(missing, at, at+1)
				continue
			}
			lines = append(lines, fmt.Sprintf("delete rule %s handle %s", o.chain(), rule.handle))
		}
	}
	return script(lines...), missing
}

// withJumps puts each jump before the rule that it stood before, or last.
func (r ruleset) withJumps(jumps []Jump) string {
	var lines []string
	there := r.index()
	for _, j := range jumps {
		chain := there["chain "+j.Chain]
		if chain == nil {
			continue // gone, with its owner
		}
		theirs := slices.DeleteFunc(chain.rules(), func(rule rule) bool { return rule.jump })
		if j.After < len(theirs) {
			lines = append(lines, fmt.Sprintf("insert rule %s handle %s %s", j.Chain, theirs[j.After].handle, j.Rule))
		} else {
			lines = append(lines, fmt.Sprintf("add rule %s %s", j.Chain, j.Rule))
		}
	}
	return script(lines...)
}
