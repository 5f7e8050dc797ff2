package plan

import (
	"time"

	"go4.org/netipx"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// gateTimeout is how long a client's last packet on the control port keeps the
// data ports open to it.
const gateTimeout = 2 * time.Minute

// policy is the firewall policy of a site that has its range. A family that
// the site has no address of has no clients either.
func policy(s *Site) Policy {
	p := Policy{
		Control:       s.Port,
		Data:          s.DataPorts,
		Gate:          s.Gate,
		GateTimeout:   gateTimeout,
		MaxPerClient:  s.SessionsPerAddress,
		ClientPrefix6: s.IPv6ClientPrefix,
	}
	switch {
	case !s.ActiveMode:
	case s.Profile.ActiveFrom == sizing.ActiveTwenty:
		p.Active = one(20)
	default:
		p.Active = s.Host.EphemeralPorts
	}
	for _, a := range s.Addresses {
		if a.Is4() {
			p.Addresses4 = append(p.Addresses4, a)
		} else {
			p.Addresses6 = append(p.Addresses6, a)
		}
	}

	var clients netipx.IPSetBuilder
	for _, c := range s.Clients {
		clients.AddPrefix(c.Masked())
	}
	set, err := clients.IPSet()
	if err != nil {
		panic("site with an invalid client prefix: " + err.Error()) // package spec makes only valid ones
	}
	for _, c := range set.Prefixes() {
		switch {
		case c.Addr().Is4() && len(p.Addresses4) > 0:
			p.Clients4 = append(p.Clients4, c)
		case c.Addr().Is6() && len(p.Addresses6) > 0:
			p.Clients6 = append(p.Clients6, c)
		}
	}
	return p
}
