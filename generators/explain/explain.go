package explain

import (
	"io"
	"strings"

	"github.com/mitchellh/go-wordwrap"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Explanation is the derivation of one site's range. Its JSON is the stable
// face for other programs.
type Explanation struct {
	Version   int            `json:"version"` // 1
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
	// Ceiling is how many data connections a second one port would carry of
	// one client address at most; 0 where the traffic is not known.
	Ceiling float64 `json:"one_port_ceiling"`
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
}

// Site explains one site of a plan. Configured says whether a target writes the
// config of its server.
func Site(s *plan.Site, configured bool) Explanation {
	e := Explanation{
		Version:   1,
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
	t := newTeller(s, configured)
	e.OneFewer = t.oneFewer()
	for _, section := range []Section{
		{"the answer", t.answer()},
		{"what tells data connections apart", t.fourValues()},
		{"what is asked of the range", t.asked()},
		{"what one port would do", t.onePort()},
		{"the bounds", t.bounds()},
		{"what else to know", t.remarks()},
		{"how sure that is", t.doubts()},
		{"what would make it smaller", t.shrink()},
		{"what other servers would need", t.others()},
		{"what the rules of thumb would open", t.rules()},
		{"what a stranger could do", t.theft()},
		{"where the range lies", t.placement()},
		{"where this is known from", t.sources()},
	} {
		if len(section.Text) > 0 {
			e.Sections = append(e.Sections, section)
		}
	}
	t.figures(&e)
	return e
}

// WriteText writes the sections as prose, wrapped to a number of columns.
func (e Explanation) WriteText(w io.Writer, columns int) error {
	var b strings.Builder
	for i, s := range e.Sections {
		if i > 0 {
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

// Wrap breaks a paragraph into lines of so many columns, the first of which
// begins with first and the others with rest.
func Wrap(paragraph string, columns int, first, rest string) string {
	width := columns - max(len(first), len(rest))
	return first + strings.ReplaceAll(wordwrap.WrapString(paragraph, uint(max(width, 20))), "\n", "\n"+rest) + "\n"
}
