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

var profileBlock = &Block{
	Type: "profile", Label: "name", LabelExample: "appliance", Doc: "A server that pasvctl does not know, as it treats passive ports. A site's server names it.",
	Arguments: []Argument{
		{Name: "title", Type: Text, Otherwise: "the block's name", Example: `"Acme Appliance"`,
			Doc: "The server's name as its makers write it."},
		{Name: "hold", Type: Word, Words: words(sizing.HoldListen, sizing.HoldTransfer, sizing.HoldSession), Example: `"transfer"`,
			Required: `Say until when the server keeps a passive port to itself: hold = "listen", "transfer" or "session".`,
			Doc:      "Until when a port is one session's: until its data connection comes, until the transfer ends, or until the next PASV or the session's end."},
		{Name: "pick", Type: Word, Words: words(sizing.PickScan, sizing.PickRandom, sizing.PickDistinct, sizing.PickScanPartial), Default: string(sizing.PickScan), Example: `"random"`,
			Doc: "How it draws a port: by looking at every port, by random draws, by random draws of different ports, or at neighbours of a random start."},
		{Name: "draws", Type: Whole, Least: 1, Most: maxPort, Limit: "required, unless pick is \"scan\"", Unit: "draws", Example: "9",
			Doc: "Ports that it tries before it gives up."},
		{Name: "scope", Type: Word, Words: words(sizing.ScopePort, sizing.ScopeAddress, sizing.ScopeTLS), Default: string(sizing.ScopePort), Example: `"address_port"`,
			Doc: "What a port is held against: everybody, sessions of the same client address, or nobody, because TLS tells sessions apart."},
		{Name: "when_full", Type: Word, Words: words(sizing.FullRefuses, sizing.FullDrops, sizing.FullLeaves, sizing.FullWaits, sizing.FullUnknown), Default: string(sizing.FullUnknown), Example: `"refuses"`,
			Doc: "What it does with a PASV that finds no port."},
		{Name: "strangers", Type: Word, Words: words(sizing.StrangersServed, sizing.StrangersRefused, sizing.StrangersIgnored), Default: string(sizing.StrangersServed), Example: `"refused"`,
			Doc: "What the server does with a data connection from another address than the control connection's. Refused, the client's transfer fails; ignored, the client still gets its port."},
		{Name: "abandoned_hold", Type: Duration, Least: least, Most: day, Default: defaultAbandoned, Example: `"60s"`,
			Doc: "How long a PASV that no data connection follows keeps its port."},
		{Name: "race_window", Type: Duration, Least: 0, Most: 1, Default: time.Duration(0), Example: `"200us"`,
			Doc: "Time from the choice of a port to listening on it, in which another session may choose it too and fail."},
		{Name: "port_rest", Type: Duration, Least: 0, Most: 3600, Default: time.Duration(0), Example: `"60s"`,
			Doc: "How long a port cannot be bound again after a transfer: TIME_WAIT, on a server without SO_REUSEADDR."},
		{Name: "ports_per_session", Type: Whole, Least: 0, Most: 100, Default: 0, Unit: "ports", Example: "2",
			Doc: "Ports that it demands for each session that it admits. 0 means no such cap."},
		{Name: "min_ports", Type: Whole, Least: 1, Most: sizing.MaxPorts, Default: 1, Unit: "ports", Example: "4",
			Doc: "Smallest range that it accepts."},
		{Name: "fixed_ports", Type: Whole, Least: 0, Most: sizing.MaxPorts, Limit: "at least min_ports, or 0", Default: 0, Unit: "ports", Example: "50",
			Doc: "Size of its range, if it cannot be chosen. 0 means that it can."},
		{Name: "never_drawn", Type: Whole, Least: 0, Most: sizing.MaxPorts - 1, Default: 0, Unit: "ports", Example: "1",
			Doc: "Ports of the range that it never draws."},
		{Name: "holds_range", Type: Bool, Default: false, Example: "true",
			Doc: "It binds the whole range when it starts, so that no other program takes a port of it."},
		{Name: "resumes_tls", Type: Bool, Default: false, Example: "true",
			Doc: "It can demand that a data connection resumes the TLS session of its control connection."},
		{Name: "marks_sessions", Type: Bool, Default: false, Example: "true",
			Doc: "If TLS and resumption are required, it tells sessions on one port apart by them."},
		{Name: "implicit_tls", Type: Bool, Default: true, Example: "false",
			Doc: "It can speak TLS from the first byte on."},
	},
}

// defaultAbandoned is the middle of what servers do, 30 s to 900 s.
const defaultAbandoned = 300 * time.Second

func (l *loader) decodeProfile(raw *hcl.Block) {
	b := l.block(raw)
	name := l.checkName(b, raw)
	if slices.Contains(l.servers(anyServer), name) {
		b.errAt(raw.LabelRanges[0], finding.DuplicateName, "%q is a profile that pasvctl has already. Give your own another name, and let the site's server name that.", name)
	}
	b.decode(raw.Body, profileBlock)
	p := &Profile{Ranges: b.ranges, Profile: sizing.Profile{
		Name: name, Title: name,
		Hold:            choice[sizing.Hold](b, "hold"),
		Pick:            choice[sizing.Pick](b, "pick"),
		Scope:           choice[sizing.Scope](b, "scope"),
		WhenFull:        choice[sizing.WhenFull](b, "when_full"),
		Strangers:       choice[sizing.Strangers](b, "strangers"),
		AbandonedHold:   b.duration("abandoned_hold"),
		RaceWindow:      b.duration("race_window"),
		PortRest:        b.duration("port_rest"),
		PortsPerSession: b.integer("ports_per_session"),
		MinPorts:        b.integer("min_ports"),
		FixedPorts:      b.integer("fixed_ports"),
		NeverDrawn:      b.integer("never_drawn"),
		HoldsRange:      b.boolean("holds_range"),
		ResumesTLS:      b.boolean("resumes_tls"),
		MarksSessions:   b.boolean("marks_sessions"),
		Tries:           b.integer("draws"),
		NoImplicitTLS:   !b.boolean("implicit_tls"),
		Sources:         []string{fmt.Sprintf("all fields: profile %q of the spec", name)},
	}}
	if title, ok := b.text("title"); ok {
		p.Title = title
	}
	checkDraws(b, p)
	if p.FixedPorts > 0 && p.FixedPorts < p.MinPorts {
		b.err("fixed_ports", finding.ConflictingValues, "fixed_ports is %s, but min_ports is %s. Correct one of them.", sizing.Count(p.FixedPorts), sizing.Count(p.MinPorts))
	}
	if _, twice := l.profiles[name]; twice {
		return
	}
	l.profiles[name] = nil
	if !*b.failed {
		l.profiles[name] = p
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
			b.err("draws", finding.ConflictingValues, `draws is %s, but a scan looks at every port. Set pick to "random", "distinct" or "scan_window", or remove draws.`, sizing.Count(p.Tries))
		}
		return
	}
	b.missing("draws", "Write how many ports the server tries before it gives up, like draws = 9.")
}
