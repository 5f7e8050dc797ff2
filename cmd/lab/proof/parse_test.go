package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// keptRow is a row of the table that is kept, with its first three cells.
type keptRow struct {
	Measured
	server, asks, ports string
}

// parse reads the rows of a table that writeTable wrote.
func parse(r io.Reader) ([]keptRow, error) {
	var all []keptRow
	lines := bufio.NewScanner(r)
	found := false
	for lines.Scan() {
		text := lines.Text()
		switch {
		case text == columns:
			found = true
		case !found || strings.HasPrefix(text, "| ---"):
		case !strings.HasPrefix(text, "|"):
			return all, lines.Err()
		default:
			m, err := parseRow(text)
			if err != nil {
				return nil, fmt.Errorf("%w: %s", err, text)
			}
			all = append(all, m)
		}
	}
	return all, lines.Err()
}

func parseRow(text string) (m keptRow, err error) {
	cells := strings.Split(strings.Trim(text, "| "), " | ")
	if len(cells) != strings.Count(columns, "|")-1 {
		return m, errors.New("the wrong number of columns")
	}
	low, high, _ := strings.Cut(cells[9], " to ")
	m.server, m.asks, m.ports, m.Verdict = cells[0], cells[1], cells[2], cells[11]
	for _, number := range []struct {
		to   *float64
		text string
	}{
		{&m.PerSecond, cells[4]}, {&m.Listen, cells[5]}, {&m.Hold, cells[6]},
		{&m.Refused, cells[8]}, {&m.Low, low}, {&m.High, high}, {&m.Model, cells[10]},
	} {
		if *number.to, err = strconv.ParseFloat(number.text, 64); err != nil {
			return m, err
		}
	}
	m.Asked, err = strconv.Atoi(cells[3])
	return m, err
}
