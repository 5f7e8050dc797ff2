package spec

import (
	"path"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

type rawTLS struct {
	Mode         *hcl.Attribute `hcl:"mode,optional"`
	Required     *hcl.Attribute `hcl:"required,optional"`
	Certificate  *hcl.Attribute `hcl:"certificate,optional"`
	Key          *hcl.Attribute `hcl:"key,optional"`
	SessionReuse *hcl.Attribute `hcl:"session_reuse,optional"`
	CBC          *hcl.Attribute `hcl:"cbc,optional"`
	DefRange     hcl.Range      `hcl:",def_range"`
}

// implicitPort is the registered port of FTP over implicit TLS (ftps).
const implicitPort = 990

func decodeTLS(site *block, s *Site, server sizing.Profile, r *rawTLS) TLS {
	if r == nil {
		return TLS{Mode: TLSOff, ReuseRequired: true}
	}
	b := site.in("tls", r.DefRange)
	mode := choice(b, "mode", r.Mode, TLSExplicit, TLSExplicit, TLSImplicit, TLSOff)
	t := TLS{
		Mode:          mode,
		Required:      b.boolean("required", r.Required, mode == TLSImplicit),
		ReuseRequired: choice(b, "session_reuse", r.SessionReuse, "required", "required", "preferred") == "required",
		CBC:           b.boolean("cbc", r.CBC, false),
		Certificate:   b.path("certificate", r.Certificate, `"/etc/ssl/certs/ftp.pem"`),
		Key:           b.path("key", r.Key, `"/etc/ssl/private/ftp.key"`),
	}
	if mode == TLSOff {
		if t.Required {
			b.err("required", finding.ConflictingValues, `required is true, but mode is "off". Set mode to "explicit", or remove required.`)
		}
		return t
	}
	for _, name := range []string{"certificate", "key"} {
		if !b.has(name) {
			b.errAt(r.DefRange, finding.MissingArgument, `%s is not set, but mode is %q. Write the absolute path of the PEM file, or set mode to "off".`, b.key(name), mode)
		}
	}
	if mode == TLSImplicit {
		checkImplicit(b, s, server, t)
	}
	return t
}

func checkImplicit(b *block, s *Site, server sizing.Profile, t TLS) {
	if server.NoImplicitTLS {
		b.err("mode", finding.ServerUnable, `%s has no implicit TLS. Set mode to "explicit", or choose another server.`, s.Server)
	}
	if !t.Required && b.has("required") {
		b.err("required", finding.ConflictingValues, `required is false, but a connection under implicit TLS begins with TLS. Remove required, or set mode to "explicit".`)
	}
	if s.Port == 21 {
		b.warn("mode", finding.ImplicitTLSPort, "clients speak clear text or AUTH TLS on port 21 and will not connect. Implicit TLS has port %d.", implicitPort)
	}
}

// siteTruncated reads what becomes of an upload under TLS whose data connection
// ends without close_notify. Without TLS nothing tells such an end from another.
func siteTruncated(b *block, s *Site, attr *hcl.Attribute) Truncated {
	t := choice(b, "truncated_uploads", attr, "", RefuseTruncated, AcceptTruncated)
	switch {
	case s.TLS.Mode != TLSOff:
	case t == RefuseTruncated:
		b.err("truncated_uploads", finding.NeedsTLS,
			`truncated_uploads is "refuse", but the site has no TLS, and in clear text a connection that was cut looks like one that ended. Add a tls block, or remove truncated_uploads.`)
	case t == AcceptTruncated:
		b.warn("truncated_uploads", finding.NoEffect, "the site has no TLS, and in clear text a connection that was cut looks like one that ended. Remove truncated_uploads.")
	}
	return t
}

// validPath leaves out what some config syntax gives a meaning: quotes,
// spaces, comment signs, variables.
var validPath = regexp.MustCompile(`^[A-Za-z0-9/._@+,=:-]+$`)

// path reads the absolute path of a file on the host.
func (b *block) path(name string, attr *hcl.Attribute, example string) string {
	text, ok := b.text(name, attr, example)
	if !ok {
		return ""
	}
	switch {
	case !strings.HasPrefix(text, "/"):
		b.err(name, finding.InvalidPath, "%s is %q. Write the path on the host from the root on, like %s.", b.key(name), text, example)
	case len(text) > 255 || !validPath.MatchString(text):
		b.err(name, finding.InvalidPath, "%s is %q. Server configs take paths of at most 255 letters, digits and / . _ @ + , = : - without spaces or quotes.", b.key(name), text)
	case path.Clean(text) != text:
		b.err(name, finding.InvalidPath, "%s is %q. Write %q.", b.key(name), text, path.Clean(text))
	default:
		return text
	}
	return ""
}
