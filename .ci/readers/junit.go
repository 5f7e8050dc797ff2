package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// element is what may be in an element of a JUnit report.
type element struct {
	required, optional, children []string
}

// The schema that Jenkins publishes (junit-10.xsd).
var elements = map[string]element{
	"testsuites": {nil, []string{"name", "time", "tests", "failures", "disabled", "errors"}, []string{"testsuite"}},
	"testsuite": {[]string{"name", "tests"},
		[]string{"failures", "errors", "time", "disabled", "skipped", "timestamp", "hostname", "id", "package"},
		[]string{"properties", "testcase", "system-out", "system-err"}},
	"testcase": {[]string{"name"}, []string{"classname", "time", "assertions", "status"},
		[]string{"skipped", "error", "failure", "system-out", "system-err"}},
	"failure":    {nil, []string{"message", "type"}, nil},
	"skipped":    {nil, []string{"message"}, nil},
	"system-out": {},
}

// counts are a suite's, or those of all.
type counts struct{ tests, failures, skipped int }

// junit compares a report with the schema, and its counts with its cases.
func junit(text []byte) error {
	d := xml.NewDecoder(bytes.NewReader(text))
	var open []string
	var all, suite, saidAll, said counts
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.StartElement:
			name := t.Name.Local
			if err := allowed(open, t); err != nil {
				return err
			}
			open = append(open, name)
			switch name {
			case "testsuites":
				saidAll = countsOf(t)
			case "testsuite":
				said, suite = countsOf(t), counts{}
			case "testcase":
				suite.tests++
			case "failure":
				suite.failures++
			case "skipped":
				suite.skipped++
			}
		case xml.EndElement:
			if t.Name.Local == "testsuite" {
				if suite != said {
					return fmt.Errorf("a suite has %+v and says %+v", suite, said)
				}
				all.tests, all.failures = all.tests+suite.tests, all.failures+suite.failures
			}
			open = open[:len(open)-1]
		}
	}
	if all.tests == 0 || all != saidAll {
		return fmt.Errorf("the report has %+v and says %+v", all, saidAll)
	}
	return nil
}

func allowed(open []string, t xml.StartElement) error {
	name := t.Name.Local
	known, is := elements[name]
	switch {
	case !is:
		return fmt.Errorf("no element %s", name)
	case len(open) == 0 && name != "testsuites":
		return fmt.Errorf("the root is %s", name)
	case len(open) > 0 && !slices.Contains(elements[open[len(open)-1]].children, name):
		return fmt.Errorf("no %s in %s", name, open[len(open)-1])
	}
	var has []string
	for _, a := range t.Attr {
		has = append(has, a.Name.Local)
		if !slices.Contains(slices.Concat(known.required, known.optional), a.Name.Local) {
			return fmt.Errorf("no attribute %s in %s", a.Name.Local, name)
		}
	}
	for _, r := range known.required {
		if !slices.Contains(has, r) {
			return fmt.Errorf("%s lacks %s", name, r)
		}
	}
	return nil
}

func countsOf(t xml.StartElement) (c counts) {
	for _, a := range t.Attr {
		n, _ := strconv.Atoi(a.Value)
		switch a.Name.Local {
		case "tests":
			c.tests = n
		case "failures":
			c.failures = n
		case "skipped":
			c.skipped = n
		}
	}
	return c
}
