package embeddedftpd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// dataSource is how the next data connection comes about.
type dataSource interface {
	// Accept waits for the connection, no longer than patience.
	Accept(ctx context.Context, patience time.Duration) (net.Conn, error)
	// Release gives up what has not been used.
	Release()
}

// activeTarget is a data connection that the server opens (PORT, EPRT).
type activeTarget struct {
	from netip.Addr
	to   netip.AddrPort
}

func (a activeTarget) Accept(ctx context.Context, patience time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(a.from, 0)), KeepAlive: -1}
	d.SetMultipathTCP(false)
	conn, err := d.DialContext(ctx, "tcp", a.to.String())
	if err != nil {
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	tcp.SetNoDelay(false) // full segments only, as in passive mode
	return passive.Adopt(tcp)
}

func (activeTarget) Release() {}

func (s *session) port(arg string) { s.active(parsePort(arg)) }
func (s *session) eprt(arg string) { s.active(parseEprt(arg)) }

// active remembers where to connect to. It is off by default and goes to no other
// address, lest others be attacked through it (RFC 2577 section 3).
func (s *session) active(to netip.AddrPort, ok bool) {
	switch {
	case !s.srv.cfg.ActiveMode:
		s.reply(502, "Active mode is off; use PASV or EPSV.")
	case s.data.epsvOnly:
		s.reply(503, "EPSV ALL has been sent: only EPSV from now on.")
	case s.tls.protData:
		s.reply(504, "Under PROT P use PASV or EPSV.")
	case !ok:
		s.reply(501, "The address is malformed.")
	case to.Addr().Unmap() != s.client.WithZone(""):
		s.log.Warn("PORT to another address refused", "to", to.String())
		s.reply(504, fmt.Sprintf("Only to your own address, %v, and not to %v.", s.client, to.Addr()))
	case to.Port() < 1024:
		s.reply(504, "Not to a port below 1024.")
	case !s.protected(true):
	default:
		s.releaseData()
		// With its zone, without which a link-local address leads nowhere.
		local, client := s.tcp.LocalAddr().(*net.TCPAddr).AddrPort(), s.tcp.RemoteAddr().(*net.TCPAddr).AddrPort()
		s.data.next = activeTarget{from: local.Addr().Unmap(), to: netip.AddrPortFrom(client.Addr().Unmap(), to.Port())}
		s.reply(200, "Address accepted.")
	}
}

// parsePort reads h1,h2,h3,h4,p1,p2 (RFC 959 section 4.1.2).
func parsePort(arg string) (netip.AddrPort, bool) {
	parts := strings.Split(arg, ",")
	var n [6]byte
	for i, part := range parts {
		v, err := strconv.ParseUint(part, 10, 8)
		if err != nil || !digits(part) || len(parts) != len(n) {
			return netip.AddrPort{}, false
		}
		n[i] = byte(v)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(n[:4])), uint16(n[4])<<8|uint16(n[5])), true
}

// parseEprt reads |1|192.0.2.1|port| or |2|2001:db8::1|port| (RFC 2428 section 2).
func parseEprt(arg string) (netip.AddrPort, bool) {
	parts := strings.Split(arg, arg[:min(len(arg), 1)])
	if len(parts) != 5 || parts[4] != "" {
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(parts[2])
	port, err2 := strconv.ParseUint(parts[3], 10, 16)
	if err != nil || err2 != nil || !digits(parts[3]) || addr.Zone() != "" || addr.Is4() != (parts[1] == "1") || addr.Is6() != (parts[1] == "2") {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr, uint16(port)), true
}
