package audit

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// maxListeners is how many listeners a Network Load Balancer has by default (AWS,
// "Quotas for your Network Load Balancers").
const maxListeners = 50

var balancerName = regexp.MustCompile(`(?i)\.elb\.([a-z0-9-]+\.)?amazonaws\.com(\.cn)?$`)

// balanced reports a range that a load balancer in front cannot have listeners for.
func (a *audit) balanced(s *server) {
	n, place := s.DataPorts.Value.Count()+1, inventory.At{}
	for _, w := range a.walls {
		if w.Format == "balancer" && len(w.openFor(s)) > 0 {
			place = w.At
		}
	}
	if balancerName.MatchString(s.Announce.Value) {
		place = at(s, s.Announce)
	}
	if n <= maxListeners || place == (inventory.At{}) {
		return
	}
	a.add(finding.BalancerListeners, finding.Error, place, figures{"listeners": n, "most_listeners": maxListeners},
		fmt.Sprintf("use %d ports or fewer, or announce an address of the server itself", maxListeners-1),
		"%s needs %s behind a load balancer, one for each port of %s and one for the control port, and a Network Load Balancer has at most %d",
		s, sizing.Plural(n, "listener"), s.DataPorts.Value, maxListeners)
}

var documentation = func() (nets []netip.Prefix) { // RFC 5737, RFC 3849, RFC 9637
	for _, text := range []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"} {
		nets = append(nets, netip.MustParsePrefix(text))
	}
	return nets
}()

var shared4 = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598

// kind is why clients anywhere cannot reach an address; "" if they can.
func kind(a netip.Addr) string {
	a = a.Unmap()
	switch {
	case a.IsLoopback():
		return "loopback"
	case a.IsUnspecified():
		return "unspecified"
	case a.IsLinkLocalUnicast():
		return "link-local"
	case a.IsPrivate() || shared4.Contains(a):
		return "private"
	case slices.ContainsFunc(documentation, func(p netip.Prefix) bool { return p.Contains(a) }):
		return "for documentation"
	}
	return ""
}

// announced judges the address in the 227 reply.
func (a *audit) announced(s *server) {
	address, err := netip.ParseAddr(s.Announce.Value)
	if err != nil {
		return // a name, or the control connection's own
	}
	what := kind(address)
	if what == "" || a.within(s, what) {
		return
	}
	a.add(finding.AnnounceUnreachable, finding.Error, at(s, s.Announce), nil, "set "+s.lines().announce+" to the address that clients connect to",
		"%s announces %s, which is %s", s, address, what)
}

// within reports whether all clients are in networks of that kind: those that the
// firewall lets in, or for documentation those of the server's own addresses.
func (a *audit) within(s *server, what string) bool {
	var clients []netip.Addr
	for _, w := range a.walls {
		for _, o := range w.openFor(s) {
			if len(o.Sources) == 0 || len(o.Others) > 0 {
				clients = append(clients, netip.Addr{})
			}
			for _, p := range o.Sources {
				clients = append(clients, p.Addr())
			}
			for _, p := range o.Destinations {
				if what == "for documentation" && kind(p.Addr()) == what {
					return true
				}
			}
		}
	}
	same := func(x netip.Addr) bool { return x.IsValid() && kind(x) == what }
	if what == "for documentation" && slices.ContainsFunc(s.Addresses.Value, same) {
		return true
	}
	return what == "private" && len(clients) > 0 && !slices.ContainsFunc(clients, func(x netip.Addr) bool { return !same(x) })
}

// trusts judges whose data connections the server takes, and what TLS shows.
func (a *audit) trusts(s *server) {
	encrypted := s.TLS.Value != spec.TLSOff
	proven := encrypted && s.TLSRequired.Value && s.SessionReuse.Value && s.profile.ResumesTLS
	if !s.PeerCheck.Value {
		severity, how := finding.Warning, "no line turns on its check, which is off by default"
		if s.PeerCheck.Written() {
			how = "the check is off"
		}
		if proven {
			severity = finding.Note
			how += "; required TLS with session reuse makes a stolen port useless"
		}
		a.add(finding.PeerCheckOff, severity, at(s, s.PeerCheck), nil, s.lines().peerCheck,
			"%s takes data connections from any address: %s", s, how)
	}
	switch {
	case !encrypted:
		a.add(finding.ClearText, finding.Note, at(s, s.TLS), nil, s.lines().tls, "%s has no TLS", s)
		return
	case !s.TLSRequired.Value:
		a.add(finding.ClearText, finding.Note, at(s, s.TLSRequired), nil, s.lines().tls, "%s does not require TLS", s)
	}
	if !s.SessionReuse.Value {
		severity, how := s.usual(), "; it does compare addresses"
		if !s.profile.ResumesTLS {
			severity, how = finding.Note, " and cannot"+how
		}
		if !s.PeerCheck.Value {
			severity, how = finding.Warning, ", nor compares addresses"
		}
		a.add(finding.SessionReuseOff, severity, at(s, s.SessionReuse), nil, s.lines().reuse,
			"%s does not demand that a data connection resumes its control connection's TLS session%s", s, how)
	}
	if s.TruncatedUploads.Value == spec.AcceptTruncated {
		a.add(finding.TruncatedAccepted, finding.Note, at(s, s.TruncatedUploads), nil, s.lines().noTruncated,
			"%s accepts uploads under TLS that an attacker on the path has cut short", s)
	}
}
