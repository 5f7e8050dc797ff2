package apply

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/kerneltest"
)

// bench is a machine in a namespace, with other people's rules.
type bench struct {
	*Machine
	t        *testing.T
	backend  kernel.Backend
	now      time.Time
	guarded  []string // ids
	snapshot func() string
	name     string
	spec     func(string) string
}

func newBench(t *testing.T, name, backend string, spec func(string) string) *bench {
	t.Helper()
	exec := kerneltest.Machine(t)
	b := &bench{t: t, now: time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC), name: backend, spec: spec}
	b.snapshot = kerneltest.Setup(t, exec)
	folder := t.TempDir()
	reserved := filepath.Join(folder, "reserved")
	if err := os.WriteFile(reserved, []byte("8080,61005\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var err error
	if b.backend, err = kernel.New(backend, exec); err != nil {
		t.Fatal(err)
	}
	b.Machine = &Machine{
		Folder: filepath.Join(folder, "state"), Exec: exec, reserved: reserved,
		Now:   func() time.Time { return b.now },
		Guard: func(id string, _ time.Time) error { b.guarded = append(b.guarded, id); return nil },
	}
	return b
}

// small and large are two sets of rules.
func (b *bench) small() Applied {
	return Applied{Host: "edge1", Spec: "small", Rules: kerneltest.Rules(b.t, b.name, b.spec("")), Reserve: []Ports{{61000, 61092}}}
}

func (b *bench) large() Applied {
	return Applied{Host: "edge1", Spec: "large", Rules: kerneltest.Rules(b.t, b.name, b.spec(kerneltest.SecondSite)),
		Reserve: []Ports{{61000, 61092}, {61093, 61103}}}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// holds tells whether the kernel has exactly these rules; none where a is nil.
func (b *bench) holds(a *Applied) bool {
	b.t.Helper()
	live, err := b.backend.Live(b.t.Context())
	b.must(err)
	if a == nil {
		return len(live) == 0
	}
	expected, err := b.backend.Expected(b.t.Context(), a.Rules)
	b.must(err)
	return len(kernel.Diff(expected, live)) == 0
}

func (b *bench) want(a *Applied, reserved string) {
	b.t.Helper()
	if !b.holds(a) {
		b.t.Error("the kernel holds other rules")
	}
	text, err := os.ReadFile(b.reserved)
	b.must(err)
	if got := strings.TrimSpace(string(text)); got != reserved {
		b.t.Errorf("reserved ports %q, want %q", got, reserved)
	}
}

// each runs a test for every backend.
func each(t *testing.T, f func(*testing.T, *bench)) {
	for _, tt := range kerneltest.Backends {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			f(t, newBench(t, tt.Name, tt.Backend, tt.Spec))
		})
	}
}

const (
	untouched = "8080,61005"
	withSmall = "8080,61000-61092"
	withLarge = "8080,61000-61103"
)

func TestApplyReplacesAndRollbackReturns(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		small, large := b.small(), b.large()
		out, err := b.Apply(t.Context(), small, Options{})
		b.must(err)
		if len(out.Changes) == 0 || !out.Deadline.IsZero() {
			t.Errorf("the first apply says %+v", out)
		}
		b.want(&small, withSmall)
		_, err = b.Apply(t.Context(), large, Options{})
		b.must(err)
		b.want(&large, withLarge)
		b.must(b.Rollback(t.Context()))
		b.want(&small, withSmall)
		b.must(b.Rollback(t.Context()))
		b.want(&large, withLarge)
	})
}

func TestRollbackOfTheFirstApplyLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		if err := b.Rollback(t.Context()); !errors.Is(err, ErrNothingToReturn) {
			t.Errorf("a rollback before anything was applied: %v", err)
		}
		before := b.snapshot()
		small := b.small()
		_, err := b.Apply(t.Context(), small, Options{})
		b.must(err)
		b.must(b.Rollback(t.Context()))
		b.want(nil, untouched)
		if after := b.snapshot(); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
		b.must(b.Rollback(t.Context()))
		b.want(&small, withSmall)
	})
}

func TestTenAppliesTouchNobodyElse(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		before := b.snapshot()
		small, large := b.small(), b.large()
		for i := range 10 {
			_, err := b.Apply(t.Context(), []Applied{small, large}[i%2], Options{})
			b.must(err)
		}
		live, err := b.backend.Live(t.Context())
		b.must(err)
		for _, o := range live {
			if strings.HasPrefix(o.Name, "jump ") && len(o.Lines) != 1 {
				t.Errorf("%s after ten applies: %q", o.Name, o.Lines)
			}
		}
		if b.name == kernel.NFT {
			if theirs := withoutOurs(b.snapshot()); theirs != withoutOurs(before) {
				t.Errorf("their rules before\n%s\nafter\n%s", withoutOurs(before), theirs)
			}
		}
		b.must(b.Remove(t.Context()))
		b.want(nil, untouched)
		if after := b.snapshot(); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
	})
}

