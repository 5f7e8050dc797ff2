package plan

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// LockFile is the lock's file name. It lies beside the spec and is committed
// with it.
const LockFile = "pasvctl.lock.hcl"

// MaxLockBytes bounds what ParseLock reads: some 20,000 sites with names of
// the greatest length.
const MaxLockBytes = 4 << 20

const lockHeader = `# Made by pasvctl: the data ports that each site was given. Commit this file
# beside the spec: it keeps every site where its firewalls and clients expect
# it when sites are added, resized or removed. A site that is not in the spec
# any more is dropped from here, and its ports are free again.
`

// Lock remembers the data ports that each site was given, so that adding a
// site moves no other. Sites are sorted by name.
type Lock struct {
	Sites []LockedSite
}

// LockedSite is one site's entry in the lock.
type LockedSite struct {
	Name      string
	Host      string
	DataPorts spec.PortRange
	// Ports is the number that the site needed when it was written: less
	// than the range holds where the spec pins a larger one.
	Ports int
	// Range is the entry's header; zero where it was not read from a file.
	Range hcl.Range
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

// Bytes writes the lock as ParseLock reads it: one block a site, sorted.
func (l *Lock) Bytes() []byte {
	file := hclwrite.NewEmptyFile()
	file.Body().AppendUnstructuredTokens(hclwrite.Tokens{
		{Type: hclsyntax.TokenComment, Bytes: []byte(lockHeader)},
	})
	for _, s := range l.Sites {
		file.Body().AppendNewline()
		body := file.Body().AppendNewBlock("site", []string{s.Name}).Body()
		body.SetAttributeValue("host", cty.StringVal(s.Host))
		body.SetAttributeValue("data_ports", cty.StringVal(s.DataPorts.String()))
		body.SetAttributeValue("ports", cty.NumberIntVal(int64(s.Ports)))
	}
	return hclwrite.Format(file.Bytes())
}

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

// ParseLock reads a lock. It takes hostile input: at most 4 MiB, and none of
// the expressions that HCL would nest. A lock with a mistake in it gives
// diagnostics and no lock, because a guess would move ports.
func ParseLock(src []byte, filename string) (*Lock, hcl.Diagnostics) {
	if len(src) > MaxLockBytes {
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Lock file too large",
			Detail:   fmt.Sprintf("The lock has %d bytes; at most %d are read. Restore it from version control, or delete it to have all ranges chosen anew.", len(src), MaxLockBytes),
			Subject:  &hcl.Range{Filename: filename, Start: hcl.InitialPos, End: hcl.InitialPos},
		}}
	}
	if diags := plainTokens(src, filename); diags.HasErrors() {
		return nil, diags
	}
	file, diags := hclsyntax.ParseConfig(src, filename, hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	var body lockBody
	if diags := gohcl.DecodeBody(file.Body, nil, &body); diags.HasErrors() {
		return nil, diags
	}
	return checkLock(body)
}

// plainTokens refuses whatever a lock never holds. The parser recurses into
// brackets, operators and nested blocks; without these it runs flat.
func plainTokens(src []byte, filename string) hcl.Diagnostics {
	tokens, _ := hclsyntax.LexConfig(src, filename, hcl.InitialPos)
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace:
			depth++
		case hclsyntax.TokenCBrace:
			depth--
		case hclsyntax.TokenIdent, hclsyntax.TokenOQuote, hclsyntax.TokenQuotedLit, hclsyntax.TokenCQuote,
			hclsyntax.TokenNumberLit, hclsyntax.TokenEqual, hclsyntax.TokenNewline, hclsyntax.TokenComment, hclsyntax.TokenEOF:
		default:
			depth = -1
		}
		if depth < 0 || depth > 1 {
			return hcl.Diagnostics{damaged("The lock holds only site blocks with plain values, and this is not one of them.", t.Range)}
		}
	}
	return nil
}

func checkLock(body lockBody) (*Lock, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	lock := &Lock{}
	seen := map[string]bool{}
	for _, b := range body.Sites {
		r, ok := parsePorts(b.DataPorts)
		switch {
		case seen[b.Name]:
			diags = append(diags, damaged(fmt.Sprintf("Site %q has two entries. Keep the one that is deployed.", b.Name), b.Header))
		case !ok:
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
	sort.Slice(lock.Sites, func(i, j int) bool { return lock.Sites[i].Name < lock.Sites[j].Name })
	return lock, nil
}

func damaged(detail string, at hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Damaged lock file",
		Detail:   detail + " Restore the file from version control (a merge may have left both sides in it), or delete it to have all ranges chosen anew.",
		Subject:  at.Ptr(),
	}
}

// parsePorts reads "61000-61099", or "61000" for one port.
func parsePorts(text string) (spec.PortRange, bool) {
	first, last, found := strings.Cut(text, "-")
	if !found {
		last = first
	}
	lo, err1 := strconv.ParseUint(first, 10, 16)
	hi, err2 := strconv.ParseUint(last, 10, 16)
	if err1 != nil || err2 != nil || lo < lowestPort || hi < lo {
		return spec.PortRange{}, false
	}
	return spec.PortRange{First: uint16(lo), Last: uint16(hi)}, true
}

// lockOf writes down where sites, sorted by name, have been placed.
func lockOf(sites []*Site) *Lock {
	lock := &Lock{Sites: make([]LockedSite, 0, len(sites))}
	for _, s := range sites {
		lock.Sites = append(lock.Sites, LockedSite{Name: s.Name, Host: s.Host.Name, DataPorts: s.DataPorts, Ports: s.Sizing.Ports})
	}
	return lock
}
