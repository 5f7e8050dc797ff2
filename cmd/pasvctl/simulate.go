package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/sizing/simulate"
)

type simulator struct {
	streams
	variables
	chosen                 siteChoice
	seed                   uint64
	shape                  string
	ports                  int
	otherPorts             bool // than the site's own
	replications, requests int
	open, asJSON           bool
	retry                  time.Duration
}

func newSimulate(s streams) *cobra.Command {
	d := &simulator{streams: s}
	c := &cobra.Command{
		Use:   "simulate FILE|FOLDER [SITE]",
		Short: "simulate the sites' load on their ranges, beside the model",
		Long: `simulate plays the load of each site, or of SITE, event by event on its range: sessions
ask for ports, hold them and give them back, and ports are drawn one by one as the server
does it. It shares no formula with the model. The refused share has a 95 % interval over
independent replications; importance splitting estimates shares that are too rare to see
directly. The same seed gives the same numbers.

If the model is outside the interval, the site is marked and the command ends with
exit code 2. Each burst of the spec is played too, in addition to the traffic; its model
is the share that the last request is refused, an upper bound. The model is also an upper
bound, and may be above the interval, if sessions queue for a port, if a client asks with
several at once, or if a server tries only neighbouring ports.

The shape of the holds does not change refusals of single requests. It changes waits: the
model assumes lognormal connect times and one lost SYN in a thousand, and sites with a
queue are played like that. It also changes several requests at once: the model takes the
worse of exponential and constant holds.`,
		Example: "  pasvctl simulate examples/fleet\n  pasvctl simulate examples/quickstart downloads --ports 1000 --shape lognormal",
		RunE: func(c *cobra.Command, args []string) error {
			d.otherPorts = c.Flags().Changed("ports")
			return d.run(c.Context(), args)
		},
	}
	d.register(c)
	d.chosen.register(c, &d.variables, "simulate only the site `NAME`, like SITE")
	c.Flags().Uint64Var(&d.seed, "seed", 1, "start the random numbers from `N`")
	c.Flags().StringVar(&d.shape, "shape", "", "draw holds from a `SHAPE`: constant, exponential or lognormal (default exponential, lognormal if sessions queue)")
	_ = c.RegisterFlagCompletionFunc("shape", cobra.FixedCompletions([]string{"constant", "exponential", "lognormal"}, cobra.ShellCompDirectiveNoFileComp))
	c.Flags().IntVar(&d.ports, "ports", 0, "simulate a range of `N` ports instead of the site's own")
	c.Flags().IntVar(&d.replications, "replications", 20, "average over `N` independent runs, 5 or more")
	c.Flags().IntVar(&d.requests, "requests", 0, "simulate `N` requests in each run (20,000, or fewer if rare refusals take many events)")
	c.Flags().BoolVar(&d.open, "open", false, "let requests arrive in a Poisson stream, however many are running")
	c.Flags().DurationVar(&d.retry, "retry", 0, "let a refused session of a burst ask again after `TIME` instead of skipping the transfer")
	c.Flags().BoolVar(&d.asJSON, "json", false, "write the result as JSON")
	return c
}

// simulated is one site's result beside the model's.
type simulated struct {
	Site    string          `json:"site"`
	Burst   *simulatedBurst `json:"burst,omitempty"` // that was played beside the traffic
	Server  string          `json:"server"`
	Ports   int             `json:"ports"`
	Model   modelShare      `json:"model"`
	Refused float64         `json:"refused"`
	Low     float64         `json:"refused_low"`
	High    float64         `json:"refused_high"`
	Method  string          `json:"method"`
	Held    float64         `json:"ports_held"`
	Waits   *simulate.Waits `json:"waits,omitempty"`
}

type simulatedBurst struct {
	Sessions int     `json:"sessions"`
	Within   float64 `json:"within_seconds"`
}

// modelShare is what the model says is refused of data connections.
type modelShare struct {
	Refused float64 `json:"refused"`
	AtMost  bool    `json:"at_most"` // Refused is a bound from above
	Agrees  bool    `json:"agrees"`
}

func (s simulated) title() string {
	if s.Burst == nil {
		return s.Site
	}
	return fmt.Sprintf("%s: %s within %s", s.Site, sizing.Count(s.Burst.Sessions), seconds(s.Burst.Within))
}

func (d *simulator) run(ctx context.Context, args []string) error {
	if d.otherPorts && (d.ports < 1 || d.ports > sizing.MaxPorts) {
		return usage(fmt.Sprintf("write --ports 1 to %d", sizing.MaxPorts), "--ports %d is out of range", d.ports)
	}
	if d.replications < 5 || d.replications > simulate.MaxReplications {
		return usage(fmt.Sprintf("write --replications 5 to %d", simulate.MaxReplications), "--replications %d is out of range", d.replications)
	}
	if d.requests != 0 && (d.requests < 100 || d.requests > simulate.MaxRequests) {
		return usage(fmt.Sprintf("write --requests 100 to %d", simulate.MaxRequests), "--requests %d is out of range", d.requests)
	}
	if shapes := []simulate.Shape{"", simulate.Constant, simulate.Exponential, simulate.Lognormal}; !slices.Contains(shapes, simulate.Shape(d.shape)) {
		return usage("the shapes are constant, exponential and lognormal", "there is no shape %q", d.shape)
	}
	p, err := d.valid(d.streams, args[0])
	if err != nil {
		return err
	}
	sites := p.Plan.Sites
	if d.chosen.name != "" {
		s, err := p.site(d.chosen.name)
		if err != nil {
			return err
		}
		sites = []*plan.Site{s}
	}
	bar := newProgress(d.err)
	defer bar.clear()
	results := []simulated{}
	for i, s := range sites {
		r, err := d.plays(ctx, s, func(done, total int) {
			bar.show((float64(i)+float64(done)/float64(total))/float64(len(sites)), "site "+s.Name)
		})
		if err != nil {
			bar.clear()
			return failure(fmt.Errorf("site %q: %w", s.Name, err), "")
		}
		results = append(results, r...)
	}
	bar.clear()
	if d.asJSON {
		err = envelope.Write(d.out, "simulate", map[string]any{"simulations": results})
	} else {
		err = writeSimulated(d.out, results)
	}
	if err != nil {
		return err
	}
	for _, r := range results {
		if !r.Model.Agrees {
			fmt.Fprintf(d.err, "site %q: the model is outside the interval\n", r.title())
			err = silent(exitDifference)
		}
	}
	return err
}

