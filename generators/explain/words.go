package explain

import (
	"strconv"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

var english = message.NewPrinter(language.English)

// Count writes a number with its thousands apart: 1,857.
func Count(n int) string { return english.Sprintf("%d", n) }

// Share writes a share, 0 to 1, as people read it: percent down to a
// thousandth, and powers of ten below.
func Share(x float64) string {
	switch {
	case x == 0:
		return "none"
	case x >= 0.001:
		return strconv.FormatFloat(round(100*x), 'f', -1, 64) + " %"
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', 2, 64), "e")
	mantissa = strings.TrimSuffix(strings.TrimRight(mantissa, "0"), ".")
	power, _ := strconv.Atoi(exponent)
	return mantissa + "e" + strconv.Itoa(power)
}

// round keeps three significant digits, but never makes less than everything
// into everything.
func round(percent float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(percent, 'g', 3, 64), 64)
	if r == 100 && percent < 100 {
		return 99.9
	}
	return r
}

// rate writes a rate with three significant digits.
func rate(perSecond float64) string {
	if perSecond >= 1000 {
		return Count(int(perSecond + 0.5))
	}
	return strconv.FormatFloat(perSecond, 'g', 3, 64)
}

func plural(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "s"):
		return Count(n) + " " + noun + "es"
	}
	return Count(n) + " " + noun + "s"
}

// sentence makes a clause into a sentence.
func sentence(clause string) string {
	if clause == "" {
		return ""
	}
	return strings.ToUpper(clause[:1]) + clause[1:] + "."
}
