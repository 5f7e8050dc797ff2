package embeddedftpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// transfer is a running data transfer of a session.
type transfer struct {
	verb, path string       // path is virtual
	opening    string       // the 150 reply's text
	opened     bool         // it has been said, and the file is ready
	turn       func() error // waits until an upload may begin, and opens file; nil: it is open
	sends      bool         // data goes to the client
	started    time.Time
	listing    bool
	file       *os.File
	source     dataSource
	stall      time.Duration
	rate       int64     // bytes a second; 0: as fast as it goes
	total      *bucket   // of all transfers; nil: as fast as it goes
	takesCut   bool      // take an upload under TLS that ends without close_notify
	paid       int64     // bytes that total knows of
	moving     time.Time // when the data connection came
	bytes      atomic.Int64
	done       chan struct{} // closed when it is over

	ctx     context.Context
	cancel  context.CancelFunc
	aborted atomic.Bool

	mu        sync.Mutex
	conn      net.Conn
	interrupt func() // while the kernel waits for the client
}

var (
	errAborted     = errors.New("aborted")
	errStalled     = errors.New("no data for too long")
	errTruncated   = errors.New(`the upload ended without TLS's close_notify, and truncated_uploads is "refuse"`)
	errOffset      = errors.New("offset beyond the end of the file")
	errOffsetASCII = errors.New("offset in TYPE A")
)

// localError is a failure on this side: of a file, not of the connection.
type localError struct{ error }

func (e localError) Unwrap() error { return e.error }

// abort stops the transfer from any goroutine, whatever it waits for.
func (t *transfer) abort() {
	t.aborted.Store(true)
	t.cancel()
	t.mu.Lock()
	conn, interrupt := t.conn, t.interrupt
	if interrupt != nil {
		interrupt()
	}
	t.mu.Unlock()
	// Not under the lock, for a socket on its way into the kernel is locked, too.
	if conn != nil && interrupt == nil {
		conn.SetDeadline(time.Unix(1, 0))
	}
}

// interruptible says how abort ends a wait in the kernel, until done.
func (t *transfer) interruptible(by func()) (done func()) {
	set := func(by func()) {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.interrupt = by
	}
	set(by)
	return func() { set(nil) }
}

// startTransfer runs body over the data connection of the last PASV, in a
// goroutine of its own. It closes file, which may be nil, when all is over.
func (s *session) startTransfer(t *transfer, body func(net.Conn) error) {
	t.source = s.data.next
	s.data.next = nil
	t.stall, t.rate, t.total = s.srv.cfg.StallTimeout, s.rate(), s.srv.total
	t.takesCut = s.srv.cfg.TLS == nil || s.srv.cfg.TLS.AcceptTruncated
	if t.opening == "" {
		t.opening = "Opening data connection for " + t.verb + "."
	}
	t.started = time.Now()
	t.done = make(chan struct{})
	t.ctx, t.cancel = context.WithCancel(s.ctx)
	s.begin(t)
	go s.runTransfer(t, body)
}

// connected reports whether the next data connection can still come, and says
// 425 or 522 if not: without a 150 before it.
func (s *session) connected() bool {
	if s.data.next == nil {
		s.reply(425, "Use PASV or EPSV first.")
		return false
	}
	r, ok := s.data.next.(reserved)
	if !ok {
		return true
	}
	err := r.Err()
	if err != nil {
		s.noConnection(s.verb, "", r, err)
		s.data.next = nil
	}
	return err == nil
}

func (s *session) runTransfer(t *transfer, body func(net.Conn) error) {
	defer s.finish(t)
	defer s.survive("transfer")
	defer t.cancel()
	defer t.source.Release()
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
	if !t.opened {
		s.reply(150, t.opening)
	}
	conn, err := t.connect(s.srv.cfg.ConnectTimeout)
	if err != nil {
		if t.aborted.Load() {
			err = errAborted
		}
		s.noConnection(t.verb, t.path, t.source, err)
		return
	}
	defer t.breakOff(conn) // after a panic; otherwise it is closed by then
	if t.total != nil {
		t.total.enter()
		defer t.total.leave()
	}
	err = body(conn)
	t.pay()
	if err == nil && t.file != nil {
		err = t.closeFile()
	}
	if err == nil {
		err = conn.Close()
	} else {
		t.breakOff(conn)
	}
	s.report(t, conn, err)
}

// connect waits for the data connection.
func (t *transfer) connect(timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(t.ctx, timeout)
	defer cancel()
	conn, err := t.source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conn, t.moving = conn, time.Now()
	return conn, nil
}

func (t *transfer) closeFile() error {
	if err := t.file.Close(); err != nil {
		return localError{err}
	}
	return nil
}

