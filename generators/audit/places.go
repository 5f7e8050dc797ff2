package audit

import (
	"cmp"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// linuxLocal is Linux's default of net.ipv4.ip_local_port_range.
var linuxLocal = spec.PortRange{First: 32768, Last: 60999}

// place judges where the range is.
func (a *audit) place(s *server) {
	r := s.DataPorts.Value
	local, from := linuxLocal, ", Linux's default"
	if a.LocalPorts.Written() {
		local, from = a.LocalPorts.Value, " of "+a.LocalPorts.At.String()
	}
	free := []spec.PortRange{local}
	for _, reserved := range a.ReservedPorts {
		free = spec.Without(free, reserved.Value)
	}
	n := 0
	for _, f := range free {
		n += shared(f, r)
	}
	if n > 0 {
		a.add(finding.DataPortsEphemeral, finding.Warning, at(s, s.DataPorts), figures{"shared_ports": n},
			"put net.ipv4.ip_local_reserved_ports = "+r.String()+" into a file in /etc/sysctl.d, or move the range",
			"the range %s of %s has %s among the machine's local ports %s%s: any outgoing connection may hold them", r, s, sizing.Plural(n, "port"), local, from)
	}
	if service := plan.ServiceIn(r); service != "" {
		a.add(finding.RangeOverService, finding.Warning, at(s, s.DataPorts), nil, "move the range, or make sure that nothing listens there",
			"the range %s of %s covers %s", r, s, service)
	}
}

// collide finds ports that two servers bind on one address.
func (a *audit) collide(s, o *inventory.Server) {
	if !s.Meets(o) {
		return
	}
	titles := func(x *inventory.Server) string {
		p, _ := sizing.Lookup(x.Profile)
		return nameOf(x, p.Title)
	}
	report := func(at inventory.At, ports spec.PortRange, what string) {
		a.add(finding.PortsOverlap, finding.Error, at, figures{"shared_ports": ports.Count()}, "give one of them other ports",
			"%s and %s (%s) on the same address share %s: %s", titles(o), titles(s), s.At, what, ports)
	}
	one := func(port uint16) spec.PortRange { return spec.PortRange{First: port, Last: port} }
	sharing := s.Profile == o.Profile && s.At.File == o.At.File // virtual servers of one process
	if r := both(s.DataPorts.Value, o.DataPorts.Value); r.Count() > 0 && !sharing && !s.Open() {
		report(cmp.Or(o.DataPorts.At, o.At), r, "data ports")
	}
	if r := both(s.DataPorts.Value, one(o.Port.Value)); r.Count() > 0 {
		report(o.At, r, "a control port in a range")
	}
	if r := both(one(s.Port.Value), o.DataPorts.Value); r.Count() > 0 {
		report(o.At, r, "a control port in a range")
	}
}

// both are the ports that two ranges share; the zero value if there are none.
func both(a, b spec.PortRange) spec.PortRange {
	if !a.Overlaps(b) {
		return spec.PortRange{}
	}
	return spec.PortRange{First: max(a.First, b.First), Last: min(a.Last, b.Last)}
}

func shared(a, b spec.PortRange) int { return both(a, b).Count() }

func count(ranges []spec.PortRange) (n int) {
	for _, r := range ranges {
		n += r.Count()
	}
	return n
}
