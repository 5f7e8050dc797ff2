package embeddedftpd

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// stat is STAT: of the session, also while a transfer runs, or with a path a
// listing over the control connection (RFC 959 section 4.1.3).
func (s *session) stat(arg string) {
	if arg != "" {
		s.statPath(arg)
		return
	}
	kind := "I"
	if s.data.ascii {
		kind = "A"
	}
	lines := []string{
		"Status of the FTP server:",
		"Connected from " + s.client.String() + " for " + time.Since(s.started).Round(time.Second).String(),
		"Not logged in",
		"TYPE " + kind + ", MODE S, STRU F",
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

// maxStat is the number of lines that STAT with a path may have: it is one
// reply, in memory.
const maxStat = 1000

func (s *session) statPath(arg string) {
	if !s.login.done {
		s.reply(530, "Log in with USER and PASS first.")
		return
	}
	sel, err := s.choose(listArg(arg))
	var dir *os.File
	if err == nil && sel.entry == nil {
		dir, err = s.login.root.OpenFile(rooted(sel.dir), os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
	}
	if err != nil {
		s.fail(err)
		return
	}
	lines := []string{"Status of " + s.path(arg) + ":"}
	add := func(_ []byte, e entry) []byte {
		if len(lines) <= maxStat {
			lines = append(lines, strings.TrimRight(string(appendLong(nil, e, time.Now())), "\r\n"))
		}
		return nil
	}
	if dir != nil {
		defer dir.Close()
		if err := sendEntries(bufio.NewWriter(io.Discard), dir, sel.pattern, s.readlink(sel.dir), add); err != nil {
			s.fail(err)
			return
		}
	} else {
		add(nil, *sel.entry)
	}
	end := "End"
	if len(lines) > maxStat {
		end = fmt.Sprintf("End of the first %d; use LIST for all", maxStat)
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
	var row bytes.Buffer
	for i, name := range slices.Sorted(maps.Keys(verbs)) {
		fmt.Fprintf(&row, "%-5s", name)
		if i%10 == 9 {
			lines = append(lines, row.String())
			row.Reset()
		}
	}
	lines = append(lines, row.String(), "HELP with a command shows its usage")
	s.reply(214, lines...)
}
