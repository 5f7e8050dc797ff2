package generators

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/fstest"
)

// Seeds is how many random specs there are.
const Seeds = seeds

// Random is the random spec of a seed with what it renders, without the targets
// of clouds, which random specs have no values for. It is nil if a server cannot
// do what the spec asks, or if there is no site.
func Random(t *testing.T, seed uint64) (*Project, []File) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	s := newRandomSpec(r)
	if len(s.sites) == 0 {
		return nil, nil
	}
	p := s.load(t, r, nil)
	files, diags := p.Files()
	if diags.HasErrors() {
		return nil, nil
	}
	return p, files
}

// Texts are files as a file system.
func Texts(files []File) fstest.MapFS {
	fsys := fstest.MapFS{}
	for _, f := range files {
		if _, twice := fsys[f.Path]; twice {
			panic(fmt.Sprintf("%s twice", f.Path))
		}
		fsys[f.Path] = &fstest.MapFile{Data: f.Content}
	}
	return fsys
}
