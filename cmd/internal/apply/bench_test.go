package apply

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/lab/kerneltest"
	"github.com/pasvctl/pasvctl/generators/spec"
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
		Folder: filepath.Join(folder, "state"), Exec: exec, reserved: reserved, root: fstest.MapFS{bootFile: {Data: []byte("first")}},
		Now:   func() time.Time { return b.now },
		Guard: func(id string, _ time.Time) error { b.guarded = append(b.guarded, id); return nil },
	}
	return b
}

// small and large are two sets of rules.
func (b *bench) small() Applied {
	return Applied{Host: "edge1", Spec: "small", Rules: kerneltest.Rules(b.t, b.name, b.spec("")), Reserve: []spec.PortRange{{First: 61000, Last: 61092}}}
}

func (b *bench) large() Applied {
	return Applied{Host: "edge1", Spec: "large", Rules: kerneltest.Rules(b.t, b.name, b.spec(kerneltest.SecondSite)),
		Reserve: []spec.PortRange{{First: 61000, Last: 61092}, {First: 61093, Last: 61103}}}
}

func (b *bench) rollback() Back {
	b.t.Helper()
	back, err := b.Rollback(b.t.Context())
	b.must(err)
	return back
}

func (b *bench) expire(id string) {
	b.t.Helper()
	_, err := b.Expire(b.t.Context(), id)
	b.must(err)
}

// boots makes the kernel forget everything that is ours.
func (b *bench) boots() {
	b.t.Helper()
	b.must(b.backend.Remove(b.t.Context()))
	b.must(os.WriteFile(b.reserved, []byte(untouched+"\n"), 0o600))
	b.root = fstest.MapFS{bootFile: {Data: []byte(rand.Text())}}
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// holds reports whether the kernel has exactly these rules; none if a is nil.
func (b *bench) holds(a *Applied) bool {
	b.t.Helper()
	live, err := b.backend.Live(b.t.Context())
	b.must(err)
	if a == nil {
		return len(live) == 0
	}
	expected, err := a.Rules.Expected(b.t.Context())
	b.must(err)
	return len(kernel.Diff(expected, live)) == 0
}

func (b *bench) want(a *Applied, reserved string) {
	b.t.Helper()
	if !b.holds(a) {
		b.t.Error("the kernel holds other rules")
	}
	b.wantReserved(reserved)
}

func (b *bench) wantReserved(reserved string) {
	b.t.Helper()
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
