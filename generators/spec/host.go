package spec

import (
	"net/netip"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
)

var hostBlock = &Block{
	Type: "host", Label: "name", LabelExample: "edge1", Doc: "A machine that FTP servers run on.",
	Arguments: []Argument{
		{Name: "addresses", Type: Addresses, Example: `["203.0.113.10", "2001:db8::10"]`,
			Required: `Name the addresses that its FTP servers listen on, like addresses = ["203.0.113.10"].`,
			Doc:      "Addresses that its FTP servers listen on. No two hosts share one, loopback apart."},
		{Name: "interface", Type: Text, Otherwise: "any interface", Example: `"eth0"`,
			Limit: "a name of up to 15 letters, digits, dots, hyphens and underscores",
			Doc:   "Network interface that the clients arrive on; the rules match it."},
		{Name: "floating", Type: Bool, Default: false, Example: "true",
			Doc: "The addresses move between machines, as with VRRP. apply and doctor then accept a machine that has none of them at the moment."},
		{Name: "ephemeral_ports", Type: Ports, Default: defaultEphemeral.String(), Example: `"40000-60999"`, Limit: portLimit,
			Doc: "The kernel's range for outgoing connections, net.ipv4.ip_local_port_range. Data ports are placed outside it while there is room."},
		{Name: "avoid_ports", Type: PortRanges, Otherwise: "none", Example: `["61000-61999"]`, Limit: portLimit,
			Doc: "Ports that no data range is placed on, because something else needs them."},
		{Name: "reserved_ports", Type: PortRanges, Otherwise: "none", Example: `["50051", "50100-50199"]`, Limit: portLimit,
			Doc: "Ports that ip_local_reserved_ports holds already, for other programs. pasvctl replaces the whole list, so they must be named here."},
	},
	Blocks: []*Block{firewallBlock},
}

var firewallBlock = &Block{
	Type: "firewall", Most: 1,
	Doc: "The host's own firewall. A host that drops by default needs it, because an accept in one table cannot undo a drop in another.",
	Arguments: []Argument{
		{Name: "into", Type: Text, Example: `"inet filter input"`,
			Required: `Name the chain to jump from, like into = "inet filter input".`,
			Limit:    "the family inet, ip or ip6, a table and a chain, which are no words of the nft language and not pasvctl's own",
			Doc:      "Base chain of the ruleset that drops by default. Its owner adds a jump to the chains that pasvctl puts into that table."},
		{Name: "output", Type: Text, Otherwise: "outgoing packets are not dropped", Example: `"inet filter output"`,
			Limit: "as into, and in its table",
			Doc:   "Base chain of the same table for outgoing packets, if it drops by default. Sites with active_mode have a rule there for the connections to their clients."},
	},
}

// defaultEphemeral is Linux's default net.ipv4.ip_local_port_range.
var defaultEphemeral = PortRange{32768, 60999}

func (l *loader) decodeHost(raw *hcl.Block) {
	b := l.block(raw)
	name := l.checkName(b, raw)
	l.checkKind(b, raw)
	b.decode(raw.Body, hostBlock)
	h := &Host{Name: name, Ranges: b.ranges}
	h.Addresses = l.hostAddresses(b)
	if text, ok := b.text("interface"); ok {
		h.Interface = text
		if !validInterface.MatchString(text) {
			b.err("interface", finding.InvalidName, "%q is not the name of a network interface: up to 15 letters, digits, dots, hyphens and underscores. `ip link` lists them.", text)
		}
	}
	h.Floating = b.boolean("floating")
	h.EphemeralPorts = b.portRangeOf("ephemeral_ports")
	h.AvoidPorts = b.portRangesOf("avoid_ports")
	h.ReservedPorts = b.portRangesOf("reserved_ports")
	if firewall := b.in("firewall"); firewall != nil {
		h.Firewall = decodeChain(firewall, "into", h.Addresses)
		if h.Output = decodeChain(firewall, "output", h.Addresses); h.Firewall != nil && h.Output != nil {
			checkOutput(firewall, *h.Firewall, *h.Output)
		}
	}
	if *b.failed {
		if _, exists := l.hosts[name]; !exists {
			l.hosts[name] = nil
		}
		return
	}
	l.hosts[name] = h
	l.spec.Hosts = append(l.spec.Hosts, h)
}

