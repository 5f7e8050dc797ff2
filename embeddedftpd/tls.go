package embeddedftpd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// TLS configures FTP over TLS (RFC 4217), versions 1.2 and 1.3.
type TLS struct {
	// Certificate and Key are PEM files, the leaf first, read again when they change.
	// Both empty: a self-signed certificate, made at start, for a first try.
	Certificate, Key string
	Implicit         bool // TLS begins with the connection (port 990), with PROT P
	Required         bool // no login and no data connection in clear text
	// ReusePreferred admits data connections that do not resume the control connection's
	// session. Each then needs a passive port of its own, as in clear text, and whoever of
	// that address connects first is taken for the client.
	ReusePreferred bool
	// AcceptTruncated takes an upload that ends without close_notify (RFC 5246 section
	// 7.2.1), which old .NET clients never send. Others answer 426: whoever is on the way
	// can end a TCP connection early.
	AcceptTruncated bool
	// CBC admits CBC suites of TLS 1.2, whose padding has been attacked (RFC 9325 section
	// 4.2.1).
	CBC bool
}

// tlsState is what protects a session.
type tlsState struct {
	conn     *tls.Conn     // of the control connection; nil: clear text
	mark     *passive.Mark // of this control connection, in its tickets
	pbsz     bool          // PBSZ has been sent
	protData bool          // PROT P
}

var errSentAhead = errors.New("commands were sent ahead of the TLS handshake")

// baseTLS is what all connections of a server share, with the keys of its tickets.
func baseTLS(settings *TLS, source *certificateSource) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		CipherSuites:   settings.suites(),
		GetCertificate: source.get,
		// Small first records serve web pages; a file is best sent in full ones.
		DynamicRecordSizingDisabled: true,
	}
}

// suites are those of TLS 1.2; nil: Go's own choice, which has those with CBC last.
func (c *TLS) suites() (ids []uint16) {
	if c.CBC {
		return nil
	}
	for _, suite := range tls.CipherSuites() {
		if !strings.Contains(suite.Name, "_CBC_") {
			ids = append(ids, suite.ID)
		}
	}
	return ids
}

// marked reports whether every data connection shows whose it is.
func (c *TLS) marked() bool { return c != nil && c.Required && !c.ReusePreferred }

// secure puts the control connection under TLS.
func (s *session) secure() error {
	if s.lines.pending() || len(s.queued) > 0 {
		// Not protected by the handshake: whoever is on the way may have put it there.
		return errSentAhead
	}
	mark := passive.NewMark()
	var hello *tls.ClientHelloInfo
	cfg := s.srv.pool.ControlConfig(mark)
	cfg.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		hello = h
		return nil, nil
	}
	conn := tls.Server(s.tcp, cfg)
	ctx, cancel := context.WithTimeout(s.ctx, min(s.srv.cfg.LoginTimeout, passive.HandshakeTimeout))
	defer cancel()
	s.tcp.SetDeadline(time.Time{})
	if err := conn.HandshakeContext(ctx); err != nil {
		return handshakeError(err, hello)
	}
	s.lines = newLineReader(conn)
	s.out.redirect(conn)
	s.tls = tlsState{conn: conn, mark: mark}
	state := conn.ConnectionState()
	s.log.Debug("TLS", "version", tls.VersionName(state.Version), "cipher", tls.CipherSuiteName(state.CipherSuite))
	return nil
}

// handshakeError says why a handshake failed; hello is what the client offered, or nil.
func handshakeError(err error, hello *tls.ClientHelloInfo) error {
	var record tls.RecordHeaderError
	var network net.Error
	switch {
	case errors.As(err, &record):
		return fmt.Errorf("the client does not speak TLS: %w", err)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return fmt.Errorf("the client did not finish the handshake in time: %w", err)
	case hello == nil && errors.Is(err, io.EOF):
		return fmt.Errorf("the client hung up before the handshake: %w", err)
	case hello == nil:
		return err
	case slices.Max(append(hello.SupportedVersions, 0)) < tls.VersionTLS12:
		return fmt.Errorf("the client has no TLS 1.2: %w", err)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("the client hung up during the handshake, perhaps because of the certificate: %w", err)
	case onlyCBC(hello.CipherSuites):
		return fmt.Errorf("the client has only CBC suites, which tls { cbc = true } in the spec admits: %w", err)
	}
	return err
}

