package passive

import "time"

// expire ends a reservation whose connection has not come.
func (r *Reservation) expire() {
	p := r.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.pending() {
		p.stats.Expired++
		p.end(r, ErrExpired)
		p.rest(r)
	}
}

// rest keeps r's port from other sessions for a while: its connection may still come.
func (p *Pool) rest(r *Reservation) {
	sl := r.slot
	if p.config.Rest < 0 {
		p.vacate(sl)
		return
	}
	p.endRest(sl)
	p.stats.Resting++
	sl.resting = r
	r.timer = time.AfterFunc(p.config.Rest, r.wake)
	// A reservation that shares need not wait for the end of the rest.
	p.grant(sl.source)
}

// endRest ends the rest of sl, if it rests.
func (p *Pool) endRest(sl *slot) {
	if r := sl.resting; r != nil {
		p.stats.Resting--
		sl.resting = nil
		if r.onRested == nil {
			r.timer.Stop()
		}
	}
}

// wake ends the rest that r has left.
func (r *Reservation) wake() {
	p := r.pool
	p.mu.Lock()
	rested := r.onRested
	switch {
	case p.closed:
		rested = nil
	case time.Now().Before(p.stalled.Add(p.config.Rest)): // a late connection may be in a backlog
		r.timer.Reset(p.config.Rest)
		rested = nil
	case r.slot.resting == r:
		p.endRest(r.slot)
		p.vacate(r.slot)
	}
	p.mu.Unlock()
	if rested != nil {
		rested()
	}
}
