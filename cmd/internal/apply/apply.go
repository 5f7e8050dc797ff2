package apply

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/generators/spec"
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
	// Generation names the state of the kernel's nftables rules; it may be nil.
	Generation func() (string, error)
	// Step is called before each step with its name. Tests stop there.
	Step func(name string)

	expected []expected
	reserved string // file of the reserved ports; the kernel's if it is empty
	root     fs.FS  // of /proc and sysctl's files; this machine's if it is nil
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

func (m *Machine) reservedFile() string { return cmp.Or(m.reserved, reservedFile) }

const bootFile = "proc/sys/kernel/random/boot_id"

// bootID tells one boot of the machine from another; "" if it is not known.
func (m *Machine) bootID() string {
	text, _ := fs.ReadFile(m.files(), bootFile)
	return strings.TrimSpace(string(text))
}

// Options say how to apply.
type Options struct {
	// Confirm is how long the change waits for Confirm before it is taken
	// back; 0 makes it final at once.
	Confirm time.Duration
	// Adopt takes over rules under our name that this machine's state does
	// not know.
	Adopt bool
	// Check, if there is one, is told the rules in force, or nil, before they
	// are changed, and may refuse that.
	Check func(ctx context.Context, current *Applied) error
	// DryRun ends before the first change.
	DryRun bool
}

// ForeignError means that another program or person has put lines under our
// name, which the change would lose.
type ForeignError struct{ Changes []kernel.Change }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("the live rules under our name are not those that were applied last: %s somebody else's", lines(e.Changes))
}

// lines counts changes, with the verb.
func lines(changes []kernel.Change) string {
	if len(changes) == 1 {
		return "1 line is"
	}
	return fmt.Sprintf("%d lines are", len(changes))
}

// PendingError means that an earlier change waits to be confirmed.
type PendingError struct{ Deadline, now time.Time }

func (e *PendingError) Error() string {
	return "an earlier change waits to be confirmed until " + When(e.Deadline, e.now)
}

// When writes a time, with its date unless that is today's.
func When(t, now time.Time) string {
	t = t.In(now.Location())
	if t.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}

// Outcome is what Apply did, or with DryRun would do.
type Outcome struct {
	Changes   []kernel.Change // in the kernel, its reserved ports included
	Recovered bool            // an interrupted change was taken back first
	Deadline  time.Time       // to confirm by; zero if it is final
}

// Compare returns the differences between the kernel and the rules.
func (m *Machine) Compare(ctx context.Context, r kernel.Rules) ([]kernel.Change, error) {
	b, err := kernel.New(r.Backend, m.Exec)
	if err != nil {
		return nil, err
	}
	live, err := b.Live(ctx)
	if err != nil {
		return nil, err
	}
	expected, err := m.Expected(ctx, r)
	return kernel.Diff(live, expected), err
}

// expected is what rules leave in an empty kernel.
type expected struct {
	rules   kernel.Rules
	listing kernel.Listing
}

// Expected lists what the rules leave in an empty kernel, which is worked out
// once.
func (m *Machine) Expected(ctx context.Context, r kernel.Rules) (kernel.Listing, error) {
	for _, e := range m.expected {
		if e.rules.Backend == r.Backend && maps.Equal(e.rules.Files, r.Files) {
			return e.listing, nil
		}
	}
	l, err := r.Expected(ctx)
	if err == nil {
		m.expected = append(m.expected, expected{r, l})
	}
	return l, err
}

// Plan works out how to make r the rules in force in a kernel.
func (m *Machine) Plan(ctx context.Context, b kernel.Backend, r kernel.Rules) (*kernel.Transaction, error) {
	expected, err := m.Expected(ctx, r)
	if err != nil {
		return nil, err
	}
	return b.Plan(ctx, r, expected)
}

// Apply makes next the rules in force. Its errors leave the old ones in force,
// except for a StuckError.
func (m *Machine) Apply(ctx context.Context, next Applied, o Options) (out Outcome, err error) {
	s, st, err := m.open(false)
	if err != nil {
		return out, err
	}
	defer s.close()
	if st.Pending != nil && m.waits(st.Pending) {
		return out, &PendingError{st.Pending.Deadline, m.Now()}
	}
	if st.Pending != nil && !o.DryRun {
		if st, err = m.takeBack(ctx, s, st); err != nil {
			return out, err
		}
		out.Recovered = true
	}
	b, err := kernel.New(next.Rules.Backend, m.Exec)
	if err != nil {
		return out, err
	}
	t, err := m.Plan(ctx, b, next.Rules)
	if err != nil {
		return out, err
	}
	going := added(st.Current)
	more, err := missing(m.reservedFile(), next.Reserve, going)
	if err != nil {
		return out, err
	}
	reserved, err := reservedChanges(m.reservedFile(), more, going)
	if err != nil {
		return out, err
	}
	out.Changes = append(t.Changes(), reserved...)
	if err := m.allowed(ctx, st, t, o); err != nil || o.DryRun {
		return out, err
	}
	p := &Pending{ID: rand.Text(), Next: next}
	if o.Confirm > 0 {
		p.Deadline = m.Now().Add(o.Confirm)
	}
	out.Deadline = p.Deadline
	return out, m.change(ctx, s, st, p, func(ctx context.Context) error {
		if err := t.Load(ctx); err != nil {
			return err
		}
		m.step("remove the other backend")
		if st.Current == nil || st.Current.Rules.Backend == next.Rules.Backend {
			return nil
		}
		return m.remove(ctx, st.Current.Rules.Backend)
	})
}