// withoutOurs leaves out the table, chains, sets and jump of ours from a list
// of nft rules: what is left is other people's.
func withoutOurs(ruleset string) string {
	var kept strings.Builder
	skip := ""
	for line := range strings.Lines(ruleset) {
		indent := line[:len(line)-len(strings.TrimLeft(line, "\t"))]
		f := strings.Fields(line)
		switch {
		case skip != "":
			if strings.HasPrefix(line, skip) {
				skip = ""
			}
		case len(f) == 4 && f[0] == "table" && f[2] == "pasvctl", len(f) == 3 && strings.HasPrefix(f[1], "pasvctl"):
			skip = indent + "}"
		case strings.Contains(line, `comment "pasvctl"`), strings.TrimSpace(line) == "":
		default:
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func TestConfirm(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		small, large := b.small(), b.large()
		_, err := b.Apply(t.Context(), small, Options{})
		b.must(err)

		out, err := b.Apply(t.Context(), large, Options{Confirm: 30 * time.Second})
		b.must(err)
		if want := b.now.Add(30 * time.Second); !out.Deadline.Equal(want) || len(b.guarded) != 1 {
			t.Errorf("deadline %s, guards %v", out.Deadline, b.guarded)
		}
		b.want(&large, withLarge)
		var pending *PendingError
		if _, err := b.Apply(t.Context(), small, Options{}); !errors.As(err, &pending) {
			t.Errorf("an apply over a pending one: %v", err)
		}
		b.must(b.Expire(t.Context(), b.guarded[0]))
		b.want(&small, withSmall)
		if err := b.Confirm(); !errors.Is(err, ErrNothingPending) {
			t.Errorf("confirming what was taken back: %v", err)
		}

		_, err = b.Apply(t.Context(), large, Options{Confirm: 30 * time.Second})
		b.must(err)
		b.must(b.Confirm())
		b.must(b.Expire(t.Context(), b.guarded[1])) // the guard wakes up all the same
		b.want(&large, withLarge)

		_, err = b.Apply(t.Context(), small, Options{Confirm: 30 * time.Second})
		b.must(err)
		b.now = b.now.Add(30 * time.Second)
		if err := b.Confirm(); !errors.Is(err, ErrTooLate) {
			t.Errorf("confirming at the deadline: %v", err)
		}
		// The guard was killed: the next apply finds out.
		out, err = b.Apply(t.Context(), large, Options{})
		b.must(err)
		if !out.Recovered {
			t.Error("the change that nobody confirmed was not taken back first")
		}
		b.want(&large, withLarge)
	})
}

func TestForeignChangesAreRefused(t *testing.T) {
	b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
	small, large := b.small(), b.large()
	_, err := b.Apply(t.Context(), small, Options{})
	b.must(err)
	kerneltest.Run(t, b.Exec, "", "nft", "add", "rule", "inet", "pasvctl", "refuse", "tcp", "dport", "9", "accept")
	var foreign *ForeignError
	if _, err := b.Apply(t.Context(), large, Options{}); !errors.As(err, &foreign) || len(foreign.Changes) != 1 {
		t.Fatalf("rules that somebody changed: %v", err)
	}
	if b.holds(&large) {
		t.Error("the refused rules were loaded")
	}
	_, err = b.Apply(t.Context(), large, Options{Adopt: true})
	b.must(err)
	b.want(&large, withLarge)
}

func TestRulesLoadedByHandAreTakenOver(t *testing.T) {
	b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
	small := b.small()
	b.must(b.backend.Load(t.Context(), small.Rules))
	_, err := b.Apply(t.Context(), small, Options{})
	b.must(err)
	b.want(&small, withSmall)
}

func TestRulesThatDoNotLoadChangeNothing(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		small, bad := b.small(), b.large()
		_, err := b.Apply(t.Context(), small, Options{})
		b.must(err)
		for name := range bad.Rules.Files {
			bad.Rules.Files[name] += "nonsense\n"
		}
		if _, err := b.Apply(t.Context(), bad, Options{}); err == nil {
			t.Fatal("nonsense was loaded")
		}
		b.want(&small, withSmall)
	})
}

func TestChangingTheBackendLeavesOneOfThem(t *testing.T) {
	b := newBench(t, "iptables", kernel.IPTables, kerneltest.PlainHost)
	first := b.small()
	_, err := b.Apply(t.Context(), first, Options{})
	b.must(err)
	second := Applied{Host: "edge1", Rules: kerneltest.Rules(t, kernel.NFT, kerneltest.PlainHost("")), Reserve: first.Reserve}
	_, err = b.Apply(t.Context(), second, Options{Confirm: time.Minute})
	b.must(err)
	b.want(nil, withSmall) // none of iptables
	b.must(b.Expire(t.Context(), b.guarded[0]))
	b.want(&first, withSmall)
	other, err := kernel.New(kernel.NFT, b.Exec)
	b.must(err)
	if live, err := other.Live(t.Context()); err != nil || len(live) != 0 {
		t.Errorf("the change that was taken back left %v, %v", live, err)
	}
}

