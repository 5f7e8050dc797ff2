package ftpload

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/textproto"
	"strconv"
	"strings"
	"time"
)

// session is one logged-in control connection. It is used by one goroutine at
// a time.
type session struct {
	cfg    *Config
	number int
	source netip.Addr
	random *rand.Rand
	cache  tls.ClientSessionCache

	conn     net.Conn
	control  *textproto.Conn
	want     [sha256.Size]byte // what a RETR of this session's file must give
	known    bool
	uploaded bool // a STOR of this session ended well
	left     bool // the session was ended from here
}

func newSession(cfg *Config, number int) *session {
	s := &session{
		cfg:    cfg,
		number: number,
		random: rand.New(rand.NewPCG(cfg.Seed, uint64(number)+1)),
		cache:  tls.NewLRUClientSessionCache(4),
	}
	if n := len(cfg.Sources); n > 0 {
		s.source = cfg.Sources[number%n]
	}
	return s
}

func (s *session) dial(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: s.cfg.Timeout}
	if s.source.IsValid() {
		d.LocalAddr = &net.TCPAddr{IP: s.source.AsSlice(), Zone: s.source.Zone()}
	}
	return d.DialContext(ctx, "tcp", addr)
}

func (s *session) open(ctx context.Context) error {
	conn, err := s.dial(ctx, s.cfg.Addr)
	if err != nil {
		return err
	}
	s.attach(conn)
	if err := s.login(ctx); err != nil {
		s.close()
		return err
	}
	return nil
}

func (s *session) attach(conn net.Conn) {
	s.conn = conn
	// A reply line is short; a server that sends more is not speaking FTP.
	s.control = textproto.NewConn(struct {
		io.Reader
		io.Writer
		io.Closer
	}{&io.LimitedReader{R: conn, N: 1 << 30}, conn, conn})
}

func (s *session) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn, s.control = nil, nil
	}
}

// quit ends the session (RFC 959, section 4.1.1) and returns when the server
// has closed it: what the session held is free by then.
func (s *session) quit() {
	if s.conn == nil {
		return
	}
	if _, err := s.command("QUIT"); err == nil {
		_, _ = s.reply() // nothing follows but the end
	}
	s.close()
	s.left = true
}

func (s *session) login(ctx context.Context) error {
	greeting, err := s.reply()
	if err != nil {
		return fmt.Errorf("no greeting: %w", err)
	}
	if greeting.code/100 > 2 { // 421 at the server's cap
		return fmt.Errorf("the server refuses the session: %s", greeting)
	}
	if s.cfg.TLS != nil {
		if err := s.secure(ctx); err != nil {
			return err
		}
	}
	r, err := s.command("USER " + s.cfg.User)
	if err == nil && r.code == 331 {
		r, err = s.command("PASS " + s.cfg.Password)
	}
	if err == nil && r.code/100 == 2 {
		r, err = s.command("TYPE I")
	}
	if err != nil {
		return err
	}
	if r.code/100 != 2 {
		return fmt.Errorf("login: %s", r)
	}
	return nil
}

// secure upgrades the control connection and asks for protected data
// connections (RFC 4217, section 4).
func (s *session) secure(ctx context.Context) error {
	if r, err := s.command("AUTH TLS"); err != nil || r.code != 234 {
		return fmt.Errorf("AUTH TLS: %w", errors.Join(err, r.unless(234)))
	}
	conn := tls.Client(s.conn, s.tlsConfig())
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS on the control connection: %w", err)
	}
	s.attach(conn)
	for _, line := range []string{"PBSZ 0", "PROT P"} {
		if r, err := s.command(line); err != nil || r.code != 200 {
			return fmt.Errorf("%s: %w", line, errors.Join(err, r.unless(200)))
		}
	}
	return nil
}

func (s *session) tlsConfig() *tls.Config {
	c := s.cfg.TLS.Clone()
	c.ClientSessionCache = s.cache
	return c
}

type reply struct {
	code int
	text string
}

func (r reply) String() string { return strconv.Itoa(r.code) + " " + r.text }

func (r reply) unless(code int) error {
	if r.code == code || r.code == 0 {
		return nil
	}
	return errors.New(r.String())
}

func (s *session) command(line string) (reply, error) {
	if err := s.conn.SetDeadline(time.Now().Add(s.cfg.Timeout)); err != nil {
		return reply{}, err
	}
	if _, err := io.WriteString(s.conn, line+"\r\n"); err != nil {
		return reply{}, err
	}
	return s.reply()
}

func (s *session) reply() (reply, error) {
	if err := s.conn.SetDeadline(time.Now().Add(s.cfg.Timeout)); err != nil {
		return reply{}, err
	}
	code, text, err := s.control.ReadResponse(0)
	if err != nil {
		return reply{}, err
	}
	return reply{code, text}, nil
}

// passive asks for a port and returns where to connect. The host is the
// control connection's: the one in a 227 reply may be an announced address
// that is not reachable from here, or a third party's (RFC 2577, section 3).
func (s *session) passive() (port uint16, r reply, err error) {
	command, code, parse := "PASV", 227, parsePASV
	if s.cfg.Extended {
		command, code, parse = "EPSV", 229, parseEPSV
	}
	if r, err = s.command(command); err != nil || r.code != code {
		return 0, r, err
	}
	port, err = parse(r.text)
	return port, r, err
}

// parsePASV reads the port of a 227 reply: h1,h2,h3,h4,p1,p2 (RFC 959,
// section 4.1.2), with or without parentheses (RFC 1123, section 4.1.2.6).
func parsePASV(text string) (uint16, error) {
	start := strings.IndexAny(text, "0123456789")
	if start < 0 {
		return 0, fmt.Errorf("no address in the reply %q", text)
	}
	list := text[start:]
	if end := strings.IndexFunc(list, func(r rune) bool { return r != ',' && (r < '0' || r > '9') }); end >= 0 {
		list = list[:end]
	}
	fields := strings.Split(list, ",")
	if len(fields) != 6 {
		return 0, fmt.Errorf("no six numbers in the reply %q", text)
	}
	var n [6]uint64
	for i, f := range fields {
		v, err := strconv.ParseUint(f, 10, 8)
		if err != nil {
			return 0, fmt.Errorf("bad number %q in the reply %q", f, text)
		}
		n[i] = v
	}
	return uint16(n[4]<<8 | n[5]), nil
}

// parseEPSV reads the port of a 229 reply: (|||port|) with any delimiter from
// 33 to 126 (RFC 2428, section 3).
func parseEPSV(text string) (uint16, error) {
	open := strings.LastIndexByte(text, '(')
	shut := strings.LastIndexByte(text, ')')
	if open < 0 || shut < open+6 {
		return 0, fmt.Errorf("no (|||port|) in the reply %q", text)
	}
	inner := text[open+1 : shut]
	d := inner[0]
	if d < 33 || d > 126 || inner[1] != d || inner[2] != d || inner[len(inner)-1] != d {
		return 0, fmt.Errorf("no (|||port|) in the reply %q", text)
	}
	port, err := strconv.ParseUint(inner[3:len(inner)-1], 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("no port in the reply %q", text)
	}
	return uint16(port), nil
}
