package explain

import (
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
)

var english = message.NewPrinter(language.English)

// Count writes a number with its thousands apart: 1,857.
func Count(n int) string { return english.Sprintf("%d", n) }

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

// joined writes a list: "a", "a or b", "a, b or c".
func joined(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
