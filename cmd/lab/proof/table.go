package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/ftpload"
)

// Measured is a row with what was measured and what the model says, both as
// precise as the table writes them.
type Measured struct {
	Row
	Asked        int     // requests for a port
	PerSecond    float64 // of them
	Listen, Hold float64 // mean, milliseconds
	Refused      float64
	Low, High    float64 // 95 % interval
	Model        float64
	Verdict      string
}

// The verdicts.
const (
	within = "inside"
	safe   = "above, safe side"
	unsafe = "BELOW"
)

// most are the bounds above which a row counts as disturbed: what they speak
// of is the machine and the load client, and no refusal.
const (
	mostLate   = 0.005 // seconds behind schedule, on average
	mostStall  = 0.1   // seconds behind schedule, at most
	mostMissed = 0.005 // share of requests that no session was there for
)

// disturbed says how a run was, or nothing.
func disturbed(r *ftpload.Report) string {
	missed := r.NoSession
	for _, n := range r.LoginErrors {
		missed += n
	}
	switch {
	case r.MeanLate > mostLate:
		return fmt.Sprintf("requests came %.1f ms late on average", 1000*r.MeanLate)
	case r.MaxLate > mostStall:
		return fmt.Sprintf("a request came %.0f ms late", 1000*r.MaxLate)
	case float64(missed) > mostMissed*float64(r.Asked):
		return fmt.Sprintf("%d requests beside %d found no session", missed, r.Asked)
	default:
		return ""
	}
}

func newMeasured(r Row, report *ftpload.Report) Measured {
	m := Measured{
		Row: r, Asked: report.Asked, PerSecond: round(report.Rate, 1),
		Listen: round(1000*report.MeanAccept, 2), Hold: round(1000*report.MeanHold, 2),
		Refused: round(report.RefusedShare, 4), Low: round(report.Low, 4), High: round(report.High, 4),
	}
	m.Model = m.expected()
	m.Verdict = m.verdict()
	return m
}

func round(x float64, digits int) float64 {
	scale := math.Pow(10, float64(digits))
	return math.Round(x*scale) / scale
}

// expected is the model's share for the row's numbers as the table has them.
func (m Measured) expected() float64 {
	return round(m.model(m.PerSecond, m.Listen/1000, m.Hold/1000).Refused, 4)
}

func (m Measured) verdict() string {
	switch {
	case m.Model < m.Low:
		return unsafe
	case m.Model > m.High:
		return safe
	default:
		return within
	}
}

// offered is the load that the ports were offered, Erlang.
func (m Measured) offered() float64 {
	return m.PerSecond * m.model(m.PerSecond, m.Listen/1000, m.Hold/1000).Hold
}

const columns = "| server | asked/s, wanted | ports | requests | asked/s | listening, ms | held, ms | offered, Erlang | refused | 95 % interval | model | the model is |"

func (m Measured) line() string {
	return fmt.Sprintf("| %s | %s | %s | %d | %.1f | %.2f | %.2f | %.2f | %.4f | %.4f to %.4f | %.4f | %s |",
		m.Server, m.Row.asked(), m.Row.ports(), m.Asked, m.PerSecond, m.Listen, m.Hold, m.offered(), m.Refused, m.Low, m.High, m.Model, m.Verdict)
}

func writeRows(w io.Writer, all []Measured) error {
	lines := []string{columns, "|" + strings.Repeat(" --- |", strings.Count(columns, "|")-1)}
	for _, m := range all {
		lines = append(lines, m.line())
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// judge says where the criterion does not hold.
func judge(all []Measured) error {
	var problems []error
	inside, steady := 0, 0
	for _, m := range all {
		if m.Burst.Sessions == 0 { // the model of a burst is a bound
			steady++
		}
		switch m.Verdict {
		case within:
			if m.Burst.Sessions == 0 {
				inside++
			}
		case unsafe:
			problems = append(problems, fmt.Errorf("%s: the model says %.4f, below the measured interval of %.4f to %.4f", m.Row, m.Model, m.Low, m.High))
		}
		if m.Planned && m.Refused > objective {
			problems = append(problems, fmt.Errorf("%s: %.4f were refused, and the objective is %g", m.Row, m.Refused, objective))
		}
	}
	if 10*inside < 9*steady {
		problems = append(problems, fmt.Errorf("the model lies inside the interval in %d rows of %d, fewer than nine of ten", inside, steady))
	}
	return errors.Join(problems...)
}
