package explain

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// remarks are what the owner of the site should know besides.
func (t *teller) remarks() []string {
	var text []string
	for _, r := range t.s.Remarks {
		text = append(text, fmt.Sprintf("- %s %s", sentence(r.Summary), r.Detail))
	}
	return text
}

// doubts says what the range would be if a number of the spec were wrong.
func (t *teller) doubts() []string {
	matter, rest := matters(t.doubt)
	if len(matter) == 0 && len(rest) == 0 {
		return nil
	}
	var text []string
	if len(matter) > 0 {
		text = append(text, "The spec's figures are guesses. Were one of them 30 % smaller or 30 % larger, it would take, the figure that matters most first:")
	}
	for _, i := range matter {
		text = append(text, fmt.Sprintf("- %s: %s or %s", i.Attribute, portsOr(i.Less, i.LessError), portsOr(i.More, i.MoreError)))
	}
	if len(rest) > 0 {
		text = append(text, fmt.Sprintf("30 %% more or less of %s makes no difference.", joined(rest, "or")))
	}
	return text
}

// matters divides the figures into those that change the range and the names
// of the rest.
func matters(doubt []sizing.Influence) (matter []sizing.Influence, rest []string) {
	for _, i := range doubt {
		if i.Spread() == 0 {
			rest = append(rest, i.Attribute)
		} else {
			matter = append(matter, i)
		}
	}
	return matter, rest
}

// Doubt says in a line what the range would be were a figure of the spec 30 %
// smaller or larger; "" where there is nothing to say.
func Doubt(doubt []sizing.Influence) string {
	matter, rest := matters(doubt)
	var parts []string
	for n, i := range matter {
		part := fmt.Sprintf("%s %s/%s", short(i.Attribute), portsOrNone(i.Less, i.LessError), portsOrNone(i.More, i.MoreError))
		if n == 0 {
			part += " ports"
		}
		parts = append(parts, part)
	}
	if len(rest) > 0 {
		for n := range rest {
			rest[n] = short(rest[n])
		}
		parts = append(parts, "no change by "+joined(rest, "or"))
	}
	if len(parts) == 0 {
		return ""
	}
	return "with 30 % less/more: " + strings.Join(parts, ", ")
}

// short is an attribute without its block.
func short(attribute string) string { return attribute[strings.IndexByte(attribute, '.')+1:] }

func portsOr(n int, why string) string {
	if why != "" {
		return "no range (" + why + ")"
	}
	return sizing.Plural(n, "port")
}

func portsOrNone(n int, why string) string {
	if why != "" {
		return "no range"
	}
	return sizing.Count(n)
}

// shrink says what would make the range smaller.
func (t *teller) shrink() []string {
	var text []string
	for _, a := range t.advice {
		line := fmt.Sprintf("- %s: %s, %s fewer", a.Change, sizing.Plural(a.Ports, "port"), sizing.Count(a.Saves))
		if a.Attribute != "" {
			line += " (" + a.Attribute + ")"
		}
		text = append(text, line)
	}
	if t.s.Sizing.Ports == 1 {
		return []string{"Nothing: no range is smaller than one port."}
	}
	if len(text) == 0 {
		return []string{"Nothing that is known here."}
	}
	return text
}

// others says what each other server would need for the same site, the least
// first.
func (t *teller) others() []string {
	all := slices.Clone(t.compared)
	slices.SortStableFunc(all, func(a, b sizing.Comparison) int {
		if (a.Err == nil) != (b.Err == nil) {
			return cmp.Compare(btoi(a.Err != nil), btoi(b.Err != nil))
		}
		return cmp.Compare(a.Result.Ports, b.Result.Ports)
	})
	var text []string
	for _, c := range all {
		switch {
		case c.Profile.Name == t.s.Profile.Name:
		case c.Err != nil:
			text = append(text, fmt.Sprintf("- %s: no range; %s", c.Profile.Title, t.whyNot(c)))
		default:
			text = append(text, fmt.Sprintf("- %s: %s, by its %s bound (objective %s)",
				c.Profile.Title, sizing.Plural(c.Result.Ports, "port"), c.Result.Binding, sizing.Share(c.Result.Objective)))
		}
	}
	return text
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// whyNot is why no range serves this site on that server.
func (t *teller) whyNot(c sizing.Comparison) string {
	why := strings.TrimPrefix(c.Err.Error(), c.Profile.Title+" ")
	if why != c.Err.Error() {
		why = "it " + why
	}
	var overload *sizing.OverloadError
	if errors.As(c.Err, &overload) && t.w.Traffic != nil && t.w.Traffic.Abandoned > 0 {
		why += fmt.Sprintf(", for it keeps an abandoned PASV for %s", sizing.Duration(c.Profile.AbandonedHold))
	}
	return why
}

// rules sets the rules of thumb beside what is needed.
func (t *teller) rules() []string {
	need := t.s.Sizing.Ports
	var text []string
	for _, r := range sizing.RulesOfThumb(t.w) {
		verdict := "just right"
		switch {
		case r.Ports < need:
			verdict = sizing.Count(need-r.Ports) + " too few"
			if refused := sizing.Refused(t.s.Profile, t.w, r.Ports); refused > t.s.Sizing.Objective {
				verdict += fmt.Sprintf(", would refuse %s", all(refused))
			}
		case r.Ports > need:
			verdict = sizing.Count(r.Ports-need) + " open for nothing"
		}
		text = append(text, fmt.Sprintf("- %s (%s): %s, %s", r.Name, r.Says, sizing.Plural(r.Ports, "port"), verdict))
	}
	return text
}

// theft says what a stranger gains who connects to a port of the range.
func (t *teller) theft() []string {
	odds := t.odds
	if odds.Why == "" {
		return t.truncated()
	}
	when := ""
	if t.w.Traffic == nil || t.s.Objective.WorstCase {
		when = ", when all sessions wait at once"
	}
	text := fmt.Sprintf("A blind connection to one port of the range meets a port that waits for a client with probability %s%s. %s",
		sizing.Share(odds.Hit), when, sentence(odds.Why))
	if t.s.Gate {
		text += " The firewall's gate lets nobody try who has no control connection here."
	}
	return append([]string{text}, t.truncated()...)
}

// truncated says what the server makes of an upload under TLS that somebody on
// the way has cut short; nothing where that is not known.
func (t *teller) truncated() []string {
	s := t.s
	if s.TLS.Mode == spec.TLSOff {
		return nil
	}
	what := s.Profile.Title + " takes such an upload for a whole one (measured), and has no setting for that."
	switch refuses := s.TruncatedUploads == spec.RefuseTruncated; {
	case s.Server == "embedded" && s.RefusesTruncated(), s.Server == "vsftpd" && refuses:
		what = s.Profile.Title + " refuses such an upload with 426. Old .NET clients never send close_notify; truncated_uploads = \"accept\" takes their uploads."
	case s.Server == "embedded", s.Server == "vsftpd":
		what = s.Profile.Title + " takes such an upload for a whole one, as old .NET clients need; truncated_uploads = \"refuse\" has it answer 426."
		if s.Server == "vsftpd" {
			what += " Its config says strict_ssl_read_eof=NO, since the packages' defaults differ."
		}
	case s.Server != "proftpd" && s.Server != "pureftpd":
		return nil
	}
	return []string{"Under TLS whoever is on the way can end an upload early, and only the client's close_notify shows that it is whole. " + what}
}
