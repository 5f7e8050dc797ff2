package plan

import (
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Sensitivities says, for each of p.Sites in turn, what its range would be were
// one of the spec's figures 30 % smaller or larger, the figure that matters
// most first. It takes some fifteen times as long as Build; equal sites are
// asked about once.
func (p *Plan) Sensitivities() [][]sizing.Influence {
	influences := map[question]*[]sizing.Influence{}
	var asking errgroup.Group
	asking.SetLimit(runtime.GOMAXPROCS(0))
	all := make([][]sizing.Influence, len(p.Sites))
	for _, s := range p.Sites {
		q := questionOf(s.Site)
		if influences[q] != nil {
			continue
		}
		into := new([]sizing.Influence)
		influences[q] = into
		asking.Go(func() error {
			*into = sizing.Sensitivity(s.Profile, q.asked())
			return nil
		})
	}
	asking.Wait() // none fails
	for i, s := range p.Sites {
		all[i] = *influences[questionOf(s.Site)]
	}
	return all
}
