package apply

import (
	"context"
	"maps"
	"slices"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// InForce returns what was applied last and is final; nil if there is
// nothing.
func (m *Machine) InForce() (*Applied, error) {
	st, err := m.state()
	return st.Current, err
}

// OlderRanges are the data ports that sites have had before next and may have
// sessions on: those of the rules in force, and what these still drain.
func (a *Applied) OlderRanges(next map[string]spec.PortRange) map[string][]spec.PortRange {
	if a == nil {
		return nil
	}
	older := map[string][]spec.PortRange{}
	for site, now := range next {
		was, had := a.Ranges[site]
		if had && was != now {
			older[site] = append(older[site], was)
		}
		if a.Drain != nil {
			older[site] = append(older[site], a.Drain.Old[site]...)
		}
		if len(older[site]) == 0 {
			delete(older, site)
		}
	}
	return older
}

// Drained checks whether the older ports of the rules in force may be closed,
// and closes them: when their time is over, or when busy finds no session on
// them. It reports whether there is nothing left to wait for; else the caller
// calls it again.
func (m *Machine) Drained(ctx context.Context, id string, busy func([]spec.PortRange) (bool, error)) (done bool, err error) {
	s, st, err := m.open(true)
	if err != nil {
		return false, err
	}
	defer s.close()
	// A change that was killed half way is for the next apply to take back;
	// one that waits to be confirmed may have these rules come back.
	if st.Current == nil || st.Current.Drain == nil || st.Current.Drain.ID != id {
		return true, nil
	}
	drain := st.Current.Drain
	if st.Pending != nil {
		if !st.Pending.Drained {
			return false, nil
		}
		if st, err = m.takeBack(ctx, s, st); err != nil { // this very step was interrupted
			return false, err
		}
	}
	if m.Now().Before(drain.Until) {
		var old []spec.PortRange
		for _, site := range slices.Sorted(maps.Keys(drain.Old)) {
			old = append(old, drain.Old[site]...)
		}
		if waiting, err := busy(old); err != nil || waiting {
			return false, err
		}
	}
	after, gone := st.Current.drained(), st.Current
	return true, m.change(ctx, s, st, &Pending{ID: id, Next: *after, Drained: true}, func(ctx context.Context) error {
		return m.stand(ctx, after, nil, gone)
	})
}
