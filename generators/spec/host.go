package spec

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
)

type rawHost struct {
	Addresses      *hcl.Attribute `hcl:"addresses,optional"`
	Interface      *hcl.Attribute `hcl:"interface,optional"`
	Floating       *hcl.Attribute `hcl:"floating,optional"`
	EphemeralPorts *hcl.Attribute `hcl:"ephemeral_ports,optional"`
	AvoidPorts     *hcl.Attribute `hcl:"avoid_ports,optional"`
	ReservedPorts  *hcl.Attribute `hcl:"reserved_ports,optional"`
	Firewall       *rawFirewall   `hcl:"firewall,block"`
}

type rawFirewall struct {
	Into     *hcl.Attribute `hcl:"into,optional"`
	DefRange hcl.Range      `hcl:",def_range"`
}

// defaultEphemeral is Linux's default net.ipv4.ip_local_port_range.
var defaultEphemeral = PortRange{32768, 60999}

func (l *loader) decodeHost(raw *rawBlock) {
	b := l.block("host", raw)
	l.checkName("host", b, raw)
	if slices.Contains(l.o.Targets, raw.Label) {
		b.errAt(raw.LabelRange, finding.ReservedName, "%q is also a kind of target, and both would write to the output folder %s/. Rename the host.", raw.Label, raw.Label)
	}
	var r rawHost
	b.decode(raw.Body, &r)
	h := &Host{Name: raw.Label, EphemeralPorts: defaultEphemeral, Ranges: b.ranges}
	h.Addresses = l.hostAddresses(b, r.Addresses)
	if text, ok := b.text("interface", r.Interface, `"eth0"`); ok {
		h.Interface = text
		if !validInterface.MatchString(text) {
			b.err("interface", finding.InvalidName, "%q is not the name of a network interface: up to 15 letters, digits, dots, hyphens and underscores. `ip link` lists them.", text)
		}
	}
	h.Floating = b.boolean("floating", r.Floating, false)
	if ports, ok := b.portRangeOf("ephemeral_ports", r.EphemeralPorts); ok {
		h.EphemeralPorts = ports
	}
	h.AvoidPorts = b.portRangesOf("avoid_ports", r.AvoidPorts)
	h.ReservedPorts = b.portRangesOf("reserved_ports", r.ReservedPorts)
	if r.Firewall != nil {
		h.Firewall = decodeChain(b.in("firewall", r.Firewall.DefRange), r.Firewall, h.Addresses)
	}
	if *b.failed {
		if _, exists := l.hosts[raw.Label]; !exists {
			l.hosts[raw.Label] = nil
		}
		return
	}
	l.hosts[raw.Label] = h
	l.spec.Hosts = append(l.spec.Hosts, h)
}

// hostAddresses reads a host's addresses, which no other host may have: their
// rules would open each other's ports.
func (l *loader) hostAddresses(b *block, attr *hcl.Attribute) []netip.Addr {
	elements, ok := b.list("addresses", attr, `["203.0.113.10"]`)
	if !ok {
		b.missing("addresses", `Name the addresses that its FTP servers listen on, like addresses = ["203.0.113.10"].`)
		return nil
	}
	if len(elements) == 0 && !*b.failed {
		b.err("addresses", finding.EmptyList, "addresses is empty. Name the addresses that its FTP servers listen on.")
	}
	addrs := b.addresses("addresses", elements)
	for _, addr := range addrs {
		key := "address " + addr.String()
		if first, twice := l.declared[key]; twice && !addr.IsLoopback() {
			b.err("addresses", finding.DuplicateAddress, "%s belongs to the host at %s already. An address is one host's.", addr, place(first))
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

// decodeChain reads firewall.into, "FAMILY TABLE CHAIN".
func decodeChain(b *block, r *rawFirewall, addrs []netip.Addr) *Chain {
	text, ok := b.text("into", r.Into, `"inet filter input"`)
	if !ok {
		b.missing("into", `Name the chain to jump from, like into = "inet filter input".`)
		return nil
	}
	words := strings.Fields(text)
	if len(words) != 3 {
		b.err("into", finding.InvalidChain, "into is %q, but it must name a family, a table and a chain, like \"inet filter input\". `nft list chains` shows them.", text)
		return nil
	}
	chain := &Chain{Family: words[0], Table: words[1], Chain: words[2]}
	for i, name := range words[1:] {
		switch what := []string{"table", "chain"}[i]; {
		case !validNftName.MatchString(name):
			b.err("into", finding.InvalidChain, "%q in into is not a name that nft takes: letters, digits, and . / - _ after the first letter.", name)
			return nil
		case nftWords[name]:
			b.err("into", finding.InvalidChain, "the %s %q in into has a word of the nft language for a name, so no file for nft can refer to it, not even in quotes. Rename the %s in your ruleset.", what, name, what)
			return nil
		}
	}
	if chain.Family == "inet" && chain.Table == ownName || chain.Chain == ownName || strings.HasPrefix(chain.Chain, ownName+"_") {
		b.err("into", finding.InvalidChain, "into is %q, but the table inet %s and the chains %s and %s_… are rewritten at every load. Name the chain of yours that drops by default, or leave firewall out for a table of pasvctl's own.", text, ownName, ownName, ownName)
		return nil
	}
	v4, v6 := families(addrs)
	switch chain.Family {
	case "inet":
	case "ip", "ip6":
		if missed := familyName(chain.Family != "ip"); chain.Family == "ip" && v6 || chain.Family == "ip6" && v4 {
			b.err("into", finding.FamilyMismatch, "%s chains never see %s packets, and this host has %s addresses. Name a chain of the family inet.", chain.Family, missed, missed)
		}
	default:
		b.err("into", finding.InvalidChain, "the family in into is %q, but rules for FTP can only be in inet, ip or ip6.%s", chain.Family, DidYouMean(chain.Family, []string{"inet", "ip", "ip6"}))
	}
	return chain
}
