package embeddedftpd

// verb says how a command is carried out and what must be true before.
type verb struct {
	run func(s *session, arg string)
	// open: may come before the login.
	open bool
	// needs: the argument is required, and takes a path or a name.
	needs bool
	// writes: refused to read-only users.
	writes bool
	// beside: is carried out while a transfer runs.
	beside bool
	// keeps: does not forget the RNFR or REST before it.
	keeps bool
	// usage is what HELP says.
	usage string
}

var verbs map[string]verb

func init() {
	verbs = map[string]verb{
		"USER": {run: (*session).user, open: true, needs: true, usage: "USER <sp> name"},
		"PASS": {run: (*session).pass, open: true, usage: "PASS <sp> password"},
		"QUIT": {run: (*session).quit, open: true, usage: "QUIT"},
		"NOOP": {run: (*session).noop, open: true, usage: "NOOP"},
	}
}

func besideTransfer(cmd command) bool { return verbs[cmd.verb].beside }

// dispatch carries out one command, or says why it cannot be.
func (s *session) dispatch(cmd command) {
	v, known := verbs[cmd.verb]
	switch {
	case !known:
		s.reply(500, "Unknown command.")
	case !v.open && !s.login.done:
		s.reply(530, "Log in with USER and PASS first.")
	case v.needs && cmd.arg == "":
		s.reply(501, "Usage: "+v.usage)
	case v.needs && !clean(cmd.arg):
		s.reply(501, "The argument holds a control character.")
	case v.writes && s.login.user.ReadOnly:
		s.reply(550, "Permission denied: read-only.")
	default:
		v.run(s, cmd.arg)
	}
}

func (s *session) quit(string) {
	s.reply(221, "Goodbye.")
	s.quitting = true
}

func (s *session) noop(string) { s.reply(200, "OK.") }
