package explain

import (
	"strconv"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

// rate writes a rate with three significant digits.
func rate(perSecond float64) string {
	if perSecond >= 1000 {
		return sizing.Count(int(perSecond + 0.5))
	}
	return strconv.FormatFloat(perSecond, 'g', 3, 64)
}

// sentence makes a clause into a sentence.
func sentence(clause string) string {
	if clause == "" {
		return ""
	}
	return strings.ToUpper(clause[:1]) + clause[1:] + "."
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
