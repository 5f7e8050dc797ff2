package embeddedftpd

// verb says how a command is carried out and what must be true before.
type verb struct {
	run       func(s *session, arg string)
	open      bool   // may come before the login
	needs     bool   // the argument is required
	writes    bool   // refused to users who may only read
	transfers bool   // REST's offset is for it and no later one
	usage     string // for HELP and 501
}

var verbs map[string]verb

func init() {
	notImplemented := says(502, "Command not implemented.") // of RFC 959
	// RFC 959 has 202 for ALLO, which some clients take for a failure.
	noted := says(200, "No storage allocation is necessary.")
	verbs = map[string]verb{
		"USER": {run: (*session).user, open: true, needs: true, usage: "USER <sp> name"},
		"PASS": {run: (*session).pass, open: true, usage: "PASS <sp> password"},
		"QUIT": {run: (*session).quit, open: true, usage: "QUIT"},
		"NOOP": {run: says(200, "OK."), open: true, usage: "NOOP"},
		"AUTH": {run: (*session).auth, open: true, needs: true, usage: "AUTH <sp> TLS | SSL"},
		"PBSZ": {run: (*session).pbsz, open: true, needs: true, usage: "PBSZ <sp> 0"},
		"PROT": {run: (*session).prot, open: true, needs: true, usage: "PROT <sp> C | P"},
		"CCC":  {run: (*session).ccc, open: true, usage: "CCC, which is refused"},
		"FEAT": {run: (*session).feat, open: true, usage: "FEAT"},
		"OPTS": {run: (*session).opts, open: true, needs: true, usage: "OPTS <sp> command [<sp> options]"},
		"SYST": {run: says(215, "UNIX Type: L8"), open: true, usage: "SYST"},
		"STAT": {run: (*session).stat, open: true, usage: "STAT [<sp> path]"},
		"HELP": {run: (*session).help, open: true, usage: "HELP [<sp> command]"},
		"CLNT": {run: (*session).clnt, open: true, needs: true, usage: "CLNT <sp> name"},
		"HOST": {run: (*session).host, open: true, needs: true, usage: "HOST <sp> name"},
		"REIN": {run: (*session).rein, open: true, usage: "REIN"},
		"ACCT": {run: notImplemented, open: true, usage: "ACCT, which is not implemented"},
		"SMNT": {run: notImplemented, open: true, usage: "SMNT, which is not implemented"},
		"SITE": {run: notImplemented, open: true, needs: true, usage: "SITE <sp> CHMOD | HELP | UTIME"},

		"SITE CHMOD": {run: (*session).chmod, needs: true, writes: true, usage: "SITE CHMOD <sp> octal mode <sp> path"},
		"SITE HELP":  {run: (*session).siteHelp, open: true, usage: "SITE HELP"},
		"SITE UTIME": {run: (*session).utime, needs: true, writes: true, usage: "SITE UTIME <sp> YYYYMMDDHHMM[SS] <sp> path, or path <sp> access <sp> modification <sp> change <sp> UTC"},

		"CWD":  {run: (*session).cwd, needs: true, usage: "CWD <sp> path"},
		"CDUP": {run: (*session).cdup, usage: "CDUP"},
		"PWD":  {run: (*session).pwd, usage: "PWD"},
		"MKD":  {run: (*session).mkd, needs: true, writes: true, usage: "MKD <sp> path"},
		"RMD":  {run: (*session).rmd, needs: true, writes: true, usage: "RMD <sp> path"},
		"DELE": {run: (*session).dele, needs: true, writes: true, usage: "DELE <sp> path"},
		"RNFR": {run: (*session).rnfr, needs: true, writes: true, usage: "RNFR <sp> path"},
		"RNTO": {run: (*session).rnto, needs: true, writes: true, usage: "RNTO <sp> path"},
		"SIZE": {run: (*session).size, needs: true, usage: "SIZE <sp> path"},
		"MDTM": {run: (*session).mdtm, needs: true, usage: "MDTM [<sp> YYYYMMDDHHMMSS] <sp> path"},
		"MFMT": {run: (*session).mfmt, needs: true, writes: true, usage: "MFMT <sp> YYYYMMDDHHMMSS <sp> path"},

		"TYPE": {run: (*session).setType, needs: true, usage: "TYPE <sp> A | I"},
		"MODE": {run: only("S", "Mode set to S.", "Only MODE S is known."), needs: true, usage: "MODE <sp> S"},
		"STRU": {run: only("F", "Structure set to F.", "Only STRU F is known."), needs: true, usage: "STRU <sp> F"},
		"PASV": {run: (*session).pasv, usage: "PASV"},
		"EPSV": {run: (*session).epsv, usage: "EPSV [<sp> 1 | 2 | ALL]"},
		"PORT": {run: (*session).port, needs: true, usage: "PORT <sp> address"},
		"EPRT": {run: (*session).eprt, needs: true, usage: "EPRT <sp> address"},
		"REST": {run: (*session).rest, needs: true, usage: "REST <sp> offset"},
		"RETR": {run: (*session).retr, transfers: true, needs: true, usage: "RETR <sp> path"},
		"STOR": {run: (*session).stor, transfers: true, needs: true, writes: true, usage: "STOR <sp> path"},
		"APPE": {run: (*session).appe, transfers: true, needs: true, writes: true, usage: "APPE <sp> path"},
		"STOU": {run: (*session).stou, transfers: true, writes: true, usage: "STOU"},
		"ALLO": {run: noted, usage: "ALLO <sp> bytes"},
		"LIST": {run: (*session).list, transfers: true, usage: "LIST [<sp> path]"},
		"NLST": {run: (*session).nlst, transfers: true, usage: "NLST [<sp> path]"},
		"MLSD": {run: (*session).mlsd, transfers: true, usage: "MLSD [<sp> path]"},
		"MLST": {run: (*session).mlst, usage: "MLST [<sp> path]"},
		"ABOR": {run: (*session).abor, usage: "ABOR"},
	}
	// RFC 775's names, which some clients still send.
	for old, now := range map[string]string{"XCWD": "CWD", "XCUP": "CDUP", "XPWD": "PWD", "XMKD": "MKD", "XRMD": "RMD"} {
		verbs[old] = verbs[now]
	}
}

// dispatch carries out one command, or says why it cannot be.
func (s *session) dispatch(cmd command) {
	if cmd.verb == "SITE" && cmd.arg != "" {
		sub := parseCommand(cmd.arg)
		cmd.verb, cmd.arg = "SITE "+sub.verb, sub.arg
	}
	if cmd.verb != "RNTO" {
		// RNTO comes straight after RNFR (RFC 959 section 4.1.3).
		s.files.renameFrom = ""
	}
	v, known := verbs[cmd.verb]
	s.verb = cmd.verb
	if v.transfers {
		defer func() { s.files.offset = 0 }()
	}
	switch {
	case cmd.tooLong:
		s.reply(500, "Command line too long.")
	case !known: // also an empty line
		s.reply(500, "Unknown command.")
	case !v.open && !s.login.done:
		s.reply(530, "Log in with USER and PASS first.")
	case v.needs && cmd.arg == "":
		s.reply(501, "Usage: "+v.usage)
	case !clean(cmd.arg):
		s.reply(501, "The argument holds a line break or a NUL.")
	case v.writes && s.login.user.ReadOnly:
		s.refuseWrite(cmd.name())
	default:
		v.run(s, cmd.arg)
	}
}
