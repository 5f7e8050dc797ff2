package simulate

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// world is one state of the simulation, and what happens next.
type world struct {
	*setup
	rng    *rand.Rand
	source *rand.PCG // of rng, in a clone
	now    float64
	end    float64
	events eventHeap
	ports  portRange
	// chosen are the ports on which a session has just begun to listen: for
	// the race window others still take them for free.
	chosen  []choice
	waiting []waiter // first come, first served
	idle    int      // sessions that neither wait, hold nor transfer
	held    int      // ports that sessions hold or that rest
	// kept has, for servers that hold until the session ends, the sessions
	// that are idle, and the port of each session, or none.
	kept []int32
	own  []int32
	// starters has, by session, what those of a burst have still to do: they
	// are the last of all sessions, and running of them are not through.
	starters []starter
	running  int

	weight float64
	tally  *tally
	done   <-chan struct{}
}

type choice struct {
	port int32
	at   float64
}

type waiter struct {
	session int32
	at      float64
}

const none = -1

// Kinds of events.
const (
	portFree    uint8 = iota // a port is given back
	sessionIdle              // a session has done its transfer
	sessionAsks              // a session of a burst asks
)

func newWorld(s *setup, rng *rand.Rand, t *tally) *world {
	w := &world{
		setup: s, rng: rng, weight: 1, tally: t, idle: s.sessions,
		end:   s.warmUp() + s.length(),
		ports: newPortRange(s.ports, s.squatted, rng),
	}
	if s.profile.Hold == sizing.HoldSession {
		w.own, w.kept = make([]int32, s.sessions), make([]int32, s.sessions)
		for i := range w.own {
			w.own[i], w.kept[i] = none, int32(i)
		}
	}
	if s.burst != nil {
		w.awaitBurst()
	}
	return w
}

// clone is the same state with a future of its own. It takes the memory of a
// copy that has ended, for there are millions.
func (w *world) clone() *world {
	c := &world{}
	if n := len(w.tally.ended); n > 0 {
		c = w.tally.ended[n-1]
		w.tally.ended = w.tally.ended[:n-1]
	} else {
		c.source = rand.NewPCG(0, 0)
		c.rng = rand.New(c.source)
	}
	c.setup, c.tally, c.done = w.setup, w.tally, w.done
	c.source.Seed(w.rng.Uint64(), w.rng.Uint64())
	c.now, c.end, c.weight, c.idle, c.held = w.now, w.end, w.weight, w.idle, w.held
	c.events = append(c.events[:0], w.events...)
	c.ports.free = append(c.ports.free[:0], w.ports.free...)
	c.ports.where = append(c.ports.where[:0], w.ports.where...)
	c.chosen = append(c.chosen[:0], w.chosen...)
	c.waiting = append(c.waiting[:0], w.waiting...)
	c.kept = append(c.kept[:0], w.kept...)
	c.own = append(c.own[:0], w.own...)
	return c
}

// occupancy is how many ports and waiters there are: how close the site is to
// refusing somebody.
func (w *world) occupancy() int { return w.held + len(w.waiting) }

// next plays the next event and reports whether there is one before the end.
// Idle sessions think for exponential times, which have no memory, so that
// only the first request of all of them is drawn.
func (w *world) next() bool {
	ask, due, late := math.Inf(1), math.Inf(1), math.Inf(1)
	if r := w.askRate(); r > 0 {
		ask = w.now + w.rng.ExpFloat64()/r
	}
	if len(w.events) > 0 {
		due = w.events[0].at
	}
	if len(w.waiting) > 0 { // all are equally patient: the first gives up first
		late = w.waiting[0].at + w.patience
	}
	at := math.Min(ask, math.Min(due, late))
	if at >= w.end {
		w.pass(w.end)
		return false
	}
	w.pass(at)
	switch at {
	case due: // before a waiter gives up in the same instant
		w.happen(w.events.pop())
	case late:
		first := w.waiting[0]
		w.waiting = w.waiting[1:]
		w.refuse(first.session, &w.tally.late, true)
	default:
		w.batch()
	}
	return true
}

// askRate is the rate of batches of requests.
func (w *world) askRate() float64 {
	if w.arrivals == Open {
		return w.rate / float64(w.parallel)
	}
	if w.idle == 0 {
		return 0
	}
	return float64(w.idle) / w.think / float64(min(w.parallel, w.idle))
}

func (w *world) pass(to float64) {
	if counted := to - math.Max(w.now, w.warmUp()); counted > 0 {
		w.tally.time += w.weight * counted
		w.tally.heldTime += w.weight * counted * float64(w.held)
	}
	w.now = to
}

func (w *world) batch() {
	n := w.parallel
	if w.arrivals == Finite {
		n = min(n, w.idle)
	}
	for range n {
		w.ask()
	}
}

// ask is one session's PASV.
func (w *world) ask() {
	session := int32(none)
	if w.arrivals == Finite {
		w.idle--
		if len(w.own) > 0 {
			session = w.takeIdle()
		}
	}
	w.request(session)
}

// request is a PASV of that session, or of one without a name.
func (w *world) request(session int32) {
	counts := w.counts(session)
	if counts {
		w.tally.ask(w.weight, w.occupancy())
	}
	if w.patience >= 0 {
		if len(w.waiting) > 0 || len(w.ports.free) == 0 {
			w.waiting = append(w.waiting, waiter{session, w.now})
			return
		}
	}
	port, result := w.choose(counts)
	switch result {
	case found:
		w.waited(session, 0)
		w.serve(session, port)
	case full:
		w.refuse(session, &w.tally.full, !w.computes())
	case raced:
		w.refuse(session, &w.tally.race, true)
	}
}

