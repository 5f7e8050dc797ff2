package apply

import (
	"cmp"
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
// sessions on: those of the rules in force, and what these still drain. renamed
// has the present names of sites by their older ones.
func (a *Applied) OlderRanges(next map[string]spec.PortRange, renamed map[string]string) map[string][]spec.PortRange {
	older := map[string][]spec.PortRange{}
	if a == nil {
		return older
	}
	keep := func(was string, ranges ...spec.PortRange) {
		site := cmp.Or(renamed[was], was)
		if now, there := next[site]; there && !slices.Equal(ranges, []spec.PortRange{now}) {
			older[site] = append(older[site], ranges...)
		}
	}
	for _, site := range slices.Sorted(maps.Keys(a.Ranges)) {
		keep(site, a.Ranges[site])
	}
	if a.Drain != nil {
		for _, site := range slices.Sorted(maps.Keys(a.Drain.Old)) {
			keep(site, a.Drain.Old[site]...)
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