// waits reports whether a change may still be confirmed: a boot has undone it.
func (m *Machine) waits(p *Pending) bool {
	return m.Now().Before(p.Deadline) && (p.Boot == "" || p.Boot == m.bootID())
}

// allowed refuses what would lose somebody's work, or what Check refuses.
func (m *Machine) allowed(ctx context.Context, st State, t *kernel.Transaction, o Options) error {
	if len(t.Users) > 0 {
		return &kernel.BusyError{Rules: t.Users}
	}
	if !o.Adopt {
		if err := m.unchanged(ctx, st, t); err != nil {
			return err
		}
	}
	if o.Check == nil {
		return nil
	}
	return o.Check(ctx, st.Current)
}

// unchanged looks for lines in the kernel that are neither of what was applied
// last nor of what is about to be. That lines are missing is nobody's work: a
// boot, or somebody's flush.
func (m *Machine) unchanged(ctx context.Context, st State, t *kernel.Transaction) error {
	lost := inKernel(t.Changes())
	if len(lost) == 0 {
		return nil
	}
	if c := st.Current; c != nil && c.Rules.Backend == t.Backend {
		last, err := m.Expected(ctx, c.Rules)
		if err != nil {
			return err
		}
		going := lost
		lost = slices.DeleteFunc(inKernel(kernel.Diff(t.Live, last)), func(c kernel.Change) bool {
			return !slices.ContainsFunc(going, c.Overlaps)
		})
	}
	if len(lost) == 0 {
		return nil
	}
	return &ForeignError{lost}
}

// inKernel are the lines that only the kernel has.
func inKernel(changes []kernel.Change) []kernel.Change {
	return slices.DeleteFunc(slices.Clone(changes), func(c kernel.Change) bool { return c.Sign != kernel.InKernel })
}

// StuckError means that a change failed and could not be taken back: the
// kernel may hold a part of it.
type StuckError struct{ Failed, Back error }

func (e *StuckError) Error() string {
	return fmt.Sprintf("%v; taking the change back failed too: %v", e.Failed, e.Back)
}

func (e *StuckError) Unwrap() []error { return []error{e.Failed, e.Back} }

// change carries out a pending change by load, or takes it back where that
// fails.
func (m *Machine) change(ctx context.Context, s *store, st State, p *Pending, load func(context.Context) error) error {
	var err error
	if p.Next.Added, err = missing(m.reservedFile(), p.Next.Reserve, added(st.Current)); err != nil {
		return err
	}
	if p.Was, err = m.save(ctx, st.Current, &p.Next, st.Before); err != nil {
		return err
	}
	p.Boot = m.bootID()
	m.step("announce")
	st.Pending, st.TakenBack, st.Whole = p, time.Time{}, ""
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
	if err := m.load(ctx, s, &st, load); err != nil {
		// What was cancelled or refused must not stay half done.
		if _, back := m.takeBack(context.WithoutCancel(ctx), s, st); back != nil {
			return &StuckError{err, back}
		}
		return err
	}
	if p.Deadline.IsZero() {
		return m.commit(s, st)
	}
	return nil
}

func (m *Machine) load(ctx context.Context, s *store, st *State, load func(context.Context) error) error {
	m.step("load")
	if err := load(ctx); err != nil {
		return err
	}
	m.step("reserve")
	if err := reserve(m.reservedFile(), st.Pending.Next.Added, added(st.Current)); err != nil {
		return err
	}
	m.step("loaded")
	st.Pending.Loaded = true
	return s.write(*st)
}

// added are the ports that were reserved for a, if there is one.
func added(a *Applied) []spec.PortRange {
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
		st.Previous, st.Before = st.Current.drained(), p.Was
		if st.Previous != st.Current {
			st.Before = nil // it has the older ports, whose sessions have ended by then
		}
	}
	st.Current, st.Pending, st.Boot = &p.Next, nil, p.Boot
	if p.Next.Rules.Backend == "" {
		st.Current = nil // back to what was there before the first apply
	}
	drain := p.Next.Drain
	if drain != nil {
		drain.Until = m.Now().Add(drain.For)
	}
	if err := s.write(st); err != nil || drain == nil {
		return err
	}
	m.step("drain")
	if err := m.Drain(drain.ID); err != nil {
		return fmt.Errorf("the rules are in force, but the older ports stay open: starting the process that closes them: %w", err)
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
