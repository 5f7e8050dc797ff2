package plan

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// LockFile is the lock's file name. It is in the spec's folder and is committed
// with it.
const LockFile = "pasvctl.lock.hcl"

// MaxLockBytes is the size of the largest lock that ParseLock reads, enough
// for some 20,000 sites.
const MaxLockBytes = 4 << 20

const lockRemedy = " Restore the file from version control, or delete it to let pasvctl choose all ranges again."

const conflictRemedy = "A merge left both sides in the lock. In its folder, take the file of the branch that is deployed (git checkout BRANCH -- " + LockFile +
	"), and run pasvctl generate: it gives free ports to the sites that only the other branch has."

const lockHeader = `# Made by pasvctl: the data ports that each site was given. Commit this file
# beside the spec: it keeps every site where its firewalls and clients expect
# it when sites are added, resized or removed. A site that is not in the spec
# any more is dropped from here, and its ports are free again.
`

// Lock remembers the data ports that each site was given, so that adding a
// site moves no other. Sites are sorted by name.
type Lock struct {
	Sites []LockedSite
	// Shared: other specs of the folder have sites in it, too. An entry that is
	// not of this spec's sites stays.
	Shared bool
}

// LockedSite is one site's entry in the lock.
type LockedSite struct {
	Name      string
	Host      string
	DataPorts spec.PortRange
	// Ports is the number that the site needed when it was written: less
	// than the range holds if the spec pins a larger one.
	Ports int
	// Rank is Site.Rank, or 0 if no target needs it. It is a comment in the
	// file, since older versions refuse an attribute that they do not know.
	Rank int
	// Range is the entry's header; zero if it was not read from a file.
	Range hcl.Range

	was string // its name in the file, if a moved block has renamed it
}

// find returns the entry of a site, or nil.
func (l *Lock) find(name string) *LockedSite {
	if l == nil {
		return nil
	}
	i := sort.Search(len(l.Sites), func(i int) bool { return l.Sites[i].Name >= name })
	if i == len(l.Sites) || l.Sites[i].Name != name {
		return nil
	}
	return &l.Sites[i]
}

// adopt adds the entries that another lock, which may be nil, has of sites
// unknown to this one.
func (l *Lock) adopt(other *Lock) {
	if other == nil {
		return
	}
	var unknown []LockedSite
	for _, s := range other.Sites {
		if l.find(s.Name) == nil {
			unknown = append(unknown, s)
		}
	}
	l.Sites = append(l.Sites, unknown...)
	l.sort()
}

// renamed is the lock with the names that moved blocks give its sites.
func (l *Lock) renamed(moved []*spec.Moved) (*Lock, hcl.Diagnostics) {
	if l == nil || len(moved) == 0 {
		return l, nil
	}
	names := spec.Renames(moved)
	now := &Lock{Shared: l.Shared, Sites: slices.Clone(l.Sites)}
	for i := range now.Sites {
		if s := &now.Sites[i]; names[s.Name] != "" {
			s.was, s.Name = s.Name, names[s.Name]
		}
	}
	now.sort()
	var diags hcl.Diagnostics
	for i := 1; i < len(now.Sites); i++ {
		a, b := now.Sites[i-1], now.Sites[i]
		if a.Name != b.Name {
			continue
		}
		if a.was == "" {
			a, b = b, a // a is the older name
		}
		block := moved[slices.IndexFunc(moved, func(m *spec.Moved) bool { return m.From == a.was })]
		other := cmp.Or(b.was, b.Name)
		diags = append(diags, finding.RenamedTwice.Error(block.Ranges.Of("from"),
			"%s has an entry for site %q, %s on host %q, and one for site %q, %s on host %q. Remove this block if %s is the range that is deployed, or else delete the entry of site %q from the lock.",
			LockFile, a.was, a.DataPorts, a.Host, other, b.DataPorts, b.Host, b.DataPorts, other))
	}
	return now, diags
}

func (l *Lock) sort() {
	slices.SortFunc(l.Sites, func(a, b LockedSite) int { return strings.Compare(a.Name, b.Name) })
}

// Bytes writes the lock as ParseLock reads it: one block a site, in canonical
// layout.
func (l *Lock) Bytes() []byte {
	var text bytes.Buffer
	text.WriteString(lockHeader)
	for _, s := range l.Sites {
		fmt.Fprintf(&text, "\nsite %s {\n  host       = %s\n  data_ports = %s\n  ports      = %d\n",
			quoted(s.Name), quoted(s.Host), quoted(s.DataPorts.String()), s.Ports)
		if s.Rank > 0 {
			fmt.Fprintf(&text, "  # rank = %d, for platforms whose rules have priorities of their own\n", s.Rank)
		}
		text.WriteString("}\n")
	}
	return text.Bytes()
}

