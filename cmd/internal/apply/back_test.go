package apply

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

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