func TestRestoreAfterABoot(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		small, large := b.small(), b.large()
		_, err := b.Apply(t.Context(), small, Options{})
		b.must(err)
		_, err = b.Apply(t.Context(), large, Options{Confirm: time.Minute})
		b.must(err)
		// A boot: the kernel forgets, the state does not.
		b.must(b.backend.Remove(t.Context()))
		b.must(os.WriteFile(b.reserved, []byte("8080,61005\n"), 0o600))
		_, err = b.Restore(t.Context())
		b.must(err)
		b.want(&small, withSmall)
	})
}

func TestRemoveNeedsNoState(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		before := b.snapshot()
		_, err := b.Apply(t.Context(), b.small(), Options{})
		b.must(err)
		b.must(os.WriteFile(filepath.Join(b.Folder, stateFile), []byte("{"), 0o600))
		if _, err := b.Apply(t.Context(), b.small(), Options{}); err == nil {
			t.Error("a damaged state passed")
		}
		b.must(b.Remove(t.Context()))
		if after := b.snapshot(); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
	})
}

func TestSecondApplyIsLockedOut(t *testing.T) {
	b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
	s, err := open(b.Folder, false)
	b.must(err)
	defer s.close()
	if _, err := b.Apply(t.Context(), b.small(), Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("an apply beside another: %v", err)
	}
}

// killed runs f and reports whether it died at the step, as a process that is
// killed there would: nothing of it runs afterwards but what the kernel does,
// which is to release the lock.
func (b *bench) killed(step string, f func()) (died bool) {
	type kill struct{}
	b.Step = func(name string) {
		if name == step {
			panic(kill{})
		}
	}
	defer func() {
		b.Step = nil
		if p := recover(); p != nil {
			if _, ours := p.(kill); !ours {
				panic(p)
			}
			died = true
		}
	}()
	f()
	return false
}

// steps are the names of all steps of f.
func (b *bench) steps(f func()) (names []string) {
	b.Step = func(name string) { names = append(names, name) }
	f()
	b.Step = nil
	slices.Sort(names)
	return slices.Compact(names)
}

func TestKilledAtEveryStep(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		small, large := b.small(), b.large()
		apply := func() {
			_, err := b.Apply(t.Context(), large, Options{Confirm: time.Minute})
			b.must(err)
		}
		_, err := b.Apply(t.Context(), small, Options{})
		b.must(err)
		steps := b.steps(apply)
		b.must(b.Rollback(t.Context()))
		if len(steps) < 5 {
			t.Fatalf("only the steps %q", steps)
		}
		for _, step := range steps {
			b.guarded = nil
			if !b.killed(step, apply) {
				t.Fatalf("it did not die at %q", step)
			}
			if !b.holds(&small) && !b.holds(&large) {
				t.Errorf("killed at %q: the kernel holds neither the old rules nor the new", step)
			}
			for _, id := range b.guarded {
				// The guard may be killed too, wherever it is, and run again.
				for _, at := range []string{"restore", "reserve", "forget"} {
					b.killed(at, func() { b.must(b.Expire(t.Context(), id)) })
				}
				b.must(b.Expire(t.Context(), id))
			}
			if len(b.guarded) == 0 { // before the guard: the next command finds it
				if _, err := b.Apply(t.Context(), small, Options{}); err != nil {
					var waits *PendingError
					if !errors.As(err, &waits) {
						t.Fatal(err)
					}
					b.must(b.Rollback(t.Context()))
				}
			}
			b.want(&small, withSmall)
		}
	})
}

func TestReserveKeepsOthersPorts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "reserved")
	for _, tt := range []struct {
		live      string
		add, drop []Ports
		want      string
	}{
		{"", []Ports{{5, 7}}, nil, "5-7"},
		{"1,6", []Ports{{5, 7}}, nil, "1,5-7"},
		{"1,5-7", nil, []Ports{{5, 5}, {7, 7}}, "1,6"},
		{"1-10", []Ports{{2, 3}}, []Ports{{2, 4}}, "1-3,5-10"},
	} {
		if err := os.WriteFile(file, []byte(tt.live+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := reserve(file, tt.add, tt.drop); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(text)); got != tt.want {
			t.Errorf("%q with %v and without %v is %q, want %q", tt.live, tt.add, tt.drop, got, tt.want)
		}
	}
	if _, err := parsePorts("1-2-3"); err == nil {
		t.Error("a damaged list passed")
	}
}
