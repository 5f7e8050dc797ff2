package verify

import (
	"fmt"
	"io"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/junit"
)

// JUnit writes the report as JUnit XML: a suite for each host and setting, a
// case for each expectation. What could not be tried is skipped.
func (r *Report) JUnit(w io.Writer) error {
	var cases []junit.Case
	for _, e := range r.Expectations {
		c := junit.Case{
			Suite: e.Host + " " + e.Setting, Class: strings.TrimSuffix(e.Host+"."+e.Site, "."),
			Name: fmt.Sprintf("%s: %s to %s", e.What, e.From, e.To),
		}
		if !e.Met() {
			c.Failure = fmt.Sprintf("want %s, got %s", e.Want, e.Got)
		}
		cases = append(cases, c)
	}
	for _, u := range r.Untried {
		cases = append(cases, junit.Case{Suite: u.Host + " untried", Class: u.Host + "." + u.Site, Name: u.What, Skipped: u.Why})
	}
	return junit.Write(w, "pasvctl verify "+r.Backend, cases)
}
