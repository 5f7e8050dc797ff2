package kernel

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ruleset is what `nft -a list ruleset` prints, by object. That text is the one
// form that nft 1.0.6 both prints whole (its JSON leaves out the flag dynamic)
// and reads back.
type ruleset []*object

// object is a table, or a chain, set, map or other object of one.
type object struct {
	id                        string // as nft's commands name it: "set inet filter blocked"
	kind, family, table, name string // of a table, name is empty
	lines                     []string
	ours                      bool
}

// owner is the chain that our own is jumped to from.
type owner struct{ family, table, chain string }

func (o owner) String() string { return o.family + " " + o.table + " " + o.chain }

// rule is a line of a chain.
type rule struct {
	text, handle string
	uses         string // a chain named like ours that it goes to; "" if it does not
	jump         bool   // ours: it does only that, and has our comment
}

var (
	tableStart  = regexp.MustCompile(`^table (\S+) (\S+) \{`)
	objectStart = regexp.MustCompile(`^\t(\S+(?: \S+)?) (\S+) \{(?: # handle \d+)?$`)
	handle      = regexp.MustCompile(` # handle (\d+)$`)
	usesOurs    = regexp.MustCompile(`\b(?:jump|goto) (pasvctl(?:_[\w./-]*)?)(?:[ ,]|$)`)
	taggedJump  = regexp.MustCompile(`\bjump pasvctl\S* comment "pasvctl"$`)
	// stateful is what changes while rules work.
	stateful = regexp.MustCompile(`( expires \S+)|(counter) packets \d+ bytes \d+|^packets \d+ bytes \d+$|( used) \d+ \w+`)
)

// ownName reports whether an object of another's table is ours by its name.
func ownName(name string) bool { return name == "pasvctl" || strings.HasPrefix(name, "pasvctl_") }

// parseRuleset reads a ruleset as nft lists it, with or without handles.
func parseRuleset(text string) (ruleset, error) {
	var all ruleset
	var table, open *object
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case open != nil && line == "\t}":
			open = nil
		case open != nil:
			open.lines = append(open.lines, strings.TrimSpace(line))
		case table != nil && line == "}":
			table = nil
		case table != nil:
			if m := objectStart.FindStringSubmatch(line); m != nil {
				open = &object{kind: m[1], family: table.family, table: table.table, name: m[2], ours: table.ours || ownName(m[2])}
				open.id = fmt.Sprintf("%s %s %s %s", open.kind, open.family, open.table, open.name)
				all = append(all, open)
			} else if line != "" {
				table.lines = append(table.lines, strings.TrimSpace(line))
			}
		case tableStart.MatchString(line):
			m := tableStart.FindStringSubmatch(line)
			table = &object{id: "table " + m[1] + " " + m[2], kind: "table", family: m[1], table: m[2]}
			table.ours = table.id == ownTable
			all = append(all, table)
		case line != "" && !strings.HasPrefix(line, "#"):
			return nil, fmt.Errorf("the list of nft rules has a line that this pasvctl cannot read: %q", line)
		}
	}
	if table != nil {
		return nil, fmt.Errorf("the list of nft rules ends within a table")
	}
	return all, nil
}

func (n *nft) read(ctx context.Context) (ruleset, error) {
	text, err := n.exec(ctx, "", "nft", "-a", "list", "ruleset")
	if err != nil {
		return nil, err
	}
	return parseRuleset(text)
}

func (r ruleset) ours() ruleset {
	return slices.DeleteFunc(slices.Clone(r), func(o *object) bool { return !o.ours })
}

func (r ruleset) index() map[string]*object {
	all := make(map[string]*object, len(r))
	for _, o := range r {
		all[o.id] = o
	}
	return all
}

func (o *object) chain() owner { return owner{o.family, o.table, o.name} }

// inOwnTable reports whether the object is the table that is all ours, or in it.
func (o *object) inOwnTable() bool { return o.family == "inet" && o.table == "pasvctl" }

