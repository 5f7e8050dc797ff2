package apply

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/lab/kerneltest"
)

// byHand adds a rule to a chain of ours, as somebody does.
func (b *bench) byHand() {
	b.t.Helper()
	live, err := b.backend.Live(b.t.Context())
	b.must(err)
	for _, o := range live {
		f := strings.Fields(o.Name) // "chain inet pasvctl input", "chain iptables filter PASVCTL"
		switch {
		case f[0] != "chain":
		case b.name == kernel.NFT:
			kerneltest.Run(b.t, b.Exec, "", "nft", "add", "rule", f[1], f[2], f[3], "tcp", "dport", "9", "counter", "accept")
			return
		default:
			kerneltest.Run(b.t, b.Exec, "", f[1], "-t", f[2], "-A", f[3], "-p", "tcp", "--dport", "9", "-j", "ACCEPT")
			return
		}
	}
	b.t.Fatal("no chain of ours")
}

// The way back leads to what stood there, though apply had never loaded it.
func TestWhatSomebodyHadLoadedComesBack(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		small, large := b.small(), b.large()
		b.must(kerneltest.Load(t.Context(), b.backend, large.Rules))
		b.byHand()
		before := b.snapshot()
		same := func(after string, reserved string) {
			t.Helper()
			if now := b.snapshot(); now != before {
				t.Errorf("after %s: before\n%s\nafter\n%s", after, before, now)
			}
			b.wantReserved(reserved)
		}
		var foreign *ForeignError
		if _, err := b.Apply(t.Context(), small, Options{Confirm: time.Minute}); !errors.As(err, &foreign) {
			t.Fatalf("rules that somebody else had loaded: %v", err)
		}
		same("a refusal", untouched)

		_, err := b.Apply(t.Context(), small, Options{Confirm: time.Minute, Adopt: true})
		b.must(err)
		b.want(&small, withSmall)
		b.expire(b.guarded[0])
		same("a change that nobody confirmed", untouched)

		_, err = b.Apply(t.Context(), small, Options{Adopt: true})
		b.must(err)
		if back := b.rollback(); back.Applied != nil || !back.Others {
			t.Errorf("the rollback says it led to %+v", back)
		}
		same("a rollback", untouched)
		if _, err := b.Restore(t.Context(), false); !errors.Is(err, ErrNothingToReturn) {
			t.Errorf("a restore of rules that were never applied: %v", err)
		}
		same("a restore", untouched)
		if back := b.rollback(); back.Applied == nil || back.Applied.Spec != "small" {
			t.Errorf("the second rollback says it led to %+v", back)
		}
		b.want(&small, withSmall)

		// What was applied and then changed comes back as it was changed.
		b.byHand()
		before = b.snapshot()
		_, err = b.Apply(t.Context(), large, Options{Confirm: time.Minute, Adopt: true})
		b.must(err)
		b.expire(b.guarded[1])
		same("a change over an adopted one", withSmall)
	})
}

// Lines that are missing are nobody's work.
func TestAfterAFlushAPlainApplyPutsTheRulesBack(t *testing.T) {
	for _, tt := range kerneltest.Backends {
		t.Run(tt.Name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, tt.Name, tt.Backend, tt.Spec)
			small, large := b.small(), b.large()
			_, err := b.Apply(t.Context(), small, Options{})
			b.must(err)
			kerneltest.Run(t, b.Exec, "", "nft", "flush", "ruleset")
			if strings.Contains(tt.Name, "into") {
				var none *kernel.NoChainError
				if _, err := b.Apply(t.Context(), small, Options{}); !errors.As(err, &none) {
					t.Errorf("without the owner's chain: %v", err)
				}
				kerneltest.Run(t, b.Exec, kerneltest.Foreign, "nft", "-f", "-")
			}
			_, err = b.Apply(t.Context(), large, Options{})
			b.must(err)
			b.want(&large, withLarge)
		})
	}
}

// What is left of a change's rules is not called confirmed.
func TestConfirmLooksAtTheKernel(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		small := b.small()
		_, err := b.Apply(t.Context(), small, Options{Confirm: time.Minute})
		b.must(err)
		b.must(b.backend.Remove(t.Context()))
		if err := b.Confirm(t.Context()); !errors.Is(err, ErrNotWhole) {
			t.Errorf("the rules are gone, and confirm says %v", err)
		}
		r, err := b.Restore(t.Context(), true)
		b.must(err)
		if r.Loaded || r.Waiting.IsZero() || !b.holds(nil) {
			t.Errorf("the gentle restore did not leave a change alone that waits: %+v", r)
		}
		r, err = b.Restore(t.Context(), false)
		b.must(err)
		if !r.Loaded || r.Waiting.IsZero() {
			t.Errorf("the restore says %+v", r)
		}
		b.want(&small, withSmall)
		b.must(b.Confirm(t.Context()))

		// A boot undoes what nobody has confirmed.
		_, err = b.Apply(t.Context(), b.large(), Options{Confirm: time.Minute})
		b.must(err)
		b.boots()
		var taken *TakenBackError
		if err := b.Confirm(t.Context()); !errors.As(err, &taken) {
			t.Errorf("confirming after a boot: %v", err)
		}
	})
}

