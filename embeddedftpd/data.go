package embeddedftpd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// dataState is how the next data connection comes about and what it carries.
type dataState struct {
	ascii    bool       // TYPE A, the default (RFC 959 section 5.1)
	next     dataSource // of the last PASV, EPSV, PORT or EPRT; nil: none
	epsvOnly bool       // after EPSV ALL (RFC 2428 section 4)
}

func (s *session) pasv(string) {
	switch {
	case s.data.epsvOnly:
		s.reply(503, "EPSV ALL has been sent: only EPSV from now on.")
		return
	case !s.local.Is4():
		s.reply(425, "PASV is for IPv4; use EPSV.")
		return
	}
	port, ok := s.reserve()
	if !ok {
		return
	}
	at := s.local
	if announced := s.srv.announced.to(s.client); announced.IsValid() {
		at = announced
	}
	host := strings.ReplaceAll(at.String(), ".", ",")
	s.reply(227, fmt.Sprintf("Entering Passive Mode (%s,%d,%d).", host, port>>8, port&0xff))
}

// epsv is RFC 2428 section 3. Protocol 1 is IPv4, 2 is IPv6.
func (s *session) epsv(arg string) {
	family := pick(s.local.Is4(), "1", "2")
	switch strings.ToUpper(strings.TrimSpace(arg)) {
	case "", family:
	case "ALL":
		s.data.epsvOnly = true
		s.reply(200, "EPSV ALL accepted.")
		return
	case "1", "2":
		s.reply(522, "Network protocol not supported here, use ("+family+")")
		return
	default:
		s.reply(501, "Usage: EPSV [<sp> 1 | 2 | ALL]")
		return
	}
	if port, ok := s.reserve(); ok {
		s.reply(229, fmt.Sprintf("Entering Extended Passive Mode (|||%d|)", port))
	}
}

// reserve replaces the session's reservation with a new one.
func (s *session) reserve() (port uint16, ok bool) {
	s.releaseData()
	if !s.protected(true) {
		return 0, false
	}
	r, err := s.passivePort.Reserve(s.ctx, s.mark())
	switch {
	case errors.As(err, new(passive.BusyError)):
		s.log.Warn("no passive port", "error", err)
		s.reply(425, "No data connection: "+err.Error()+".")
	case errors.Is(err, context.Canceled):
		s.log.Debug("the session ended while it waited for a passive port")
		s.reply(425, "No data connection: the session ends.")
	case err != nil:
		s.log.Error("no passive port", "error", err)
		s.reply(425, "No data connection is possible.")
	default:
		s.data.next = r
		return r.Port(), true
	}
	return 0, false
}

func (s *session) releaseData() {
	if s.data.next != nil {
		s.data.next.Release()
		s.data.next = nil
	}
}

// setType is TYPE: A (with N, the default format control), and I, which L 8 equals.
func (s *session) setType(arg string) {
	switch strings.ToUpper(strings.Join(strings.Fields(arg), " ")) {
	case "A", "A N":
		s.data.ascii = true
		s.reply(200, "Type set to A.")
	case "I", "L 8", "L8":
		s.data.ascii = false
		s.reply(200, "Type set to I.")
	default:
		s.reply(504, "Only TYPE A and TYPE I are known.")
	}
}

// rest is RFC 3659 section 5. In TYPE A an offset means nothing in the file.
func (s *session) rest(arg string) {
	offset, err := strconv.ParseInt(arg, 10, 64)
	switch {
	case err != nil || offset < 0 || !digits(arg):
		s.reply(501, "Usage: REST <sp> offset")
	case s.data.ascii && offset > 0:
		s.reply(501, "REST is not available in TYPE A; use TYPE I.")
	default:
		s.files.offset = offset
		s.reply(350, fmt.Sprintf("The next transfer starts at %d.", offset))
	}
}
