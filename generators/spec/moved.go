package spec

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// Moved says that a site has got another name. What the lock has under the old
// one is the site's.
type Moved struct {
	From, To string
	Ranges   Ranges
}

var movedBlock = &Block{
	Type: "moved",
	Doc: "A renamed site: it keeps the ports and the rank that the lock has under its old name. The block may stay in the spec for ever; " +
		"if the lock has no entry of the old name, it does nothing. Blocks may form a chain, from the oldest name to the present one. " +
		"What bears the site's name changes with it: the folder HOST/SITE, whose older files `generate` lists as stale, systemd units, " +
		"/etc/pasvctl/SITE.users, and the rules of clouds, which Terraform replaces. " +
		"It changes chains and sets, so after `apply` each client is learnt again by its next packet on the control connection, and the count of sessions per address starts again. " +
		"What `apply --drain` keeps open stays open.",
	Arguments: []Argument{
		{Name: "from", Type: Reference, Limit: "site.NAME", Example: "site.ftp",
			Required: "Write the site's old name, like from = site.ftp.",
			Doc:      "The old name, which no site of the spec has."},
		{Name: "to", Type: Reference, Limit: "site.NAME", Example: "site.downloads",
			Required: "Write the site's present name, like to = site.downloads.",
			Doc:      "The present name, or the from of another moved block."},
	},
}

// Renames returns the present name of each site that was renamed, by each of its
// old names.
func Renames(moved []*Moved) map[string]string {
	names := make(map[string]string, len(moved))
	for _, m := range moved {
		names[m.From] = m.To
	}
	for _, m := range moved { // each chain is walked once
		var chain []string
		end := m.From
		for next, more := names[end]; more && len(chain) < len(moved); next, more = names[end] {
			chain, end = append(chain, end), next
		}
		for _, name := range chain {
			names[name] = end
		}
	}
	return names
}

// SiteReference writes the reference to a site.
func SiteReference(name string) string {
	if hclsyntax.ValidIdentifier(name) {
		return "site." + name
	}
	return fmt.Sprintf("site[%q]", shortened(name))
}

// MovedBlock writes the block that renames a site.
func MovedBlock(from, to string) string {
	return fmt.Sprintf("moved {\n  from = %s\n  to   = %s\n}\n", SiteReference(from), SiteReference(to))
}

func (l *loader) decodeMoved(raw *hcl.Block) {
	b := l.block(raw)
	b.decode(raw.Body, movedBlock)
	m := &Moved{From: b.siteNamed("from"), To: b.siteNamed("to"), Ranges: b.ranges}
	if *b.failed {
		return
	}
	if m.From == m.To {
		b.err("to", finding.InvalidRename, "from and to are both %s. Remove this block, or write the site's old name in from.", SiteReference(m.To))
		return
	}
	if !b.once("from", m.From) || !b.once("to", m.To) {
		return
	}
	l.spec.Moved = append(l.spec.Moved, m)
}

// once reports whether no other moved block has this name in this attribute.
func (b *block) once(attr, name string) bool {
	key := "moved " + attr + " " + name
	first, twice := b.l.declared[key]
	if twice {
		b.err(attr, finding.InvalidRename, "the moved block at %s has %s = %s already, and a site has one earlier and one later name. Remove one of the two blocks.", place(first), attr, SiteReference(name))
		return false
	}
	b.l.declared[key] = b.at
	return true
}

// siteNamed reads a reference to a site, which need not be one of the spec.
func (b *block) siteNamed(attr string) string {
	arg, given := b.def.argument(attr), b.attrs[attr]
	if given == nil {
		b.require(arg)
		return ""
	}
	b.ranges[attr] = given.Expr.Range()
	traversal, diags := hcl.AbsTraversalForExpr(given.Expr)
	if !diags.HasErrors() && traversal.RootName() == "null" && len(traversal) == 1 {
		delete(b.ranges, attr)
		b.require(arg)
		return ""
	}
	if !diags.HasErrors() && traversal.RootName() == "site" && len(traversal) == 2 {
		switch step := traversal[1].(type) {
		case hcl.TraverseAttr:
			return step.Name
		case hcl.TraverseIndex:
			if step.Key.Type() == cty.String {
				b.fits(attr, step.Key.AsString(), b.ranges[attr])
				return step.Key.AsString()
			}
		}
	}
	b.err(attr, finding.WrongType, "%s is not a reference to a site. Write %s.", attr, meantSite(given.Expr, arg))
	return ""
}

// meantSite is the reference that is meant by an expression that is none.
func meantSite(expr hcl.Expression, arg *Argument) string {
	if val, diags := expr.Value(nil); !diags.HasErrors() && val.IsKnown() && !val.IsNull() && val.Type() == cty.String {
		if name := strings.TrimPrefix(val.AsString(), "site."); validName.MatchString(name) && len(name) <= maxName {
			return SiteReference(name) + ", without quotes"
		}
	}
	return "site, a dot and the name, like " + arg.Example
}

// checkMoved holds the moved blocks to the sites of the spec and to each other.
// After a mistake none of them counts.
func (l *loader) checkMoved() {
	before := len(l.diags)
	from := make(map[string]*Moved, len(l.spec.Moved))
	for _, m := range l.spec.Moved {
		from[m.From] = m
	}
	seen := make(map[*Moved]bool, len(from))
	for _, m := range l.spec.Moved {
		l.checkRename(m, from[m.To] != nil)
		if seen[m] {
			continue
		}
		end, sites := m, false
		for ; end != nil && !seen[end]; end = from[end.To] {
			seen[end] = true
			sites = sites || l.hasSite(end.From)
		}
		if end == m && !sites {
			l.err(m.Ranges.Of("from"), finding.InvalidRename, fmt.Sprintf("moved: the moved blocks lead from %s back to it, and no site has one of their names. Remove them.", SiteReference(m.From)))
		}
	}
	if len(l.diags) > before {
		l.spec.Moved = nil
	}
}

// hasSite reports whether the spec has a site of this name, or may have.
func (l *loader) hasSite(name string) bool {
	_, there := l.sites[name]
	return there || len(l.broken) > 0 || l.unread[name] || l.unread[""]
}

// checkRename holds a moved block to the sites. further: another one renames its
// site once more.
func (l *loader) checkRename(m *Moved, further bool) {
	_, still := l.sites[m.From]
	switch there := further || l.hasSite(m.To); {
	case still:
		remedy := "Remove this block."
		if !there {
			remedy = fmt.Sprintf("Rename that site to %q, or remove this block.", m.To)
		}
		l.err(m.Ranges.Of("from"), finding.InvalidRename, fmt.Sprintf("moved: site %q is still in the spec, at %s. %s", m.From, place(l.declared["site "+m.From]), remedy))
	case !there:
		l.err(m.Ranges.Of("to"), finding.UnknownSite, fmt.Sprintf("moved: no site block is named %q.%s Name one that is, or remove this block if the site is gone.",
			shortened(m.To), l.suggest(m.To, namesOf(l.sites))))
	}
}
