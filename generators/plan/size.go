package plan

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sync/errgroup"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// question is what a site asks of package sizing, in a form that can be
// compared: a fleet of equal sites asks once.
type question struct {
	server   string
	own      *spec.Profile // the spec's own profile of that name, or nil
	workload sizing.Workload
	traffic  sizing.Traffic // what the workload's Traffic points at
	ports    int            // of a range that is asked about; 0: none
}

// someTraffic stands for any traffic in a question's workload.
var someTraffic sizing.Traffic

func questionOf(s *spec.Site, ports int) question {
	q := question{server: s.Server, own: s.Profile, workload: s.Workload, ports: ports}
	if s.Traffic != nil {
		q.workload.Traffic, q.traffic = &someTraffic, *s.Traffic
	}
	return q
}

// question is what a site with its range asks.
func (s *Site) question() question { return questionOf(s.Site, s.DataPorts.Count()) }

// answer is what package sizing says to a question. Its Site lacks the spec's,
// the range and the policy.
type answer struct {
	Site
	err error
}

// answerFor sizes a site.
func answerFor(s *spec.Site) (a answer) {
	if s.Profile != nil {
		a.Profile = s.Profile.Profile
	} else if known, ok := sizing.Lookup(s.Server); ok {
		a.Profile = known
	} else {
		a.err = errUnknownServer
		return a
	}
	if a.err = a.Profile.Check(); a.err != nil {
		return a
	}
	if a.Sizing, a.err = sizing.Size(a.Profile, s.Workload); a.err != nil {
		return a
	}
	a.Remarks, a.Refused = sizing.Remarks(a.Profile, s.Workload, a.Sizing), a.Sizing.Refused
	if n := s.DataPorts.Count(); n > 0 {
		a.Pinned = true
		if n >= a.Sizing.Ports {
			a.Refused = sizing.Refused(a.Profile, s.Workload, n)
		}
	}
	return a
}

var errUnknownServer = errors.New("no such server")

// once computes something for each of sites, in parallel, and once for equal
// ones: a site of 100,000 sessions takes a good part of a second.
func once[S, T any](sites []S, of func(S) question, compute func(S) T) []*T {
	var computing errgroup.Group
	computing.SetLimit(runtime.GOMAXPROCS(0))
	all, known := make([]*T, len(sites)), map[question]*T{}
	for i, s := range sites {
		q := of(s)
		if known[q] == nil {
			into := new(T)
			known[q] = into
			computing.Go(func() error {
				*into = compute(s)
				return nil
			})
		}
		all[i] = known[q]
	}
	computing.Wait() // nothing fails
	return all
}

// Each computes something for each of p.Sites, in parallel, and once for those
// that are equal apart from name, place and policy: these get the same pointer.
func Each[T any](p *Plan, compute func(*Site) T) []*T {
	return once(p.Sites, (*Site).question, compute)
}

// sized turns the sites of a spec, sorted by name, into sites of a plan that
// lack only their range and policy. Sites that no range would serve are
// reported and left out.
func sized(sites []*spec.Site) ([]*Site, hcl.Diagnostics) {
	var (
		all           []*Site
		diags         hcl.Diagnostics
		asked         = once(sites, func(s *spec.Site) question { return questionOf(s, s.DataPorts.Count()) }, answerFor)
		wrongProfiles = map[*spec.Profile]bool{}
	)
	for i, s := range sites {
		a := asked[i]
		var profile *sizing.ProfileError
		if errors.As(a.err, &profile) {
			if !wrongProfiles[s.Profile] {
				wrongProfiles[s.Profile] = true
				diags = append(diags, impossible(s.Profile, profile))
			}
			continue
		}
		if d := mistake(s, a); d != nil {
			diags = append(diags, d)
			continue
		}
		site := a.Site
		site.Site = s
		diags = append(diags, warnings(&site)...)
		if site.Pinned {
			if service := ServiceIn(s.DataPorts); service != "" {
				diags = append(diags, warning(s, "data_ports", finding.RangeOverService, fmt.Sprintf(
					"In site %q, data_ports %s covers %s. The site's clients can reach whatever listens on it, and the site cannot use the port. Move the range, or make sure that nothing listens on it.",
					s.Name, s.DataPorts, service)))
			}
		}
		all = append(all, &site)
	}
	slices.SortFunc(all, func(a, b *Site) int { return strings.Compare(a.Name, b.Name) })
	return all, diags
}

