package embeddedftpd

import (
	"strings"
)

func (s *session) quit(string) {
	s.reply(221, "Goodbye.")
	s.quitting = true
}

func (s *session) noop(string) { s.reply(200, "OK.") }

func (s *session) syst(string) { s.reply(215, "UNIX Type: L8") }

// feat is RFC 2389: what goes beyond RFC 959.
func (s *session) feat(string) {
	lines := []string{"Features:", "EPSV", "MDTM", "MFMT"}
	star := func(on bool) string {
		if on {
			return "*"
		}
		return ""
	}
	lines = append(lines, "MLST "+s.features.describe(star, false),
		"REST STREAM", "SIZE", "TVFS", "UTF8")
	s.reply(211, append(lines, "End")...)
}

// opts is RFC 2389's OPTS for MLST, and for UTF8, which is always on
// (RFC 2640) but which some clients insist on turning on.
func (s *session) opts(arg string) {
	what, options, _ := strings.Cut(arg, " ")
	switch {
	case strings.EqualFold(what, "MLST"):
		s.reply(200, strings.TrimRight("MLST OPTS "+s.features.setFacts(options), " "))
	case strings.EqualFold(what, "UTF8") && (options == "" || strings.EqualFold(options, "ON")):
		s.reply(200, "UTF-8 is always on.")
	case strings.EqualFold(what, "UTF8"):
		s.reply(504, "UTF-8 cannot be turned off.")
	default:
		s.reply(501, "No such option.")
	}
}
