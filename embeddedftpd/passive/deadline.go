package passive

import "time"

// Every reservation lives for the same time and every rest lasts for the same
// time, so both lists are in order of their ends by construction, and one timer
// serves them all.

// rest keeps r's port from the client's other sessions for a while: the
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
	if !p.shares(r.mark) {
		sl.former = r
	}
	p.alarmBy(sl.until)
	// A reservation that shares need not wait for the end of the rest.
	p.grant(sl.source)
}

// endRest ends the rest of sl.
func (p *Pool) endRest(sl *slot) {
	p.resting.Remove(sl.resting)
	sl.resting, sl.former = nil, nil
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
	p.mu.Lock()
	defer p.mu.Unlock()
	p.alarm = time.Time{}
	if p.closed {
		return
	}
	now := time.Now()
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
			return
		}
		if now.Before(p.stalled.Add(p.config.Rest)) {
			sl.until = now.Add(p.config.Rest)
			p.resting.MoveToBack(e)
			continue
		}
		p.endRest(sl)
		p.vacate(sl)
	}
}