// mistake is what keeps a site from being placed; nil if nothing does.
func mistake(s *spec.Site, a *answer) *hcl.Diagnostic {
	pinned := s.DataPorts.Count()
	var overload *sizing.OverloadError
	var unreachable *sizing.UnreachableError
	var workload *sizing.WorkloadError
	var traffic *sizing.TrafficError
	switch {
	case a.err == errUnknownServer:
		return wrong(s, "server", finding.UnknownServer,
			fmt.Sprintf("There is no profile of a server %q.", s.Server))
	case errors.As(a.err, &overload):
		return wrong(s, rateAttribute(s, overload), finding.Overload, fmt.Sprintf("In site %q, %s. %s", s.Name, overload, overload.Remedy()))
	case errors.As(a.err, &unreachable):
		return wrong(s, limitAttribute(unreachable), finding.NoRangeSuffices,
			fmt.Sprintf("In site %q, %s. %s", s.Name, unreachable, unreachable.Remedy()))
	case errors.As(a.err, &traffic):
		return wrong(s, "server", finding.TrafficRequired, fmt.Sprintf("In site %q, %s. %s", s.Name, traffic, traffic.Remedy()))
	case errors.As(a.err, &workload):
		return wrong(s, workload.Attribute, finding.ImpossibleWorkload, fmt.Sprintf("In site %q, %s.", s.Name, workload))
	case a.err != nil:
		return wrong(s, "", finding.ImpossibleWorkload, fmt.Sprintf("Site %q: %s.", s.Name, a.err))
	case a.Profile.FixedPorts > 0 && pinned != a.Profile.FixedPorts:
		return wrong(s, "data_ports", finding.RangeFixed, fmt.Sprintf(
			"%s always uses the same %s ports. Pin data_ports to them.", a.Profile.Title, sizing.Count(a.Profile.FixedPorts)))
	case pinned > 0 && pinned < a.Sizing.Ports:
		return tooSmall(s, a)
	}
	return nil
}

// tooSmall is the mistake of a pin that has fewer ports than the site needs.
func tooSmall(s *spec.Site, a *answer) *hcl.Diagnostic {
	return wrong(s, "data_ports", finding.RangeTooSmall,
		fmt.Sprintf("Site %q: %s sessions on %s need %s ports, but data_ports has %s. Why: %s. Widen data_ports to %s ports or more, like %q, remove data_ports to let pasvctl choose, or ask for less in concurrency, traffic or objective.",
			s.Name, sizing.Count(s.Sessions), a.Profile.Title, sizing.Count(a.Sizing.Ports), sizing.Count(s.DataPorts.Count()),
			a.Sizing.Why(), sizing.Count(a.Sizing.Ports), widened(s.DataPorts, a.Sizing.Ports).String()))
}

// widened is a range of n ports from the first port of r on, or the last ports
// that there are.
func widened(r spec.PortRange, n int) spec.PortRange {
	first := min(int(r.First), 65536-n)
	return spec.PortRange{First: uint16(first), Last: uint16(first + n - 1)}
}

// rateAttribute is the attribute that asks for more than the sessions carry.
func rateAttribute(s *spec.Site, e *sizing.OverloadError) string {
	if e.PerAddress && s.Traffic.RatePerAddress > 0 {
		return "traffic.transfers_per_second_per_address"
	}
	return "traffic.transfers_per_second"
}

// limitAttribute is the attribute that asks for more than any range gives: the
// share that may be refused, unless no objective may allow what is refused.
func limitAttribute(e *sizing.UnreachableError) string {
	switch {
	case e.Refused < 0.5:
		return "objective.refused"
	case e.Bound == sizing.BoundPerAddress:
		return "concurrency.sessions_per_address"
	case e.Bound == sizing.BoundFourTuples:
		return "traffic.client_ports"
	default:
		return "concurrency.sessions"
	}
}

// impossible is the mistake of a profile of the spec's own that no server can
// have. It is reported once, whichever sites name the profile.
func impossible(p *spec.Profile, e *sizing.ProfileError) *hcl.Diagnostic {
	field := e.Field
	if field == "tries" { // as a spec calls them
		field = "draws"
	}
	return finding.ImpossibleProfile.Error(p.Ranges.Of(field), "In profile %q, %s %s. Correct it.", p.Name, field, e.Problem)
}

// warnings are the serious remarks on a site.
func warnings(s *Site) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, r := range s.Remarks {
		if r.Serious {
			diags = append(diags, warning(s.Site, r.Attribute, seriousRemarks[r.Name], fmt.Sprintf("In site %q, %s. %s", s.Name, r.Summary, r.Detail)))
		}
	}
	return diags
}

// seriousRemarks are the rules of those remarks that may be serious.
var seriousRemarks = map[string]*finding.Rule{
	"foreign_data":         finding.DataConnectionsUnproven,
	sizing.BoundListenRace: finding.ListenRace,
	"nat":                  finding.SharedSourcePorts,
}

func warning(s *spec.Site, attr string, rule *finding.Rule, detail string) *hcl.Diagnostic {
	return rule.Warning(s.Ranges.Of(attr), "%s", detail)
}

func wrong(s *spec.Site, attr string, rule *finding.Rule, detail string) *hcl.Diagnostic {
	return rule.Error(s.Ranges.Of(attr), "%s", detail)
}
