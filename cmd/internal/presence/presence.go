// Package presence compares a host of a spec with this machine: rules
// for an interface or for addresses that a machine does not have
// match no packet.
//
// It looks at interfaces and addresses only; package portowner finds the
// programs that listen on them.
package presence

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Host is what rules match by.
type Host struct {
	Interface string       `json:"interface,omitempty"` // "" is any
	Addresses []netip.Addr `json:"addresses,omitempty"`
	// Floating: the addresses move between machines (VRRP), so there may be
	// none of them here now.
	Floating bool `json:"floating,omitempty"`
}

// Device is an interface of this machine with its addresses.
type Device struct {
	Name      string
	Loopback  bool
	Addresses []netip.Addr
}

// Faults compares a host with this machine, in its network namespace. An error
// among them is a host whose rules match nothing at all.
func Faults(h Host) ([]finding.Finding, error) {
	devices, err := Devices()
	if err != nil {
		return nil, err
	}
	return faults(h, devices, routedHere), nil
}

// Devices lists the interfaces of this network namespace.
func Devices() ([]Device, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("listing the interfaces: %w", err)
	}
	var all []Device
	for _, i := range interfaces {
		d := Device{Name: i.Name, Loopback: i.Flags&net.FlagLoopback != 0}
		addresses, err := i.Addrs()
		if err != nil {
			return nil, fmt.Errorf("listing the addresses of %s: %w", i.Name, err)
		}
		for _, a := range addresses {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				d.Addresses = append(d.Addresses, p.Addr().Unmap())
			}
		}
		all = append(all, d)
	}
	return all, nil
}

// routedHere reports whether a route of type local leads to an address that no
// interface has (ip route add local PREFIX dev lo): then a packet to it would
// leave from the same address. Connecting a UDP socket sends nothing.
func routedHere(a netip.Addr) bool {
	c, err := net.Dial("udp", netip.AddrPortFrom(a, 9).String())
	if err != nil {
		return false
	}
	defer c.Close()
	local, err := netip.ParseAddrPort(c.LocalAddr().String())
	return err == nil && local.Addr() == a
}

func faults(h Host, devices []Device, routed func(netip.Addr) bool) (all []finding.Finding) {
	evidence := "this machine has " + list(devices)
	known := h.Interface == "" || slices.ContainsFunc(devices, func(d Device) bool { return d.Name == h.Interface })
	if !known {
		all = append(all, finding.Finding{Severity: finding.Error, Rule: finding.InterfaceWrong, Evidence: evidence,
			Detail: fmt.Sprintf("this machine has no interface %s, so rules for that interface match no packet", h.Interface),
			Remedy: fmt.Sprintf("name one of its interfaces in the host (ip -br link lists them), or leave out interface = %q", h.Interface)})
	}
	var gone, elsewhere []netip.Addr
	for _, a := range h.Addresses {
		i := slices.IndexFunc(devices, func(d Device) bool { return slices.Contains(d.Addresses, a) })
		switch {
		case i < 0 && !a.IsLoopback() && !routed(a):
			gone = append(gone, a)
		case i >= 0 && known && h.Interface != "" && !devices[i].Loopback && !hasOn(devices, h.Interface, a):
			elsewhere = append(elsewhere, a)
		}
	}
	if len(gone) > 0 && !h.Floating {
		all = append(all, h.missing(gone, devices, evidence))
	}
	if len(elsewhere) > 0 {
		all = append(all, finding.Finding{Severity: finding.Warning, Rule: finding.InterfaceWrong, Evidence: evidence,
			Detail: fmt.Sprintf("%s is not on %s, and the rules are only for packets that come in there", spec.Join(elsewhere, ", "), h.Interface),
			Remedy: "name the interface that packets for this address come in by, or leave out interface in the host"})
	}
	return all
}

func hasOn(devices []Device, name string, a netip.Addr) bool {
	return slices.ContainsFunc(devices, func(d Device) bool { return d.Name == name && slices.Contains(d.Addresses, a) })
}

// missing is the fault of addresses that this machine does not have.
func (h Host) missing(gone []netip.Addr, devices []Device, evidence string) finding.Finding {
	f := finding.Finding{Severity: finding.Warning, Rule: finding.AddressMissing, Evidence: evidence,
		Detail: fmt.Sprintf("%s is on no interface of this machine, so rules for that address match no packet", gone[0])}
	if len(gone) == len(h.Addresses) { // then they match nothing at all
		f.Severity = finding.Error
	}
	if len(gone) > 1 {
		f.Detail = fmt.Sprintf("%s are on no interface of this machine, so rules for those addresses match no packet", spec.Join(gone, ", "))
	}
	f.Remedy = "add the address to an interface, or write floating = true in the host if it moves between machines (VRRP)"
	for _, a := range gone {
		if own := ownAddress(devices, a, h.Addresses); own.IsValid() {
			f.Remedy = fmt.Sprintf("behind a 1:1 NAT write %s in addresses and %s in announce; if the address moves between machines (VRRP), write floating = true in the host", own, a)
			break
		}
	}
	return f
}

// ownAddress is an address of this machine that may be behind a NAT:
// of the same family as a, and none of the spec's.
func ownAddress(devices []Device, a netip.Addr, named []netip.Addr) netip.Addr {
	for _, d := range devices {
		for _, own := range d.Addresses {
			if !d.Loopback && own.Is4() && a.Is4() && !slices.Contains(named, own) {
				return own
			}
		}
	}
	return netip.Addr{}
}

// maxListed bounds the interfaces that are listed, and the addresses of each:
// a machine with containers has hundreds.
const maxListed = 8

func list(devices []Device) string {
	var all []string
	for _, d := range devices[:min(len(devices), maxListed)] {
		text := strings.TrimSpace(d.Name + " " + spec.Join(d.Addresses[:min(len(d.Addresses), maxListed)], ", "))
		if more := len(d.Addresses) - maxListed; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		all = append(all, text)
	}
	if more := len(devices) - maxListed; more > 0 {
		all = append(all, fmt.Sprintf("and %d more", more))
	}
	if len(all) == 0 {
		return "no interface"
	}
	return strings.Join(all, "; ")
}
