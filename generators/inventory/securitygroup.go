package inventory

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() { register(reader{tellsSecurityGroups, readSecurityGroups}) }

func tellsSecurityGroups(text []byte) int {
	return tellsJSON(text, "SecurityGroups")
}

// permission is an element of IpPermissions. Ports are missing if the protocol
// is "-1", which is every one.
type permission struct {
	IpProtocol       string
	FromPort, ToPort *int
	IpRanges         []struct{ CidrIp string }
	Ipv6Ranges       []struct{ CidrIpv6 string }
	PrefixListIds    []struct{ PrefixListId string }
	UserIdGroupPairs []struct{ GroupId string }
}

// readSecurityGroups reads what aws ec2 describe-security-groups prints.
func readSecurityGroups(in *input) error {
	groups, err := elements(in.text, 1, "SecurityGroups")
	if err != nil {
		return fmt.Errorf("%s: it is not the JSON that aws ec2 describe-security-groups prints: %w", in.at(0), err)
	}
	for _, g := range groups {
		var group struct{ GroupId string }
		permissions, err := elements(g.text, g.line, "IpPermissions")
		if err == nil {
			err = json.Unmarshal(g.text, &group)
		}
		if err != nil {
			in.unread(in.at(g.line), "the group", "it is not a security group")
			continue
		}
		f := &Firewall{At: in.at(g.line), Format: "security-group", Name: group.GroupId, IPv4: true, IPv6: true}
		in.Firewalls = append(in.Firewalls, f)
		for _, e := range permissions {
			var p permission
			if err := json.Unmarshal(e.text, &p); err != nil {
				in.unread(in.at(e.line), "the permission", "it is not one of a security group")
				continue
			}
			in.permission(f, p, in.at(e.line))
		}
	}
	return nil
}

// permission adds what a permission opens, one Opening for a family.
func (in *input) permission(f *Firewall, p permission, at At) {
	if p.IpProtocol != "tcp" && p.IpProtocol != "6" && p.IpProtocol != "-1" {
		return
	}
	ports := spec.PortRange{First: 1, Last: 65535}
	if p.IpProtocol != "-1" && p.FromPort != nil && p.ToPort != nil && *p.FromPort >= 0 {
		if *p.ToPort < 1 || *p.ToPort > 65535 || *p.FromPort > *p.ToPort {
			in.unread(at, "FromPort", "it is not a range of ports")
			return
		}
		ports = spec.PortRange{First: uint16(max(1, *p.FromPort)), Last: uint16(*p.ToPort)}
	}
	var four, six []string
	for _, r := range p.IpRanges {
		four = append(four, r.CidrIp)
	}
	for _, r := range p.Ipv6Ranges {
		six = append(six, r.CidrIpv6)
	}
	for i, texts := range [][]string{four, six} {
		if len(texts) == 0 {
			continue
		}
		nets, everyone := in.networks(texts, at)
		if everyone {
			nets = nil
		} else if len(nets) == 0 {
			continue
		}
		f.Openings = append(f.Openings, Opening{At: at, IPv4: i == 0, IPv6: i == 1, Ports: ports, Sources: nets})
	}
	var others []string
	for _, l := range p.PrefixListIds {
		others = append(others, l.PrefixListId)
	}
	for _, g := range p.UserIdGroupPairs {
		others = append(others, g.GroupId)
	}
	for _, o := range others {
		in.unread(at, cmp.Or(o, "a member without an id"), "its members are not in the file")
	}
	if len(others) > 0 {
		f.Openings = append(f.Openings, Opening{At: at, IPv4: true, IPv6: true, Ports: ports, Others: others})
	}
}

// networks reads CIDRs. everyone: one of them is all of its family.
func (in *input) networks(texts []string, at At) (nets []netip.Prefix, everyone bool) {
	for _, text := range texts {
		n, err := network(text)
		if err != nil {
			in.unread(at, "the source", "it is not a network")
			continue
		}
		everyone = everyone || n.Bits() == 0
		nets = append(nets, n)
	}
	return nets, everyone
}