// onlyCBC reports whether of the suites that can be admitted only some with CBC are
// offered.
func onlyCBC(offered []uint16) (cbc bool) {
	for _, suite := range tls.CipherSuites() {
		if slices.Contains(offered, suite.ID) {
			if !strings.Contains(suite.Name, "_CBC_") {
				return false
			}
			cbc = true
		}
	}
	return cbc
}

// auth is RFC 4217 section 4: the session starts again under TLS.
func (s *session) auth(arg string) {
	switch {
	case s.srv.cfg.TLS == nil:
		s.reply(502, "TLS is not available.")
		return
	case s.tls.conn != nil:
		s.reply(503, "TLS is on already.")
		return
	}
	mode := upperASCII(arg)
	// From before RFC 4217: with PROT P from the start (draft-murray-auth-ftp-ssl-05).
	protData := mode == "SSL" || mode == "TLS-P"
	if !protData && mode != "TLS" && mode != "TLS-C" {
		s.reply(504, "Only AUTH TLS and AUTH SSL are known.")
		return
	}
	s.reply(234, "Begin the TLS handshake.")
	s.releaseData()
	s.logout()
	s.data = dataState{ascii: true}
	if err := s.secure(); err != nil {
		s.log.Info("TLS handshake failed", "error", err)
		s.kill()
		s.quitting = true
	}
	s.tls.pbsz, s.tls.protData = protData, protData
}

// pbsz is RFC 4217 section 8: with TLS the only size is 0.
func (s *session) pbsz(arg string) {
	switch {
	case s.tls.conn == nil:
		s.reply(503, "Send AUTH TLS first.")
	case !digits(arg):
		s.reply(501, "Usage: PBSZ <sp> 0")
	default:
		s.tls.pbsz = true
		s.reply(200, "PBSZ=0")
	}
}

// prot is RFC 4217 section 9. It ends the reservation, which is for the level before.
func (s *session) prot(arg string) {
	level := upperASCII(arg)
	switch {
	case !s.tls.pbsz:
		s.reply(503, "Send PBSZ first.")
	case level == "P":
		s.releaseData()
		s.tls.protData = true
		s.reply(200, "Data connections are protected.")
	case level == "C" && s.srv.cfg.TLS.Required:
		s.reply(534, "Data connections must be protected here.")
	case level == "C":
		s.releaseData()
		s.tls.protData = false
		s.reply(200, "Data connections are in clear text.")
	case level == "S" || level == "E":
		s.reply(536, "TLS knows PROT C and PROT P.")
	default:
		s.reply(504, "Unknown level.")
	}
}

// ccc would take away what tells one client from another on a shared port.
func (s *session) ccc(string) {
	code, text := 534, "The control connection stays protected."
	if s.tls.conn == nil {
		code, text = 533, "The control connection is in clear text already."
	}
	s.reply(code, text)
}

// protected reports whether TLS is as required for a login or data connection, or says
// so.
func (s *session) protected(data bool) bool {
	required := s.srv.cfg.TLS != nil && s.srv.cfg.TLS.Required
	switch {
	case required && s.tls.conn == nil:
		s.reply(530, "This server requires TLS: send AUTH TLS first.")
	case required && data && !s.tls.protData:
		// The code that vsftpd and ProFTPD use, for want of one in RFC 4217.
		s.reply(522, "This server requires protected data connections: send PROT P first.")
	default:
		return true
	}
	return false
}

// mark is what the next data connection must show; nil under PROT C.
func (s *session) mark() *passive.Mark {
	if s.tls.protData {
		return s.tls.mark
	}
	return nil
}
