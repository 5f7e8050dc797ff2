package passive

import "time"

// Every reservation lives for the same time and every rest lasts for the same
// time, so both lists are in order of their ends by construction, and one timer
// serves them all.

// rest keeps r's port from the client's other sessions for a while: r's
// connection may still come.
func (p *Pool) rest(r *Reservation) {
	sl := r.slot
	if p.config.Rest < 0 {
		p.vacate(sl)
		return
	}
	sl.until = time.Now().Add(p.config.Rest)
	if sl.resting == nil {
		sl.resting = p.resting.PushBack(sl)
	} else {
		p.resting.MoveToBack(sl.resting)
	}
	r.rested = sl.until
	p.alarmBy(sl.until)
	// A reservation that shares need not wait for the end of the rest.
	p.grant(sl.source)
}

// endRest ends the rest of sl.
func (p *Pool) endRest(sl *slot) {
	p.resting.Remove(sl.resting)
	sl.resting = nil
}

// alarmBy makes the timer go off at t or earlier.
func (p *Pool) alarmBy(t time.Time) {
	if p.alarm.IsZero() || t.Before(p.alarm) {
		p.alarm = t
		p.timer.Reset(time.Until(t))
	}
}

// sweep ends what has come to its end, and sets the timer for the next.
func (p *Pool) sweep() {
	for _, rested := range p.due(time.Now()) {
		rested()
	}
}

// due is sweep under the lock; it gives whom to tell that a port has rested.
func (p *Pool) due(now time.Time) (rested []func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alarm = time.Time{}
	if p.closed {
		return nil
	}
	stalled := now.Before(p.stalled.Add(p.config.Rest)) // a late connection may be in a backlog
	for e := p.expiring.Front(); e != nil; e = p.expiring.Front() {
		r := e.Value.(*Reservation)
		if r.deadline.After(now) {
			p.alarmBy(r.deadline)
			break
		}
		p.stats.Expired++
		p.end(r, ErrExpired)
		p.rest(r)
	}
	for e := p.resting.Front(); e != nil; e = p.resting.Front() {
		sl := e.Value.(*slot)
		if sl.until.After(now) {
			p.alarmBy(sl.until)
			break
		}
		if stalled {
			sl.until = now.Add(p.config.Rest)
			p.resting.MoveToBack(e)
			continue
		}
		p.endRest(sl)
		p.vacate(sl)
	}
	for e := p.left.Front(); e != nil; e = p.left.Front() {
		l := e.Value.(*leftPort)
		if l.until.After(now) {
			p.alarmBy(l.until)
			break
		}
		if stalled {
			l.until = now.Add(p.config.Rest)
			p.left.MoveToBack(e)
			continue
		}
		p.left.Remove(e)
		rested = append(rested, l.rested)
	}
	return rested
}
