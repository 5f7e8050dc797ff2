package explain

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// remarks are further warnings and notes for the site's owner.
func (d *derivation) remarks() []string {
	var text []string
	for _, r := range d.s.Remarks {
		text = append(text, fmt.Sprintf("- %s %s", sentence(r.Summary), r.Detail))
	}
	return text
}

// doubts says how many ports the site needs if a figure of the spec is wrong.
func (d *derivation) doubts() []string {
	matter, rest := matters(d.doubt)
	if len(matter) == 0 && len(rest) == 0 {
		return nil
	}
	var text []string
	if len(matter) > 0 {
		text = append(text, "The spec's figures are estimates. With one of them 30 % smaller or 30 % larger the site needs (most sensitive first):")
	}
	for _, i := range matter {
		text = append(text, fmt.Sprintf("- %s: %s or %s", i.Attribute, portsOr(i.Less, i.LessError), portsOr(i.More, i.MoreError)))
	}
	if len(rest) > 0 {
		text = append(text, fmt.Sprintf("30 %% more or less of %s changes nothing.", spec.List(rest, "or")))
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

// Doubt says in a line how many ports the site needs if a figure of the spec
// is 30 % smaller or larger; "" if there is nothing to say.
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
		parts = append(parts, "no change from "+spec.List(rest, "or"))
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

// shrink says what makes the range smaller.
func (d *derivation) shrink() []string {
	var text []string
	for _, a := range d.advice {
		line := fmt.Sprintf("- %s: %s, %s fewer", a.Change, sizing.Plural(a.Ports, "port"), sizing.Count(a.Saves))
		if a.Attribute != "" {
			line += " (" + a.Attribute + ")"
		}
		text = append(text, line)
	}
	if d.s.Sizing.Ports == 1 {
		return []string{"Nothing: no range is smaller than one port."}
	}
	if len(text) == 0 {
		return []string{"No known change does."}
	}
	return text
}

// others says how many ports each other server needs for the same site, the
// fewest first.
func (d *derivation) others() []string {
	all := slices.Clone(d.compared)
	sizing.FewestFirst(all)
	var text []string
	for _, c := range all {
		switch {
		case c.Profile.Name == d.s.Profile.Name:
		case c.Err != nil:
			text = append(text, fmt.Sprintf("- %s: no range; %s", c.Profile.Title, d.whyNot(c)))
		default:
			text = append(text, fmt.Sprintf("- %s: %s, by its %s bound (objective %s)",
				c.Profile.Title, sizing.Plural(c.Result.Ports, "port"), c.Result.Binding, sizing.Share(c.Result.Objective)))
		}
	}
	return text
}

// whyNot is why no range is enough for this site on that server.
func (d *derivation) whyNot(c sizing.Comparison) string {
	why := strings.TrimPrefix(c.Err.Error(), c.Profile.Title+" ")
	if why != c.Err.Error() {
		why = "it " + why
	}
	var overload *sizing.OverloadError
	if errors.As(c.Err, &overload) && d.w.Traffic != nil && d.w.Traffic.Abandoned > 0 {
		why += fmt.Sprintf(", because it keeps the port of an abandoned PASV for %s", sizing.Duration(d.w.AbandonedHoldOn(c.Profile)))
	}
	return why
}

// rules compares the rules of thumb with what the site needs.
func (d *derivation) rules() []string {
	var text []string
	for _, r := range d.judged {
		text = append(text, fmt.Sprintf("- %s (%s): %s, %s", r.Name, r.Says, sizing.Plural(r.Ports, "port"), r.Verdict))
	}
	return text
}

// theft says what a stranger gains by connecting to a port of the range.
func (d *derivation) theft() []string {
	odds := d.odds
	if odds.Why == "" {
		return d.truncated()
	}
	when := ""
	if d.w.Traffic == nil || d.s.Objective.WorstCase {
		when = ", when all sessions wait at once"
	}
	text := fmt.Sprintf("A blind connection to one port of the range hits one that waits for a client with probability %s%s. %s",
		sizing.Share(odds.Hit), when, sentence(odds.Why))
	if d.s.Gate {
		text += " The firewall's gate admits only clients that have a control connection."
	}
	return append([]string{text}, d.truncated()...)
}

// truncated says what the server does with an upload under TLS that an
// attacker on the path has truncated; nothing if that is not known.
func (d *derivation) truncated() []string {
	s := d.s
	if s.TLS.Mode == spec.TLSOff {
		return nil
	}
	what := s.Profile.Title + " accepts such an upload as complete (measured) and has no setting against it."
	switch refuses := s.TruncatedUploads == spec.RefuseTruncated; {
	case s.Server == "embedded" && s.RefusesTruncated(), s.Server == "vsftpd" && refuses:
		what = s.Profile.Title + " refuses such an upload with 426. Old .NET clients never send close_notify; truncated_uploads = \"accept\" accepts their uploads."
	case s.Server == "embedded", s.Server == "vsftpd":
		what = s.Profile.Title + " accepts such an upload as complete, as old .NET clients need; truncated_uploads = \"refuse\" makes it answer 426."
		if s.Server == "vsftpd" {
			what += " Its config sets strict_ssl_read_eof=NO because the packages' defaults differ."
		}
	case s.Server != "proftpd" && s.Server != "pureftpd":
		return nil
	}
	return []string{"Under TLS an attacker on the path can end an upload early; only the client's close_notify proves that it is complete. " + what}
}
