package explain

import (
	"io"
	"strings"

	"github.com/mitchellh/go-wordwrap"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Explanation is the derivation of one site's range. Its JSON is stable.
type Explanation struct {
	Site      string         `json:"site"`
	Host      string         `json:"host"`
	Server    string         `json:"server"`
	DataPorts plan.Ports     `json:"data_ports"`
	Binding   string         `json:"binding"`
	Bounds    []Bound        `json:"bounds"`
	Refused   float64        `json:"refused"` // share, with DataPorts
	OneFewer  *float64       `json:"refused_with_one_port_fewer,omitempty"`
	OnePort   sizing.OnePort `json:"one_port"`
	Sections  []Section      `json:"sections"`
	// Sensitivity has the figure that matters most first, Advice the largest
	// saving.
	Sensitivity  []sizing.Influence `json:"sensitivity"`
	Remarks      []sizing.Remark    `json:"remarks"`
	Advice       []sizing.Advice    `json:"advice"`
	Servers      []Need             `json:"servers"`
	RulesOfThumb []Rule             `json:"rules_of_thumb"`
	Theft        sizing.Theft       `json:"theft"`
	// Ceiling is the most data connections a second of one client address
	// that one port carries; 0 if the traffic is not known.
	Ceiling float64 `json:"one_port_transfers_per_second"`
}

// Bound is a lower bound on the number of ports.
type Bound struct {
	sizing.Bound
	Binds bool `json:"binds"`
}

// Section is a heading and its paragraphs. A paragraph that starts with "- "
// is an item of a list.
type Section struct {
	Title string   `json:"title"`
	Text  []string `json:"text"`
	brief bool     // of those that are shown first
}

// Site explains one site of a plan. Configured says whether a target writes the
// config of its server.
func Site(s *plan.Site, configured bool) Explanation {
	e := Explanation{
		Site:      s.Name,
		Host:      s.Host.Name,
		Server:    s.Server,
		DataPorts: plan.PortsOf(s.DataPorts),
		Binding:   s.Sizing.Binding,
		Refused:   s.Refused,
		OnePort:   s.Sizing.OnePort,
	}
	for _, b := range s.Sizing.Bounds {
		e.Bounds = append(e.Bounds, Bound{b, b.Name == s.Sizing.Binding})
	}
	d := newDerivation(s, configured)
	e.OneFewer = d.oneFewer()
	for _, section := range []Section{
		{"the answer", d.answer(), true},
		{"what tells data connections apart", d.fourValues(), false},
		{"what the site asks for", d.asked(), false},
		{"what one port does", d.onePort(), true},
		{"the bounds", d.bounds(), true},
		{"what else to know", d.remarks(), false},
		{"how sensitive that is", d.doubts(), false},
		{"what makes it smaller", d.shrink(), true},
		{"what other servers need", d.others(), false},
		{"what the rules of thumb open", d.rules(), false},
		{"what a stranger could do", d.theft(), false},
		{"where the range is", d.placement(), false},
		{"sources", d.sources(), false},
	} {
		if len(section.Text) > 0 {
			e.Sections = append(e.Sections, section)
		}
	}
	d.figures(&e)
	return e
}

// WriteText writes the sections as prose, wrapped to a number of columns: all
// of them, or those that answer how many ports there are and how to need fewer.
func (e Explanation) WriteText(w io.Writer, columns int, all bool) error {
	var b strings.Builder
	for _, s := range e.Sections {
		if !all && !s.brief {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strings.ToUpper(s.Title) + "\n")
		for _, paragraph := range s.Text {
			b.WriteString(wrap(paragraph, columns))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// wrap indents a paragraph by two columns, an item's further lines by four.
func wrap(paragraph string, columns int) string {
	if strings.HasPrefix(paragraph, "- ") {
		return Wrap(paragraph, columns, "  ", "    ")
	}
	return Wrap(paragraph, columns, "  ", "  ")
}

// Wrap breaks a paragraph into lines of at most columns characters, the first
// of which starts with first and the others with rest.
func Wrap(paragraph string, columns int, first, rest string) string {
	width := columns - max(len(first), len(rest))
	return first + strings.ReplaceAll(wordwrap.WrapString(paragraph, uint(max(width, 20))), "\n", "\n"+rest) + "\n"
}