// quoted writes an HCL string.
func quoted(s string) []byte { return hclwrite.TokensForValue(cty.StringVal(s)).Bytes() }

type lockBody struct {
	Sites []lockBlock `hcl:"site,block"`
}

type lockBlock struct {
	Name       string    `hcl:"name,label"`
	Host       string    `hcl:"host"`
	DataPorts  string    `hcl:"data_ports"`
	Ports      int       `hcl:"ports"`
	Header     hcl.Range `hcl:",def_range"`
	PortsRange hcl.Range `hcl:"ports,attr_value_range"`
	DataRange  hcl.Range `hcl:"data_ports,attr_value_range"`
}

// ParseLock reads a lock. It takes hostile input: at most 4 MiB, which nest no
// deeper than a spec may; the caller bounds its time. A lock with a mistake in it gives
// diagnostics and no lock, because a guess would move ports.
func ParseLock(src []byte, filename string) (*Lock, hcl.Diagnostics) {
	if len(src) > MaxLockBytes {
		return nil, hcl.Diagnostics{damaged(fmt.Sprintf("The lock has %d bytes; at most %d are read.", len(src), MaxLockBytes),
			hcl.Range{Filename: filename, Start: hcl.InitialPos, End: hcl.InitialPos})}
	}
	if at, ok := conflict(src, filename); ok {
		return nil, hcl.Diagnostics{finding.LockDamaged.Error(&at, "%s", conflictRemedy)}
	}
	file, diags := spec.Parse(filename, src)
	if diags.HasErrors() {
		return nil, withRemedy(diags)
	}
	var body lockBody
	if diags := gohcl.DecodeBody(file.Body, nil, &body); diags.HasErrors() {
		return nil, withRemedy(diags)
	}
	lock, diags := checkLock(body)
	if !diags.HasErrors() {
		readRanks(lock, body, src)
	}
	return lock, diags
}

// conflict finds the line that starts a merge conflict, as git leaves it.
func conflict(src []byte, filename string) (at hcl.Range, ok bool) {
	const mark = "<<<<<<< "
	start := 0
	if !bytes.HasPrefix(src, []byte(mark)) {
		start = bytes.Index(src, []byte("\n"+mark)) + 1
		if start == 0 {
			return at, false
		}
	}
	from := hcl.Pos{Line: 1 + bytes.Count(src[:start], []byte("\n")), Column: 1, Byte: start}
	to := from
	to.Column, to.Byte = from.Column+len(mark), from.Byte+len(mark)
	return hcl.Range{Filename: filename, Start: from, End: to}, true
}

// withRemedy ends what HCL says of a lock with what to do.
func withRemedy(diags hcl.Diagnostics) hcl.Diagnostics {
	for _, d := range diags {
		d.Detail += lockRemedy
		finding.LockDamaged.Mark(d)
	}
	return diags
}

func checkLock(body lockBody) (*Lock, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	lock := &Lock{}
	seen := map[string]bool{}
	for _, b := range body.Sites {
		r, ok := spec.ParsePortRange(b.DataPorts)
		switch {
		case seen[b.Name]:
			diags = append(diags, damaged(fmt.Sprintf("Site %q has two entries. Keep the one that is deployed.", b.Name), b.Header))
		case !ok || r.First < lowestPort:
			diags = append(diags, damaged(fmt.Sprintf("data_ports of site %q is %q, which is not a range of ports above 1023 such as \"61000-61099\".", b.Name, b.DataPorts), b.DataRange))
		case b.Ports < 1 || b.Ports > r.Count():
			diags = append(diags, damaged(fmt.Sprintf("ports of site %q is %d, but its range %s has %d.", b.Name, b.Ports, r, r.Count()), b.PortsRange))
		}
		seen[b.Name] = true
		lock.Sites = append(lock.Sites, LockedSite{Name: b.Name, Host: b.Host, DataPorts: r, Ports: b.Ports, Range: b.Header})
	}
	if diags.HasErrors() {
		return nil, diags
	}
	lock.sort()
	return lock, nil
}

func damaged(detail string, at hcl.Range) *hcl.Diagnostic {
	return finding.LockDamaged.Error(&at, "%s%s", detail, lockRemedy)
}

// lockOf writes down where sites, sorted by name, have been placed.
func lockOf(sites []*Site) *Lock {
	lock := &Lock{Sites: make([]LockedSite, 0, len(sites))}
	for _, s := range sites {
		lock.Sites = append(lock.Sites, LockedSite{Name: s.Name, Host: s.Host.Name, DataPorts: s.DataPorts, Ports: s.Sizing.Ports, Rank: s.Rank})
	}
	return lock
}
