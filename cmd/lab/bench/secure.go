package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strings"
	"time"
)

// secureSession is a session under TLS (RFC 4217) with PROT P.
type secureSession struct {
	config *tls.Config
	host   string
	text   *textproto.Conn
	state  tls.ConnectionState
}

func secureLogin(address string, version uint16) (*secureSession, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	raw, err := net.DialTimeout("tcp", address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	s := &secureSession{host: host, text: textproto.NewConn(raw), config: &tls.Config{
		InsecureSkipVerify: true, ServerName: "bench", MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}}
	raw.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, _, err := s.text.ReadResponse(220); err == nil {
		err = s.do("AUTH TLS", 234)
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	control := tls.Client(raw, s.config)
	if err := control.Handshake(); err != nil {
		raw.Close()
		return nil, err
	}
	s.text = textproto.NewConn(control)
	for _, step := range []struct {
		command string
		code    int
	}{{"USER " + user, 331}, {"PASS " + password, 230}, {"PBSZ 0", 200}, {"PROT P", 200}, {"TYPE I", 200}} {
		if err := s.do(step.command, step.code); err != nil {
			s.close()
			return nil, fmt.Errorf("%s: %w", step.command, err)
		}
	}
	return s, nil
}

func (s *secureSession) close() { s.text.Close() }

func (s *secureSession) do(command string, code int) error {
	if err := s.text.PrintfLine("%s", command); err != nil {
		return err
	}
	_, _, err := s.text.ReadResponse(code)
	return err
}

// begin opens the data connection of a transfer command, up to its handshake.
func (s *secureSession) begin(command string) (*tls.Conn, error) {
	if err := s.text.PrintfLine("EPSV"); err != nil {
		return nil, err
	}
	_, text, err := s.text.ReadResponse(229)
	if err != nil {
		return nil, err
	}
	port, err := epsvPort(text)
	if err != nil {
		return nil, err
	}
	raw, err := net.DialTimeout("tcp", net.JoinHostPort(s.host, fmt.Sprint(port)), 10*time.Second)
	if err != nil {
		return nil, err
	}
	raw.SetDeadline(time.Now().Add(2 * time.Minute))
	data := tls.Client(raw, s.config)
	if err := s.do(command, 150); err == nil {
		err = data.Handshake()
	}
	if err != nil {
		raw.Close()
		return nil, err
	}
	s.state = data.ConnectionState()
	return data, nil
}

// retrieve reads a file.
func (s *secureSession) retrieve(name string, size int64) (time.Duration, error) {
	began := time.Now()
	data, err := s.begin("RETR " + name)
	if err != nil {
		return 0, err
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, data, make([]byte, 256<<10))
	// Before the 226: vsftpd waits for it.
	data.Close()
	if err == nil && n != size {
		err = fmt.Errorf("%d bytes of %d came", n, size)
	}
	if err != nil {
		return 0, err
	}
	_, _, err = s.text.ReadResponse(226)
	return time.Since(began), err
}

// store sends a file.
func (s *secureSession) store(name string, from *os.File, size int64) (time.Duration, error) {
	began := time.Now()
	data, err := s.begin("STOR " + name)
	if err != nil {
		return 0, err
	}
	defer data.Close()
	if _, err := io.CopyBuffer(struct{ io.Writer }{data}, struct{ io.Reader }{io.NewSectionReader(from, 0, size)}, make([]byte, 256<<10)); err != nil {
		return 0, err
	}
	if err := data.Close(); err != nil {
		return 0, err
	}
	_, _, err = s.text.ReadResponse(226)
	return time.Since(began), err
}

// isRefusal tells a 425 or 421 from other failures.
func isRefusal(err error) bool {
	var reply *textproto.Error
	return errors.As(err, &reply) && (reply.Code == 425 || reply.Code == 421 || strings.HasPrefix(reply.Msg, "No data"))
}
