package sizing

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Count writes n with its thousands apart: 1,857.
func Count(n int) string {
	if n < 0 {
		return "-" + Count(-n)
	}
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Plural writes "1 port", "1,857 ports", "2 addresses".
func Plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		return Count(n) + " " + noun + "es"
	}
	return Count(n) + " " + noun + "s"
}

// perSecond writes a rate of data connections.
func perSecond(rate float64) string {
	if rate == 1 {
		return "1 data connection/s"
	}
	return number(rate) + " data connections/s"
}

// number writes x in three significant digits: 84.8, 0.05, 0.000000998, 1,200.
func number(x float64) string {
	if math.Abs(x) >= 1000 {
		return Count(int(math.Round(x)))
	}
	return strconv.FormatFloat(roundTo(x, 3), 'f', -1, 64)
}

// leastShare is the least share that is written as it is: no objective is less.
const leastShare = 1e-12

// Share writes a share, 0 to 1, as people read it: 0.0001 %. What is less than
// everything is never written as 100 %.
func Share(x float64) string {
	switch {
	case x == 0:
		return "none"
	case x < leastShare:
		return "below " + Share(leastShare)
	}
	percent := roundTo(100*x, 3)
	if percent == 100 && x < 1 {
		percent = 99.9
	}
	return strconv.FormatFloat(percent, 'f', -1, 64) + " %"
}

// About writes a share that is an estimate, in two digits.
func About(x float64) string { return "about " + Share(roundTo(x, 2)) }

// portion writes a share with its verb: "none is refused", "82 % are refused",
// "all are refused".
func portion(x float64, becomes, become string) string {
	switch {
	case x == 0:
		return "none " + becomes
	case x == 1:
		return "all " + become
	}
	return Share(x) + " " + become
}

// roundTo keeps the given number of significant digits.
func roundTo(x float64, digits int) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', digits, 64), 64)
	return r
}

// duration writes seconds as people do: 120ms, 2s, 2.12s, 15m.
func duration(s float64) string {
	return Duration(time.Duration(roundTo(s, 3) * float64(time.Second)).Round(time.Microsecond))
}

// Duration writes a time without parts that are zero: 24h, 15m, 2s, 120ms.
func Duration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
