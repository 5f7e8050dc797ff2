package inventory

import (
	"errors"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/generators/serverconf"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() { register(reader{tellsProftpd, readProftpd}) }

var proftpdLine = regexp.MustCompile(`(?mi)^[ \t]*(?:(?:ServerName|ServerType|ServerIdent|DefaultServer|DefaultRoot|DefaultAddress|Port|PassivePorts|MasqueradeAddress|MaxInstances|MaxClients|MaxClientsPerHost|TimeoutIdle|TimeoutNoTransfer|TimeoutStalled|UseIPv6|LoadModule|TLSEngine|AllowForeignAddress|RequireValidShell|AuthPAM|AuthOrder|AuthUserFile|Include)[ \t]+\S|<(?:VirtualHost|Global|Anonymous|Limit|Directory|IfModule|IfDefine)\b)`)

func tellsProftpd(text []byte) int { return matches(proftpdLine, text) }

// readProftpd reads proftpd.conf with the defaults of 1.3.8: a server for the
// main one, unless its port is 0, and one for each <VirtualHost>.
func readProftpd(in *input) error {
	c, base, err := in.config("proftpd")
	if err != nil {
		return err
	}
	c.dropConditional()
	heads, files := c.VirtualHosts()
	if d, ok := c.one("ServerType"); ok && strings.EqualFold(d.Word(0), "inetd") {
		in.unread(in.place(d), d.Name, "another program listens for it, which has a control port and caps of its own")
	}
	main := c.proftpd(len(heads) == 0)
	if main.At = in.at(0); main.Port.Value != 0 {
		in.Servers = append(in.Servers, main)
	}
	for _, d := range c.Directives {
		if len(heads) > 0 && strings.EqualFold(d.Name, "MaxInstances") && len(d.Level()) == 0 {
			in.unread(in.place(d), d.Name, "it counts the sessions of all servers of the process together")
		}
	}
	for i := range heads {
		c.host = &heads[i]
		s := c.proftpd(false)
		s.Name, s.At = heads[i].Args, in.place(serverconf.Directive{File: files[i], Line: heads[i].Line})
		c.hostAddresses(s, heads[i])
		in.Servers = append(in.Servers, s)
	}
	for _, s := range in.Servers[len(in.Servers)-len(heads):] {
		s.Base = base
	}
	main.Base = base
	c.host = nil
	c.ofParts()
	return nil
}

// proftpd reads the main server, or that of c.host.
func (c config) proftpd(alone bool) *Server {
	s := &Server{
		Profile: "proftpd", IPv4: true, IPv6: true,
		Port: value(uint16(21)), Passive: value(true),
		IdleTimeout: value(600 * time.Second), DataTimeout: value(3600 * time.Second),
		TLS: value(spec.TLSOff), TLSRequired: value(false), SessionReuse: value(true),
		PeerCheck: value(false), TruncatedUploads: value(spec.AcceptTruncated),
	}
	if d, ok := c.one("UseIPv6"); ok {
		s.IPv6 = d.Yes()
	}
	if c.host == nil {
		set(c, &s.Addresses, addresses, "DefaultAddress")
	}
	set(c, &s.Port, port, "Port")
	set(c, &s.DataPorts, func(d serverconf.Directive) (spec.PortRange, error) { return ports(d.Word(0), d.Word(1)) }, "PassivePorts")
	set(c, &s.Announce, text, "MasqueradeAddress")
	set(c, &s.PeerCheck, func(d serverconf.Directive) (bool, error) {
		if off := strings.ToLower(d.Word(0)); off != "off" && off != "no" && off != "false" && off != "0" && !d.Yes() {
			return false, errors.New("it names a class of clients")
		}
		return !d.Yes(), nil
	}, "AllowForeignAddress")
	caps := []string{"MaxClients"}
	if alone {
		caps = append(caps, "MaxInstances")
	}
	c.least(&s.Sessions, caps...)
	c.least(&s.SessionsPerAddress, "MaxClientsPerHost", "MaxConnectionsPerHost")
	set(c, &s.IdleTimeout, seconds, "TimeoutIdle")
	if d, ok := c.one("TimeoutNoTransfer"); ok {
		if other, err := seconds(d); err != nil || other != s.IdleTimeout.Value {
			c.in.unread(c.place(d), d.Name, "a site has one time for this and for TimeoutIdle")
		}
	}
	set(c, &s.DataTimeout, seconds, "TimeoutStalled")
	c.proftpdTLS(s)
	return s
}

func (c config) proftpdTLS(s *Server) {
	var options []string
	reuse := value(true)
	for _, d := range c.Effective(c.host, "TLSOptions") {
		for _, w := range d.Words() {
			if options = append(options, strings.ToLower(w)); strings.EqualFold(w, "NoSessionReuseRequired") {
				reuse = Setting[bool]{false, c.place(d)}
			}
		}
	}
	s.SessionReuse = reuse
	set(c, &s.TLS, func(d serverconf.Directive) (spec.TLSMode, error) {
		return mode(d.Yes(), slices.Contains(options, "useimplicitssl")), nil
	}, "TLSEngine")
	set(c, &s.TLSRequired, on, "TLSRequired")
	if d, ok := c.one("TLSRequired"); ok && !d.Yes() && slices.Contains([]string{"ctrl", "data", "auth", "auth+data", "auth+!data", "ctrl+!data", "!data"}, strings.ToLower(d.Word(0))) {
		c.in.unread(c.place(d), d.Name, "a site requires TLS for everything or for nothing")
	}
	set(c, &s.Certificate, text, "TLSRSACertificateFile", "TLSECCertificateFile", "TLSDSACertificateFile")
	set(c, &s.Key, text, "TLSRSACertificateKeyFile", "TLSECCertificateKeyFile", "TLSDSACertificateKeyFile")
}

// least reads the smallest of several caps.
func (c config) least(into *Setting[int], names ...string) {
	for _, name := range names {
		var one Setting[int]
		set(c, &one, limit, name)
		if one.Written() && (into.Value == 0 || 0 < one.Value && one.Value < into.Value) {
			*into = one
		}
	}
}

// hostAddresses reads what a <VirtualHost> listens on from its head.
func (c config) hostAddresses(s *Server, head serverconf.Section) {
	d := serverconf.Directive{Value: head.Args}
	all, err := addresses(d)
	if err != nil {
		all = nil
		c.in.unread(s.At, "<VirtualHost>", "%s", err)
	}
	s.Addresses = Setting[[]netip.Addr]{all, s.At}
}

// dropConditional takes out the directives of sections whose condition does not
// hold: modules count as loaded, a name of <IfDefine> only if Define has it.
func (c *config) dropConditional() {
	defined := map[string]bool{}
	for _, d := range c.Directives {
		if strings.EqualFold(d.Name, "Define") {
			defined[d.Word(0)] = true
		}
	}
	all := *c.Config
	all.Directives = slices.DeleteFunc(slices.Clone(c.Directives), func(d serverconf.Directive) bool {
		for _, s := range d.Context {
			name, negated := strings.CutPrefix(strings.TrimSpace(s.Args), "!")
			holds := !negated
			if s.Name == "ifdefine" {
				holds = defined[strings.TrimSpace(name)] != negated
			}
			if (s.Name == "ifmodule" || s.Name == "ifdefine") && !holds {
				if _, owned := serverconf.Owned("proftpd", d.Name); owned {
					c.in.unread(c.place(d), d.Name, "it counts only if the condition of line %d holds", s.Line)
				}
				return true
			}
		}
		return false
	})
	c.Config = &all
}

// ofParts names the directives of parts of a server that the server's own have,
// too: those of anonymous sessions, of folders and of groups.
func (c config) ofParts() {
	for _, d := range c.Directives {
		level := d.Level()
		for len(level) > 0 && (level[0].Name == "global" || level[0].Name == "virtualhost") {
			level = level[1:]
		}
		if _, owned := serverconf.Owned("proftpd", d.Name); owned && len(level) > 0 {
			c.in.unread(c.place(d), d.Name, "it is only for the <%s> of line %d", level[0].Name, level[0].Line)
		}
	}
}
