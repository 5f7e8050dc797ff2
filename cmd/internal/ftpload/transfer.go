package ftpload

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"hash"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"
)

// event is the outcome of one request for a data connection.
type event struct {
	kind    Kind
	detail  string        // the server's reply, where it refused by one
	port    uint16        // 0 if none was given
	wait    time.Duration // from the PASV command to its reply
	listen  time.Duration // from the reply to the data connection
	accept  time.Duration // from the reply to the server's 1xx mark
	hold    time.Duration // from the reply to the transfer's, or the session's, end
	bytes   int64
	at      time.Time
	outside bool // the port lies outside the range
}

// request asks for a port and uses it once.
func (s *session) request(ctx context.Context) (ev event) {
	ev.at = time.Now()
	port, r, err := s.passive()
	given := time.Now()
	ev.wait = given.Sub(ev.at)
	switch {
	case err != nil && r.code == 0:
		s.close()
		ev.kind = SessionDropped
		if isTimeout(err) {
			ev.kind = ReplyTimeout
		}
		return ev
	case port == 0:
		ev.kind, ev.detail = RefusedByReply, r.String()
		if r.code == 421 || r.code == 500 {
			s.probe() // vsftpd answers 500 OOPS and goes: notice it now
		}
		return ev
	}
	ev.port = port
	ev.outside = s.cfg.FirstPort != 0 && (port < s.cfg.FirstPort || port > s.cfg.LastPort)
	if s.random.Float64() < s.cfg.Abandoned {
		ev.kind = AbandonedOnPurpose
		sleep(ctx, s.cfg.AbandonFor)
		if s.cfg.Relogin {
			s.quit()
		}
		return ev
	}
	if !sleep(ctx, s.cfg.ConnectDelay.draw(s.random)) {
		ev.kind = Interrupted
		return ev
	}
	s.transfer(ctx, &ev, given)
	if s.cfg.Relogin {
		s.quit()
	}
	ev.hold = time.Since(given)
	return ev
}

// probe closes the session here unless the server goes on with it: vsftpd says
// 500 OOPS once for each of the session's processes that dies, and only then
// closes.
func (s *session) probe() {
	if r, err := s.command("NOOP"); err != nil || r.code/100 != 2 {
		s.close()
	}
}

// transfer connects to the port, then sends the command, as curl does, and
// moves the data. The port has been listening for the connect delay alone.
func (s *session) transfer(ctx context.Context, ev *event, given time.Time) {
	host, _, _ := net.SplitHostPort(s.conn.RemoteAddr().String())
	raw, err := s.dial(ctx, net.JoinHostPort(host, strconv.Itoa(int(ev.port))))
	ev.listen = time.Since(given)
	if err != nil {
		ev.kind, ev.detail = classifyDial(err), err.Error()
		return
	}
	defer raw.Close()
	r, err := s.command(s.verb())
	if err != nil {
		s.close()
		ev.kind = SessionDropped
		return
	}
	ev.accept = time.Since(given)
	if r.code/100 != 1 {
		ev.kind, ev.detail = TransferRefused, r.String()
		return
	}
	intact, err := s.move(ctx, raw, ev)
	raw.Close()
	last, replyErr := s.reply()
	switch {
	case replyErr != nil:
		s.close()
		ev.kind = SessionDropped
	case last.code/100 != 2 || err != nil:
		ev.kind, ev.detail = TransferFailed, last.String()
		if err != nil && last.code/100 == 2 {
			ev.detail = err.Error()
		}
	case !intact:
		ev.kind = WrongContent
	default:
		ev.kind = Done
		s.uploaded = s.uploaded || s.cfg.Op == Store
	}
}

func (s *session) verb() string {
	switch s.cfg.Op {
	case Store:
		return "STOR " + s.cfg.path(s.number)
	case List:
		if s.cfg.Path == "" {
			return "LIST"
		}
		return "LIST " + s.cfg.path(s.number)
	default:
		return "RETR " + s.cfg.path(s.number)
	}
}

// move sends or receives the data and reports whether it was this session's.
func (s *session) move(ctx context.Context, raw net.Conn, ev *event) (intact bool, err error) {
	data := raw
	if s.cfg.TLS != nil {
		t := tls.Client(raw, s.tlsConfig())
		if err := t.HandshakeContext(ctx); err != nil {
			return false, err
		}
		data = t
	}
	if err := data.SetDeadline(time.Now().Add(s.cfg.Timeout)); err != nil {
		return false, err
	}
	if s.cfg.Op == Store {
		ev.bytes, err = io.Copy(data, content(s.number, s.cfg.Size))
		if t, ok := data.(*tls.Conn); ok && err == nil {
			err = t.CloseWrite()
		}
		return err == nil, err
	}
	sum := sha256.New()
	ev.bytes, err = s.receive(ctx, sum, data)
	if err != nil || s.cfg.Op == List {
		return err == nil, err
	}
	return s.matches(sum), nil
}

// receive reads to the end, at the slow reader's pace if there is one. The
// deadline moves with the data, so only a stall ends it.
func (s *session) receive(ctx context.Context, to hash.Hash, from net.Conn) (total int64, err error) {
	buf := make([]byte, 32<<10)
	if s.cfg.ReadRate > 0 {
		buf = buf[:min(len(buf), max(1, int(s.cfg.ReadRate/10)))]
	}
	for {
		if err := from.SetDeadline(time.Now().Add(s.cfg.Timeout)); err != nil {
			return total, err
		}
		n, err := from.Read(buf)
		to.Write(buf[:n])
		total += int64(n)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		if s.cfg.ReadRate > 0 && !sleep(ctx, time.Duration(float64(n)/s.cfg.ReadRate*float64(time.Second))) {
			return total, ctx.Err()
		}
	}
}

// matches compares with what the session's file held when it was fetched
// first, alone, before the load began.
func (s *session) matches(sum hash.Hash) bool {
	var got [sha256.Size]byte
	sum.Sum(got[:0])
	if !s.known {
		s.want, s.known = got, true
		return true
	}
	return got == s.want
}

func classifyDial(err error) Kind {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return ConnectRefused
	case isTimeout(err):
		return ConnectTimeout
	default:
		return ConnectFailed
	}
}

func isTimeout(err error) bool {
	n, ok := errors.AsType[net.Error](err)
	return ok && n.Timeout()
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
