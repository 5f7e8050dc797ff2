package embeddedftpd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// transfer is a running data transfer of a session.
type transfer struct {
	verb, path string // path is virtual
	opening    string // the 150 reply's text; empty once it has been sent
	sends      bool   // data goes to the client
	listing    bool
	file       *os.File
	replaces   bool         // the upload is to empty file first
	turn       func() error // waits until an upload may begin, and opens file; nil: it is open
	small      bool         // try it before commands are heard
	source     dataSource
	started    time.Time
	stall      time.Duration
	stallAt    time.Time // instead of stall, unless zero
	deadline   time.Time // of the data connection
	limits     []*bucket // its own and that of all transfers
	paid       int64     // bytes that limits know of
	paidAt     time.Time // since when there are others
	takesCut   bool      // take an upload under TLS that ends without close_notify
	bytes      atomic.Int64

	ctx     context.Context
	cancel  context.CancelFunc
	aborted atomic.Bool

	mu   sync.Mutex
	conn net.Conn // nil: it has not come
}

var (
	errAborted     = errors.New("aborted")
	errStalled     = errors.New("no data for too long")
	errTruncated   = errors.New(`the upload ended without TLS's close_notify, and truncated_uploads is "refuse"`)
	errOffset      = errors.New("offset beyond the end of the file")
	errOffsetASCII = errors.New("offset in TYPE A")
)

// connError is a failure of the data connection; others are of this side.
type connError struct{ error }

// abort stops the transfer from any goroutine, whatever it waits for.
func (t *transfer) abort() {
	t.aborted.Store(true)
	t.cancel()
	t.mu.Lock()
	conn := t.conn
	t.mu.Unlock()
	if conn != nil {
		conn.SetDeadline(time.Unix(1, 0))
	}
}

// runTransfer runs body over the data connection of the last PASV, and closes the file.
func (s *session) runTransfer(t *transfer, body func() error) {
	t.source, s.data.next = s.data.next, nil
	defer t.source.Release()
	defer t.breakOff() // after a panic; otherwise it is closed by then
	t.stall = s.srv.cfg.StallTimeout
	if rate := cmp.Or(s.login.user.Rate, s.srv.cfg.Rate); rate > 0 {
		t.limits = append(t.limits, &bucket{rate: rate})
	}
	if s.srv.total != nil {
		t.limits = append(t.limits, s.srv.total)
	}
	t.takesCut = s.srv.cfg.TLS == nil || s.srv.cfg.TLS.AcceptTruncated
	if t.opening == "" {
		t.opening = "Opening data connection for " + t.verb + "."
	}
	t.started = time.Now()
	t.paidAt = t.started
	if s.transferNow(t, body) {
		return
	}
	t.ctx, t.cancel = context.WithCancel(s.ctx)
	defer t.cancel()
	defer s.hear(t)()
	if t.turn != nil {
		if err := t.turn(); err != nil {
			code, text := fileReply(err)
			s.log.Warn("refused", "command", t.verb, "path", t.path, "error", err)
			s.reply(code, text)
			return
		}
	}
	if t.file != nil {
		defer t.file.Close()
	}
	var err error
	if t.conn == nil {
		s.open(t)
		if err := t.connect(s.srv.cfg.ConnectTimeout); err != nil {
			if t.ctx.Err() != nil {
				err = errAborted
			}
			s.noConnection(t.verb, t.path, t.source, err)
			return
		}
		err = t.shorten()
	}
	for _, b := range t.limits {
		b.count(1)
		defer b.count(-1)
	}
	if err == nil {
		err = body()
	}
	t.pay()
	s.complete(t, err)
}

// transferNow carries out a small transfer if its data connection comes within
// smallWait: nothing else has to wake up, and both replies of a download leave as one
// segment.
func (s *session) transferNow(t *transfer, body func() error) bool {
	r, passively := t.source.(*passive.Reservation)
	if !t.small || !passively || s.tls.protData || len(t.limits) > 0 {
		return false
	}
	if !t.sends {
		// Before the connection has come: then the first bytes come with it.
		s.open(t)
	}
	conn, err := r.AcceptBare(s.ctx, smallWait)
	if err != nil {
		return false // the ordinary transfer sees to it
	}
	t.conn, t.stallAt = conn, time.Now().Add(smallWait)
	err = body()
	t.stallAt = time.Time{}
	if errors.Is(err, errStalled) {
		conn.(*passive.Socket).Wake()
		s.open(t)
		return false
	}
	if t.sends {
		s.out.hold(150, t.opening)
	}
	s.complete(t, err)
	return true
}

