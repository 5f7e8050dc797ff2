package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
	"github.com/pasvctl/pasvctl/cmd/internal/portowner"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// processes are the names under which the servers themselves run: what they
// hold in their own range is no squatter.
var processes = map[string][]string{
	"embedded": {"pasvctl"},
	"proftpd":  {"proftpd"},
	"pureftpd": {"pure-ftpd"},
	"sftpgo":   {"sftpgo"},
	"vsftpd":   {"vsftpd"},
}

// Squatters looks only for sockets of others in the ranges of a host's sites.
func Squatters(m Machine, h *plan.Host) []finding.Finding {
	e := &exam{Machine: m, host: h}
	e.ports()
	return e.findings
}

// ports looks for sockets of others in the sites' ranges. A listener on one of
// the site's addresses, or on all, takes the port away; so does a connection
// of this host that leaves from it.
func (e *exam) ports() {
	holds := func(s *plan.Site, local netip.AddrPort) bool {
		return s.DataPorts.Contains(local.Port()) && concerns(s, local.Addr().Unmap())
	}
	all, err := e.Sockets(func(local netip.AddrPort) bool {
		return slices.ContainsFunc(e.host.Sites, func(s *plan.Site) bool { return holds(s, local) })
	})
	if err != nil {
		e.unknown("who holds ports of the ranges", err)
		return
	}
	for _, s := range e.host.Sites {
		e.owners(s, slices.DeleteFunc(slices.Clone(all), func(o portowner.Owner) bool { return !holds(s, o.Local) }))
	}
}

// concerns reports whether a socket at addr is in the way of the site.
func concerns(s *plan.Site, addr netip.Addr) bool {
	return addr.IsUnspecified() || slices.Contains(s.Addresses, addr)
}

// owners reports who holds ports of a site, one finding a process and kind of
// socket.
func (e *exam) owners(s *plan.Site, all []portowner.Owner) {
	type holder struct {
		pid, uid int
		state    portowner.State
	}
	others := slices.DeleteFunc(all, func(o portowner.Owner) bool { return o.PID != 0 && slices.Contains(processes[s.Server], o.Process) })
	for _, held := range spec.Grouped(others, func(o portowner.Owner) holder { return holder{o.PID, o.UID, o.State} }) {
		e.owner(s, held)
	}
}

// owner reports the sockets of one process.
func (e *exam) owner(s *plan.Site, all []portowner.Owner) {
	o := all[0]
	var ports []spec.PortRange
	for _, o := range all {
		ports = append(ports, spec.PortRange{First: o.Local.Port(), Last: o.Local.Port()})
	}
	figures := map[string]any{"first_port": o.Local.Port(), "ports": len(all)}
	text := "port " + rangesText(ports) + " of the range " + s.DataPorts.String()
	switch o.State {
	case portowner.Listening:
		e.find(finding.Finding{
			Severity: finding.Error, Rule: finding.PortSquatted, Site: s.Name,
			Detail:   fmt.Sprintf("%s is taken by %s", text, o),
			Evidence: evidence(o),
			Figures:  figures,
			Remedy:   stop(o, fmt.Sprintf("ss -ltnp 'sport = :%d'", o.Local.Port())),
		})
	case portowner.Connected:
		// Without a process it may as well be a transfer of the server's own.
		if o.PID == 0 {
			return
		}
		e.find(finding.Finding{
			Severity: finding.Warning, Rule: finding.PortUsedOutbound, Site: s.Name,
			Detail:   fmt.Sprintf("%s is used by %s", text, o),
			Evidence: evidence(o) + ", connected to " + o.Remote.String(),
			Figures:  figures,
			Remedy:   "sysctl -e -p DIR/" + e.host.Name + "/60-pasvctl.conf  # reserves the range, then restart " + o.Process,
		})
	}
}

