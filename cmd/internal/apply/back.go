package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Errors of the ways forward and back.
var (
	ErrNothingPending  = errors.New("no change waits to be confirmed")
	ErrHalfDone        = errors.New("the change was interrupted before it was complete, and cannot be confirmed")
	ErrNotWhole        = errors.New("the kernel lacks some of the rules that wait to be confirmed")
	ErrNothingToReturn = errors.New("nothing was ever applied on this machine")
)

// TakenBackError means that the time to confirm was over and the change is
// taken back.
type TakenBackError struct{ At, now time.Time }

func (e *TakenBackError) Error() string {
	return fmt.Sprintf("the change was taken back at %s because it was not confirmed in time", When(e.At, e.now))
}

// NotBackError means that what stood there before could not be put back whole,
// since chains of others that it needs are gone. Changes lead from the kernel
// to it.
type NotBackError struct{ Changes []kernel.Change }

func (e *NotBackError) Error() string {
	return fmt.Sprintf("%s missing of what stood there before and could not be put back: %s", lines(e.Changes), e.Changes[0])
}

// Back is what is under our names after a rollback.
type Back struct {
	Applied *Applied // nil: nothing that apply has put there
	Others  bool     // without Applied: rules that another program or person has loaded
}

// stands says what State.Current and what was saved with it amount to.
func stands(a *Applied, was *Standing) Back {
	return Back{a, a == nil && was != nil && slices.ContainsFunc(was.Snapshots, func(s kernel.Snapshot) bool { return !s.Empty() })}
}

// Confirm makes the pending change final. A change whose time is over is taken
// back instead, if that has not happened yet.
func (m *Machine) Confirm(ctx context.Context) error {
	s, st, err := m.open(true)
	if err != nil {
		return err
	}
	defer s.close()
	switch {
	case st.Pending == nil && !st.TakenBack.IsZero():
		return &TakenBackError{st.TakenBack, m.Now()}
	case st.Pending == nil:
		return ErrNothingPending
	case !st.Pending.Loaded || st.Pending.Deadline.IsZero():
		return ErrHalfDone
	case !m.waits(st.Pending):
		if st, err = m.expire(ctx, s, st); err != nil {
			return err
		}
		return &TakenBackError{st.TakenBack, m.Now()}
	}
	if whole, err := m.whole(ctx, st.Pending.Next.Rules); err != nil || !whole {
		return errors.Join(ErrNotWhole, err)
	}
	return m.commit(s, st)
}

// lookEvery is how often a guard looks at the state file.
const lookEvery = 2 * time.Second

// Await waits until the deadline of the pending change with this id, or until
// ctx is done. It is false as soon as the change is no longer pending.
func (m *Machine) Await(ctx context.Context, id string, deadline time.Time) bool {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var seen fs.FileInfo
	for {
		now, err := os.Stat(filepath.Join(m.Folder, stateFile))
		if errors.Is(err, fs.ErrNotExist) {
			return false
		}
		// Each write makes a new file.
		if err != nil || seen == nil || !os.SameFile(seen, now) || !seen.ModTime().Equal(now.ModTime()) {
			seen = now
			if st, err := m.peek(); err == nil && (st.Pending == nil || st.Pending.ID != id) {
				return false
			}
		}
		select {
		case <-ctx.Done():
			return true
		case <-tick.C:
		}
	}
}

// Expire takes the pending change with this id back, if it is still there. The
// guard calls it at the deadline. It returns nil if there was nothing to do.
func (m *Machine) Expire(ctx context.Context, id string) (*Back, error) {
	s, st, err := m.open(true)
	if err != nil {
		return nil, err
	}
	defer s.close()
	if st.Pending == nil || st.Pending.ID != id {
		return nil, nil
	}
	was := st.Pending.Was
	st, err = m.expire(ctx, s, st)
	back := stands(st.Current, was)
	return &back, err
}

func (m *Machine) expire(ctx context.Context, s *store, st State) (State, error) {
	st.TakenBack = m.Now()
	return m.takeBack(ctx, s, st)
}

// Rollback takes a pending change back, or else returns to what stood there
// before the rules in force; a second Rollback undoes the first.
func (m *Machine) Rollback(ctx context.Context) (Back, error) {
	s, st, err := m.open(false)
	if err != nil {
		return Back{}, err
	}
	defer s.close()
	switch {
	case st.Pending != nil:
		was := st.Pending.Was
		st, err = m.takeBack(ctx, s, st)
		return stands(st.Current, was), err
	case st.Current == nil && st.Previous == nil && st.Before == nil:
		return Back{}, ErrNothingToReturn
	}
	p := &Pending{ID: "rollback"}
	if st.Previous != nil {
		p.Next = *st.Previous
	}
	previous, before := st.Previous, st.Before
	err = m.change(ctx, s, st, p, func(ctx context.Context) error {
		return m.stand(ctx, previous, before, st.Current)
	})
	return stands(previous, before), err
}

