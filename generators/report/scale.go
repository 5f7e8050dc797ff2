package report

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// The figures' units: a figure is as wide as a narrow telephone has pixels, so
// that its text is readable there. A character of the text is at most so wide.
const (
	figureWidth = 340.0
	character   = 7.0
)

// coordinate writes a length in figure units as briefly as a tenth of them allows.
type coordinate float64

func (c coordinate) String() string {
	return strings.TrimSuffix(strconv.FormatFloat(float64(c), 'f', 1, 64), ".0")
}

// box is the area of a figure that curves are drawn in.
type box struct{ left, top, right, bottom float64 }

// The axes of all curves are the same, so that figures can be compared.
const (
	mostPorts  = 65536.0
	leastShare = 1e-9 // what is less is drawn on the axis
)

// x is where a number of ports is, y where a refused share is, both logarithmic.
func (b box) x(ports int) float64 {
	return b.left + (b.right-b.left)*math.Log(float64(max(1, ports)))/math.Log(mostPorts)
}

func (b box) y(share float64) float64 {
	return b.top + (b.bottom-b.top)*math.Log(min(1, max(share, leastShare)))/math.Log(leastShare)
}

// label is a text at a place of an axis.
type label struct {
	At   coordinate // what it is about
	X    coordinate // of its middle, apart from the others'
	Row  int
	Text string
}

// width is how much room the label takes.
func (l label) width() float64 { return character*float64(len([]rune(l.Text))) + 4 }

// spread moves the labels of an axis apart: each goes into the first row in which
// it has room, as near its place as that is. Those without room are left out.
func spread(labels []label, left, right float64, rows int) (placed []label, without int) {
	slices.SortStableFunc(labels, func(a, b label) int { return int(1000 * (a.At - b.At)) })
	ends := make([]float64, rows)
	for i := range ends {
		ends[i] = left
	}
	for _, l := range labels {
		half := l.width() / 2
		want := min(max(float64(l.At), left+half), right-half)
		best := -1
		for row, end := range ends {
			if end+half <= want {
				best = row
				break
			}
			if end+2*half <= right && (best < 0 || end < ends[best]) {
				best = row
			}
		}
		if best < 0 {
			without++
			continue
		}
		l.Row, l.X = best, coordinate(max(want, ends[best]+half))
		ends[best] = float64(l.X) + half
		placed = append(placed, l)
	}
	return placed, without
}

// sample is spread with as many of the labels as have room, evenly chosen.
func sample(labels []label, left, right float64, rows int) []label {
	for every := 1; every <= len(labels); every++ {
		var some []label
		for i := 0; i < len(labels); i += every {
			some = append(some, labels[i])
		}
		if placed, without := spread(some, left, right, rows); without == 0 {
			return placed
		}
	}
	return nil
}

// short is a text of at most so many characters.
func short(text string, most int) string {
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return text
}

// stacked keeps the labels of lines that end at the right apart: X is where each is.
func stacked(labels []label) []label {
	slices.SortStableFunc(labels, func(a, b label) int { return int(1000 * (a.At - b.At)) })
	for i := range labels {
		labels[i].X = labels[i].At
		if i > 0 {
			labels[i].X = max(labels[i].At, labels[i-1].X+labelRow)
		}
	}
	return labels
}
