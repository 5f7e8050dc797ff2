package spec

import (
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Profile is a server profile of the user's own.
type Profile struct {
	sizing.Profile
	Ranges Ranges
}

type rawProfile struct {
	Title           *hcl.Attribute `hcl:"title,optional"`
	Hold            *hcl.Attribute `hcl:"hold,optional"`
	Pick            *hcl.Attribute `hcl:"pick,optional"`
	Draws           *hcl.Attribute `hcl:"draws,optional"`
	Scope           *hcl.Attribute `hcl:"scope,optional"`
	WhenFull        *hcl.Attribute `hcl:"when_full,optional"`
	Strangers       *hcl.Attribute `hcl:"strangers,optional"`
	AbandonedHold   *hcl.Attribute `hcl:"abandoned_hold,optional"`
	RaceWindow      *hcl.Attribute `hcl:"race_window,optional"`
	PortRest        *hcl.Attribute `hcl:"port_rest,optional"`
	PortsPerSession *hcl.Attribute `hcl:"ports_per_session,optional"`
	MinPorts        *hcl.Attribute `hcl:"min_ports,optional"`
	FixedPorts      *hcl.Attribute `hcl:"fixed_ports,optional"`
	NeverDrawn      *hcl.Attribute `hcl:"never_drawn,optional"`
	HoldsRange      *hcl.Attribute `hcl:"holds_range,optional"`
	ResumesTLS      *hcl.Attribute `hcl:"resumes_tls,optional"`
	MarksSessions   *hcl.Attribute `hcl:"marks_sessions,optional"`
	ImplicitTLS     *hcl.Attribute `hcl:"implicit_tls,optional"`
}

// Bounds of a profile's figures.
const (
	maxDraws           = maxPort
	maxPortsPerSession = 100
	maxRaceWindow      = time.Second
	maxPortRest        = time.Hour
	// defaultAbandoned is the middle of what servers do, 30 s to 900 s.
	defaultAbandoned = 300 * time.Second
)

func (l *loader) decodeProfile(raw *rawBlock) {
	b := l.block("profile", raw)
	l.checkName("profile", b, raw)
	if slices.Contains(l.servers(), raw.Label) {
		b.errAt(raw.LabelRange, finding.DuplicateName, "%q is a profile that pasvctl has already. Give your own another name, and let the site's server name that.", raw.Label)
	}
	var r rawProfile
	b.decode(raw.Body, &r)
	p := &Profile{Ranges: b.ranges, Profile: sizing.Profile{
		Name: raw.Label, Title: raw.Label,
		Hold:            choice(b, "hold", r.Hold, "", sizing.HoldListen, sizing.HoldTransfer, sizing.HoldSession),
		Pick:            choice(b, "pick", r.Pick, sizing.PickScan, sizing.PickScan, sizing.PickRandom, sizing.PickDistinct, sizing.PickScanPartial),
		Scope:           choice(b, "scope", r.Scope, sizing.ScopePort, sizing.ScopePort, sizing.ScopeAddress, sizing.ScopeTLS),
		WhenFull:        choice(b, "when_full", r.WhenFull, sizing.FullUnknown, sizing.FullRefuses, sizing.FullDrops, sizing.FullLeaves, sizing.FullWaits, sizing.FullUnknown),
		Strangers:       choice(b, "strangers", r.Strangers, sizing.StrangersServed, sizing.StrangersServed, sizing.StrangersRefused, sizing.StrangersIgnored),
		AbandonedHold:   b.duration("abandoned_hold", r.AbandonedHold, defaultAbandoned),
		RaceWindow:      b.durationWithin("race_window", r.RaceWindow, 0, maxRaceWindow, 0),
		PortRest:        b.durationWithin("port_rest", r.PortRest, 0, maxPortRest, 0),
		PortsPerSession: b.integer("ports_per_session", r.PortsPerSession, 0, maxPortsPerSession, 0),
		MinPorts:        b.integer("min_ports", r.MinPorts, 1, sizing.MaxPorts, 1),
		FixedPorts:      b.integer("fixed_ports", r.FixedPorts, 0, sizing.MaxPorts, 0),
		NeverDrawn:      b.integer("never_drawn", r.NeverDrawn, 0, sizing.MaxPorts-1, 0),
		HoldsRange:      b.boolean("holds_range", r.HoldsRange, false),
		ResumesTLS:      b.boolean("resumes_tls", r.ResumesTLS, false),
		MarksSessions:   b.boolean("marks_sessions", r.MarksSessions, false),
		Tries:           b.integer("draws", r.Draws, 1, maxDraws, 0),
		NoImplicitTLS:   !b.boolean("implicit_tls", r.ImplicitTLS, true),
		Sources:         []string{fmt.Sprintf("all fields: profile %q of the spec", raw.Label)},
	}}
	if title, ok := b.text("title", r.Title, `"Acme Appliance"`); ok {
		p.Title = title
	}
	b.missing("hold", `Say until when the server keeps a passive port to itself: hold = "listen", "transfer" or "session".`)
	checkDraws(b, p)
	if p.FixedPorts > 0 && p.FixedPorts < p.MinPorts {
		b.err("fixed_ports", finding.ConflictingValues, "fixed_ports is %d, but min_ports is %d. Correct one of them.", p.FixedPorts, p.MinPorts)
	}
	if _, twice := l.profiles[raw.Label]; twice {
		return
	}
	l.profiles[raw.Label] = nil
	if !*b.failed {
		l.profiles[raw.Label] = p
		l.spec.Profiles = append(l.spec.Profiles, p)
	}
}

// checkScope finds a site that relies on TLS to tell its sessions apart and
// lets clients come without it: they would share one port, and one's data
// reach the other.
func checkScope(b *block, s *Site) {
	if s.Profile == nil || s.Profile.Scope != sizing.ScopeTLS || s.MarkedSessions {
		return
	}
	b.err("server", finding.NeedsTLS, `profile %q has scope "tls_session", but the site does not require TLS with session reuse. `+
		`Require both in the tls block, or give the profile the scope that holds without TLS and marks_sessions = true.`, s.Profile.Name)
}

func checkDraws(b *block, p *Profile) {
	if p.Pick == sizing.PickScan {
		if b.has("draws") {
			b.err("draws", finding.ConflictingValues, `draws is %d, but a scan looks at every port. Set pick to "random", "distinct" or "scan_window", or remove draws.`, p.Tries)
		}
		return
	}
	b.missing("draws", "Write how many ports the server tries before it gives up, like draws = 9.")
}
