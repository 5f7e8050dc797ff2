package plan

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"golang.org/x/sync/errgroup"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// question is what a site asks of package sizing, in a form that can be
// compared: a fleet of equal sites asks once.
type question struct {
	server   string
	own      *spec.Profile   // the spec's own profile of that name, or nil
	workload sizing.Workload // Traffic is nil
	traffic  sizing.Traffic
	known    bool // whether traffic is known
}

func questionOf(s *spec.Site) question {
	q := question{server: s.Server, own: s.Profile, workload: sizing.Workload{
		Sessions:           s.Concurrency.Sessions,
		SessionsPerAddress: s.Concurrency.SessionsPerAddress,
		Objective: sizing.Objective{
			Refused:   s.Objective.Refused,
			MaxWait:   s.Objective.MaxWait,
			Squatted:  s.Objective.Squatted,
			WorstCase: s.Objective.WorstCase,
		},
		MarkedSessions: s.TLS.Mode != spec.TLSOff && s.TLS.Required && s.TLS.ReuseRequired,
	}}
	if t := s.Traffic; t != nil {
		q.known = true
		q.traffic = sizing.Traffic{
			Rate:           t.TransfersPerSecond,
			RatePerAddress: t.TransfersPerSecondPerAddress,
			Connect:        t.ConnectTime,
			ConnectP99:     t.ConnectTimeP99,
			Transfer:       t.TransferTime,
			Abandoned:      t.Abandoned,
			ClientPorts:    t.ClientPorts,
			PeakFactor:     t.PeakFactor,
			Parallel:       t.Parallel,
			Bursts:         t.Bursts,
		}
	}
	return q
}

// profile is the profile of the server that is asked about.
func (q question) profile() (sizing.Profile, bool) {
	p := q.own
	if p == nil {
		return sizing.Lookup(q.server)
	}
	return sizing.Profile{
		Name:            p.Name,
		Title:           p.Title,
		Hold:            sizing.Hold(p.Hold),
		Pick:            sizing.Pick(p.Pick),
		Tries:           p.Tries,
		Scope:           sizing.Scope(p.Scope),
		WhenFull:        sizing.WhenFull(p.WhenFull),
		Strangers:       sizing.Strangers(p.Strangers),
		AbandonedHold:   p.AbandonedHold,
		RaceWindow:      p.RaceWindow,
		PortRest:        p.PortRest,
		PortsPerSession: p.PortsPerSession,
		MinPorts:        p.MinPorts,
		FixedPorts:      p.FixedPorts,
		NeverDrawn:      p.NeverDrawn,
		HoldsRange:      p.HoldsRange,
		ResumesTLS:      p.ResumesTLS,
		MarksSessions:   p.MarksSessions,
		Sources:         []string{fmt.Sprintf("all fields: profile %q of the spec", p.Name)},
	}, true
}

// Workload is what a site asks of its server, in the terms of package sizing.
func Workload(s *spec.Site) sizing.Workload { return questionOf(s).asked() }

func (q question) asked() sizing.Workload {
	w := q.workload
	if q.known {
		t := q.traffic
		w.Traffic = &t
	}
	return w
}

// answer is what package sizing says to a question.
type answer struct {
	profile sizing.Profile
	known   bool // there is such a profile
	result  sizing.Result
	err     error
	remarks []sizing.Remark
	refused map[int]float64 // by size of a pinned range
}

// answers asks each distinct question of the sites once, in parallel: a
// question of 100,000 sessions takes a good part of a second.
func answers(sites []*spec.Site) map[question]*answer {
	all := map[question]*answer{}
	var asking errgroup.Group
	asking.SetLimit(runtime.GOMAXPROCS(0))
	pins := map[question][]int{}
	for _, s := range sites {
		q := questionOf(s)
		if n := s.DataPorts.Count(); n > 0 && !slices.Contains(pins[q], n) {
			pins[q] = append(pins[q], n)
		}
		if all[q] == nil {
			all[q] = &answer{refused: map[int]float64{}}
		}
	}
	for q, a := range all {
		asking.Go(func() error {
			if a.profile, a.known = q.profile(); !a.known {
				return nil
			}
			if a.err = a.profile.Check(); a.err != nil {
				return nil
			}
			a.result, a.err = sizing.Size(a.profile, q.asked())
			if a.err == nil {
				a.remarks = sizing.Remarks(a.profile, q.asked(), a.result)
			}
			for _, n := range pins[q] {
				if a.err == nil && n >= a.result.Ports {
					a.refused[n] = sizing.Refused(a.profile, q.asked(), n)
				}
			}
			return nil
		})
	}
	asking.Wait() // no question fails: errors are answers
	return all
}

