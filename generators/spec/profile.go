package spec

import (
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Profile is a server profile of the user's own. Its words and fields are
// those of package sizing's Profile, which says what they mean.
type Profile struct {
	Name            string
	Title           string        // as people call the server; the name unless told
	Hold            string        // listen, transfer or session
	Pick            string        // scan, random, distinct or scan_window
	Tries           int           // draws before it gives up; 0 for a scan
	Scope           string        // port (it goes by the local port alone), address_port or tls_session
	WhenFull        string        // refuses, drops_session, leaves_range, waits or unknown
	Strangers       string        // served, refused or ignored
	AbandonedHold   time.Duration // how long a PASV that is never used keeps its port
	RaceWindow      time.Duration // between choosing a port and listening on it; 0 where it draws again
	PortRest        time.Duration // before a port can be bound again; 0 with SO_REUSEADDR
	PortsPerSession int           // 0: no cap of its own
	MinPorts        int
	FixedPorts      int // 0: the range is free
	NeverDrawn      int // ports of the range that it never uses
	HoldsRange      bool
	ResumesTLS      bool
	MarksSessions   bool // TLS tells its sessions apart where a site requires it with session reuse
	Ranges          Ranges
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
	if _, taken := l.o.Servers[raw.Label]; taken {
		b.errAt(raw.LabelRange, "Name of a known server", "%q is a profile that pasvctl has already. Give your own another name, and let the site's server name that.", raw.Label)
	}
	var r rawProfile
	b.decode(raw.Body, &r)
	p := &Profile{
		Name: raw.Label, Title: raw.Label, Ranges: b.ranges,
		Hold:            b.choice("hold", r.Hold, "", "listen", "transfer", "session"),
		Pick:            b.choice("pick", r.Pick, "scan", "scan", "random", "distinct", "scan_window"),
		Scope:           b.choice("scope", r.Scope, "port", "port", "address_port", "tls_session"),
		WhenFull:        b.choice("when_full", r.WhenFull, "unknown", "refuses", "drops_session", "leaves_range", "waits", "unknown"),
		Strangers:       b.choice("strangers", r.Strangers, "served", "served", "refused", "ignored"),
		AbandonedHold:   b.duration("abandoned_hold", r.AbandonedHold, defaultAbandoned),
		RaceWindow:      b.durationWithin("race_window", r.RaceWindow, 0, maxRaceWindow, 0),
		PortRest:        b.durationWithin("port_rest", r.PortRest, 0, maxPortRest, 0),
		PortsPerSession: b.integer("ports_per_session", r.PortsPerSession, 0, maxPortsPerSession, 0),
		MinPorts:        b.integer("min_ports", r.MinPorts, 1, maxClientPorts, 1),
		FixedPorts:      b.integer("fixed_ports", r.FixedPorts, 0, maxClientPorts, 0),
		NeverDrawn:      b.integer("never_drawn", r.NeverDrawn, 0, maxClientPorts-1, 0),
		HoldsRange:      b.boolean("holds_range", r.HoldsRange, false),
		ResumesTLS:      b.boolean("resumes_tls", r.ResumesTLS, false),
		MarksSessions:   b.boolean("marks_sessions", r.MarksSessions, false),
		Tries:           b.integer("draws", r.Draws, 1, maxDraws, 0),
	}
	if title, ok := b.text("title", r.Title, `"Acme Appliance"`); ok {
		p.Title = title
	}
	noImplicit := !b.boolean("implicit_tls", r.ImplicitTLS, true)
	b.missing("hold", `Say until when the server keeps a passive port to itself: hold = "listen", "transfer" or "session".`)
	checkDraws(b, p)
	if p.FixedPorts > 0 && p.FixedPorts < p.MinPorts {
		b.err("fixed_ports", "Fewer ports than it needs", "fixed_ports is %d, but min_ports is %d. Correct one of them.", p.FixedPorts, p.MinPorts)
	}
	if _, twice := l.profiles[raw.Label]; twice {
		return
	}
	l.profiles[raw.Label] = nil
	if !*b.failed {
		l.profiles[raw.Label] = &ownServer{p, Server{NoImplicitTLS: noImplicit, HoldsRange: p.HoldsRange, RefusesForeign: p.Strangers != "served"}}
		l.spec.Profiles = append(l.spec.Profiles, p)
	}
}

// checkScope finds a site that relies on TLS to tell its sessions apart and
// lets clients come without it: they would share one port, and one's data
// reach the other.
func checkScope(b *block, s *Site) {
	if s.Profile == nil || s.Profile.Scope != "tls_session" {
		return
	}
	if s.TLS.Mode != TLSOff && s.TLS.Required && s.TLS.ReuseRequired {
		return
	}
	b.err("server", "TLS does not tell all sessions apart", `profile %q has scope "tls_session", but the site does not require TLS with session reuse. `+
		`Require both in the tls block, or give the profile the scope that holds without TLS and marks_sessions = true.`, s.Profile.Name)
}

// ownServer is a profile of the spec's own with the traits that checks need.
type ownServer struct {
	profile *Profile
	Server
}

func checkDraws(b *block, p *Profile) {
	if p.Pick == "scan" {
		if b.has("draws") {
			b.err("draws", "Draws of a scan", `draws is %d, but a scan looks at every port. Set pick to "random", "distinct" or "scan_window", or remove draws.`, p.Tries)
		}
		return
	}
	b.missing("draws", "Write how many ports the server tries before it gives up, like draws = 9.")
}
