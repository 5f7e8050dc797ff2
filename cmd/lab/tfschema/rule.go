package tfschema

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// check reports what the rule refuses of the values. What is unknown passes.
func (r Rule) check(values map[string]any) (wrong []error) {
	say := func(format string, args ...any) {
		wrong = append(wrong, fmt.Errorf(format+" (%s)", append(args, r.Source)...))
	}
	// What is unknown may turn out to be set or null.
	count := func(names []string) (set, unknown int) {
		for _, name := range names {
			_, open := values[name].(Unknown)
			if list, isList := values[name].([]any); open {
				unknown++
			} else if values[name] != nil && (!isList || len(list) > 0) {
				set++
			}
		}
		return set, unknown
	}
	if n, unknown := count(r.ExactlyOne); r.ExactlyOne != nil && (n > 1 || n+unknown == 0) {
		say("exactly one of %s must be set, and %d are", strings.Join(r.ExactlyOne, ", "), n)
	}
	if n, _ := count(r.AtMostOne); n > 1 {
		say("at most one of %s may be set, and %d are", strings.Join(r.AtMostOne, ", "), n)
	}
	if n, unknown := count(r.Together); n != 0 && n+unknown < len(r.Together) {
		say("%s go together, and %d are set", strings.Join(r.Together, ", "), n)
	}
	for i := 1; i < len(r.Ascending); i++ {
		low, ok1 := values[r.Ascending[i-1]].(float64)
		high, ok2 := values[r.Ascending[i]].(float64)
		if ok1 && ok2 && low > high {
			say("%s is above %s", r.Ascending[i-1], r.Ascending[i])
		}
	}
	value := values[r.Attribute]
	if r.Attribute == "" || value == nil {
		return wrong
	}
	elements, isList := value.([]any)
	if !isList {
		elements = []any{value}
	}
	if r.Items > 0 && len(elements) > r.Items {
		say("%s has %d elements, more than %d", r.Attribute, len(elements), r.Items)
	}
	for _, e := range elements {
		if problem := r.refuses(e); problem != "" {
			say("%s: %s", r.Attribute, problem)
		}
	}
	if problem := r.refusesAll(elements); problem != "" {
		say("%s: %s", r.Attribute, problem)
	}
	return wrong
}

// refuses says what is wrong with one value; "" if nothing is.
func (r Rule) refuses(value any) string {
	switch v := value.(type) {
	case float64:
		if r.Least != nil && v < *r.Least || r.Most != nil && v > *r.Most {
			return fmt.Sprintf("%g is out of bounds", v)
		}
		if r.Least != nil && v != float64(int64(v)) {
			return fmt.Sprintf("%g is not a whole number", v)
		}
	case string:
		switch {
		case r.Words != nil && !slices.Contains(r.Words, v):
			return fmt.Sprintf("%q is not one of %q", v, r.Words)
		case r.Pattern != "" && !regexp.MustCompile(`^(?:`+r.Pattern+`)$`).MatchString(v):
			return fmt.Sprintf("%q does not match %s", v, r.Pattern)
		case r.Length > 0 && utf8.RuneCountInString(v) > r.Length:
			return fmt.Sprintf("%d characters, more than %d", utf8.RuneCountInString(v), r.Length)
		case slices.Contains(r.Holds, "ports") && !ports(v):
			return fmt.Sprintf("%q is not a port or an ascending range", v)
		case slices.Contains(r.Holds, "networks") && !network(v):
			return fmt.Sprintf("%q is not a network without host bits", v)
		}
	}
	return ""
}

func ports(text string) bool {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	first, err1 := strconv.ParseUint(low, 10, 16)
	last, err2 := strconv.ParseUint(high, 10, 16)
	return err1 == nil && err2 == nil && 0 < first && first <= last && (!isRange || first < last)
}

func network(text string) bool {
	p, err := netip.ParsePrefix(text)
	return err == nil && p == p.Masked() && p.String() == text
}

// refusesAll says what is wrong with the networks of a list together.
func (r Rule) refusesAll(elements []any) string {
	var all []netip.Prefix
	for _, e := range elements {
		text, _ := e.(string)
		if p, err := netip.ParsePrefix(text); err == nil {
			all = append(all, p)
		}
	}
	for i, a := range all {
		for _, b := range all[:i] {
			if slices.Contains(r.Holds, "one family") && a.Addr().Is4() != b.Addr().Is4() {
				return fmt.Sprintf("%s and %s are of two address families", b, a)
			}
			if slices.Contains(r.Holds, "no overlap") && a.Overlaps(b) {
				return fmt.Sprintf("%s and %s overlap", b, a)
			}
		}
	}
	return ""
}