// sized turns the sites of a spec, sorted by name, into sites of a plan that
// lack only their range and policy. Sites that no range would serve are
// reported and left out.
func sized(sites []*spec.Site) ([]*Site, hcl.Diagnostics) {
	var (
		all           []*Site
		diags         hcl.Diagnostics
		asked         = answers(sites)
		wrongProfiles = map[*spec.Profile]bool{}
	)
	for _, s := range sites {
		q := questionOf(s)
		a := asked[q]
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
		site := &Site{Site: s, Profile: a.profile, Sizing: a.result, Refused: a.result.Refused, Remarks: a.remarks}
		diags = append(diags, warnings(site)...)
		if s.DataPorts.Count() > 0 {
			site.Pinned = true
			site.Refused = a.refused[s.DataPorts.Count()]
			if service := serviceIn(s.DataPorts); service != "" {
				diags = append(diags, warning(s, "data_ports", "Data ports over a service", fmt.Sprintf(
					"In site %q, data_ports %s covers %s. Whatever listens there is open to the site's clients, and the site cannot use the port. Move the range, or see to it that nothing does.",
					s.Name, s.DataPorts, service)))
			}
		}
		all = append(all, site)
	}
	slices.SortFunc(all, func(a, b *Site) int { return strings.Compare(a.Name, b.Name) })
	return all, diags
}

// mistake is what keeps a site from being placed; nil where nothing does.
func mistake(s *spec.Site, a *answer) *hcl.Diagnostic {
	pinned := s.DataPorts.Count()
	var overload *sizing.OverloadError
	var unreachable *sizing.UnreachableError
	var workload *sizing.WorkloadError
	var traffic *sizing.TrafficError
	switch {
	case !a.known:
		return wrong(s, "server", "Unknown server",
			fmt.Sprintf("There is no profile of a server %q.", s.Server))
	case errors.As(a.err, &overload):
		return wrong(s, rateAttribute(s, overload), overload.Error(), overload.Remedy())
	case errors.As(a.err, &unreachable):
		return wrong(s, limitAttribute(unreachable), "No range is large enough",
			fmt.Sprintf("In site %q, %s. %s", s.Name, unreachable, unreachable.Remedy()))
	case errors.As(a.err, &traffic):
		return wrong(s, "server", "Traffic must be known", fmt.Sprintf("In site %q, %s. %s", s.Name, traffic, traffic.Remedy()))
	case errors.As(a.err, &workload):
		return wrong(s, workload.Attribute, "Impossible workload", fmt.Sprintf("In site %q, %s.", s.Name, workload))
	case a.err != nil:
		return wrong(s, "", "Site cannot be sized", fmt.Sprintf("Site %q: %s.", s.Name, a.err))
	case a.profile.FixedPorts > 0 && pinned != a.profile.FixedPorts:
		return wrong(s, "data_ports", "Range cannot be chosen", fmt.Sprintf(
			"%s always uses the same %s ports. Pin data_ports to them.", a.profile.Title, sizing.Count(a.profile.FixedPorts)))
	case pinned > 0 && pinned < a.result.Ports:
		return tooSmall(s, a)
	}
	return nil
}

// tooSmall is the mistake of a pin that has fewer ports than the site needs.
func tooSmall(s *spec.Site, a *answer) *hcl.Diagnostic {
	why := ""
	for _, b := range a.result.Bounds {
		if b.Name == a.result.Binding {
			why = "Why: " + b.Why + ". "
		}
	}
	return wrong(s, "data_ports",
		fmt.Sprintf("site %q: %s sessions on %s need %s ports, but data_ports has %s",
			s.Name, sizing.Count(s.Concurrency.Sessions), a.profile.Title, sizing.Count(a.result.Ports), sizing.Count(s.DataPorts.Count())),
		fmt.Sprintf("%sWiden data_ports to %s ports or more, remove it to have the range chosen, or ask for less in concurrency, traffic or objective.",
			why, sizing.Count(a.result.Ports)))
}

// rateAttribute is the attribute that asks for more than the sessions carry.
func rateAttribute(s *spec.Site, e *sizing.OverloadError) string {
	if e.PerAddress && s.Traffic.TransfersPerSecondPerAddress > 0 {
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
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Impossible profile",
		Detail:   fmt.Sprintf("In profile %q, %s %s. Correct it.", p.Name, field, e.Problem),
		Subject:  p.Ranges.Of(field),
	}
}

// warnings are the serious remarks on a site.
func warnings(s *Site) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, r := range s.Remarks {
		if r.Serious {
			summary := strings.ToUpper(r.Summary[:1]) + r.Summary[1:]
			diags = append(diags, warning(s.Site, r.Attribute, summary, fmt.Sprintf("In site %q: %s", s.Name, r.Detail)))
		}
	}
	return diags
}

func warning(s *spec.Site, attr, summary, detail string) *hcl.Diagnostic {
	d := wrong(s, attr, summary, detail)
	d.Severity = hcl.DiagWarning
	return d
}

func wrong(s *spec.Site, attr, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   detail,
		Subject:  s.Ranges.Of(attr),
	}
}
