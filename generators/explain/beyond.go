package explain

import (
	"fmt"
	"strings"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// remarks are what the owner of the site should know besides.
func (t *teller) remarks() []string {
	var text []string
	for _, r := range t.s.Remarks {
		text = append(text, fmt.Sprintf("- %s. %s", r.Summary, r.Detail))
	}
	return text
}

// doubts says what the range would be if a number of the spec were wrong.
func (t *teller) doubts() []string {
	influences := sizing.Sensitivity(t.s.Profile, t.w)
	if len(influences) == 0 {
		return nil
	}
	text := []string{"The spec's numbers are guesses, so here is the range with each 30 % smaller and 30 % larger, the most important first:"}
	for _, i := range influences {
		text = append(text, fmt.Sprintf("- %s: %s and %s", i.Attribute, portsOr(i.Less, i.LessErr), portsOr(i.More, i.MoreErr)))
	}
	return text
}

func portsOr(n int, err error) string {
	if err != nil {
		return "no range (" + err.Error() + ")"
	}
	return plural(n, "port")
}

// shrink says what would make the range smaller.
func (t *teller) shrink() []string {
	var text []string
	for _, a := range sizing.Advise(t.s.Profile, t.w) {
		line := fmt.Sprintf("- %s: %s, %s fewer", a.Change, plural(a.Ports, "port"), Count(a.Saves))
		if a.Attribute != "" {
			line += " (" + a.Attribute + ")"
		}
		text = append(text, line)
	}
	if len(text) == 0 {
		return []string{"Nothing that is known here."}
	}
	return text
}

// others says what each other server would need for the same site.
func (t *teller) others() []string {
	var text []string
	for _, c := range sizing.Compare(t.s.Profile, t.w) {
		switch {
		case c.Profile.Name == t.s.Profile.Name:
		case c.Err != nil:
			text = append(text, fmt.Sprintf("- %s: %v", c.Profile.Title, c.Err))
		default:
			text = append(text, fmt.Sprintf("- %s: %s, by its %s bound", c.Profile.Title, plural(c.Result.Ports, "port"), label(c.Result.Binding)))
		}
	}
	return text
}

// rules sets the rules of thumb beside what is needed.
func (t *teller) rules() []string {
	need := t.s.Sizing.Ports
	var text []string
	for _, r := range sizing.RulesOfThumb(t.w) {
		verdict := "just right"
		switch {
		case r.Ports < need:
			verdict = Count(need-r.Ports) + " too few"
		case r.Ports > need:
			verdict = Count(r.Ports-need) + " open for nothing"
		}
		text = append(text, fmt.Sprintf("- %s (%s): %s, %s", r.Name, r.Says, plural(r.Ports, "port"), verdict))
	}
	return text
}

// theft says what a stranger gains who connects to a port of the range.
func (t *teller) theft() []string {
	odds := sizing.TheftOdds(t.s.Profile, t.w, t.s.DataPorts.Count())
	if odds.Why == "" {
		return nil
	}
	return []string{fmt.Sprintf("A connection to a port of the range at random meets one that waits for a client with probability %s; %s.",
		sizing.Share(odds.Hit), strings.TrimSuffix(odds.Why, "."))}
}
