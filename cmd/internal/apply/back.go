package apply

import (
	"context"
	"errors"
	"slices"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
)

// Errors of the ways forward and back.
var (
	ErrNothingPending  = errors.New("no change waits to be confirmed")
	ErrTooLate         = errors.New("the time to confirm is over")
	ErrNothingToReturn = errors.New("nothing was ever applied on this machine")
)

// Confirm makes the pending change final.
func (m *Machine) Confirm() error {
	s, err := open(m.Folder, true)
	if err != nil {
		return err
	}
	defer s.close()
	st, err := s.read()
	if err != nil {
		return err
	}
	switch {
	case st.Pending == nil || !st.Pending.Loaded:
		return ErrNothingPending
	case !m.Now().Before(st.Pending.Deadline):
		return ErrTooLate
	}
	return m.commit(s, st)
}

// Expire takes the pending change with this id back, if it is still there. The
// guard calls it at the deadline.
func (m *Machine) Expire(ctx context.Context, id string) error {
	s, err := open(m.Folder, true)
	if err != nil {
		return err
	}
	defer s.close()
	st, err := s.read()
	if err != nil || st.Pending == nil || st.Pending.ID != id {
		return err
	}
	_, err = m.takeBack(ctx, s, st)
	return err
}

// Rollback takes a pending change back, or else returns to what was applied
// before the rules in force; a second Rollback undoes the first.
func (m *Machine) Rollback(ctx context.Context) error {
	s, err := open(m.Folder, false)
	if err != nil {
		return err
	}
	defer s.close()
	st, err := s.read()
	if err != nil {
		return err
	}
	switch {
	case st.Pending != nil:
		_, err = m.takeBack(ctx, s, st)
		return err
	case st.Current == nil && st.Previous == nil:
		return ErrNothingToReturn
	case st.Previous != nil:
		return m.change(ctx, s, st, &Pending{ID: "rollback", Next: *st.Previous})
	}
	before := st
	before.Previous, before.Current = st.Current.drained(), nil
	if err := m.restore(ctx, before, *st.Current); err != nil {
		return err
	}
	return s.write(before)
}

// takeBack returns from the pending change to the rules in force before it.
// It may be repeated: where it is interrupted, the change is still pending.
func (m *Machine) takeBack(ctx context.Context, s *store, st State) (State, error) {
	if err := m.restore(ctx, st, st.Pending.Next); err != nil {
		return st, err
	}
	m.step("forget")
	st.Pending = nil
	return st, s.write(st)
}

// restore puts st.Current into force in place of gone.
func (m *Machine) restore(ctx context.Context, st State, gone Applied) error {
	m.step("restore")
	var back Applied
	if st.Current != nil {
		back = *st.Current
		b, err := kernel.New(back.Rules.Backend, m.Exec)
		if err != nil {
			return err
		}
		if err := b.Load(ctx, back.Rules); err != nil {
			return err
		}
	}
	if st.Current == nil || gone.Rules.Backend != back.Rules.Backend {
		m.step("remove")
		if err := m.remove(ctx, gone.Rules.Backend); err != nil {
			return err
		}
	}
	m.step("reserve")
	return reserve(m.reservedFile(), back.Added, gone.Added)
}

// Restore loads the rules that are in force by the state: after a boot.
func (m *Machine) Restore(ctx context.Context) (Applied, error) {
	s, err := open(m.Folder, true)
	if err != nil {
		return Applied{}, err
	}
	defer s.close()
	st, err := s.read()
	if err != nil {
		return Applied{}, err
	}
	if st.Pending != nil { // a boot in the time to confirm: not confirmed
		if st, err = m.takeBack(ctx, s, st); err != nil {
			return Applied{}, err
		}
	}
	if st.Current == nil {
		return Applied{}, ErrNothingToReturn
	}
	if gone := *st.Current; gone.Drain != nil { // no session outlives a boot
		st.Current = gone.drained()
		if st.Current.Added, err = missing(m.reservedFile(), st.Current.Reserve, gone.Added); err != nil {
			return Applied{}, err
		}
		if err := m.restore(ctx, st, gone); err != nil {
			return Applied{}, err
		}
		return *st.Current, s.write(st)
	}
	return *st.Current, m.restore(ctx, st, Applied{Rules: st.Current.Rules})
}

// Remove takes all objects of ours out of the kernel, on every backend, and
// forgets the state. It needs no state to be there, nor to be readable.
func (m *Machine) Remove(ctx context.Context) error {
	s, err := open(m.Folder, true)
	if err != nil {
		return err
	}
	defer s.close()
	var errs []error
	if st, err := s.read(); err == nil {
		errs = append(errs, m.release(st))
	}
	for _, backend := range []string{kernel.NFT, kernel.IPTables} {
		errs = append(errs, m.remove(ctx, backend))
	}
	return errors.Join(append(errs, s.forget())...)
}

// release gives the reserved ports back that were added for our rules, but
// not those that sysctl's files reserve as well: they are not ours alone.
func (m *Machine) release(st State) error {
	drop := added(st.Current)
	if st.Pending != nil {
		drop = slices.Concat(drop, st.Pending.Next.Added)
	}
	var ours portSet
	ours.set(drop, true)
	ours.set(configured(m.files()), false)
	return reserve(m.reservedFile(), nil, ours.ranges())
}
