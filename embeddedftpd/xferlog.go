package embeddedftpd

import (
	"fmt"
	"time"
)

// xferlogLine is a line of wu-ftpd's xferlog(5): time, seconds (1 at least), client,
// bytes, file, type (a, b), special action (none), direction (o, i), access mode (a,
// r), user, service, authentication (none), its user id, completion (c, i). Times are
// local.
func xferlogLine(t *transfer, ascii bool, client, user string, anonymous, complete bool, now time.Time) string {
	return fmt.Sprintf("%s %d %s %d %s %s _ %s %s %s ftp 0 * %s\n",
		now.Format("Mon Jan _2 15:04:05 2006"), max(int64(now.Sub(t.started).Seconds()+0.5), 1), client, t.bytes.Load(),
		xferlogField(t.path), pick(ascii, "a", "b"), pick(t.sends, "o", "i"), pick(anonymous, "a", "r"),
		xferlogField(user), pick(complete, "c", "i"))
}

// xferlogField replaces what would make two fields of one, but no other byte.
func xferlogField(text string) string {
	field := []byte(text)
	for i, c := range field {
		if c <= ' ' || c == 0x7f {
			field[i] = '_'
		}
	}
	return string(field)
}

// logTransfer adds a file's transfer to the transfer log.
func (s *session) logTransfer(t *transfer, err error) {
	log := s.srv.cfg.TransferLog
	if log == nil || t.listing {
		return
	}
	user := s.login.user
	line := xferlogLine(t, s.data.ascii, s.client.String(), user.Name, user.Anonymous, err == nil, time.Now())
	s.srv.transferLog.Lock()
	defer s.srv.transferLog.Unlock()
	if _, err := log.Write([]byte(line)); err != nil {
		s.log.Error("cannot write the transfer log", "error", err)
	}
}