// takeIdle lets one of the idle sessions ask; it gives its old port back.
func (w *world) takeIdle() int32 {
	i := w.rng.IntN(len(w.kept))
	session := w.kept[i]
	w.kept[i] = w.kept[len(w.kept)-1]
	w.kept = w.kept[:len(w.kept)-1]
	w.giveOwn(session)
	return session
}

// giveOwn gives back the port that a session has kept.
func (w *world) giveOwn(session int32) {
	if port := w.own[session]; port != none {
		w.own[session] = none
		w.held--
		w.ports.give(port)
	}
}

// counts reports whether the requests of that session are counted now.
func (w *world) counts(session int32) bool {
	return w.now >= w.warmUp() && (w.burst == nil || w.starts(session))
}

type outcome int

const (
	found outcome = iota
	full
	raced
)

// likely is a computed refusal that counts as one seen, for the pilot to know
// that it has come far enough.
const likely = 0.1

// computes reports whether refusals for want of a port are computed, not drawn.
func (w *world) computes() bool {
	if !w.split || w.patience >= 0 || w.raceWindow > 0 {
		return false
	}
	_, known := w.refuses(&w.ports)
	return known
}

func (w *world) choose(counts bool) (int32, outcome) {
	if counts && w.computes() {
		p, _ := w.refuses(&w.ports)
		w.tally.lose(&w.tally.full, w.weight*p, p >= likely, w.occupancy())
	}
	if w.raceWindow <= 0 {
		port, ok := w.draw(&w.ports, w.rng, w.ports.isFree)
		if !ok {
			return 0, full
		}
		return port, found
	}
	for len(w.chosen) > 0 && w.chosen[0].at+w.raceWindow <= w.now {
		w.chosen = w.chosen[1:]
	}
	if w.profile.Pick == sizing.PickScan {
		free := len(w.ports.free)
		if free+len(w.chosen) == 0 {
			return 0, full
		}
		if i := w.rng.IntN(free + len(w.chosen)); i >= free {
			return 0, raced
		}
	}
	port, ok := w.draw(&w.ports, w.rng, func(p int32) bool { return w.ports.isFree(p) || w.isChosen(p) })
	switch {
	case !ok:
		return 0, full
	case w.isChosen(port):
		return 0, raced
	}
	w.chosen = append(w.chosen, choice{port, w.now})
	return port, found
}

func (w *world) isChosen(port int32) bool {
	return slices.ContainsFunc(w.chosen, func(c choice) bool { return c.port == port })
}

// refuse ends a request without a port: its session is idle again.
func (w *world) refuse(session int32, kind *count, drawn bool) {
	if drawn && w.counts(session) {
		w.tally.lose(kind, w.weight, true, w.occupancy())
	}
	if w.starts(session) {
		w.refuseStarter(session)
		return
	}
	w.goIdle(session)
}

// waited counts how long a request has waited that gets a port.
func (w *world) waited(session int32, seconds float64) {
	if w.patience >= 0 && w.counts(session) {
		w.tally.waits.add(seconds, w.weight)
	}
}

func (w *world) goIdle(session int32) {
	if w.starts(session) {
		w.goOn(session)
		return
	}
	if w.arrivals == Finite {
		w.idle++
		if session != none {
			w.kept = append(w.kept, session)
		}
	}
}

// serve gives a request its port and follows it to the end of the transfer.
func (w *world) serve(session, port int32) {
	w.ports.take(port)
	w.held++
	if w.rng.Float64() < w.abandoned {
		w.events.push(event{w.now + w.timeout, portFree, port, session})
		w.events.push(event{w.now + w.timeout, sessionIdle, none, session})
		return
	}
	connected := w.now + w.sample(w.connect, w.spread)
	if w.lostSYNs > 0 && w.rng.Float64() < w.lostSYNs {
		connected += synTimeout
	}
	done := connected + w.sample(w.transfer, 1)
	w.events.push(event{done, sessionIdle, none, session})
	switch w.profile.Hold {
	case sizing.HoldListen:
		w.events.push(event{connected + w.rest, portFree, port, session})
	case sizing.HoldTransfer:
		w.events.push(event{done + w.rest, portFree, port, session})
	default: // the session's next PASV gives it back
		w.own[session] = port
	}
}

// synTimeout is how long a client waits before it sends a SYN again, in seconds
// (RFC 6298 section 2).
const synTimeout = 1.0

// sample is a time of the shape with this mean; sigma is a lognormal one's.
func (w *world) sample(mean, sigma float64) float64 {
	switch w.shape {
	case Constant:
		return mean
	case Lognormal:
		return mean * math.Exp(sigma*w.rng.NormFloat64()-sigma*sigma/2)
	default:
		return mean * w.rng.ExpFloat64()
	}
}

func (w *world) happen(e event) {
	switch e.kind {
	case sessionIdle:
		w.goIdle(e.session)
	case sessionAsks:
		if len(w.own) > 0 {
			w.giveOwn(e.session)
		}
		w.request(e.session)
	case portFree:
		w.held--
		w.ports.give(e.port)
		if len(w.waiting) > 0 {
			first := w.waiting[0]
			w.waiting = w.waiting[1:]
			w.waited(first.session, w.now-first.at)
			w.serve(first.session, e.port)
		}
	}
}