func evidence(o portowner.Owner) string {
	text := "/proc/net/tcp: " + o.Local.String()
	if !o.Started.IsZero() {
		text += ", held by a process running since " + o.Started.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	return text
}

func stop(o portowner.Owner, look string) string {
	if o.PID == 0 {
		return look
	}
	return fmt.Sprintf("kill %d  # %s; or give the site other ports with data_ports", o.PID, o.Process)
}

// ephemeral compares the kernel's range of local ports with the spec's.
func (e *exam) ephemeral() {
	const name = "proc/sys/net/ipv4/ip_local_port_range"
	text, ok := e.read(name)
	var live spec.PortRange
	if ok {
		live, ok = spec.ParsePortRange(strings.Join(strings.Fields(text), "-"))
	}
	if !ok {
		e.unknown("the range of local ports", fmt.Errorf("/%s holds %q", name, text))
		return
	}
	told := e.host.EphemeralPorts
	if live != told {
		e.find(finding.Finding{
			Severity: finding.Warning, Rule: finding.EphemeralDiffers,
			Detail:   fmt.Sprintf("this host draws local ports from %s, but the spec says %s", live, told),
			Evidence: fmt.Sprintf("/%s: %s", name, strings.Join(strings.Fields(text), " ")),
			Figures:  map[string]any{"kernel_first_port": live.First, "kernel_last_port": live.Last, "spec_first_port": told.First, "spec_last_port": told.Last},
			Remedy:   fmt.Sprintf("set ephemeral_ports = \"%s\" for host %q, then run pasvctl generate again", live, e.host.Name),
		})
	}
	for _, s := range e.host.Sites {
		o := spec.PortRange{First: max(s.DataPorts.First, live.First), Last: min(s.DataPorts.Last, live.Last)}
		if !s.DataPorts.Overlaps(live) || !e.unreserved(o) {
			continue
		}
		e.find(finding.Finding{
			Severity: finding.Error, Rule: finding.EphemeralUnreserved, Site: s.Name,
			Detail: fmt.Sprintf("the ports %s of the range %s are local ports that the kernel gives to any program, and they are not reserved",
				o, s.DataPorts),
			Evidence: fmt.Sprintf("/%s: %s", name, strings.Join(strings.Fields(text), " ")),
			Figures:  map[string]any{"first_port": o.First, "last_port": o.Last},
			Remedy:   e.loadSysctl(),
		})
	}
}

// reserved reports whether the kernel keeps its hands off the ranges. A range
// outside the local ports needs no reserving, but bind(0) is not all there is:
// an administrator who widens ip_local_port_range later will not think of FTP.
func (e *exam) reserved() {
	for _, s := range e.host.Sites {
		exposed := slices.ContainsFunc(e.findings, func(f finding.Finding) bool { return f.Rule == finding.EphemeralUnreserved && f.Site == s.Name })
		if exposed || !e.unreserved(s.DataPorts) {
			continue
		}
		e.find(finding.Finding{
			Severity: finding.Warning, Rule: finding.RangeUnreserved, Site: s.Name,
			Detail:   fmt.Sprintf("the range %s is not in ip_local_reserved_ports", s.DataPorts),
			Evidence: fmt.Sprintf("/%s: %q", reservedFile, e.reservedText()),
			Figures:  map[string]any{"first_port": s.DataPorts.First, "last_port": s.DataPorts.Last},
			Remedy:   e.loadSysctl(),
		})
	}
}

func (e *exam) loadSysctl() string {
	return "sysctl -e -p DIR/" + e.host.Name + "/60-pasvctl.conf  # from pasvctl generate -o DIR"
}

const reservedFile = "proc/sys/net/ipv4/ip_local_reserved_ports"

func (e *exam) reservedText() string {
	text, _ := e.read(reservedFile)
	return text
}

// unreserved reports whether some of the ports are missing from the kernel's
// list.
func (e *exam) unreserved(r spec.PortRange) bool {
	live, _ := apply.ParseReserved(e.reservedText()) // the kernel writes nothing else
	return len(spec.Without([]spec.PortRange{r}, live...)) > 0
}