// hostAddresses reads a host's addresses, which no other host may have: their
// rules would open each other's ports.
func (l *loader) hostAddresses(b *block) []netip.Addr {
	elements, ok := b.list("addresses")
	if !ok {
		return nil
	}
	if len(elements) == 0 && !*b.failed {
		b.err("addresses", finding.EmptyList, "addresses is empty. Name the addresses that its FTP servers listen on.")
	}
	addrs := b.addresses("addresses", elements)
	for _, addr := range addrs {
		key := "address " + addr.String()
		if first, twice := l.declared[key]; twice && !addr.IsLoopback() {
			b.err("addresses", finding.DuplicateAddress, "%s belongs to the host at %s already. Write another address, or remove this host and let its sites name that one.", addr, place(first))
			continue
		}
		l.declared[key] = b.at
	}
	return addrs
}

// validInterface is narrower than the kernel (net/core/dev.c, dev_valid_name)
// where a rule's syntax gives a character a meaning.
var validInterface = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}$`)

// An identifier of the nft language.
var validNftName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_./-]{0,63}$`)

// ownName is the table that the nftables target makes where a host names no
// chain, and starts the names of its chains where one does.
const ownName = "pasvctl"

// decodeChain reads an argument of firewall, "FAMILY TABLE CHAIN".
func decodeChain(b *block, attr string, addrs []netip.Addr) *Chain {
	text, ok := b.text(attr)
	if !ok {
		return nil
	}
	words := strings.Fields(text)
	if len(words) != 3 {
		b.err(attr, finding.InvalidChain, "%s is %q, but it must name a family, a table and a chain, like \"inet filter input\". `nft list chains` shows them.", attr, text)
		return nil
	}
	chain := &Chain{Family: words[0], Table: words[1], Chain: words[2]}
	for i, name := range words[1:] {
		switch what := []string{"table", "chain"}[i]; {
		case !validNftName.MatchString(name):
			b.err(attr, finding.InvalidChain, "%q in %s is not a name that nft takes: letters, digits, and . / - _ after the first letter.", name, attr)
			return nil
		case nftWords[name]:
			b.err(attr, finding.InvalidChain, "the %s %q in %s has a word of the nft language for a name, so no file for nft can refer to it, not even in quotes. Rename the %s in your ruleset.", what, name, attr, what)
			return nil
		}
	}
	if chain.Family == "inet" && chain.Table == ownName || chain.Chain == ownName || strings.HasPrefix(chain.Chain, ownName+"_") {
		b.err(attr, finding.InvalidChain, "%s is %q, but the table inet %s and the chains %s and %s_… are rewritten at every load. Name the chain of yours that drops by default, or leave firewall out for a table of pasvctl's own.", attr, text, ownName, ownName, ownName)
		return nil
	}
	v4, v6 := families(addrs)
	switch chain.Family {
	case "inet":
	case "ip", "ip6":
		if missed := familyName(chain.Family != "ip"); chain.Family == "ip" && v6 || chain.Family == "ip6" && v4 {
			b.err(attr, finding.FamilyMismatch, "%s chains never see %s packets, and this host has %s addresses. Name a chain of the family inet.", chain.Family, missed, missed)
		}
	default:
		b.err(attr, finding.InvalidChain, "the family in %s is %q, but rules for FTP can only be in inet, ip or ip6.%s", attr, chain.Family, DidYouMean(chain.Family, []string{"inet", "ip", "ip6"}))
	}
	return chain
}

// checkOutput makes sure that the chains for incoming and outgoing packets are two
// of one table: nft has no jump from one table to another.
func checkOutput(b *block, into, output Chain) {
	switch {
	case into == output:
		b.err("output", finding.InvalidChain, "output names the chain of into, which sees incoming packets. Name the chain with hook output, like \"%s %s output\".", into.Family, into.Table)
	case into.Family != output.Family || into.Table != output.Table:
		b.err("output", finding.InvalidChain, "output is in the table %s %s and into in %s %s, and nft has no jump to a chain of another table. Name a chain of %[3]s %[4]s with hook output there.",
			output.Family, output.Table, into.Family, into.Table)
	}
}
