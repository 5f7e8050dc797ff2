package generators

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
	"github.com/pasvctl/pasvctl/templates"
)

// siteLine is what a file's header says of a site.
func siteLine(s *plan.Site) string {
	return fmt.Sprintf("%s: control port %d, data %s (%s)", commentText(s.Name), s.Policy.Control, s.Policy.Data, rangeReason(s))
}

// boundWords are the bounds as an administrator reads them in a file.
var boundWords = map[string]string{
	sizing.BoundContention: "contention",
	sizing.BoundListenRace: "the listen race",
	sizing.BoundPerAddress: "sessions of one client address",
	sizing.BoundFourTuples: "source ports of one client address",
	sizing.BoundBurst:      "sessions that start together",
	sizing.BoundServer:     "the server's own limit",
}

// rangeReason is the size of a site's range and the bound that makes it so:
// "1,857 data ports: contention".
func rangeReason(s *plan.Site) string {
	text := sizing.Plural(s.Policy.Data.Count(), "data port")
	switch {
	case s.Pinned:
		text += ": pinned"
	case s.Spare() > 0 && s.Sizing.Ports > 0:
		text += ": kept by the lock"
	case s.Sizing.Binding != "":
		text += ": " + boundWords[s.Sizing.Binding]
	}
	return text
}

// commentText makes a text fit for a quoted comment: nft knows no escapes and
// takes 127 bytes, iptables-restore takes a backslash for an escape.
func commentText(s string) string {
	s = strings.NewReplacer(`"`, "'", `\`, "/").Replace(templates.Comment(s))
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:100], "")
	}
	return s
}

// everyone reports whether a list of clients leaves nobody of its family out.
func everyone(clients []netip.Prefix) bool {
	return len(clients) == 1 && clients[0].Bits() == 0
}

// dataRanges are a site's data ports, and older ones that stay open until their
// sessions have ended.
func dataRanges(s *plan.Site) []spec.PortRange {
	return append([]spec.PortRange{s.Policy.Data}, s.Policy.Draining...)
}
