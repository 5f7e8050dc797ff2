package apply

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/lab/kerneltest"
)

func TestRollbackOfTheFirstApplyLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		if _, err := b.Rollback(t.Context()); !errors.Is(err, ErrNothingToReturn) {
			t.Errorf("a rollback before anything was applied: %v", err)
		}
		before := b.snapshot()
		small := b.small()
		_, err := b.Apply(t.Context(), small, Options{})
		b.must(err)
		b.rollback()
		b.want(nil, untouched)
		if after := b.snapshot(); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
		b.rollback()
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
		b.expire(b.guarded[0])
		b.want(&small, withSmall)
		var taken *TakenBackError
		if err := b.Confirm(t.Context()); !errors.As(err, &taken) || !taken.At.Equal(b.now) {
			t.Errorf("confirming what was taken back: %v", err)
		}

		_, err = b.Apply(t.Context(), large, Options{Confirm: 30 * time.Second})
		b.must(err)
		b.must(b.Confirm(t.Context()))
		b.expire(b.guarded[1]) // the guard wakes up anyway
		b.want(&large, withLarge)

		_, err = b.Apply(t.Context(), small, Options{Confirm: 30 * time.Second})
		b.must(err)
		b.now = b.now.Add(30 * time.Second)
		// The guard was killed: confirm takes the change back itself, or the next
		// apply does.
		if err := b.Confirm(t.Context()); !errors.As(err, &taken) {
			t.Errorf("confirming at the deadline: %v", err)
		}
		b.want(&large, withLarge)
		_, err = b.Apply(t.Context(), small, Options{Confirm: 30 * time.Second})
		b.must(err)
		b.now = b.now.Add(30 * time.Second)
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
		b.boots()
		_, err = b.Restore(t.Context(), false)
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
		b.rollback()
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
					b.killed(at, func() { b.expire(id) })
				}
				b.expire(id)
			}
			if len(b.guarded) == 0 { // before the guard: the next command finds it
				if _, err := b.Apply(t.Context(), small, Options{}); err != nil {
					var waits *PendingError
					if !errors.As(err, &waits) {
						t.Fatal(err)
					}
					b.rollback()
				}
			}
			b.want(&small, withSmall)
		}
	})
}

func TestAGuardEndsWithItsChange(t *testing.T) {
	for name, end := range map[string]func(*bench) error{
		"confirm":  func(b *bench) error { return b.Confirm(t.Context()) },
		"rollback": func(b *bench) error { _, err := b.Rollback(t.Context()); return err },
		"remove":   func(b *bench) error { return b.Remove(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
			_, err := b.Apply(t.Context(), b.small(), Options{Confirm: time.Minute})
			b.must(err)
			if !b.Await(t.Context(), b.guarded[0], time.Now()) {
				t.Error("at its deadline the change is not pending")
			}
			waits := make(chan bool)
			go func() { waits <- b.Await(t.Context(), b.guarded[0], time.Now().Add(time.Hour)) }()
			b.must(end(b))
			if <-waits {
				t.Error("it is still pending")
			}
		})
	}
}
