package sizing

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// count writes n with its thousands apart: 1,857.
func count(n int) string {
	if n < 0 {
		return "-" + count(-n)
	}
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// plural writes "1 port", "1,857 ports", "2 addresses".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "s") {
		return count(n) + " " + noun + "es"
	}
	return count(n) + " " + noun + "s"
}

// number writes x in three significant digits: 84.8, 0.05, 9.98e-07, 1,200.
func number(x float64) string {
	if x != 0 && math.Abs(x) < 0.001 {
		return strconv.FormatFloat(x, 'g', 3, 64)
	}
	if math.Abs(x) >= 1000 {
		return count(int(math.Round(x)))
	}
	return strconv.FormatFloat(roundTo(x, 3), 'f', -1, 64)
}

// roundTo keeps the given number of significant digits.
func roundTo(x float64, digits int) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'g', digits, 64), 64)
	return r
}

// duration writes seconds as people do: 120ms, 2s, 2.12s, 15m0s.
func duration(s float64) string {
	return time.Duration(roundTo(s, 3) * float64(time.Second)).Round(time.Microsecond).String()
}
