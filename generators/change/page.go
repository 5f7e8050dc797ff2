package change

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Page is a change in words. In its texts, what comes from a spec is between
// backticks, and has none itself: see Plain.
type Page struct {
	Verdict  string
	Head     []string   // of a table of the sites
	Rows     [][]string // none if no site differs
	Sections []Section
	Words    string // what the terms mean, for a reader who does not know them
}

// Section is a heading and its items.
type Section struct {
	Title string
	Items []string
}

// Plain drops the backticks of a text.
func Plain(text string) string { return strings.ReplaceAll(text, "`", "") }

const (
	nothing = "No port, firewall or limit changes. Settings of targets are not compared."
	words   = "A site is an FTP service. A client opens a control connection to its port, and for each transfer a data connection to one of its data ports. " +
		"With the gate, the firewall lets a client reach the data ports only while it has a control connection. " +
		"Opens and shuts are exact for hosts and gateways: new connections that their rules let through now and did not before, and the reverse. " +
		"The rules that pasvctl writes for clouds have no gate and no limits; settings of targets, such as other sources of clients, are not compared."
)

// Page puts the change in words.
func (c *Change) Page() Page {
	p := Page{Verdict: c.verdict(), Head: []string{"Site", "Change", "Data ports were", "Data ports are"}}
	if c.Empty() {
		return p
	}
	p.Words = words
	var items []string
	for _, s := range c.Sites {
		p.Rows = append(p.Rows, s.row())
		items = append(items, s.item())
	}
	p.add("What changes in each site", items)
	for _, f := range c.Firewalls {
		p.add(f.title(), f.items())
	}
	p.add("What to check", c.checks())
	return p
}

func (p *Page) add(title string, items []string) {
	if len(items) > 0 {
		p.Sections = append(p.Sections, Section{title, items})
	}
}

// row is the site's line in the table.
func (s Site) row() []string {
	name := code(s.Name)
	if s.WasName != "" {
		name += " (was " + code(s.WasName) + ")"
	}
	ports := func(s *plan.Site) string {
		if s == nil {
			return "none"
		}
		return fmt.Sprintf("%s (%s)", code(s.DataPorts.String()), sizing.Count(s.DataPorts.Count()))
	}
	return []string{name, string(s.Kind), ports(s.was), ports(s.is)}
}

// item says why the site's ports are other ones, and which values are.
func (s Site) item() string {
	text := code(s.Name)
	switch s.Kind {
	case plan.NewSite:
		text += " is new."
	case plan.GoneSite:
		text += " is gone."
	case plan.MovedSite:
		text += " has other ports."
	case plan.ResizedSite:
		text += " has another number of ports."
	case plan.RenamedSite:
		text += " keeps its ports."
	default:
		text += " has changed."
	}
	if s.WasName != "" {
		text += " A moved block renames it from " + code(s.WasName) + "."
	}
	if s.Why != "" {
		text += " " + named.Replace(foreign(s.Why))
	}
	var all []string
	for _, d := range s.Differences {
		switch {
		case d.Name == "data_ports" || d.Name == "bound" || d.Name == "ports_needed" && strings.Contains(s.Why, "It needs") || s.is == nil && d.Name != "host": // said already
		case s.was == nil:
			all = append(all, d.said(value(d.Name, d.Is, nil)))
		case s.is == nil:
			all = append(all, d.said(value(d.Name, d.Was, nil)))
		default:
			all = append(all, d.words())
		}
	}
	if len(all) > 0 {
		if s.Why != "" {
			text += " Values:"
		} else {
			text = strings.TrimSuffix(text, ".") + ":"
		}
		text += " " + strings.Join(all, "; ") + "."
	}
	return text
}

// words are the value before and after.
func (d Difference) words() string {
	was, list := d.Was.([]string)
	is, too := d.Is.([]string)
	var text string
	switch {
	case list && too:
		var parts []string
		if added := slices.DeleteFunc(slices.Clone(is), func(v string) bool { return slices.Contains(was, v) }); len(added) > 0 {
			parts = append(parts, "adds "+few(added, 8))
		}
		if gone := slices.DeleteFunc(slices.Clone(was), func(v string) bool { return slices.Contains(is, v) }); len(gone) > 0 {
			parts = append(parts, "drops "+few(gone, 8))
		}
		if len(parts) == 0 {
			parts = []string{"has another order"}
		}
		text = strings.Join(parts, " and ")
	default:
		text = value(d.Name, d.Was, d.Is) + " → " + value(d.Name, d.Is, d.Was)
	}
	text = d.said(text)
	if d.Effect != "" {
		text += " (" + d.Effect + ")"
	}
	return text
}

// said names the value, in words if the spec has no name for it.
func (d Difference) said(text string) string {
	switch d.Name {
	case "ports_needed":
		return "needs " + text + " ports"
	case "refused":
		return "refuses " + text + " of the data connections at its peak"
	}
	return code(d.Name) + " " + text
}

// value writes one side; other is the other one, whose type it has if it is not set.
func value(name string, v, other any) string {
	switch v := v.(type) {
	case nil:
		if _, is := other.(bool); is {
			return "off"
		}
		return "none"
	case bool:
		return "on"
	case int:
		if name == "port" {
			return code(fmt.Sprint(v))
		}
		return sizing.Count(v)
	case float64:
		return sizing.Share(v)
	case []string:
		return few(v, 8)
	}
	return code(fmt.Sprint(v))
}

// few lists texts of the spec's, the first of them if there are many.
func few(all []string, most int) string {
	var list []string
	for _, text := range all {
		list = append(list, code(text))
	}
	return listed(list, most)
}

// listed joins texts with commas and a last "and".
func listed(all []string, most int) string {
	if len(all) > most+1 {
		all = append(slices.Clone(all[:most]), sizing.Count(len(all)-most)+" more")
	}
	if len(all) < 2 {
		return strings.Join(all, "")
	}
	return strings.Join(all[:len(all)-1], ", ") + " and " + all[len(all)-1]
}

// agree writes a count with its noun and the verb that agrees with it.
func agree(n int, noun, one, many string) string {
	if n == 1 {
		many = one
	}
	return sizing.Plural(n, noun) + " " + many
}

// code is a text of the spec's, between backticks. Control characters, and those
// that would end the code or a table's cell, are replaced; what nobody reads to the
// end is cut.
func code(text string) string {
	text = ended.Replace(printable(text, 200))
	if strings.TrimSpace(text) == "" {
		text = "-"
	}
	return "`" + text + "`"
}

// ended would end code, or a cell.
var ended = strings.NewReplacer("`", "'", "|", "¦")

// named makes names in our own prose code.
var named = strings.NewReplacer("data_ports", "`data_ports`", plan.LockFile, "`"+plan.LockFile+"`")

// foreign is prose that may quote the spec.
func foreign(text string) string { return strings.ReplaceAll(printable(text, 2000), "`", "'") }

// printable replaces what is not to be seen, and cuts a text to a number of characters.
func printable(text string, most int) string {
	runes := []rune(strings.ToValidUTF8(text, "\uFFFD"))
	if len(runes) > most {
		runes = append(runes[:most:most], '…')
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case !visible(r):
			return '\uFFFD'
		}
		return r
	}, string(runes))
}
