package spec

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// Expect is an expectation of the user's own about the rendered rules: the
// verdict on new connections from clients to a port.
type Expect struct {
	Name string
	From []netip.Addr
	// To a site: to its data ports, or to its control port.
	Site *Site
	Data bool
	// To a port of a host, if Site is nil.
	Host   *Host
	Port   uint16
	Accept bool // else the connection is dropped
	Ranges Ranges
}

var expectBlock = &Block{
	Type: "expect", Label: "name", LabelExample: "outsiders", Doc: "An expectation of your own about the rules, which verify proves with packets.",
	Arguments: []Argument{
		{Name: "from", Type: Clients, Example: `"198.51.100.9"`,
			Required: `Name the address of a client, like from = "198.51.100.9".`,
			Doc:      "Client addresses that connect, one at a time, without a control connection."},
		{Name: "to", Type: Reference, Limit: `site.NAME.data, site.NAME.control or "HOST:PORT"`, Example: "site.downloads.data",
			Required: `Write where the connection goes: to = site.NAME.data, site.NAME.control or "HOST:PORT".`,
			Doc:      "Where they connect: to a site's data ports, to its control port, or to a port of a host."},
		{Name: "verdict", Type: Word, Words: []string{accept, "drop"}, Example: `"drop"`,
			Required: `Write the expected verdict: verdict = "accept" or "drop".`,
			Doc:      "What the rules must do with the connection."},
	},
}

const accept = "accept"

func (l *loader) decodeExpect(raw *hcl.Block) {
	b := l.block(raw)
	e := &Expect{Name: l.checkName(b, raw), Ranges: b.ranges}
	b.decode(raw.Body, expectBlock)
	if elements, ok := b.list("from"); ok {
		if len(elements) == 0 && !*b.failed {
			b.err("from", finding.EmptyList, "from is empty. Name the address of a client.")
		}
		e.From = b.addresses("from", elements)
	}
	e.Accept = choice[string](b, "verdict") == accept
	if text, ok := b.reference("to"); ok {
		l.expectTo(b, e, text)
	}
	if !*b.failed && (e.Site != nil || e.Host != nil) {
		checkExpectFamily(b, e)
	}
	if !*b.failed {
		l.spec.Expects = append(l.spec.Expects, e)
	}
}

// reference reads an attribute that is a reference like site.downloads.data,
// with or without quotes.
func (b *block) reference(name string) (string, bool) {
	attr := b.attrs[name]
	if attr == nil {
		return b.text(name)
	}
	traversal, diags := hcl.AbsTraversalForExpr(attr.Expr)
	if diags.HasErrors() || traversal.RootName() != "site" {
		return b.text(name)
	}
	b.ranges[b.key(name)] = attr.Expr.Range()
	words := []string{"site"}
	for _, step := range traversal[1:] {
		switch s := step.(type) {
		case hcl.TraverseAttr:
			words = append(words, s.Name)
		case hcl.TraverseIndex:
			if s.Key.Type() == cty.String {
				words = append(words, s.Key.AsString())
			}
		}
	}
	return strings.Join(words, "."), true
}

func (l *loader) expectTo(b *block, e *Expect, text string) {
	words := strings.Split(text, ".")
	if words[0] != "site" {
		l.expectHost(b, e, text)
		return
	}
	if len(words) != 3 || words[2] != "data" && words[2] != "control" {
		b.err("to", finding.InvalidDestination, "%s is not a destination. Write site.NAME.data or site.NAME.control.", text)
		return
	}
	site, declared := l.sites[words[1]]
	if !declared && len(l.broken) == 0 {
		b.err("to", finding.UnknownSite, "no site block is named %q.%s Name one that is, or add it.", words[1], l.suggest(words[1], namesOf(l.sites)))
	}
	if site == nil {
		*b.failed = true // which has been reported
		return
	}
	e.Site, e.Data = site, words[2] == "data"
}

func (l *loader) expectHost(b *block, e *Expect, text string) {
	name, port, ok := strings.Cut(text, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	if !ok || err != nil || n == 0 {
		b.err("to", finding.InvalidDestination, "%q is not a destination. Write site.NAME.data, site.NAME.control, or a host and a port like \"edge1:22\".", text)
		return
	}
	host, declared := l.hosts[name]
	if !declared && len(l.broken) == 0 {
		b.err("to", finding.UnknownHost, "no host block is named %q.%s Name one that is, or add it.", name, l.suggest(name, namesOf(l.hosts)))
	}
	if host == nil {
		*b.failed = true // which has been reported
		return
	}
	e.Host, e.Port = host, uint16(n)
}

// checkExpectFamily finds addresses from which no packet reaches the
// destination, so that any verdict on them would be true.
func checkExpectFamily(b *block, e *Expect) {
	var to []netip.Addr
	if e.Site != nil {
		to = e.Site.Addresses
	} else {
		to = e.Host.Addresses
	}
	v4, v6 := families(to)
	for _, from := range e.From {
		if from.Is4() && !v4 || from.Is6() && !v6 {
			b.err("from", finding.FamilyMismatch, "%s cannot reach the destination, which has only %s addresses (%s). Write a client of that family.", from, familyName(v4), Join(to, ", "))
			return
		}
	}
}
