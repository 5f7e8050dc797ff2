package apply

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/lab/kerneltest"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// draining are the large rules as a passage to the small ones.
func (b *bench) draining() Applied {
	small, large := b.small(), b.large()
	large.Drain = &Drain{ID: "d1", Old: map[string][]spec.PortRange{"edi": {{First: 61093, Last: 61103}}}, For: time.Hour, Rules: small.Rules, Reserve: small.Reserve}
	return large
}

func (b *bench) look(busy bool) (done bool) {
	b.t.Helper()
	done, err := b.Drained(b.t.Context(), "d1", func(old []spec.PortRange) (bool, error) {
		if !reflect.DeepEqual(old, []spec.PortRange{{First: 61093, Last: 61103}}) {
			b.t.Errorf("asked for connections on %v", old)
		}
		return busy, nil
	})
	b.must(err)
	return done
}

func TestOlderPortsCloseWhenTheirSessionsHaveEnded(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		small, passage := b.small(), b.draining()
		var started []string
		b.Drain = func(id string) error { started = append(started, id); return nil }
		_, err := b.Apply(t.Context(), passage, Options{})
		b.must(err)
		if len(started) != 1 || started[0] != "d1" {
			t.Fatalf("started %q", started)
		}
		if b.look(true) {
			t.Error("nothing is left to wait for, with a session on the older ports")
		}
		b.want(&passage, withLarge)
		if !b.look(false) {
			t.Error("there is something to wait for, without a session")
		}
		b.want(&small, withSmall)
		if !b.look(true) {
			t.Error("what is done is to be waited for")
		}
	})
}

func TestOlderPortsCloseAtTheEndOfTheirTime(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		first, small, passage := b.small(), b.small(), b.draining()
		b.Drain = func(string) error { return nil }
		_, err := b.Apply(t.Context(), first, Options{})
		b.must(err)
		_, err = b.Apply(t.Context(), passage, Options{Confirm: time.Minute})
		b.must(err)
		if !b.look(false) {
			t.Error("what is not confirmed yet is to be waited for")
		}
		b.want(&passage, withLarge)
		b.now = b.now.Add(30 * time.Second)
		b.must(b.Confirm(t.Context()))
		b.now = b.now.Add(time.Hour - time.Second)
		if b.look(true) {
			t.Error("closed before the time is over, which begins with the confirmation")
		}
		b.now = b.now.Add(time.Second)
		if !b.look(true) {
			t.Error("open when the time is over")
		}
		b.want(&small, withSmall)
	})
}

// Wherever the process that closes the older ports is killed, the kernel holds
// the passage or the rules after it, and the next look brings it to its end.
func TestDrainKilledAtEveryStep(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		small, passage := b.small(), b.draining()
		b.Drain = func(string) error { return nil }
		again := func() {
			_, err := b.Apply(t.Context(), passage, Options{Adopt: true})
			b.must(err)
		}
		again()
		steps := b.steps(func() { b.look(false) })
		if len(steps) < 4 {
			t.Fatalf("only the steps %q", steps)
		}
		for _, step := range steps {
			again()
			if !b.killed(step, func() { b.look(false) }) {
				t.Fatalf("it did not die at %q", step)
			}
			if !b.holds(&small) && !b.holds(&passage) {
				t.Errorf("killed at %q: the kernel holds neither the passage nor what is after it", step)
			}
			b.killed("restore", func() { b.look(false) })
			if !b.look(false) {
				t.Errorf("killed at %q: the next look is not the end", step)
			}
			b.want(&small, withSmall)
		}
	})
}

func TestNoOlderPortsAfterARollbackOrABoot(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		small, passage := b.small(), b.draining()
		b.Drain = func(string) error { return nil }
		_, err := b.Apply(t.Context(), passage, Options{})
		b.must(err)
		b.rollback() // to nothing
		b.want(nil, untouched)
		b.rollback() // and to the rules again, whose sessions are gone
		b.want(&small, withSmall)

		_, err = b.Apply(t.Context(), passage, Options{})
		b.must(err)
		b.boots()
		_, err = b.Restore(t.Context(), false)
		b.must(err)
		b.want(&small, withSmall)
	})
}

func TestAProcessThatDoesNotStartIsToldOf(t *testing.T) {
	b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
	passage := b.draining()
	fails := errors.New("no such program")
	b.Drain = func(string) error { return fails }
	if _, err := b.Apply(t.Context(), passage, Options{}); !errors.Is(err, fails) {
		t.Errorf("got %v", err)
	}
	b.want(&passage, withLarge)
}

func TestOlderRanges(t *testing.T) {
	var none *Applied
	if got := none.OlderRanges(map[string]spec.PortRange{"a": {First: 1, Last: 2}}, nil); len(got) > 0 {
		t.Errorf("nothing was applied, and older are %v", got)
	}
	current := &Applied{
		Ranges: map[string]spec.PortRange{"same": {First: 10, Last: 19}, "moved": {First: 20, Last: 29}, "gone": {First: 30, Last: 39}, "twice": {First: 40, Last: 49}, "old": {First: 80, Last: 89}, "kept": {First: 100, Last: 109}},
		Drain:  &Drain{Old: map[string][]spec.PortRange{"twice": {{First: 50, Last: 59}}, "same": {{First: 60, Last: 69}}, "old": {{First: 90, Last: 99}}}},
	}
	got := current.OlderRanges(map[string]spec.PortRange{"same": {First: 10, Last: 19}, "moved": {First: 120, Last: 129}, "twice": {First: 140, Last: 149}, "new": {First: 70, Last: 79},
		"renamed": {First: 180, Last: 189}, "also": {First: 100, Last: 109}}, map[string]string{"old": "renamed", "kept": "also", "moved": "nowhere"})
	want := map[string][]spec.PortRange{"renamed": {{First: 80, Last: 89}, {First: 90, Last: 99}}, "twice": {{First: 40, Last: 49}, {First: 50, Last: 59}}, "same": {{First: 60, Last: 69}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