// takeBack returns from the pending change to what stood there before it. It
// may be repeated: where it is interrupted, the change is still pending.
func (m *Machine) takeBack(ctx context.Context, s *store, st State) (State, error) {
	m.step("restore")
	gone := st.Pending.Next
	var part *NotBackError
	err := m.stand(ctx, st.Current, st.Pending.Was, &gone)
	if err != nil && !errors.As(err, &part) {
		return st, err
	}
	m.step("reserve")
	if err := reserve(m.reservedFile(), added(st.Current), gone.Added); err != nil {
		return st, err
	}
	m.step("forget")
	st.Pending = nil
	return st, errors.Join(err, s.write(st))
}

// save keeps what stands under our names in every backend that a change
// concerns: that of the rules before and after it, and of what was saved.
func (m *Machine) save(ctx context.Context, before, after *Applied, saved *Standing) (*Standing, error) {
	concerned := map[string]bool{}
	for _, a := range []*Applied{before, after} {
		if a != nil && a.Rules.Backend != "" {
			concerned[a.Rules.Backend] = true
		}
	}
	if saved != nil {
		for _, s := range saved.Snapshots {
			concerned[s.Backend] = true
		}
	}
	was := &Standing{At: m.Now()}
	for _, name := range []string{kernel.NFT, kernel.IPTables} {
		if !concerned[name] {
			continue
		}
		b, err := kernel.New(name, m.Exec)
		if err != nil {
			return nil, err
		}
		snapshot, err := b.Save(ctx)
		if err != nil {
			return nil, err
		}
		was.Snapshots = append(was.Snapshots, snapshot)
	}
	return was, nil
}

// stand puts into force what was saved, or else a's rules, in place of gone.
func (m *Machine) stand(ctx context.Context, a *Applied, was *Standing, gone *Applied) error {
	if was != nil {
		return m.putBack(ctx, was)
	}
	kept := ""
	if a != nil {
		kept = a.Rules.Backend
		b, err := kernel.New(kept, m.Exec)
		if err != nil {
			return err
		}
		t, err := m.Plan(ctx, b, a.Rules)
		if err != nil {
			return err
		}
		if err := t.Load(ctx); err != nil {
			return err
		}
	}
	if gone == nil || gone.Rules.Backend == "" || gone.Rules.Backend == kept {
		return nil
	}
	m.step("remove")
	return m.remove(ctx, gone.Rules.Backend)
}

func (m *Machine) putBack(ctx context.Context, was *Standing) error {
	var lacks []kernel.Change
	for _, s := range was.Snapshots {
		b, err := kernel.New(s.Backend, m.Exec)
		if err != nil {
			return err
		}
		if err := b.PutBack(ctx, s, m.Now().Sub(was.At)); err != nil {
			return err
		}
		live, err := b.Live(ctx)
		if err != nil && !errors.Is(err, exec.ErrNotFound) {
			return err
		}
		once, err := s.Listing()
		if err != nil {
			return err
		}
		lacks = append(lacks, kernel.Diff(live, once)...)
	}
	if len(lacks) > 0 {
		return &NotBackError{lacks}
	}
	return nil
}

// Remove takes all objects of ours out of the kernel, on every backend, and
// forgets the state. It needs no state to be there, nor to be readable. If
// objects stay, so does the state.
func (m *Machine) Remove(ctx context.Context) error {
	s, err := open(m.Folder, true)
	if err != nil {
		return err
	}
	defer s.close()
	var errs []error
	for _, backend := range []string{kernel.NFT, kernel.IPTables} {
		errs = append(errs, m.remove(ctx, backend))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if st, err := s.read(); err == nil {
		errs = append(errs, m.release(st))
	}
	return errors.Join(append(errs, s.forget())...)
}

// release gives the reserved ports back that were added for our rules, except
// those that are not ours alone: sysctl's files reserve them as well, or
// somebody has written the list since.
func (m *Machine) release(st State) error {
	all := [][]spec.PortRange{added(st.Current)}
	if st.Pending != nil {
		all = append(all, st.Pending.Next.Added)
	}
	live, err := readReserved(m.reservedFile())
	if err != nil {
		return err
	}
	var ours []spec.PortRange
	for _, a := range all {
		if len(spec.Without(a, live...)) == 0 {
			ours = append(ours, a...)
		}
	}
	return reserve(m.reservedFile(), nil, spec.Without(ours, configured(m.files())...))
}
