package spec

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
)

const maxPort = 65535

// portLimit is the bounds of a range of ports in words.
const portLimit = "from 1 to 65535, the first before the last"

var rangeText = regexp.MustCompile(`^([0-9]{1,9})(?:-([0-9]{1,9}))?$`)

// Merged sorts ranges and joins those that overlap or touch.
func Merged(ranges []PortRange) (merged []PortRange) {
	ranges = slices.Clone(ranges)
	slices.SortFunc(ranges, func(a, b PortRange) int { return int(a.First) - int(b.First) })
	for _, r := range ranges {
		if last := len(merged) - 1; last >= 0 && int(r.First) <= int(merged[last].Last)+1 {
			merged[last].Last = max(merged[last].Last, r.Last)
			continue
		}
		merged = append(merged, r)
	}
	return merged
}

// Without are the ports of ranges that are in none of gone.
func Without(ranges []PortRange, gone ...PortRange) []PortRange {
	for _, g := range gone {
		var rest []PortRange
		for _, r := range ranges {
			if r.First < g.First {
				rest = append(rest, PortRange{First: r.First, Last: min(r.Last, g.First-1)})
			}
			if r.Last > g.Last {
				rest = append(rest, PortRange{First: max(r.First, g.Last+1), Last: r.Last})
			}
		}
		ranges = rest
	}
	return ranges
}

// portRange parses "20000-20199", or "21" for one port.
func (b *block) portRange(attr, text string, at hcl.Range) (PortRange, bool) {
	if raw := textAt(b.l.spec.Files[at.Filename], &at); looseRange.MatchString(raw) {
		b.errAt(at, finding.InvalidPortRange, "%s without quotes is a subtraction. Write %q.", raw, rangeRemedy(raw))
		return PortRange{}, false
	}
	m := rangeText.FindStringSubmatch(text)
	if m == nil {
		b.errAt(at, finding.InvalidPortRange, "%q in %s is not a range of ports. Write the first and the last port with a hyphen, like %q.", text, b.key(attr), rangeRemedy(text))
		return PortRange{}, false
	}
	// At most nine digits each, so neither conversion fails.
	first, _ := strconv.Atoi(m[1])
	last := first
	if m[2] != "" {
		last, _ = strconv.Atoi(m[2])
	}
	switch {
	case min(first, last) < 1 || max(first, last) > maxPort:
		b.errAt(at, finding.PortOutOfRange, "%q in %s is not within the ports that there are, 1 to %d. Write %q.", text, b.key(attr), maxPort,
			PortRange{uint16(min(max(1, min(first, last)), maxPort)), uint16(min(max(1, first, last), maxPort))}.String())
	case first > last:
		b.errAt(at, finding.InvalidPortRange, "%q in %s ends before it begins. Write %q.", text, b.key(attr), sortedRange(first, last))
	default:
		return PortRange{uint16(first), uint16(last)}, true
	}
	return PortRange{}, false
}

var looseRange = regexp.MustCompile(`^\s*([0-9]+)\s*(?:-|:|–|—|,|\.\.+|to|\s)\s*([0-9]+)\s*$`)

// rangeRemedy writes another tool's notation (20000:20199, 20000 - 20199) as
// a range.
func rangeRemedy(text string) string {
	if m := looseRange.FindStringSubmatch(strings.ToLower(text)); m != nil {
		return m[1] + "-" + m[2]
	}
	return "20000-20199"
}

func (b *block) portRangeOf(name string) PortRange {
	text, ok := b.text(name)
	if !ok {
		text = otherwise[string](b, name)
	}
	if !ok && text == "" {
		return PortRange{}
	}
	r, _ := b.portRange(name, text, *b.ranges.Of(b.key(name)))
	return r
}

func (b *block) portRangesOf(name string) []PortRange {
	elements, _ := b.list(name)
	var ranges []PortRange
	for _, e := range elements {
		if r, ok := b.portRange(name, e.text, e.at); ok {
			ranges = append(ranges, r)
		}
	}
	return ranges
}