func TestTheGentleRestore(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		gently := func(want bool) {
			t.Helper()
			r, err := b.Restore(t.Context(), true)
			b.must(err)
			if r.Loaded != want {
				t.Errorf("loaded %v, want %v", r.Loaded, want)
			}
		}
		nothing := func() {
			t.Helper()
			if _, err := b.Restore(t.Context(), true); !errors.Is(err, ErrNothingToReturn) || !b.holds(nil) {
				t.Errorf("it has something to restore, or says %v", err)
			}
		}
		nothing()
		small := b.small()
		_, err := b.Apply(t.Context(), small, Options{})
		b.must(err)
		gently(false)
		b.must(b.backend.Remove(t.Context()))
		gently(true)
		b.want(&small, withSmall)

		// Somebody's own rule is neither a reason to load nor lost.
		b.byHand()
		changed := b.snapshot()
		gently(false)
		if b.snapshot() != changed {
			t.Error("it has undone somebody's work")
		}
		b.rollback()
		nothing()
		b.rollback()
		b.must(b.Remove(t.Context()))
		nothing()
	})
}

func TestAWayBackWithoutTheOwnersChainSaysSo(t *testing.T) {
	b := newBench(t, "nft into", kernel.NFT, kerneltest.IntoHost)
	_, err := b.Apply(t.Context(), b.small(), Options{})
	b.must(err)
	_, err = b.Apply(t.Context(), b.large(), Options{Confirm: time.Minute})
	b.must(err)
	kerneltest.Run(t, b.Exec, "", "nft", "delete", "table", "inet", "filter")
	var part *NotBackError
	if _, err := b.Expire(t.Context(), b.guarded[0]); !errors.As(err, &part) {
		t.Errorf("got %v", err)
	}
	if back, err := b.Expire(t.Context(), b.guarded[0]); back != nil || err != nil {
		t.Errorf("there is still something to take back: %v, %v", back, err)
	}
}

func TestADryRunChangesNothing(t *testing.T) {
	b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
	before := b.snapshot()
	refuses := errors.New("refused")
	out, err := b.Apply(t.Context(), b.small(), Options{DryRun: true, Check: func(context.Context, *Applied) error { return refuses }})
	if !errors.Is(err, refuses) {
		t.Errorf("the check refuses, and it says %v", err)
	}
	last := out.Changes[len(out.Changes)-1]
	if want := "sysctl net.ipv4.ip_local_reserved_ports: + 61006-61092"; last.String() != want {
		t.Errorf("it ends with %q, want %q", last, want)
	}
	if b.snapshot() != before {
		t.Error("something has changed")
	}
	if _, err := b.Rollback(t.Context()); !errors.Is(err, ErrNothingToReturn) {
		t.Errorf("there is something to roll back: %v", err)
	}
}

func TestWhen(t *testing.T) {
	now := time.Date(2026, 6, 1, 23, 59, 50, 0, time.UTC)
	for want, at := range map[string]time.Time{"23:59:55": now.Add(5 * time.Second), "2026-06-02 00:00:20": now.Add(30 * time.Second)} {
		if got := When(at, now); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTheWatchComparesOnlyChangedRules(t *testing.T) {
	b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
	_, err := b.Apply(t.Context(), b.small(), Options{})
	b.must(err)
	generation, asked, exec := "1", 0, b.Exec
	b.Generation = func() (string, error) { return generation, nil }
	b.Exec = func(ctx context.Context, stdin, program string, args ...string) (string, error) {
		asked++
		return exec(ctx, stdin, program, args...)
	}
	watch := func(loads bool) (calls int) {
		t.Helper()
		asked = 0
		r, err := b.Restore(t.Context(), true)
		b.must(err)
		if r.Applied == nil || r.Loaded != loads {
			t.Errorf("got %+v", r)
		}
		return asked
	}
	if watch(false) == 0 {
		t.Error("nobody has compared them yet")
	}
	if n := watch(false); n > 0 {
		t.Errorf("%d programs were run for rules that nobody has changed", n)
	}
	kerneltest.Run(t, exec, "", "nft", "flush", "ruleset")
	generation = "2"
	watch(true)
	small := b.small()
	b.want(&small, withSmall)
	generation = "3" // by that load
	watch(false)
	b.root = fstest.MapFS{bootFile: {Data: []byte("second")}}
	if watch(false) == 0 {
		t.Error("another boot may have the same generation")
	}
}
