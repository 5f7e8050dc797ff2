package spec

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/text/unicode/norm"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// A name becomes a folder, a file, an nftables set, an iptables chain (28
// characters with its prefix), an ipset (31 with its suffix) and a cloud
// resource, so it is what all of them take.
const maxName = 24

var validName = regexp.MustCompile(`^[a-z]([a-z0-9-]*[a-z0-9])?$`)

// deviceNames cannot be files or folders on Windows.
var deviceNames = regexp.MustCompile(`^(con|prn|aux|nul|com[0-9]|lpt[0-9])$`)

// checkName checks a block's label and that no other block of its kind has
// it, and returns it. A label that comes twice is an error of the second block.
func (l *loader) checkName(b *block, raw *hcl.Block) (name string) {
	name = raw.Labels[0]
	b.checkName(name, raw.LabelRanges[0])
	key := raw.Type + " " + name
	if first, twice := l.declared[key]; twice {
		b.errAt(raw.LabelRanges[0], finding.DuplicateName, "this name is taken by the %s at %s. Remove one of them, or rename it.", raw.Type, place(first))
		return name
	}
	l.declared[key] = raw.LabelRanges[0]
	return name
}

// checkName checks how a name is written.
func (b *block) checkName(name string, at hcl.Range) {
	switch {
	case len(name) > maxName:
		b.errAt(at, finding.InvalidName, "the name has %d characters, more than the %d that fit into chain, set and cloud names. Shorten it.", len(name), maxName)
	case !validName.MatchString(name):
		b.errAt(at, finding.InvalidName, "a name consists of lower-case letters, digits and hyphens, starts with a letter and ends with a letter or digit, because it becomes a file, chain and cloud name.%s", nameRemedy(name))
	case deviceNames.MatchString(name):
		b.errAt(at, finding.ReservedName, "Windows has no files of this name. Add something to it: %q.", name+"-1")
	}
}

var (
	notInName  = regexp.MustCompile(`[^a-z0-9]+`)
	beforeName = regexp.MustCompile(`^[^a-z]+`)
)

// nameRemedy proposes the nearest valid name.
func nameRemedy(name string) string {
	name = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) { // the diaeresis of ü, apart from its u
			return -1
		}
		return r
	}, norm.NFD.String(shortened(name)))
	fixed := notInName.ReplaceAllString(strings.ToLower(name), "-")
	fixed = strings.Trim(beforeName.ReplaceAllString(fixed, ""), "-")
	if fixed == "" {
		return ""
	}
	return fmt.Sprintf(" Write %q, for example.", fixed)
}

// place writes where something stands: file and line.
func place(r hcl.Range) string {
	return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line)
}
