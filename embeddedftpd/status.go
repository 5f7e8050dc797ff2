package embeddedftpd

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// stat is STAT: of the session, or a listing (RFC 959 section 4.1.3).
func (s *session) stat(arg string) {
	if arg != "" {
		s.statPath(arg)
		return
	}
	lines := []string{
		"Status of the FTP server:",
		"Connected from " + s.client.String() + " for " + time.Since(s.started).Round(time.Second).String(),
		"Not logged in",
		"TYPE " + pick(s.data.ascii, "A", "I") + ", MODE S, STRU F",
		"No data connection",
	}
	if s.login.done {
		lines[2] = "Logged in as " + s.login.user.Name
	}
	if t := s.running(); t != nil {
		lines[4] = fmt.Sprintf("%s %s: %d bytes in %v", t.verb, t.path, t.bytes.Load(), time.Since(t.started).Round(time.Second))
	} else if r, ok := s.data.next.(*passive.Reservation); ok {
		lines[4] = fmt.Sprintf("Waiting for a data connection on port %d", r.Port())
	}
	s.reply(211, append(lines, "End")...)
}

// maxStat is how many lines STAT with a path may have, in memory.
const maxStat = 1000

func (s *session) statPath(arg string) {
	if !s.login.done {
		s.reply(530, "Log in with USER and PASS first.")
		return
	}
	name := listArg(arg)
	sel, err := s.choose(name)
	var dir *os.File
	if err == nil && sel.entry == nil {
		if dir, err = s.openDir(sel.dir); err == nil {
			defer dir.Close()
		}
	}
	lines, end := []string{"Status of " + s.existing(name) + ":"}, "End"
	if err == nil {
		err = s.each(dir, sel, func(e entry) error {
			if len(lines) > maxStat {
				end = fmt.Sprintf("End of the first %d; use LIST for all", maxStat)
				return fs.SkipAll
			}
			lines = append(lines, strings.TrimSuffix(string(appendLong(nil, e, time.Now())), "\r\n"))
			return nil
		})
	}
	if err != nil && err != fs.SkipAll {
		s.fail(err)
		return
	}
	s.reply(213, append(lines, end)...)
}

// help lists the commands, or the usage of one.
func (s *session) help(arg string) {
	if arg != "" {
		v, known := verbs[upperASCII(strings.TrimSpace(arg))]
		if !known {
			s.reply(501, "Unknown command.")
			return
		}
		s.reply(214, "Usage: "+v.usage)
		return
	}
	lines := []string{"Commands:"}
	for row := range slices.Chunk(commandNames(false), 10) {
		lines = append(lines, strings.Join(row, " "))
	}
	s.reply(214, append(lines, "HELP with a command shows its usage")...)
}

func (s *session) siteHelp(string) {
	lines := []string{"Commands of SITE:"}
	for _, name := range commandNames(true) {
		lines = append(lines, verbs[name].usage)
	}
	s.reply(214, append(lines, "End")...)
}

// commandNames are those of SITE or all others, sorted.
func commandNames(site bool) []string {
	names := slices.Sorted(maps.Keys(verbs))
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasPrefix(name, "SITE ") != site })
}
