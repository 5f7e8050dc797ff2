package kernel

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Listing is our objects in a kernel, without what changes while they work:
// handles, counters and learnt members.
type Listing []Object

// Object is a chain, set, map or table, with its rules or elements.
type Object struct {
	Name  string   `json:"name"` // "chain inet pasvctl input"
	Lines []string `json:"lines"`
	// Ordered: the order of the lines matters, as that of rules does.
	Ordered bool `json:"-"`

	declared []string // of Lines, those that say what the object is
}

// Change is one line that either the kernel or the rules have alone.
type Change struct {
	Object string `json:"object"`
	Sign   Sign   `json:"sign"`
	Line   string `json:"line"`
}

// Sign says who has a line, the same wherever changes are shown.
type Sign string

// The signs.
const (
	InKernel Sign = "-" // only the kernel has it
	InRules  Sign = "+" // only the rules have it
)

// Overlaps reports whether both are about the same line, which may be one of a
// whole object.
func (c Change) Overlaps(o Change) bool {
	return c.Object == o.Object && (c.Line == o.Line || c.Line == whole(c.Object) || o.Line == whole(o.Object))
}

func (c Change) String() string { return fmt.Sprintf("%s: %s %s", c.Object, c.Sign, c.Line) }

// sort puts a listing into its canonical order.
func (l Listing) sort() {
	for _, o := range l {
		if !o.Ordered {
			slices.Sort(o.Lines)
		}
	}
	slices.SortFunc(l, func(a, b Object) int { return cmp.Compare(a.Name, b.Name) })
}

func (l Listing) find(name string) (Object, bool) {
	i, found := slices.BinarySearchFunc(l, name, func(o Object, n string) int { return cmp.Compare(o.Name, n) })
	if !found {
		return Object{}, false
	}
	return l[i], true
}

// Diff compares what is live with what rules leave in an empty kernel, object
// by object.
func Diff(live, rules Listing) (changes []Change) {
	for _, o := range live {
		n, there := rules.find(o.Name)
		if !there {
			changes = append(changes, Change{o.Name, InKernel, whole(o.Name)})
			continue
		}
		changes = append(changes, diffLines(o, n)...)
	}
	for _, n := range rules {
		if _, there := live.find(n.Name); !there {
			changes = append(changes, Change{n.Name, InRules, whole(n.Name)})
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Compare(a.Object, b.Object) })
	return changes
}

// whole is the line of a Change that is about all of an object.
func whole(name string) string {
	kind, _, _ := strings.Cut(name, " ")
	return "the whole " + kind
}

// diffLines compares the lines of an object. Of ordered lines, those of a
// longest common subsequence stay; what is left on either side has changed.
func diffLines(live, rules Object) (changes []Change) {
	a, b := live.Lines, rules.Lines
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	gone := func(i, j int) bool { return a[i] < b[j] } // the others are sorted
	if live.Ordered {
		longest := longestCommon(a, b)
		gone = func(i, j int) bool { return longest == nil || longest[i+1][j] >= longest[i][j+1] }
	}
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && gone(i, j):
			changes = append(changes, Change{live.Name, InKernel, a[i]})
			i++
		default:
			changes = append(changes, Change{live.Name, InRules, b[j]})
			j++
		}
	}
	return changes
}

// maxTable bounds the table of longestCommon, in cells: beyond it the whole of
// both sides is shown.
const maxTable = 16 << 20

// longestCommon has the length of the longest common subsequence of a[i:] and
// b[j:] at [i][j]; nil beyond maxTable.
func longestCommon(a, b []string) [][]int {
	if len(a)*len(b) > maxTable {
		return nil
	}
	longest := make([][]int, len(a)+1)
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	return longest
}
