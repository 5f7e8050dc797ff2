package main

import (
	"fmt"
	"io"

	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// comparison is what each known server would need for one site.
type comparison struct {
	Sites []siteComparison `json:"sites"`
}

type siteComparison struct {
	Name    string           `json:"name"`
	Servers []serverForecast `json:"servers"`
}

type serverForecast struct {
	Server  string  `json:"server"`
	Chosen  bool    `json:"chosen"` // the spec's own choice
	Ports   int     `json:"ports"`
	Binding string  `json:"binding,omitempty"`
	Refused float64 `json:"refused"`
	// Objective is the share that may be refused there.
	Objective float64         `json:"objective"`
	OnePort   *sizing.OnePort `json:"one_port,omitempty"`
	// Error says why no range serves this site on this server.
	Error string `json:"error,omitempty"`
}

func comparisons(p *plan.Plan) comparison {
	all := comparison{Sites: []siteComparison{}}
	for _, s := range p.Sites {
		c := siteComparison{Name: s.Name}
		if s.Site.Profile != nil { // the spec's own, which is not among the known ones
			c.Servers = append(c.Servers, forecast(s, sizing.Comparison{Profile: s.Profile, Result: s.Sizing}))
		}
		for _, other := range sizing.Compare(s.Profile, s.Workload) {
			c.Servers = append(c.Servers, forecast(s, other))
		}
		all.Sites = append(all.Sites, c)
	}
	return all
}

func forecast(s *plan.Site, c sizing.Comparison) serverForecast {
	f := serverForecast{
		Server: c.Profile.Name, Chosen: c.Profile.Name == s.Server, Ports: c.Result.Ports, Binding: c.Result.Binding,
		Refused: c.Result.Refused, Objective: c.Result.Objective, OnePort: &c.Result.OnePort,
	}
	if c.Err != nil {
		f.Error, f.OnePort = c.Err.Error(), nil
	}
	return f
}

func writeComparisons(w io.Writer, c comparison) error {
	for i, s := range c.Sites {
		if i > 0 {
			fmt.Fprintln(w)
		}
		rows := [][]string{{"SITE " + s.Name, "PORTS", "BOUND", "OBJECTIVE", "REFUSED", "ONE PORT"}}
		for _, f := range s.Servers {
			rows = append(rows, f.row())
		}
		if err := table(w, rows); err != nil {
			return err
		}
		for _, f := range s.Servers {
			if f.Error == "" {
				continue
			}
			if _, err := fmt.Fprint(w, explain.Wrap(f.Server+": "+f.Error, prose(w), "  ", "    ")); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprint(w, "\n", explain.Wrap(compareLegend, prose(w), "", ""))
	return err
}

const compareLegend = "* the spec's own server. PORTS: what it needs. BOUND: what makes them that many. OBJECTIVE: share of " +
	"the data connections that may be refused at the peak, REFUSED what is refused. ONE PORT: what a range of one port does."

func (f serverForecast) row() []string {
	name := "  " + f.Server
	if f.Chosen {
		name = "* " + f.Server
	}
	if f.Error != "" {
		return []string{name, "-", "no range, see below", "-", "-", "-"}
	}
	return []string{name, sizing.Count(f.Ports), f.Binding, sizing.Share(f.Objective), sizing.Share(f.Refused), f.OnePort.Verdict}
}
