package generators

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"strings"
	"testing"
	"time"
)

// ftpSession is one control connection of a client that says only what these
// tests need, so that nothing is retried or hidden behind a library.
type ftpSession struct {
	raw     net.Conn
	text    *textproto.Conn
	config  *tls.Config // nil in clear text
	private bool        // PROT P

	greeting string
}

const ftpPatience = 10 * time.Second

// dialFTP connects from a local address and reads the greeting.
func dialFTP(from, to string, implicit *tls.Config) (*ftpSession, error) {
	local := &net.TCPAddr{IP: net.ParseIP(from)}
	raw, err := (&net.Dialer{LocalAddr: local, Timeout: ftpPatience}).Dial("tcp", to)
	if err != nil {
		return nil, err
	}
	if err := raw.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		return nil, err
	}
	s := &ftpSession{raw: raw, config: implicit}
	if implicit != nil {
		s.raw = tls.Client(raw, implicit)
	}
	s.text = textproto.NewConn(s.raw)
	_, s.greeting, err = s.text.ReadResponse(220)
	if err != nil {
		raw.Close()
		return nil, err
	}
	return s, nil
}

// cmd sends a command and demands a reply code.
func (s *ftpSession) cmd(code int, format string, args ...any) (string, error) {
	if err := s.text.PrintfLine(format, args...); err != nil {
		return "", err
	}
	_, message, err := s.text.ReadResponse(code)
	if err != nil {
		return "", fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
	}
	return message, nil
}

// authTLS protects the control connection (RFC 4217, 4).
func (s *ftpSession) authTLS(config *tls.Config) error {
	if _, err := s.cmd(234, "AUTH TLS"); err != nil {
		return err
	}
	s.config = config
	s.raw = tls.Client(s.raw, config)
	s.text = textproto.NewConn(s.raw)
	return nil
}

func (s *ftpSession) login() error { return s.loginAs("shop", "secret") }

func (s *ftpSession) loginAs(user, password string) error {
	if s.config != nil {
		if _, err := s.cmd(200, "PBSZ 0"); err != nil {
			return err
		}
		if _, err := s.cmd(200, "PROT P"); err != nil {
			return err
		}
		s.private = true
	}
	// 230 at once: anonymous sessions may do without a password.
	if err := s.text.PrintfLine("USER %s", user); err != nil {
		return err
	}
	code, message, err := s.text.ReadResponse(0)
	if err == nil && code != 331 && code != 230 {
		err = fmt.Errorf("USER: %d %s", code, message)
	}
	if err != nil {
		return err
	}
	if code == 331 {
		if _, err := s.cmd(230, "PASS %s", password); err != nil {
			return err
		}
	}
	_, err = s.cmd(200, "TYPE I")
	return err
}

// passive asks for a data port with PASV or EPSV and returns where to connect.
func (s *ftpSession) passive(extended bool) (netip.AddrPort, error) {
	peer := netip.MustParseAddrPort(s.raw.RemoteAddr().String())
	if extended {
		message, err := s.cmd(229, "EPSV")
		if err != nil {
			return netip.AddrPort{}, err
		}
		var port uint16
		_, err = fmt.Sscanf(message[strings.Index(message, "|||"):], "|||%d|", &port)
		return netip.AddrPortFrom(peer.Addr(), port), err
	}
	message, err := s.cmd(227, "PASV")
	if err != nil {
		return netip.AddrPort{}, err
	}
	var a, b, c, d, high, low byte
	_, err = fmt.Sscanf(message[strings.IndexAny(message, "0123456789"):], "%d,%d,%d,%d,%d,%d", &a, &b, &c, &d, &high, &low)
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{a, b, c, d}), uint16(high)<<8|uint16(low)), err
}

// retrieve fetches a file over a data connection to an address, resuming the
// control connection's TLS session where resume says so.
func (s *ftpSession) retrieve(name string, from string, to netip.AddrPort, resume bool) (string, error) {
	local := &net.TCPAddr{IP: net.ParseIP(from)}
	data, err := (&net.Dialer{LocalAddr: local, Timeout: ftpPatience}).Dial("tcp", to.String())
	if err != nil {
		return "", err
	}
	defer data.Close()
	if err := data.SetDeadline(time.Now().Add(ftpPatience)); err != nil {
		return "", err
	}
	if err := s.text.PrintfLine("RETR %s", name); err != nil {
		return "", err
	}
	if _, _, err := s.text.ReadResponse(1); err != nil {
		return "", err
	}
	if s.private {
		config := s.config
		if !resume {
			config = config.Clone()
			config.ClientSessionCache = nil
		}
		data = tls.Client(data, config)
	}
	content, err := io.ReadAll(data)
	if err != nil {
		return "", err
	}
	data.Close()
	_, _, err = s.text.ReadResponse(226)
	return string(content), err
}

// store stores content under a name, in the control connection's TLS session.
func (s *ftpSession) store(name, content, from string) error {
	to, err := s.passive(true)
	if err != nil {
		return err
	}
	data, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: ftpPatience}).Dial("tcp", to.String())
	if err != nil {
		return err
	}
	defer data.Close()
	if err := data.SetDeadline(time.Now().Add(ftpPatience)); err != nil {
		return err
	}
	if _, err := s.cmd(1, "STOR %s", name); err != nil {
		return err
	}
	if s.private {
		data = tls.Client(data, s.config)
	}
	if _, err := io.WriteString(data, content); err != nil {
		return err
	}
	if err := data.Close(); err != nil {
		return err
	}
	_, _, err = s.text.ReadResponse(226)
	return err
}

// storeTruncated stores content over a data connection under TLS that ends
// without close_notify, and returns the code of the reply that follows 150.
func (s *ftpSession) storeTruncated(name, content, from string) (int, error) {
	to, err := s.passive(true)
	if err != nil {
		return 0, err
	}
	raw, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: ftpPatience}).Dial("tcp", to.String())
	if err != nil {
		return 0, err
	}
	defer raw.Close()
	if err := raw.SetDeadline(time.Now().Add(ftpPatience)); err != nil {
		return 0, err
	}
	if err := s.text.PrintfLine("STOR %s", name); err != nil {
		return 0, err
	}
	if _, _, err := s.text.ReadResponse(1); err != nil {
		return 0, err
	}
	if _, err := tls.Client(raw, s.config).Write([]byte(content)); err != nil {
		return 0, err
	}
	if err := raw.(*net.TCPConn).CloseWrite(); err != nil {
		return 0, err
	}
	code, _, err := s.text.ReadResponse(0)
	return code, err
}

func (s *ftpSession) close() { s.raw.Close() }

func mustSession(t *testing.T, from, to string) *ftpSession {
	t.Helper()
	s, err := dialFTP(from, to, nil)
	if err == nil {
		t.Cleanup(s.close)
		err = s.login()
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// clientTLS is a client's configuration that trusts the test's certificate.
func clientTLS(roots *x509.CertPool) *tls.Config {
	return &tls.Config{RootCAs: roots, ServerName: "ftp.test", ClientSessionCache: tls.NewLRUClientSessionCache(8)}
}
