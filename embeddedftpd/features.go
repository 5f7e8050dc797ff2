package embeddedftpd

import "strings"

func (s *session) quit(string) {
	s.reply(221, "Goodbye.")
	s.quitting = true
}

// says is a command that has one reply.
func says(code int, text string) func(*session, string) {
	return func(s *session, _ string) { s.reply(code, text) }
}

// only is a command that knows one argument.
func only(known, text, other string) func(*session, string) {
	return func(s *session, arg string) {
		if strings.EqualFold(arg, known) {
			s.reply(200, text)
			return
		}
		s.reply(504, other)
	}
}

// clnt takes the client's word for what it is, for the log.
func (s *session) clnt(arg string) {
	s.log.Debug("client program", "name", arg)
	s.reply(200, "Noted.")
}

// host is RFC 7151. One server has one set of users, under any name.
func (s *session) host(arg string) {
	switch {
	case s.login.done || s.login.name != "":
		s.reply(503, "HOST comes before USER.")
	case strings.ContainsAny(arg, " /@"):
		s.reply(501, "Usage: HOST <sp> name")
	default:
		s.reply(220, "Host accepted.")
	}
}

// rein restarts the session (RFC 959 section 4.1.1).
func (s *session) rein(string) {
	s.releaseData()
	s.logout()
	s.data = dataState{ascii: true}
	s.features = featureState{}
	s.reply(220, "Ready for a new user.")
}

// feat is RFC 2389: what goes beyond RFC 959.
func (s *session) feat(string) {
	lines := []string{"Features:"}
	if s.srv.cfg.TLS != nil {
		lines = append(lines, "AUTH TLS", "PBSZ", "PROT")
	}
	lines = append(lines, "CLNT")
	if s.srv.cfg.ActiveMode {
		lines = append(lines, "EPRT")
	}
	lines = append(lines, "EPSV", "HOST", "MDTM", "MFMT", "MLST "+s.features.describe("*;", ";"),
		"REST STREAM", "SITE CHMOD", "SITE UTIME", "SIZE", "TVFS", "UTF8")
	s.reply(211, append(lines, "End")...)
}

// opts is RFC 2389's OPTS for MLST, and for UTF8, which is always on (RFC 2640).
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
