package inventory

import (
	"errors"
	"regexp"
	"time"

	"github.com/pasvctl/pasvctl/generators/serverconf"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() { register(reader{tellsVsftpd, readVsftpd}) }

var vsftpdLine = regexp.MustCompile(`(?m)^[ \t]*(?:(?:anon|local|listen|pasv|port|ssl|max|idle|data|chroot|xferlog|userlist|ftpd|pam|user|guest|rsa|seccomp|secure|tcp)_[a-z0-9_]+|anonymous_enable|write_enable|listen|implicit_ssl|require_ssl_reuse|strict_ssl_read_eof|connect_from_port_20)=`)

func tellsVsftpd(text []byte) int { return matches(vsftpdLine, text) }

// readVsftpd reads vsftpd.conf(5) with the defaults of 3.0.3.
func readVsftpd(in *input) error {
	c, base, err := in.config("vsftpd")
	if err != nil {
		return err
	}
	s := &Server{
		Profile: "vsftpd", At: in.at(0), Base: base,
		Port: value(uint16(21)), DataPorts: value(spec.PortRange{First: 1024, Last: 65535}), Passive: value(true),
		IdleTimeout: value(300 * time.Second), DataTimeout: value(300 * time.Second),
		TLS: value(spec.TLSOff), TLSRequired: value(true), SessionReuse: value(true),
		Certificate: value("/usr/share/ssl/certs/vsftpd.pem"),
		PeerCheck:   value(true), TruncatedUploads: value(spec.AcceptTruncated),
	}
	in.Servers = append(in.Servers, s)
	c.vsftpdListener(s)
	set(c, &s.Port, func(d serverconf.Directive) (uint16, error) {
		n, err := port(d)
		if err == nil && n == 0 {
			err = errors.New("the kernel chooses the port")
		}
		return n, err
	}, "listen_port")
	c.vsftpdPorts(s)
	set(c, &s.Passive, on, "pasv_enable")
	set(c, &s.Announce, text, "pasv_address")
	set(c, &s.Sessions, limit, "max_clients")
	set(c, &s.SessionsPerAddress, limit, "max_per_ip")
	set(c, &s.IdleTimeout, seconds, "idle_session_timeout")
	set(c, &s.DataTimeout, seconds, "data_connection_timeout")
	set(c, &s.PeerCheck, off, "pasv_promiscuous")
	implicit, _ := c.one("implicit_ssl")
	set(c, &s.TLS, func(d serverconf.Directive) (spec.TLSMode, error) { return mode(d.Yes(), implicit.Yes()), nil }, "ssl_enable")
	for _, name := range []string{"force_local_logins_ssl", "force_local_data_ssl"} {
		if d, ok := c.one(name); ok && (s.TLSRequired.Value || !s.TLSRequired.Written()) {
			s.TLSRequired = Setting[bool]{d.Yes(), in.place(d)}
		}
	}
	set(c, &s.SessionReuse, on, "require_ssl_reuse")
	set(c, &s.TruncatedUploads, func(d serverconf.Directive) (spec.Truncated, error) {
		if d.Yes() {
			return spec.RefuseTruncated, nil
		}
		return spec.AcceptTruncated, nil
	}, "strict_ssl_read_eof")
	set(c, &s.Certificate, text, "rsa_cert_file")
	set(c, &s.Key, text, "rsa_private_key_file")
	c.ofUsers()
	return nil
}

// vsftpdListener reads what vsftpd listens on: with listen on IPv4, with
// listen_ipv6 on IPv6, and unless that names an address also on IPv4.
func (c config) vsftpdListener(s *Server) {
	listen, four := c.one("listen")
	listen6, six := c.one("listen_ipv6")
	s.IPv4 = !six || !listen6.Yes() || listen.Yes()
	s.IPv6 = six && listen6.Yes() && !listen.Yes()
	if four && !listen.Yes() && !s.IPv6 {
		c.in.unread(c.place(listen), listen.Name, "another program listens for it, which has a control port and caps of its own")
	}
	if !s.IPv6 {
		set(c, &s.Addresses, addresses, "listen_address")
		return
	}
	if set(c, &s.Addresses, addresses, "listen_address6"); len(s.Addresses.Value) == 0 {
		s.IPv4 = true // a socket on :: takes both
	}
}

// vsftpdPorts reads the passive range. vsftpd draws from 1024 to 65535, within
// the ends that are stated; 0 and what is outside states none.
func (c config) vsftpdPorts(s *Server) {
	var first, last Setting[uint16]
	set(c, &first, port, "pasv_min_port")
	set(c, &last, port, "pasv_max_port")
	r := s.DataPorts.Value
	if first.Value > r.First {
		r.First = first.Value
	}
	if 0 < last.Value && last.Value < r.Last {
		r.Last = last.Value
	}
	switch at := last.At; {
	case first.Value == 0 && last.Value == 0:
	case r.First > r.Last:
		if !last.Written() {
			at = first.At
		}
		c.in.unread(at, "pasv_max_port", "the range ends before it starts")
	case first.Written():
		s.DataPorts = Setting[spec.PortRange]{r, first.At}
	default:
		s.DataPorts = Setting[spec.PortRange]{r, at}
	}
}

// ofUsers names the directives of single users that the server's own have, too.
func (c config) ofUsers() {
	for _, d := range c.Directives {
		if _, owned := serverconf.Owned("vsftpd", d.Name); owned && len(d.Context) > 0 {
			c.in.unread(c.place(d), d.Name, "it is for a single user")
		}
	}
}
