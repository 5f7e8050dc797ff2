package apply

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
)

// Machine is the machine whose rules are changed.
type Machine struct {
	Folder string // of the state; DefaultFolder unless told
	Exec   kernel.Exec
	Now    func() time.Time
	// Guard starts a process that outlives this one and calls Expire with the
	// id at the deadline.
	Guard func(id string, deadline time.Time) error
	// Drain starts a process that outlives this one and calls Drained with the
	// id until it is done.
	Drain func(id string) error
	// Step is called before each step with its name. Tests stop there.
	Step func(name string)

	reserved string // file of the reserved ports; the kernel's where it is empty
	root     fs.FS  // of sysctl's files; this machine's where it is nil
}

func (m *Machine) files() fs.FS {
	if m.root == nil {
		return os.DirFS("/")
	}
	return m.root
}

func (m *Machine) step(name string) {
	if m.Step != nil {
		m.Step(name)
	}
}

func (m *Machine) reservedFile() string {
	if m.reserved == "" {
		return reservedFile
	}
	return m.reserved
}

// Options say how to apply.
type Options struct {
	// Confirm is how long the change waits for Confirm before it is taken
	// back; 0 makes it final at once.
	Confirm time.Duration
	// Adopt takes over rules under our name that this machine's state does
	// not know.
	Adopt bool
}

// ForeignError means that rules under our name are not what was applied last:
// somebody else has changed them, or has put them there.
type ForeignError struct{ Changes []kernel.Change }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("the live rules under our name are not those that were applied last: %d differences", len(e.Changes))
}

// PendingError means that an earlier change waits to be confirmed.
type PendingError struct{ Deadline time.Time }

func (e *PendingError) Error() string {
	return "an earlier change waits to be confirmed until " + e.Deadline.Format(time.TimeOnly)
}

// Outcome is what Apply did.
type Outcome struct {
	Changes   []kernel.Change // in the kernel
	Recovered bool            // an interrupted change was taken back first
	Deadline  time.Time       // to confirm by; zero where it is final
}

// Plan tells what Apply would change in the kernel, and changes nothing.
func (m *Machine) Plan(ctx context.Context, next Applied) ([]kernel.Change, error) {
	b, err := kernel.New(next.Rules.Backend, m.Exec)
	if err != nil {
		return nil, err
	}
	expected, err := b.Expected(ctx, next.Rules)
	if err != nil {
		return nil, err
	}
	t, err := b.Plan(ctx, next.Rules, expected)
	if err != nil {
		return nil, err
	}
	return t.Changes(), nil
}

func (m *Machine) changes(ctx context.Context, b kernel.Backend, r kernel.Rules) ([]kernel.Change, error) {
	live, err := b.Live(ctx)
	if err != nil {
		return nil, err
	}
	expected, err := b.Expected(ctx, r)
	if err != nil {
		return nil, err
	}
	return kernel.Diff(live, expected), nil
}

// Apply makes next the rules in force. Its errors leave the old ones in force.
func (m *Machine) Apply(ctx context.Context, next Applied, o Options) (out Outcome, err error) {
	s, err := open(m.Folder, false)
	if err != nil {
		return out, err
	}
	defer s.close()
	st, err := s.read()
	if err != nil {
		return out, err
	}
	if st.Pending != nil {
		if m.Now().Before(st.Pending.Deadline) {
			return out, &PendingError{st.Pending.Deadline}
		}
		if st, err = m.takeBack(ctx, s, st); err != nil {
			return out, err
		}
		out.Recovered = true
	}
	if out.Changes, err = m.Plan(ctx, next); err != nil {
		return out, err
	}
	if !o.Adopt {
		if err := m.unchanged(ctx, st, next); err != nil {
			return out, err
		}
	}
	p := &Pending{ID: rand.Text(), Next: next}
	if o.Confirm > 0 {
		p.Deadline = m.Now().Add(o.Confirm)
	}
	out.Deadline = p.Deadline
	return out, m.change(ctx, s, st, p)
}

// change carries out a pending change, or takes it back where that fails.
func (m *Machine) change(ctx context.Context, s *store, st State, p *Pending) error {
	var err error
	if p.Next.Added, err = missing(m.reservedFile(), p.Next.Reserve, added(st.Current)); err != nil {
		return err
	}
	m.step("announce")
	st.Pending = p
	if err := s.write(st); err != nil {
		return err
	}
	if !p.Deadline.IsZero() {
		m.step("guard")
		if err := m.Guard(p.ID, p.Deadline); err != nil {
			st.Pending = nil
			return errors.Join(fmt.Errorf("starting the guard that would take the change back: %w", err), s.write(st))
		}
	}
	if err := m.load(ctx, s, &st); err != nil {
		// What was cancelled or refused must not stay half done.
		_, back := m.takeBack(context.WithoutCancel(ctx), s, st)
		return errors.Join(err, back)
	}
	if p.Deadline.IsZero() {
		return m.commit(s, st)
	}
	return nil
}

// load puts the pending rules into the kernel.
func (m *Machine) load(ctx context.Context, s *store, st *State) error {
	next := &st.Pending.Next
	b, err := kernel.New(next.Rules.Backend, m.Exec)
	if err != nil {
		return err
	}
	m.step("load")
	if err := b.Load(ctx, next.Rules); err != nil {
		return err
	}
	m.step("remove the other backend")
	if st.Current != nil && st.Current.Rules.Backend != next.Rules.Backend {
		if err := m.remove(ctx, st.Current.Rules.Backend); err != nil {
			return err
		}
	}
	m.step("reserve")
	if err := reserve(m.reservedFile(), next.Added, added(st.Current)); err != nil {
		return err
	}
	m.step("loaded")
	st.Pending.Loaded = true
	return s.write(*st)
}

// unchanged tells whether what the kernel has under our name is what was
// applied last, or what is about to be.
func (m *Machine) unchanged(ctx context.Context, st State, next Applied) error {
	b, err := kernel.New(next.Rules.Backend, m.Exec)
	if err != nil {
		return err
	}
	live, err := b.Live(ctx)
	if err != nil || len(live) == 0 {
		return err // gone is not changed: a boot, or somebody's flush
	}
	var last kernel.Listing
	if st.Current != nil && st.Current.Rules.Backend == next.Rules.Backend {
		if last, err = b.Expected(ctx, st.Current.Rules); err != nil {
			return err
		}
	}
	changes := kernel.Diff(last, live)
	if len(changes) == 0 {
		return nil
	}
	if already, err := m.changes(ctx, b, next.Rules); err != nil || len(already) == 0 {
		return err
	}
	return &ForeignError{changes}
}

// added are the ports that were reserved for a, if there is one.
func added(a *Applied) []Ports {
	if a == nil {
		return nil
	}
	return a.Added
}

// commit makes the pending change final.
func (m *Machine) commit(s *store, st State) error {
	m.step("commit")
	p := st.Pending
	if !p.Drained {
		st.Previous = st.Current.drained()
	}
	st.Current, st.Pending = &p.Next, nil
	drain := p.Next.Drain
	if drain != nil {
		drain.Until = m.Now().Add(drain.For)
	}
	if err := s.write(st); err != nil || drain == nil {
		return err
	}
	m.step("drain")
	if err := m.Drain(drain.ID); err != nil {
		return fmt.Errorf("the rules are in force, but nobody will close the older ports: starting the process for it: %w", err)
	}
	return nil
}

func (m *Machine) remove(ctx context.Context, backend string) error {
	b, err := kernel.New(backend, m.Exec)
	if err != nil {
		return err
	}
	return b.Remove(ctx)
}
