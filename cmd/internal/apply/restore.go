package apply

import (
	"context"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
)

// Restored is what Restore found and did.
type Restored struct {
	Applied *Applied
	Waiting time.Time // these rules wait to be confirmed until then
	Loaded  bool      // they were not whole in the kernel, and are now
}

// Restore puts the rules that are in force by the state into the kernel: after
// a boot, or after another program has removed them. A change that waits to be
// confirmed is taken back if its time is over or the machine has been booted
// since, and else is what is in force.
//
// With gently it acts only if lines are missing in the kernel. A ForeignError
// says that there are foreign lines instead. A change that waits is
// left alone.
func (m *Machine) Restore(ctx context.Context, gently bool) (r Restored, err error) {
	s, st, err := m.open(true)
	if err != nil {
		return r, err
	}
	defer s.close()
	boot := m.bootID()
	switch p := st.Pending; {
	case p == nil:
	case m.waits(p) && p.Boot != "":
		r.Applied, r.Waiting = &p.Next, p.Deadline
		if gently || !p.Loaded {
			return r, nil
		}
		r.Loaded = true
		return r, m.stand(ctx, r.Applied, nil, nil)
	case st.Current != nil && p.Boot != "" && p.Boot != boot:
		st.Pending, gently = nil, false // the kernel has forgotten both
	default:
		if st, err = m.takeBack(ctx, s, st); err != nil {
			return r, err
		}
	}
	if st.Current == nil {
		return r, ErrNothingToReturn
	}
	if gently {
		r.Applied = st.Current
		if whole, err := m.stillWhole(ctx, s, st); whole || err != nil {
			return r, err
		}
	}
	gone := *st.Current
	if st.Boot != boot || boot == "" { // no session outlives a boot
		st.Current = gone.drained()
		if st.Current.Added, err = missing(m.reservedFile(), st.Current.Reserve, gone.Added); err != nil {
			return r, err
		}
		st.Boot = boot
	}
	r.Applied, r.Loaded = st.Current, true
	m.step("restore")
	if err := m.stand(ctx, st.Current, nil, &gone); err != nil {
		return r, err
	}
	m.step("reserve")
	if err := reserve(m.reservedFile(), added(st.Current), gone.Added); err != nil {
		return r, err
	}
	return r, s.write(st)
}

// stillWhole reports whether the kernel lacks nothing of the rules in force. It
// compares them only if the kernel's rules have changed since it found so.
func (m *Machine) stillWhole(ctx context.Context, s *store, st State) (bool, error) {
	generation := ""
	if boot := m.bootID(); boot != "" && m.Generation != nil && st.Current.Rules.Backend == kernel.NFT {
		if g, err := m.Generation(); err == nil {
			generation = boot + " " + g
		}
	}
	if generation != "" && generation == st.Whole {
		return true, nil
	}
	whole, err := m.whole(ctx, st.Current.Rules)
	if !whole || err != nil || generation == "" {
		return whole, err
	}
	st.Whole = generation
	return true, s.write(st)
}

// whole reports whether the kernel lacks nothing of the rules.
func (m *Machine) whole(ctx context.Context, r kernel.Rules) (bool, error) {
	changes, err := m.Compare(ctx, r)
	if err != nil {
		return false, err
	}
	foreign := inKernel(changes)
	if len(foreign) == len(changes) {
		return true, nil
	}
	if len(foreign) > 0 {
		return false, &ForeignError{foreign}
	}
	return false, nil
}