// plays simulates a site's traffic, and each of its bursts beside it.
func (d *simulator) plays(ctx context.Context, s *plan.Site, report func(done, total int)) ([]simulated, error) {
	var all []simulated
	var bursts []sizing.Burst
	if s.Traffic != nil {
		bursts = s.Traffic.Bursts.All()
	}
	for i := -1; i < len(bursts); i++ {
		var burst *sizing.Burst
		if i >= 0 {
			burst = &bursts[i]
		}
		r, err := d.site(ctx, s, burst, report)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// site simulates one site: its traffic, or a burst beside it.
func (d *simulator) site(ctx context.Context, s *plan.Site, burst *sizing.Burst, report func(done, total int)) (simulated, error) {
	c := simulate.Config{
		Profile: s.Profile, Workload: s.Workload, Ports: s.DataPorts.Count(),
		Seed: d.seed, Shape: simulate.Shape(d.shape), Arrivals: simulate.Finite,
		Replications: d.replications, Requests: d.requests, Progress: report,
	}
	if d.otherPorts {
		c.Ports = d.ports
	}
	if queues(c.Profile, c.Workload) {
		c.LostSYNs = sizing.LostSYN
		if d.shape == "" {
			c.Shape = simulate.Lognormal
		}
	}
	if d.open && burst == nil {
		c.Arrivals = simulate.Open
	}
	if t := c.Workload.Traffic; t != nil { // each is played apart
		t.Bursts = sizing.Bursts{}
	}
	c.Burst, c.Retry = burst, d.retry
	r, err := simulate.Run(ctx, c)
	if err != nil {
		return simulated{}, err
	}
	model := sizing.Refused(c.Profile, c.Workload, c.Ports)
	bound := upperBound(c.Profile, c.Workload) || s.Sizing.Binding == sizing.BoundFourTuples // of which nothing is played
	var played *simulatedBurst
	if burst != nil {
		played = &simulatedBurst{burst.Sessions, burst.Within.Seconds()}
		refused, raced := sizing.RefusedInBurst(c.Profile, c.Workload, c.Ports, *burst)
		model, bound = refused+raced, true
	}
	return simulated{
		Site: s.Name, Burst: played, Server: s.Server, Ports: c.Ports,
		Model:   modelShare{model, bound, r.Refused.Holds(model) || bound && model > r.Refused.High},
		Refused: r.Refused.Mean, Low: r.Refused.Low, High: r.Refused.High,
		Method: r.Method, Held: r.Held.Mean, Waits: r.Waits,
	}, nil
}

// upperBound reports whether the model may lie above the share itself: for waits
// that are too long, for requests in the same instant, whose holds are a mixture
// and not quite exponential, and for draws of neighbouring ports.
func upperBound(p sizing.Profile, w sizing.Workload) bool {
	return queues(p, w) || w.Traffic != nil && w.Traffic.Parallel > 1 || p.Pick == sizing.PickScanPartial
}

// queues reports whether what is refused is what waited too long for a port.
func queues(p sizing.Profile, w sizing.Workload) bool {
	return p.WhenFull == sizing.FullWaits && w.ScopeOn(p) == sizing.ScopeAddress && w.Traffic != nil && !w.Objective.WorstCase
}

const simulatedLegend = "MODEL and SIMULATED: share of the data connections that is refused. " +
	`AGREE: "yes" if the model is in the interval, "below" if the model is an upper bound and above it, "NO" otherwise.`

func writeSimulated(w io.Writer, results []simulated) error {
	rows := [][]string{{"SITE", "SERVER", "PORTS", "MODEL", "SIMULATED", "95 % INTERVAL", "AGREE", "METHOD"}}
	for _, r := range results {
		agree := "yes"
		switch {
		case !r.Model.Agrees:
			agree = "NO"
		case r.Model.AtMost && r.Model.Refused > r.High:
			agree = "below"
		}
		within := "-"
		if r.Low < r.High {
			within = interval(r.Low, r.High)
		}
		rows = append(rows, []string{
			r.title(), r.Server, sizing.Count(r.Ports), sizing.Share(r.Model.Refused), sizing.Share(r.Refused), within, agree, r.Method,
		})
	}
	if err := table(w, rows); err != nil {
		return err
	}
	_, err := fmt.Fprint(w, "\n", explain.Wrap(simulatedLegend, prose(w), "", ""))
	return err
}