// isHeader reports whether a line of a chain says what the chain is, and is no rule.
func isHeader(line string) bool {
	return strings.HasPrefix(line, "type ") && strings.Contains(line, " hook ") || strings.HasPrefix(line, `comment "`) && !handle.MatchString(line)
}

// rules are the rules of a chain, in order.
func (o *object) rules() (all []rule) {
	if o.kind != "chain" {
		return nil
	}
	for _, line := range o.lines {
		if isHeader(line) {
			continue
		}
		r := rule{text: handle.ReplaceAllString(line, "")}
		if m := handle.FindStringSubmatch(line); m != nil {
			r.handle = m[1]
		}
		if m := usesOurs.FindStringSubmatch(r.text); m != nil {
			r.uses, r.jump = m[1], taggedJump.MatchString(r.text)
		}
		all = append(all, r)
	}
	return all
}

// definition is what an object is, without its rules and elements.
func (o *object) definition() []string {
	var lines []string
	for _, line := range o.lines {
		if strings.HasPrefix(line, "elements = {") {
			break
		}
		if o.kind != "chain" || isHeader(line) {
			lines = append(lines, stateless(line))
		}
	}
	return lines
}

// learns reports whether the kernel adds the set's members while rules work.
func (o *object) learns() bool { return o.flag("dynamic") }

// isGate reports whether the members are clients that are let in for a while.
func (o *object) isGate() bool { return o.kind == "set" && o.flag("dynamic") && o.flag("timeout") }

func (o *object) flag(name string) bool {
	return slices.ContainsFunc(o.lines, func(line string) bool {
		flags, found := strings.CutPrefix(line, "flags ")
		return found && slices.Contains(strings.Split(flags, ","), name)
	})
}

// elements are the members of a set or map as nft prints them.
func (o *object) elements() []string {
	i := slices.IndexFunc(o.lines, func(line string) bool { return strings.HasPrefix(line, "elements = {") })
	if i < 0 {
		return nil
	}
	text := strings.TrimPrefix(strings.Join(o.lines[i:], " "), "elements = {")
	text = strings.TrimSuffix(text, "}")
	var all []string
	quoted, start := false, 0
	for j := 0; j < len(text); j++ {
		switch {
		case text[j] == '"':
			quoted = !quoted
		case text[j] == ',' && !quoted:
			all, start = append(all, strings.TrimSpace(text[start:j])), j+1
		}
	}
	if last := strings.TrimSpace(text[start:]); last != "" {
		all = append(all, last)
	}
	return all
}

// list turns our objects into a Listing, without our jumps.
func (r ruleset) list() Listing {
	var l Listing
	for _, o := range r.ours() {
		declared := o.definition()
		lines := slices.Clone(declared)
		for _, rule := range o.rules() {
			lines = append(lines, stateless(rule.text))
		}
		if !o.learns() {
			for _, e := range o.elements() {
				lines = append(lines, stateless(e))
			}
		}
		l = append(l, Object{Name: o.id, Ordered: o.kind == "chain", Lines: lines, declared: declared})
	}
	return l
}

// stateless is a line without what changes while rules work.
func stateless(line string) string { return stateful.ReplaceAllString(line, "$2$3") }

// expires is the time that an element has left, in nft's units.
var expires = regexp.MustCompile(` expires (\S+)`)

var durationPart = regexp.MustCompile(`(\d+)(ms|d|h|m|s)`)

// parseLeft reads nft's "1d2h3m4s5ms".
func parseLeft(text string) (left time.Duration) {
	units := map[string]time.Duration{"d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second, "ms": time.Millisecond}
	for _, m := range durationPart.FindAllStringSubmatch(text, -1) {
		var n int64
		if _, err := fmt.Sscan(m[1], &n); err == nil {
			left += time.Duration(n) * units[m[2]]
		}
	}
	return left
}
