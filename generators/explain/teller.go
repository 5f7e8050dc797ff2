package explain

import (
	"fmt"
	"time"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// teller writes the paragraphs about one site.
type teller struct {
	s        *plan.Site
	w        sizing.Workload
	doubt    []sizing.Influence
	advice   []sizing.Advice
	compared []sizing.Comparison
	odds     sizing.Theft
	// configured: a target writes the server's config.
	configured bool
}

func newTeller(s *plan.Site, configured bool) *teller {
	w := s.Workload
	return &teller{
		s: s, w: w, configured: configured,
		doubt:    sizing.Sensitivity(s.Profile, w),
		advice:   sizing.Advise(s.Profile, w),
		compared: sizing.Compare(s.Profile, w),
		odds:     sizing.TheftOdds(s.Profile, w, s.DataPorts.Count()),
	}
}

// oneFewer is the refused share with one port less than the computed minimum,
// nil where that is no range at all.
func (t *teller) oneFewer() *float64 {
	if t.s.Sizing.Ports <= 1 {
		return nil
	}
	share := sizing.Refused(t.s.Profile, t.w, t.s.Sizing.Ports-1)
	return &share
}

func (t *teller) answer() []string {
	s := t.s
	lead := fmt.Sprintf("Site %q runs %s on host %q, control port %d. Its range of passive ports is %s, which is %s.",
		s.Name, s.Profile.Title, s.Host.Name, s.Port, s.DataPorts, sizing.Plural(s.DataPorts.Count(), "port"))
	switch need := s.Sizing.Ports; {
	case s.Pinned && s.DataPorts.Count() > need:
		lead += fmt.Sprintf(" The spec pins it; %s would do, so %s open for nothing.",
			sizing.Count(need), be(s.DataPorts.Count()-need))
	case s.Pinned:
		lead += " The spec pins it, and that is just enough."
	case s.DataPorts.Count() > need:
		lead += fmt.Sprintf(" The lock keeps it; %s would do: delete the site's entry in %s to shrink it.", sizing.Count(need), plan.LockFile)
	default:
		lead += " That is the smallest number that is safe here."
	}
	return []string{lead, t.refusedNow()}
}

func be(n int) string {
	if n == 1 {
		return "1 is"
	}
	return sizing.Count(n) + " are"
}

func (t *teller) refusedNow() string {
	asked := t.s.Sizing.Objective
	text := fmt.Sprintf("It refuses %s of the data connections; at most %s may be refused.", sizing.Share(t.s.Refused), sizing.Share(asked))
	if t.worst() && t.s.Sessions > 1 && t.w.ScopeOn(t.s.Profile) != sizing.ScopeTLS {
		text = fmt.Sprintf("While every other session holds a port, it refuses %s of the data connections that are asked for; at most %s may be refused.",
			sizing.Share(t.s.Refused), sizing.Share(asked))
	}
	if t.s.Refused > asked { // only the listen race of a start exceeds it
		text = fmt.Sprintf("If all sessions start within a second and keep their ports, it refuses up to %s of the data connections, by the listen race, which sizes no range without traffic.",
			sizing.Share(t.s.Refused))
	}
	fewer := t.oneFewer()
	switch {
	case fewer == nil:
		return text
	case *fewer > asked && sizing.Share(*fewer) == sizing.Share(asked):
		return text + fmt.Sprintf(" %s would refuse just over that.", sizing.Plural(t.s.Sizing.Ports-1, "port"))
	case *fewer > asked:
		return text + fmt.Sprintf(" %s would refuse %s.", sizing.Plural(t.s.Sizing.Ports-1, "port"), sizing.Share(*fewer))
	default:
		return text + fmt.Sprintf(" %s would refuse %s, but the bound %q below rules that out.",
			sizing.Plural(t.s.Sizing.Ports-1, "port"), sizing.Share(*fewer), t.s.Sizing.Binding)
	}
}

// worst reports whether the range is sized for all sessions holding a port at
// once.
func (t *teller) worst() bool {
	return t.w.Traffic == nil || t.s.Objective.WorstCase || t.s.Profile.Hold == sizing.HoldSession
}

// fourValues tells what TCP allows and what the server makes of it.
func (t *teller) fourValues() []string {
	s := t.s
	return []string{
		fmt.Sprintf("TCP tells connections apart by four values: server address, server port, client address, client port. "+
			"This site has %s, and a client address has up to %s source ports, so for TCP alone one server port would "+
			"carry that many data connections of each client address. What the server can tell apart decides.",
			sizing.Plural(len(s.Addresses), "address"), sizing.Count(t.clientPorts())),
		t.scope() + ". " + sentence(t.hold()),
		sentence(t.pick()) + " " + sentence(t.whenFull()),
	}
}

func (t *teller) clientPorts() int {
	if t.w.Traffic != nil {
		return t.w.Traffic.ClientPorts
	}
	return sizing.DefaultClientPorts
}

func (t *teller) scope() string {
	title := t.s.Profile.Title
	switch t.w.ScopeOn(t.s.Profile) {
	case sizing.ScopeTLS:
		return title + " tells data connections apart by their TLS session, so any number of sessions share a port"
	case sizing.ScopeAddress:
		return title + " tells data connections apart by client address and port: sessions of different addresses share a port, those of one address do not"
	default:
		if t.w.ForeignData && t.s.Profile.Scope == sizing.ScopeAddress {
			title += ", with foreign_data,"
		}
		return title + " goes by the server port alone: while a port is one session's, no other session gets it, whatever its address"
	}
}

func (t *teller) hold() string {
	var until string
	switch t.s.Profile.Hold {
	case sizing.HoldListen:
		until = "from the reply to PASV until the client has connected"
	case sizing.HoldTransfer:
		until = "from the reply to PASV to the end of the transfer"
	default:
		until = "from the reply to PASV until its next PASV or the session's end"
	}
	return fmt.Sprintf("a session keeps its port %s; a PASV that no connection follows keeps it for %s",
		until, sizing.Duration(t.s.Profile.AbandonedHold))
}

func (t *teller) pick() string {
	p := t.s.Profile
	switch p.Pick {
	case sizing.PickRandom:
		return fmt.Sprintf("it draws a port at random, gives up after %s, and may so miss ports that are free",
			sizing.Plural(p.TriesOn(t.s.DataPorts.Count()), "draw"))
	case sizing.PickDistinct:
		return fmt.Sprintf("it draws ports at random, none twice, and gives up after %s", sizing.Count(p.Tries))
	case sizing.PickScanPartial:
		return fmt.Sprintf("it tries %s side by side from a random start, and may so miss ports that are free", sizing.Plural(p.Tries, "port"))
	default:
		return "it looks at the whole range for a free port"
	}
}

func (t *teller) whenFull() string {
	switch t.s.Profile.WhenFull {
	case sizing.FullDrops:
		return "where it finds none, the session dies"
	case sizing.FullLeaves:
		return "where it finds none it takes a port outside the range, which the firewall then blocks"
	case sizing.FullWaits:
		return fmt.Sprintf("where it finds none the session waits its turn, up to %s", sizing.Duration(t.s.Objective.MaxWait))
	case sizing.FullRefuses:
		return "where it finds none it refuses the transfer, and the session goes on"
	default:
		return "what it does where it finds none is not known"
	}
}

func (t *teller) asked() []string {
	c, o := t.w, t.s.Objective
	who := fmt.Sprintf("%s at once, at most %s of them behind one client address.", sizing.Plural(c.Sessions, "session"), sizing.Count(c.SessionsPerAddress))
	switch {
	case c.Sessions == 1:
		who = "1 session at a time."
	case c.SessionsPerAddress == c.Sessions:
		who = fmt.Sprintf("%s at once, and all of them may come from one client address.", sizing.Plural(c.Sessions, "session"))
	}
	text := []string{who}
	if w := t.w.Traffic; w != nil {
		load := fmt.Sprintf("At the peak %s, each %s until the client connects and %s for the transfer",
			perSecond(t.rate()), sizing.Duration(w.Connect), sizing.Duration(w.Transfer))
		if w.Abandoned > 0 {
			load += fmt.Sprintf("; %s of the PASVs are never followed by a connection", sizing.Share(w.Abandoned))
		}
		if w.Parallel > 1 {
			load += fmt.Sprintf("; a client asks with up to %s in the same instant", sizing.Plural(w.Parallel, "session"))
		}
		text = append(text, load+".")
		if !t.worst() {
			text = append(text, t.busiest())
		}
		for _, b := range w.Bursts.All() {
			text = append(text, fmt.Sprintf("Beside that, %s start within %s, with %s each, one after another.",
				sizing.Plural(b.Sessions, "session"), sizing.Duration(b.Within), sizing.Plural(max(1, b.Connections), "data connection")))
		}
		if !t.worst() && t.w.WaitsOn(t.s.Profile) {
			text = append(text, t.spread(w))
		}
	}
	switch {
	case t.w.Traffic == nil:
		text = append(text, "The spec says nothing of the traffic, so the worst case counts: every session wants a port at the same time.")
	case o.WorstCase:
		text = append(text, "The objective asks for the worst case: every session wants a port at the same time.")
	case t.worst():
		text = append(text, "Sessions keep their ports here, so the worst case counts: every session holds one at the same time.")
	}
	goal := fmt.Sprintf("At most %s of the data connections may be refused", sizing.Share(t.s.Sizing.Objective))
	if o.Squatted > 0 {
		goal += fmt.Sprintf(", even while other programs sit on %s of the range", sizing.Plural(o.Squatted, "port"))
	}
	return append(text, goal+".")
}

// spread says how connect times are taken to spread, which matters to waits.
func (t *teller) spread(w *sizing.Traffic) string {
	p99, known := w.ConnectP99, "the spec says"
	if p99 == 0 {
		p99, known = w.ConnectP99OrDefault().Round(time.Millisecond), "lognormal times do"
	}
	return fmt.Sprintf("How long a session waits for a port depends on how far connect times spread: one in a hundred takes %s or more, as %s, "+
		"and one in a thousand loses its SYN and takes %s longer.", sizing.Duration(p99), known, sizing.Duration(seconds(sizing.SYNTimeout)))
}

func (t *teller) bounds() []string {
	var text []string
	for _, b := range t.s.Sizing.Bounds {
		binds := ""
		if b.Name == t.s.Sizing.Binding {
			binds = ", and it binds"
		}
		text = append(text, fmt.Sprintf("- %s: %s%s: %s", b.Name, sizing.Plural(b.Ports, "port"), binds, b.Why))
	}
	return append(text, fmt.Sprintf("The range is the largest of these: %s.", sizing.Plural(t.s.Sizing.Ports, "port")))
}

func (t *teller) placement() []string {
	s := t.s
	what, how := "The range", "was chosen by pasvctl and is kept in "+plan.LockFile
	if s.DataPorts.Count() == 1 {
		what = "The port"
	}
	if s.Pinned {
		how = "is the spec's own (data_ports)"
	}
	text := []string{fmt.Sprintf("%s, %s, %s. It shares no port with another site of this host, with a control port, or with what the host must avoid.", what, s.DataPorts, how)}
	ephemeral := s.Host.EphemeralPorts
	if ephemeral.Overlaps(s.DataPorts) {
		text = append(text, fmt.Sprintf("It overlaps %s, the ports of the host's own outgoing connections: unless the sysctl target reserves it, such a connection keeps the server from a port.", ephemeral))
	} else if ephemeral.Count() > 0 {
		text = append(text, fmt.Sprintf("It lies outside %s, the ports of the host's own outgoing connections, each of which keeps a server from its port.", ephemeral))
	}
	if s.Announce.IsValid() {
		text = append(text, fmt.Sprintf("Clients are told %s in the reply to PASV, so whatever owns that address must pass the same ports on.", s.Announce))
	}
	if s.Gate {
		text = append(text, "The firewall opens it only to clients that have a control connection with this site.")
	}
	if !t.configured && !s.Profile.HoldsRange {
		text = append(text, fmt.Sprintf("No target writes a config for %s: set its passive ports to %s by hand.", s.Profile.Title, s.DataPorts))
	}
	return text
}

func (t *teller) sources() []string {
	var text []string
	for _, s := range t.s.Profile.Sources {
		text = append(text, "- "+s)
	}
	return text
}