// open sends the 150 reply, once.
func (s *session) open(t *transfer) {
	if t.opening != "" {
		s.reply(150, t.opening)
		t.opening = ""
	}
}

// connected reports whether the next data connection can still come, or says 425 or
// 522.
func (s *session) connected(path string) bool {
	if s.data.next == nil {
		s.reply(425, "Use PASV or EPSV first.")
		return false
	}
	r, ok := s.data.next.(*passive.Reservation)
	if !ok {
		return true
	}
	err := r.Err()
	if err != nil {
		s.noConnection(s.verb, path, r, err)
		s.data.next = nil
	}
	return err == nil
}

// complete closes file and connection, and replies.
func (s *session) complete(t *transfer, err error) {
	if t.file != nil {
		err = cmp.Or(err, t.file.Close())
	}
	if err != nil {
		t.breakOff()
	} else if !t.sends {
		defer t.conn.Close() // the client has closed its end and waits for the reply
	} else if failed := t.conn.Close(); failed != nil {
		err = connError{failed}
	}
	s.report(t, err)
}

// connect waits for the data connection.
func (t *transfer) connect(timeout time.Duration) error {
	conn, err := t.source.Accept(t.ctx, timeout)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		t.conn = conn
	}
	return err
}

// breakOff closes the data connection of a failed transfer with a reset, for the client
// not to take the part for the whole: many overlook that a closing alert is missing.
func (t *transfer) breakOff() {
	if t.conn != nil {
		passive.Reset(t.conn)
	}
}

// noConnection replies that the data connection never came, and says what came instead.
func (s *session) noConnection(verb, path string, source dataSource, err error) {
	s.srv.count(func(is *Stats) { is.FailedTransfers++ })
	log := s.log
	r, passively := source.(*passive.Reservation)
	instead := "."
	if passively {
		if from := r.Foreign(); from.IsValid() {
			log = log.With("foreign", from)
			instead = fmt.Sprintf("; one came from %v, and this session's client is %v.", from, s.client)
		}
	}
	log.Warn("no data connection", "command", verb, "path", path, "error", err)
	late := fmt.Sprintf("came within %v", s.srv.cfg.ConnectTimeout)
	switch {
	case errors.Is(err, errAborted):
		s.reply(426, "Transfer aborted.")
	case errors.Is(err, passive.ErrNotResumed):
		s.reply(522, "The data connection must resume the TLS session of the control connection, and yours did not.")
	case !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, passive.ErrExpired):
		s.reply(425, "The data connection cannot be opened.")
	case s.tls.protData:
		s.reply(425, "No data connection that resumes this TLS session "+late+instead)
	default:
		s.reply(425, "No data connection "+late+instead)
	}
}

// report logs and replies how the transfer went.
func (s *session) report(t *transfer, err error) {
	n := t.bytes.Load()
	log := s.log
	if s.srv.cfg.ForeignData {
		if from, ok := addrOf(t.conn.RemoteAddr()); ok && from != s.client.WithZone("") {
			log = log.With("foreign", from)
		}
	}
	s.logTransfer(t, err)
	s.srv.count(func(is *Stats) {
		if t.sends {
			is.BytesSent += uint64(n)
		} else {
			is.BytesReceived += uint64(n)
		}
		if err == nil {
			is.Transfers++
		} else {
			is.FailedTransfers++
		}
	})
	if err == nil {
		log.Info("transfer", "command", t.verb, "path", t.path, "bytes", n, seconds(time.Since(t.started)))
		s.reply(226, "Transfer complete.")
		return
	}
	log.Warn("transfer failed", "command", t.verb, "path", t.path, "bytes", n, seconds(time.Since(t.started)), "error", err)
	switch code, text := fileReply(err); {
	case t.aborted.Load() || errors.Is(err, errAborted):
		s.reply(426, "Transfer aborted.")
	case errors.Is(err, errStalled):
		s.reply(426, "Data connection stalled: closed.")
	case errors.Is(err, errTruncated):
		s.reply(426, `The upload ended without TLS's close_notify and may be truncated (truncated_uploads is "refuse" here).`)
	case errors.As(err, new(connError)):
		s.reply(426, "Data connection lost.")
	case code == 452:
		s.reply(code, text)
	default:
		s.reply(451, "Local error: "+text)
	}
}

// abor gives up the reservation of a transfer that has not begun. See hear.
func (s *session) abor(string) {
	s.releaseData()
	s.reply(226, "ABOR: no transfer is running.")
}