// breakOff closes the data connection of a failed transfer so that the client
// cannot take the part for the whole: with a reset, under TLS also without the
// closing alert, whose absence alone many clients overlook.
func (t *transfer) breakOff(conn net.Conn) {
	if c, ok := conn.(*tls.Conn); ok {
		conn = c.NetConn()
	}
	if c, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		c.SetLinger(0)
	}
	conn.Close()
}

// noConnection replies to a transfer command whose data connection never came,
// and says what came instead.
func (s *session) noConnection(verb, path string, source dataSource, err error) {
	s.srv.totals.failedTransfers.Add(1)
	log := s.log
	r, passively := source.(reserved)
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

// report logs and replies how the transfer over conn went.
func (s *session) report(t *transfer, conn net.Conn, err error) {
	n := t.bytes.Load()
	log := s.log
	if s.srv.cfg.ForeignData {
		if from, ok := addrOf(conn.RemoteAddr()); ok && from != s.client.WithZone("") {
			log = log.With("foreign", from)
		}
	}
	s.logTransfer(t, err)
	if t.sends {
		s.srv.totals.sent.Add(uint64(n))
	} else {
		s.srv.totals.received.Add(uint64(n))
	}
	if err == nil {
		s.srv.totals.transfers.Add(1)
		log.Info("transfer", "command", t.verb, "path", t.path, "bytes", n, seconds(time.Since(t.started)))
		s.reply(226, "Transfer complete.")
		return
	}
	s.srv.totals.failedTransfers.Add(1)
	log.Warn("transfer failed", "command", t.verb, "path", t.path, "bytes", n, seconds(time.Since(t.started)), "error", err)
	var local localError
	switch {
	case t.aborted.Load():
		s.reply(426, "Transfer aborted.")
	case errors.As(err, &local):
		if code, text := fileReply(local.error); code == 452 {
			s.reply(code, text)
		} else {
			s.reply(451, "Local error: "+text)
		}
	case errors.Is(err, errStalled):
		s.reply(426, "Data connection stalled: closed.")
	case errors.Is(err, errTruncated):
		s.reply(426, `The upload ended without TLS's close_notify and may be truncated (truncated_uploads is "refuse" here).`)
	default:
		s.reply(426, "Data connection lost.")
	}
}

// retr sends a file.
func (s *session) retr(arg string) {
	if !s.connected() {
		return
	}
	at := s.existing(arg)
	f, size, err := s.openRegular(at, os.O_RDONLY)
	if err == nil {
		err = s.startAt(f, s.files.offset, size)
	}
	if err != nil {
		s.refuseTransfer(f, err)
		return
	}
	t := &transfer{verb: "RETR", path: at, sends: true}
	ascii, from := s.data.ascii, s.files.offset
	if !ascii {
		// Clients show their progress by the number in parentheses.
		t.opening = fmt.Sprintf("Opening data connection for RETR (%d bytes).", size-from)
		if s.sendAtOnce(t, f, size-from) {
			return
		}
		from += t.bytes.Load()
	}
	t.file = polled(f)
	s.startTransfer(t, func(conn net.Conn) error {
		if ascii {
			return t.sendASCII(conn, t.file)
		}
		return t.send(conn, t.file, from, size)
	})
}

// refuseTransfer replies to a transfer command whose file cannot be opened. The
// reservation stays for the next one.
func (s *session) refuseTransfer(f regularFile, err error) {
	if f != nil {
		f.Close()
	}
	s.fail(err)
}

// openRegular opens a file and makes sure that it is one. O_NONBLOCK keeps a
// FIFO that somebody put there from holding the session for ever.
func (s *session) openRegular(at string, flags int) (_ regularFile, size int64, err error) {
	const perm = 0o666
	flags |= syscall.O_NONBLOCK | syscall.O_NOCTTY
	if f, size, ok := s.login.root.files.open(rooted(at), flags, perm); ok {
		return f, size, nil
	}
	f, err := s.login.root.OpenFile(rooted(at), flags, perm)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = syscall.EISDIR
	case !info.Mode().IsRegular():
		err = errNotRegular
	default:
		return f, info.Size(), nil
	}
	f.Close()
	return nil, 0, err
}

// startAt moves to REST's offset in a file that is size bytes long.
func (s *session) startAt(f regularFile, offset, size int64) error {
	switch {
	case offset == 0:
		return nil
	case s.data.ascii:
		return errOffsetASCII
	case offset > size:
		return errOffset
	}
	_, err := f.Seek(offset, io.SeekStart)
	return err
}

// abor ends the running transfer (426 for it, then 226) or gives up the
// reservation of one that has not begun.
func (s *session) abor(string) {
	if t := s.running(); t != nil {
		t.abort()
		<-t.done
		s.reply(226, "ABOR: the transfer has ended.")
		return
	}
	s.releaseData()
	s.reply(226, "ABOR: no transfer is running.")
}
