package apply

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/lab/kerneltest"
)

// What rules leave in a kernel is worked out once, whoever asks.
func TestExpectedIsWorkedOutOnce(t *testing.T) {
	b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
	b.must(kerneltest.Load(t.Context(), b.backend, b.small().Rules))
	_, err := b.Known(t.Context(), b.small())
	b.must(err)
	next := b.small()
	t.Setenv("PATH", "") // no program can load them again
	if l, err := b.Expected(t.Context(), next.Rules); err != nil || len(l) == 0 {
		t.Errorf("%d objects, %v", len(l), err)
	}
	if _, err := b.Expected(t.Context(), b.large().Rules); err == nil {
		t.Error("other rules are known as well")
	}
}

// A spec is known by its own name or else by its path, and one whose file has
// gone has moved. 0.1.0 kept no path, so what it applied is anybody's of that host.
func TestSameOwner(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a.pasv.hcl"), filepath.Join(dir, "b.pasv.hcl")
	for _, at := range []string{a, b} {
		if err := os.WriteFile(at, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, x := range map[string]struct {
		has, next Applied
		same      bool
	}{
		"the same file":                {Applied{Host: "edge1", Path: a}, Applied{Host: "edge1", Path: a}, true},
		"another host":                 {Applied{Host: "edge1", Path: a}, Applied{Host: "edge2", Path: a}, false},
		"another file":                 {Applied{Host: "edge1", Path: a}, Applied{Host: "edge1", Path: b}, false},
		"its folder":                   {Applied{Host: "edge1", Path: a}, Applied{Host: "edge1", Path: dir}, true},
		"one file of several":          {Applied{Host: "edge1", Path: dir}, Applied{Host: "edge1", Path: a}, false},
		"a file that has moved":        {Applied{Host: "edge1", Path: a + "-gone"}, Applied{Host: "edge1", Path: b}, true},
		"a name in another folder":     {Applied{Host: "edge1", Spec: "edge", Path: a}, Applied{Host: "edge1", Spec: "edge", Path: b}, true},
		"another name":                 {Applied{Host: "edge1", Spec: "edge", Path: a}, Applied{Host: "edge1", Spec: "hub", Path: a}, false},
		"by 0.1.0":                     {Applied{Host: "edge1", Spec: "quickstart"}, Applied{Host: "edge1", Path: a}, true},
		"by 0.1.0, named since":        {Applied{Host: "edge1", Spec: "quickstart"}, Applied{Host: "edge1", Spec: "edge", Path: a}, true},
		"by 0.1.0, another host's now": {Applied{Host: "edge1", Spec: "quickstart"}, Applied{Host: "edge2", Path: a}, false},
	} {
		if got := SameOwner(x.has, x.next); got != x.same {
			t.Errorf("%s: %v, want %v", name, got, x.same)
		}
	}
}
