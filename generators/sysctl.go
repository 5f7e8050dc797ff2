package generators

import (
	"cmp"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "sysctl", Default: true, Reserves: true, New: func() Target { return &sysctl{} }})
}

// sysctl reserves each host's data ports, so that no outbound connection and
// no bind to port 0 takes one (ip_local_reserved_ports in the kernel's
// ip-sysctl.rst), and keeps conntrack strict for the gate: with
// nf_conntrack_tcp_be_liberal = 1 blind packets teach it (measured).
type sysctl struct{}

// reservedMax is the longest value, in bytes, that arrives whole: sysctl(8)
// writes 4096 bytes at a time, line break included, and of a longer list the
// kernel silently keeps the first part (measured, procps 4.0.2).
const reservedMax = 4095

// reason says why some ports are on a host's list.
type reason struct {
	Range spec.PortRange
	Why   string
}

func (r reason) Ports() string { return r.Range.String() }

// Files renders DIR/HOST/60-pasvctl.conf for each host.
func (*sysctl) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	var diags hcl.Diagnostics
	for _, host := range p.Hosts {
		reasons := reservations(host)
		if len(reasons) == 0 {
			continue
		}
		ports := portList(reasons)
		if len(ports) > reservedMax {
			diags = append(diags, tooManyReserved(host, len(ports)))
			continue
		}
		files = append(files, render(host.Name+"/60-pasvctl.conf", "sysctl/60-pasvctl.conf.tmpl", map[string]any{
			"Header":  header(p, "#"),
			"Host":    host.Name,
			"Gate":    slices.ContainsFunc(host.Sites, func(s *plan.Site) bool { return s.Policy.Gate }),
			"Reasons": reasons,
			"Ports":   ports,
		}))
	}
	return files, diags
}

// reservations lists what must be reserved on a host, by port: the spec's own
// list, every data range, and a control port that the kernel might hand out
// while the server is down.
func reservations(host *plan.Host) []reason {
	var all []reason
	for _, r := range host.ReservedPorts {
		all = append(all, reason{r, "kept by the spec's reserved_ports"})
	}
	for _, site := range host.Sites {
		all = append(all, reason{site.DataPorts, "data ports of site " + site.Name})
		if host.EphemeralPorts.Contains(site.Port) {
			all = append(all, reason{spec.PortRange{First: site.Port, Last: site.Port}, "control port of site " + site.Name})
		}
	}
	slices.SortStableFunc(all, func(a, b reason) int {
		return cmp.Or(cmp.Compare(a.Range.First, b.Range.First), cmp.Compare(a.Range.Last, b.Range.Last))
	})
	return all
}

// portList writes the union of ranges as the kernel reads it back: ascending,
// merged where they overlap or touch.
func portList(all []reason) string {
	ranges := make([]spec.PortRange, len(all))
	for i, r := range all {
		ranges[i] = r.Range
	}
	return spec.Join(spec.Merged(ranges), ",")
}

func tooManyReserved(host *plan.Host, length int) *hcl.Diagnostic {
	return finding.PlatformLimit.Error(host.Ranges.Of("reserved_ports"),
		"The reserved ports of host %q make a list of %s, and sysctl loads no more than %s. "+
			"Pin the data_ports of its sites next to each other, or join neighbouring ranges in reserved_ports.",
		host.Name, sizing.Plural(length, "character"), sizing.Count(reservedMax))
}
