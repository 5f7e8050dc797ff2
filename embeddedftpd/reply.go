package embeddedftpd

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// replyTimeout is how long a client may leave a reply unread.
const replyTimeout = 30 * time.Second

// replyWriter writes replies (RFC 959 section 4.2), each whole, from any goroutine.
type replyWriter struct {
	mu   sync.Mutex
	conn net.Conn
	buf  []byte // replies held back; empty for the most part
	err  error
}

// write sends one reply; more than one line makes it a multi-line one.
func (w *replyWriter) write(code int, lines ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	w.buf = appendReply(w.buf, code, lines)
	w.conn.SetWriteDeadline(time.Now().Add(replyTimeout))
	_, w.err = w.conn.Write(w.buf)
	if w.buf = w.buf[:0]; cap(w.buf) > 1024 {
		w.buf = nil
	}
	return w.err
}

// hold keeps a reply back until the next one is written.
func (w *replyWriter) hold(code int, line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.buf = appendReply(w.buf, code, []string{line})
}

// redirect sends the replies from now on over conn.
func (w *replyWriter) redirect(conn net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = conn
}

// close ends the sending side, under TLS with a closing alert.
func (w *replyWriter) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c, ok := w.conn.(interface{ CloseWrite() error }); ok && w.err == nil {
		w.conn.SetWriteDeadline(time.Now().Add(time.Second))
		c.CloseWrite()
	}
}

// appendReply formats a reply: lines between the first and the last are indented.
func appendReply(buf []byte, code int, lines []string) []byte {
	for i, line := range lines {
		switch {
		case i == len(lines)-1:
			buf = append(strconv.AppendInt(buf, int64(code), 10), ' ')
		case i == 0:
			buf = append(strconv.AppendInt(buf, int64(code), 10), '-')
		default:
			buf = append(buf, ' ')
		}
		buf = append(append(buf, telnet.Replace(line)...), "\r\n"...)
	}
	return buf
}

// pick chooses one of two texts.
func pick(which bool, yes, no string) string {
	if which {
		return yes
	}
	return no
}

// telnet doubles the byte 255, Telnet's IAC, and replaces what would end a line early.
var telnet = strings.NewReplacer("\r", "?", "\n", "?", "\x00", "?", "\xff", "\xff\xff")
