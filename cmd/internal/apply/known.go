package apply

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
)

// Known is what is known of our rules on this machine.
type Known struct {
	// Applied are the rules that the kernel should have; nil if the state
	// knows none.
	Applied *Applied
	Pending *Pending
	// Gone: the kernel has no object of ours.
	Gone bool
	// Changes lead from the kernel's rules to Applied, or to the rules that
	// were asked about.
	Changes []kernel.Change
	// Users are commands that delete rules of others that go to our chains.
	Users []string
	// Elsewhere is the backend that has objects of ours beside those rules.
	Elsewhere string
}

// Known compares the kernel with what was applied, or with next if the state
// knows of nothing.
func (m *Machine) Known(ctx context.Context, next Applied) (k Known, err error) {
	st, err := m.state()
	if err != nil {
		return k, err
	}
	k.Applied, k.Pending = st.Current, st.Pending
	if st.Pending != nil && st.Pending.Loaded {
		k.Applied = &st.Pending.Next
	}
	want := next.Rules
	if k.Applied != nil {
		want = k.Applied.Rules
	}
	if k.Elsewhere, err = m.Elsewhere(ctx, want.Backend); err != nil {
		return k, err
	}
	b, err := kernel.New(want.Backend, m.Exec)
	if err != nil {
		return k, err
	}
	live, err := b.Live(ctx)
	if err != nil {
		return k, err
	}
	if k.Gone = len(live) == 0; k.Gone {
		return k, nil
	}
	expected, err := m.Expected(ctx, want)
	if err != nil {
		return k, err
	}
	k.Changes = kernel.Diff(live, expected)
	if t, err := b.Plan(ctx, want, expected); err == nil { // else apply says why
		k.Users = t.Users
	}
	return k, nil
}

// Elsewhere returns another backend than this one that has objects of ours, or
// "". apply has not loaded them, and packets meet both.
func (m *Machine) Elsewhere(ctx context.Context, backend string) (string, error) {
	for _, other := range []string{kernel.NFT, kernel.IPTables} {
		if other == backend {
			continue
		}
		b, err := kernel.New(other, m.Exec)
		if err != nil {
			return "", err
		}
		live, err := b.Live(ctx)
		if err != nil && !errors.Is(err, exec.ErrNotFound) {
			return "", err
		}
		if len(live) > 0 {
			return other, nil
		}
	}
	return "", nil
}

// state reads the state, and waits for a change that is under way.
func (m *Machine) state() (State, error) {
	if _, err := os.Stat(m.Folder); errors.Is(err, fs.ErrNotExist) {
		return State{Version: stateVersion}, nil // who only reads makes no folder for its lock
	}
	s, st, err := m.open(true)
	if err == nil {
		s.close()
	}
	return st, err
}

// peek reads the state without its lock, which a change may need now.
func (m *Machine) peek() (State, error) {
	root, err := os.OpenRoot(m.Folder)
	if err != nil {
		return State{}, err
	}
	defer root.Close()
	return (&store{root: root}).read()
}

// OwnerError means that the rules in force are another spec's or host's.
type OwnerError struct{ Has, Next Applied }

// maxShared bounds the ports that an OwnerError names.
const maxShared = 5

func (e *OwnerError) Error() string {
	text := fmt.Sprintf("this machine runs the rules of %s, not those of %s", e.Has.Owner(), e.Next.Owner())
	all := shared(e.Has, e.Next)
	if more := len(all) - maxShared; more > 0 {
		all = append(all[:maxShared], fmt.Sprintf("%d more", more))
	}
	if len(all) > 0 {
		text += "; both hold " + strings.Join(all, ", ")
	}
	return text
}

// Owned is an OwnerError if the rules in force are not those of next's spec
// and host.
func (m *Machine) Owned(next Applied) error {
	st, err := m.state()
	if err != nil {
		return err
	}
	has := st.Current
	if st.Pending != nil && st.Pending.Loaded {
		has = &st.Pending.Next
	}
	if has == nil || SameOwner(*has, next) {
		return nil
	}
	return &OwnerError{*has, next}
}

// Owner names whose rules they are.
func (a Applied) Owner() string {
	switch {
	case a.Spec != "":
		return fmt.Sprintf("host %q of spec %q", a.Host, a.Spec)
	case a.Path != "":
		return fmt.Sprintf("host %q from %s", a.Host, a.Path)
	}
	return fmt.Sprintf("host %q", a.Host)
}

// SameOwner reports whether b may follow a on a machine: the same host of the
// same spec. A spec is known by the name that it gives itself, or else by its
// path. One that is no longer there has moved, and a file may become one of a
// folder.
func SameOwner(a, b Applied) bool {
	switch {
	case a.Host != b.Host:
		return false
	case a.Path == "": // by 0.1.0, which took the name of the file or folder for the spec's
		return true
	case a.Spec != "" || b.Spec != "":
		return a.Spec == b.Spec
	case a.Path == b.Path || filepath.Dir(a.Path) == b.Path:
		return true
	case filepath.Dir(b.Path) == a.Path: // the other way round
		files, err := filepath.Glob(filepath.Join(a.Path, "*.pasv.hcl"))
		return err == nil && len(files) == 1
	}
	_, err := os.Stat(a.Path)
	return errors.Is(err, fs.ErrNotExist)
}

// shared lists the ports that both hold on this machine.
func shared(a, b Applied) (all []string) {
	if len(a.Match.Addresses) > 0 && !slices.ContainsFunc(a.Match.Addresses, func(at netip.Addr) bool { return slices.Contains(b.Match.Addresses, at) }) {
		return nil
	}
	for _, site := range slices.Sorted(maps.Keys(b.Ranges)) {
		mine := b.Ranges[site]
		for _, other := range slices.Sorted(maps.Keys(a.Ranges)) {
			if r := a.Ranges[other]; r.First <= mine.Last && mine.First <= r.Last {
				all = append(all, fmt.Sprintf("data ports %d-%d (sites %q and %q)", max(r.First, mine.First), min(r.Last, mine.Last), other, site))
			}
		}
		for _, other := range slices.Sorted(maps.Keys(a.Control)) {
			if port := a.Control[other]; port == b.Control[site] {
				all = append(all, fmt.Sprintf("control port %d (sites %q and %q)", port, other, site))
			}
		}
	}
	return all
}
