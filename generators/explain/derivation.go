package explain

import (
	"fmt"
	"time"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// derivation writes the paragraphs about one site.
type derivation struct {
	s        *plan.Site
	w        sizing.Workload
	doubt    []sizing.Influence
	advice   []sizing.Advice
	compared []sizing.Comparison
	odds     sizing.Theft
	judged   []Rule
	// configured: a target writes the server's config.
	configured bool
}

func newDerivation(s *plan.Site, configured bool) *derivation {
	w := s.Workload
	return &derivation{
		s: s, w: w, configured: configured,
		doubt:    sizing.Sensitivity(s.Profile, w),
		advice:   sizing.Advise(s.Profile, w),
		compared: sizing.Compare(s.Profile, w),
		odds:     sizing.TheftOdds(s.Profile, w, s.DataPorts.Count()),
		judged:   Rules(s, sizing.Curve(s.Profile, w)),
	}
}

// oneFewer is the refused share with one port less than the computed minimum,
// nil if that is no range.
func (d *derivation) oneFewer() *float64 {
	if d.s.Sizing.Ports <= 1 {
		return nil
	}
	refused := sizing.Refused(d.s.Profile, d.w, d.s.Sizing.Ports-1)
	return &refused
}

func (d *derivation) answer() []string {
	s := d.s
	lead := fmt.Sprintf("Site %q runs %s on host %q, control port %d. Its passive ports are %s: %s.",
		s.Name, s.Profile.Title, s.Host.Name, s.Port, s.DataPorts, sizing.Plural(s.DataPorts.Count(), "port"))
	switch need := s.Sizing.Ports; {
	case s.Pinned && s.DataPorts.Count() > need:
		lead += fmt.Sprintf(" The spec pins them; %s are enough, so %s open without need.",
			sizing.Count(need), be(s.DataPorts.Count()-need))
	case s.Pinned:
		lead += " The spec pins them, and they are just enough."
	case s.DataPorts.Count() > need:
		lead += fmt.Sprintf(" The lock keeps them; %s are enough: delete the site's entry in %s to shrink the range.", sizing.Count(need), plan.LockFile)
	default:
		lead += " That is the smallest safe number."
	}
	return []string{lead, d.refusedNow()}
}

func be(n int) string {
	if n == 1 {
		return "1 is"
	}
	return sizing.Count(n) + " are"
}

func (d *derivation) refusedNow() string {
	asked := d.s.Sizing.Objective
	text := fmt.Sprintf("They refuse %s of the data connections; at most %s may be refused.", sizing.Share(d.s.Refused), sizing.Share(asked))
	if d.worst() && d.s.Sessions > 1 && d.w.ScopeOn(d.s.Profile) != sizing.ScopeTLS {
		text = fmt.Sprintf("While every other session holds a port, they refuse %s of the data connections; at most %s may be refused.",
			sizing.Share(d.s.Refused), sizing.Share(asked))
	}
	if d.s.Refused > asked { // only the listen race of a start exceeds it
		text = fmt.Sprintf("If all sessions start within a second and keep their ports, they refuse up to %s of the data connections because of the listen race, which does not count without a traffic block.",
			sizing.Share(d.s.Refused))
	}
	fewer := d.oneFewer()
	switch {
	case fewer == nil:
		return text
	case *fewer > asked && sizing.Share(*fewer) == sizing.Share(asked):
		return text + fmt.Sprintf(" %s would refuse just over that.", sizing.Plural(d.s.Sizing.Ports-1, "port"))
	case *fewer > asked:
		return text + fmt.Sprintf(" %s would refuse %s.", sizing.Plural(d.s.Sizing.Ports-1, "port"), sizing.Share(*fewer))
	default:
		return text + fmt.Sprintf(" %s would refuse %s, but the bound %q rules that out.",
			sizing.Plural(d.s.Sizing.Ports-1, "port"), sizing.Share(*fewer), d.s.Sizing.Binding)
	}
}

// worst reports whether the range is sized for all sessions to hold a port at
// once.
func (d *derivation) worst() bool {
	return d.w.Traffic == nil || d.s.Objective.WorstCase || d.s.Profile.Hold == sizing.HoldSession
}

// fourValues says what TCP allows and what the server allows.
func (d *derivation) fourValues() []string {
	s := d.s
	return []string{
		fmt.Sprintf("TCP tells connections apart by four values: server address, server port, client address, client port. "+
			"This site has %s, and a client address has up to %s source ports, so TCP alone would let one server port "+
			"carry that many data connections of each client address. The server sets the limit.",
			sizing.Plural(len(s.Addresses), "address"), sizing.Count(d.clientPorts())),
		d.scope() + ". " + sentence(d.hold()),
		sentence(d.pick()) + " " + sentence(d.whenFull()),
	}
}

func (d *derivation) clientPorts() int {
	if d.w.Traffic != nil {
		return d.w.Traffic.ClientPorts
	}
	return sizing.DefaultClientPorts
}

func (d *derivation) scope() string {
	title := d.s.Profile.Title
	switch d.w.ScopeOn(d.s.Profile) {
	case sizing.ScopeTLS:
		return title + " tells data connections apart by their TLS session, so any number of sessions share a port"
	case sizing.ScopeAddress:
		return title + " tells data connections apart by client address and port: sessions of different addresses share a port, those of one address do not"
	default:
		if d.w.ForeignData && d.s.Profile.Scope == sizing.ScopeAddress {
			title += ", with foreign_data,"
		}
		return title + " tells data connections apart by the server port alone: while one session has a port, no other session gets it, whatever its address"
	}
}

func (d *derivation) hold() string {
	var until string
	switch d.s.Profile.Hold {
	case sizing.HoldListen:
		until = "from the reply to PASV until the client has connected"
	case sizing.HoldTransfer:
		until = "from the reply to PASV to the end of the transfer"
	default:
		until = "from the reply to PASV until its next PASV or the session's end"
	}
	return fmt.Sprintf("a session keeps its port %s; a PASV that no connection follows keeps it for %s",
		until, sizing.Duration(d.w.AbandonedHoldOn(d.s.Profile)))
}

func (d *derivation) pick() string {
	p := d.s.Profile
	switch p.Pick {
	case sizing.PickRandom:
		return fmt.Sprintf("it draws a port at random, gives up after %s, and so may miss free ports",
			sizing.Plural(p.TriesOn(d.s.DataPorts.Count()), "draw"))
	case sizing.PickDistinct:
		return fmt.Sprintf("it draws ports at random, none twice, and gives up after %s", sizing.Count(p.Tries))
	case sizing.PickScanPartial:
		return fmt.Sprintf("it tries %s side by side from a random start, and so may miss free ports", sizing.Plural(p.Tries, "port"))
	default:
		return "it searches the whole range for a free port"
	}
}

func (d *derivation) whenFull() string {
	switch d.s.Profile.WhenFull {
	case sizing.FullDrops:
		return "if it finds none, the session ends"
	case sizing.FullLeaves:
		return "if it finds none, it takes a port outside the range, which the firewall blocks"
	case sizing.FullWaits:
		return fmt.Sprintf("if it finds none, the session waits its turn, up to %s", sizing.Duration(d.s.Objective.MaxWait))
	case sizing.FullRefuses:
		return "if it finds none, it refuses the transfer and keeps the session"
	default:
		return "what it does if it finds none is not known"
	}
}

func (d *derivation) asked() []string {
	c, o := d.w, d.s.Objective
	who := fmt.Sprintf("%s at once, at most %s of them behind one client address.", sizing.Plural(c.Sessions, "session"), sizing.Count(c.SessionsPerAddress))
	switch {
	case c.Sessions == 1:
		who = "1 session at a time."
	case c.SessionsPerAddress == c.Sessions:
		who = fmt.Sprintf("%s at once, and all of them may come from one client address.", sizing.Plural(c.Sessions, "session"))
	}
	text := []string{who}
	if w := d.w.Traffic; w != nil {
		load := fmt.Sprintf("At the peak %s, each %s until the client connects and %s for the transfer",
			perSecond(d.rate()), sizing.Duration(w.Connect), sizing.Duration(w.Transfer))
		if w.Abandoned > 0 {
			load += fmt.Sprintf("; no connection follows %s of the PASVs", sizing.Share(w.Abandoned))
		}
		if w.Parallel > 1 {
			load += fmt.Sprintf("; a client asks with up to %s at the same time", sizing.Plural(w.Parallel, "session"))
		}
		text = append(text, load+".")
		if !d.worst() {
			text = append(text, d.busiest())
		}
		for _, b := range w.Bursts.All() {
			text = append(text, fmt.Sprintf("In addition %s start within %s, with %s each, one after another.",
				sizing.Plural(b.Sessions, "session"), sizing.Duration(b.Within), sizing.Plural(max(1, b.Connections), "data connection")))
		}
		if !d.worst() && d.w.WaitsOn(d.s.Profile) {
			text = append(text, d.spread(w))
		}
	}
	switch {
	case d.w.Traffic == nil:
		text = append(text, "The spec does not describe the traffic, so the range is sized for the worst case: every session wants a port at the same time.")
	case o.WorstCase:
		text = append(text, "The objective asks for the worst case: every session wants a port at the same time.")
	case d.worst():
		text = append(text, "Sessions keep their ports on this server, so the range is sized for the worst case: every session holds one at the same time.")
	}
	goal := fmt.Sprintf("At most %s of the data connections may be refused", sizing.Share(d.s.Sizing.Objective))
	if o.Squatted > 0 {
		goal += fmt.Sprintf(", even while other programs occupy %s of the range", sizing.Plural(o.Squatted, "port"))
	}
	return append(text, goal+".")
}

// spread says how connect times spread, which decides how long sessions wait.
func (d *derivation) spread(w *sizing.Traffic) string {
	p99, known := w.ConnectP99, "connect_time_p99"
	if p99 == 0 {
		p99, known = w.ConnectP99OrDefault().Round(time.Millisecond), "from a lognormal distribution"
	}
	return fmt.Sprintf("How long a session waits for a port depends on how far connect times spread: one in a hundred takes %s or more (%s), "+
		"and one in a thousand loses its SYN and takes %s longer.", sizing.Duration(p99), known, sizing.Duration(seconds(sizing.SYNTimeout)))
}

func (d *derivation) bounds() []string {
	var text []string
	for _, b := range d.s.Sizing.Bounds {
		binds := ""
		if b.Name == d.s.Sizing.Binding {
			binds = ", and it binds"
		}
		text = append(text, fmt.Sprintf("- %s: %s%s: %s", b.Name, sizing.Plural(b.Ports, "port"), binds, b.Why))
	}
	return append(text, fmt.Sprintf("The range is the largest of these: %s.", sizing.Plural(d.s.Sizing.Ports, "port")))
}

func (d *derivation) placement() []string {
	s := d.s
	what, how := "The range", "pasvctl chose it and keeps it in "+plan.LockFile
	if s.DataPorts.Count() == 1 {
		what = "The port"
	}
	if s.Pinned {
		how = "the spec pins it (data_ports)"
	}
	text := []string{fmt.Sprintf("%s is %s: %s. It shares no port with another site of this host, with a control port or with avoid_ports.", what, s.DataPorts, how)}
	ephemeral := s.Host.EphemeralPorts
	if ephemeral.Overlaps(s.DataPorts) {
		text = append(text, fmt.Sprintf("It overlaps %s, the host's ephemeral ports: unless the sysctl target reserves the range, an outgoing connection of the host can take a port of it.", ephemeral))
	} else {
		text = append(text, fmt.Sprintf("It is outside %s, the host's ephemeral ports, so no outgoing connection of the host takes a port of it.", ephemeral))
	}
	if announced := s.Announced(); announced != "" {
		text = append(text, fmt.Sprintf("The reply to PASV announces %s, so the NAT with that address must forward the same ports.", announced))
	}
	if s.Gate {
		text = append(text, "The firewall opens it only to clients that have a control connection with this site.")
	}
	if !d.configured && !s.Profile.HoldsRange {
		text = append(text, fmt.Sprintf("No target writes a config for %s: set its passive ports to %s by hand.", s.Profile.Title, s.DataPorts))
	}
	return text
}

func (d *derivation) sources() []string {
	var text []string
	for _, s := range d.s.Profile.Sources {
		text = append(text, "- "+s)
	}
	return text
}
