package plan

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/sizing/simulate"
)

// RemarkTogether is the remark on a site whose clients might start together,
// although its traffic says nothing of it.
const RemarkTogether = "bursts"

// starts are the times within which all sessions of a site might start.
var starts = []time.Duration{time.Second, 10 * time.Second}

// remarkStarts adds RemarkTogether to the sites that refuse more than their
// objective if all their sessions start together. Equal sites are played once.
func remarkStarts(sites []*Site) {
	for i, r := range once(sites, (*Site).question, together) {
		if s := sites[i]; r.Name != "" {
			s.Remarks = append(s.Remarks[:len(s.Remarks):len(s.Remarks)], *r)
		}
	}
}

// together is the remark on a site, or nothing.
func together(s *Site) sizing.Remark {
	w := s.Workload
	if w.Traffic == nil || w.Objective.WorstCase || w.Traffic.Bursts != (sizing.Bursts{}) {
		return sizing.Remark{}
	}
	var shares []string
	for _, within := range starts {
		share := startShare(s, w, sizing.Burst{Sessions: w.Sessions, Within: within})
		if share <= s.Sizing.Objective {
			break
		}
		text := fmt.Sprintf("%s are refused if all %s start within %s", sizing.About(share), sizing.Plural(w.Sessions, "session"), within)
		if len(shares) > 0 {
			text = fmt.Sprintf("%s within %s", sizing.About(share), within)
		}
		shares = append(shares, text)
	}
	if len(shares) == 0 {
		return sizing.Remark{}
	}
	r := sizing.Remark{
		Name: RemarkTogether, Attribute: "traffic",
		Summary: strings.Join(shares, ", and "),
		Detail:  "The plan assumes that clients ask independently of each other. A burst block says how many start together, and sizes the range for them",
	}
	w.Objective.WorstCase = true
	if all, err := sizing.Size(s.Profile, w); err == nil {
		r.Detail += fmt.Sprintf("; worst_case = true sizes it for all sessions at once, which takes %s", sizing.Plural(all.Ports, "port"))
	}
	r.Detail += "."
	return r
}

// startShare is about the share that a site refuses of such a burst, by
// simulation. What the last one is refused is never less than that.
func startShare(s *Site, w sizing.Workload, b sizing.Burst) float64 {
	if s.Profile.WhenFull != sizing.FullWaits { // whose bound takes longer than to play it
		if most, _ := sizing.RefusedInBurst(s.Profile, w, s.DataPorts.Count(), b); most <= s.Sizing.Objective {
			return 0
		}
	}
	const requests = 4000 // in all, or two bursts
	replications := max(2, min(5, requests/w.Sessions))
	r, err := simulate.Run(context.Background(), simulate.Config{
		Profile: s.Profile, Workload: w, Ports: s.DataPorts.Count(), Burst: &b,
		Replications: replications, Requests: max(100, requests/replications),
	})
	if err != nil {
		return 0 // too many events: what is not known is not said
	}
	return r.Full + r.Late
}
