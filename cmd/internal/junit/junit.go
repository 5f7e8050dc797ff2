// Package junit writes the JUnit XML that CI systems read as test results.
package junit

import (
	"encoding/xml"
	"io"
)

// Case is one test. Cases of one suite are adjacent.
type Case struct {
	Suite, Class, Name string
	Failure, Skipped   string // why, or ""
	Output             string
}

type (
	report struct {
		XMLName  xml.Name `xml:"testsuites"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Suites   []suite  `xml:"testsuite"`
	}
	suite struct {
		Name     string     `xml:"name,attr"`
		Tests    int        `xml:"tests,attr"`
		Failures int        `xml:"failures,attr"`
		Skipped  int        `xml:"skipped,attr"`
		Cases    []testcase `xml:"testcase"`
	}
	testcase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Failure *message `xml:"failure,omitempty"`
		Skipped *message `xml:"skipped,omitempty"`
		Output  string   `xml:"system-out,omitempty"`
	}
	message struct {
		Message string `xml:"message,attr"`
	}
)

// Write writes the cases under a name.
func Write(w io.Writer, name string, cases []Case) error {
	all := report{Name: name, Tests: len(cases)}
	for _, c := range cases {
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != c.Suite {
			all.Suites = append(all.Suites, suite{Name: c.Suite})
		}
		in := &all.Suites[len(all.Suites)-1]
		in.Tests++
		t := testcase{Class: c.Class, Name: c.Name, Output: c.Output}
		switch {
		case c.Failure != "":
			t.Failure = &message{c.Failure}
			in.Failures++
			all.Failures++
		case c.Skipped != "":
			t.Skipped = &message{c.Skipped}
			in.Skipped++
		}
		in.Cases = append(in.Cases, t)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", " ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
