package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// progress is a bar on a terminal; elsewhere it says nothing.
type progress struct {
	w       io.Writer
	columns int
	last    time.Time
	drawn   int // width of what stands on the line
}

func newProgress(w io.Writer) *progress {
	columns, is := terminal(w)
	if !is {
		return &progress{}
	}
	return &progress{w: w, columns: columns}
}

// show draws the bar: done is a share from 0 to 1, text follows it.
func (p *progress) show(done float64, text string) {
	const every = 100 * time.Millisecond
	if p.w == nil || time.Since(p.last) < every && done < 1 {
		return
	}
	p.last = time.Now()
	const width = 24
	full := int(min(max(done, 0), 1) * width)
	line := fmt.Sprintf("[%s%s] %3.0f%% %s", strings.Repeat("#", full), strings.Repeat(".", width-full), 100*done, text)
	if len(line) >= p.columns {
		line = line[:p.columns-1]
	}
	fmt.Fprintf(p.w, "\r%s%s", line, strings.Repeat(" ", max(0, p.drawn-len(line))))
	p.drawn = len(line)
}

// clear takes the bar away, before anything else is written.
func (p *progress) clear() {
	if p.w != nil && p.drawn > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.drawn))
		p.drawn = 0
	}
}
