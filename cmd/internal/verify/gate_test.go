package verify

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// gateOf is a kernel whose gate remembers every client for a time, and that
// takes its time to say so.
type gateOf struct {
	kernel.Backend
	timeout time.Duration
	takes   []time.Duration // each time it is asked; the last from then on
}

func (g *gateOf) Learnt(context.Context) ([]kernel.Member, error) {
	left := g.timeout - 20*time.Millisecond // the packet's age when it is asked
	time.Sleep(g.takes[0])
	if len(g.takes) > 1 {
		g.takes = g.takes[1:]
	}
	return []kernel.Member{{Client: client, Left: left.Truncate(time.Second)}}, nil
}

var client = netip.MustParseAddr("192.0.2.7")

// On a machine of any speed, a gate is found right or wrong only where the
// clock tells its time from one that is a second off.
func TestGateTimeOnASlowMachine(t *testing.T) {
	const right, wrong, unmeasured = "right", "wrong", "not measured, this machine was too slow"
	ms := func(all ...time.Duration) (times []time.Duration) {
		for _, n := range all {
			times = append(times, n*time.Millisecond)
		}
		return times
	}
	for name, tt := range map[string]struct {
		timeout time.Duration
		takes   []time.Duration
		want    string
	}{
		"right":                         {2 * time.Minute, ms(5), right},
		"a second short":                {119 * time.Second, ms(5), wrong},
		"a second long":                 {121 * time.Second, ms(5), wrong},
		"right, slow":                   {2 * time.Minute, ms(1500), unmeasured},
		"right, once fast":              {2 * time.Minute, ms(1500, 3000, 900, 4000), right},
		"a second short, slow":          {119 * time.Second, ms(1500), unmeasured},
		"a second short, once fast":     {119 * time.Second, ms(1500, 900, 4000), wrong},
		"a second long, however slow":   {121 * time.Second, ms(3000), wrong},
		"ten seconds short, still slow": {110 * time.Second, ms(3000), wrong},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				site := &plan.Site{Site: &spec.Site{Name: "a"}, Policy: plan.Policy{Gate: true, GateTimeout: 2 * time.Minute, Clients4: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}}
				host := &plan.Host{Host: &spec.Host{Name: "edge1"}, Sites: []*plan.Site{site}}
				trial := &trial{
					ctx: t.Context(), host: host, report: &Report{}, model: newModel(host.Sites, packets.Admitted),
					backend: &gateOf{timeout: tt.timeout, takes: slices.Clone(tt.takes)},
				}
				c := running{&lane{site: site}, packets.Connection{}}
				c.From = client
				if err := trial.remembered([]running{c}); err != nil {
					t.Fatal(err)
				}
				var got string
				for _, e := range trial.report.Expectations {
					got = map[bool]string{true: right, false: wrong}[e.Met()]
				}
				for _, u := range trial.report.Untried {
					got += u.Why
				}
				if got != tt.want {
					t.Errorf("got %q, want %q: %+v", got, tt.want, trial.report)
				}
			})
		})
	}
}
