package kernel

import (
	"cmp"
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

// Change is one difference between two listings.
type Change struct {
	Object string `json:"object"`
	Was    string `json:"was,omitempty"` // a line that only the first has
	Now    string `json:"now,omitempty"` // a line that only the second has
}

func (l *Listing) add(o Object) { *l = append(*l, o) }

// sort puts a listing into its canonical order.
func (l Listing) sort() {
	for _, o := range l {
		if !o.Ordered {
			slices.Sort(o.Lines)
		}
	}
	slices.SortFunc(l, func(a, b Object) int { return cmp.Compare(a.Name, b.Name) })
}

// find returns an object by name.
func (l Listing) find(name string) (Object, bool) {
	i, found := slices.BinarySearchFunc(l, name, func(o Object, n string) int { return cmp.Compare(o.Name, n) })
	if !found {
		return Object{}, false
	}
	return l[i], true
}

// Diff tells how now differs from was, object by object.
func Diff(was, now Listing) (changes []Change) {
	for _, o := range was {
		n, there := now.find(o.Name)
		if !there {
			changes = append(changes, Change{Object: o.Name, Was: "the whole " + kind(o.Name)})
			continue
		}
		changes = append(changes, diffLines(o, n)...)
	}
	for _, n := range now {
		if _, there := was.find(n.Name); !there {
			changes = append(changes, Change{Object: n.Name, Now: "the whole " + kind(n.Name)})
		}
	}
	slices.SortStableFunc(changes, func(a, b Change) int { return cmp.Compare(a.Object, b.Object) })
	return changes
}

func kind(name string) string {
	k, _, _ := strings.Cut(name, " ")
	return k
}

// diffLines compares the lines of an object. Of ordered lines, those of the
// longest common subsequence stand; what is left on either side has changed.
func diffLines(was, now Object) (changes []Change) {
	a, b := was.Lines, now.Lines
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if !was.Ordered {
		return diffSorted(was.Name, a, b)
	}
	common := longestCommon(a, b)
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(a) > 0 && (len(common) == 0 || a[0] != common[0]):
			changes = append(changes, Change{Object: was.Name, Was: a[0]})
			a = a[1:]
		case len(b) > 0 && (len(common) == 0 || b[0] != common[0]):
			changes = append(changes, Change{Object: was.Name, Now: b[0]})
			b = b[1:]
		default:
			a, b, common = a[1:], b[1:], common[1:]
		}
	}
	return changes
}

// diffSorted merges two sorted lists.
func diffSorted(name string, a, b []string) (changes []Change) {
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0] < b[0]:
			changes = append(changes, Change{Object: name, Was: a[0]})
			a = a[1:]
		case len(a) == 0 || b[0] < a[0]:
			changes = append(changes, Change{Object: name, Now: b[0]})
			b = b[1:]
		default:
			a, b = a[1:], b[1:]
		}
	}
	return changes
}

// maxTable bounds the table of longestCommon, in cells: beyond it nothing is
// common, and the whole of both sides is shown.
const maxTable = 16 << 20

func longestCommon(a, b []string) []string {
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
	var common []string
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			common = append(common, a[i])
			i, j = i+1, j+1
		case longest[i+1][j] >= longest[i][j+1]:
			i++
		default:
			j++
		}
	}
	return common
}
