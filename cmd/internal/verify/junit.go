package verify

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// The elements of a JUnit report, as CI systems read it: a suite for each
// host and setting, a case for each expectation.
type (
	junitReport struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Failure *junitMessage `xml:"failure,omitempty"`
		Skipped *junitMessage `xml:"skipped,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
	}
)

// JUnit writes the report as JUnit XML. What could not be tried is skipped.
func (r *Report) JUnit() ([]byte, error) {
	all := junitReport{Name: "pasvctl verify " + r.Backend}
	for _, e := range r.Expectations {
		suite := all.suite(e.Host + " " + e.Setting)
		c := junitCase{Class: strings.TrimSuffix(e.Host+"."+e.Site, "."), Name: fmt.Sprintf("%s: %s to %s", e.What, e.From, e.To)}
		if !e.Met() {
			c.Failure = &junitMessage{fmt.Sprintf("want %s, got %s", e.Want, e.Got)}
			suite.Failures++
			all.Failures++
		}
		suite.Cases = append(suite.Cases, c)
		suite.Tests++
		all.Tests++
	}
	for _, u := range r.Untried {
		suite := all.suite(u.Host + " untried")
		suite.Cases = append(suite.Cases, junitCase{Class: u.Host + "." + u.Site, Name: u.What, Skipped: &junitMessage{u.Why}})
		suite.Tests++
		suite.Skipped++
		all.Tests++
		all.Skipped++
	}
	text, err := xml.MarshalIndent(all, "", " ")
	if err != nil {
		return nil, err
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}

// suite finds the suite of a name, which is the last one or a new one.
func (r *junitReport) suite(name string) *junitSuite {
	if n := len(r.Suites); n == 0 || r.Suites[n-1].Name != name {
		r.Suites = append(r.Suites, junitSuite{Name: name})
	}
	return &r.Suites[len(r.Suites)-1]
}
