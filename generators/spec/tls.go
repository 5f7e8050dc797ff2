package spec

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

var tlsBlock = &Block{
	Type: "tls", Most: 1, Doc: "TLS of control and data connections (RFC 4217). Without the block the site has none.",
	Arguments: []Argument{
		{Name: "mode", Type: Word, Words: words(TLSExplicit, TLSImplicit, TLSOff), Default: string(TLSExplicit), Example: `"explicit"`,
			Doc: "How a control connection gets its TLS: by AUTH TLS, from its first byte on (port 990), or never."},
		{Name: "required", Type: Bool, Otherwise: "true if mode is \"implicit\", else false", Example: "true",
			Doc: "Logins and data connections without TLS are refused."},
		{Name: "certificate", Type: Path, Otherwise: "required, unless mode is \"off\"", Limit: pathLimit, Example: `"/etc/ssl/certs/ftp.pem"`,
			Doc: "PEM file of the certificate on the host, its chain included."},
		{Name: "key", Type: Path, Otherwise: "required, unless mode is \"off\"", Limit: pathLimit, Example: `"/etc/ssl/private/ftp.key"`,
			Doc: "PEM file of the certificate's key on the host."},
		{Name: "session_reuse", Type: Word, Words: []string{reuseRequired, "preferred"}, Default: reuseRequired, Example: `"preferred"`,
			Doc: "Whether a data connection must resume its control connection's TLS session, which proves that it is the same client's. Required, it also tells sessions behind one address apart."},
		{Name: "cbc", Type: Bool, Default: false, Example: "true",
			Doc: "The bundled daemon admits TLS 1.2's suites with CBC, for clients that have no others. Other servers have lists of their own."},
	},
}

const reuseRequired = "required"

// implicitPort is the registered port of FTP over implicit TLS (ftps).
const implicitPort = 990

func decodeTLS(b *block, s *Site, server sizing.Profile) TLS {
	if b == nil {
		return TLS{Mode: TLSOff, ReuseRequired: true}
	}
	mode := choice[TLSMode](b, "mode")
	t := TLS{
		Mode:          mode,
		Required:      b.booleanOr("required", mode == TLSImplicit),
		ReuseRequired: choice[string](b, "session_reuse") == reuseRequired,
		CBC:           b.boolean("cbc"),
		Certificate:   b.path("certificate"),
		Key:           b.path("key"),
	}
	if mode == TLSOff {
		if t.Required {
			b.err("required", finding.ConflictingValues, `required is true, but mode is "off". Set mode to "explicit", or remove required.`)
		}
		return t
	}
	for _, name := range []string{"certificate", "key"} {
		if !b.has(name) {
			b.errAt(b.at, finding.MissingArgument, `%s is not set, but mode is %q. Write the absolute path of the PEM file, or set mode to "off".`, b.key(name), mode)
		}
	}
	switch {
	case mode == TLSImplicit:
		checkImplicit(b, s, server, t)
	case s.Port == implicitPort:
		b.warn("mode", finding.ExplicitTLSPort, `clients start with a TLS handshake on port %d and will not connect. Explicit TLS has port 21; or set mode to "implicit".`, implicitPort)
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

// siteTruncated reads how the server treats an upload under TLS whose data connection
// ends without close_notify. Without TLS nothing tells such an end from another.
func siteTruncated(b *block, s *Site, server sizing.Profile) Truncated {
	t := choice[Truncated](b, "truncated_uploads")
	switch {
	case b.unconfigured("truncated_uploads", s, server):
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

const pathLimit = "at most 255 letters, digits and / . _ @ + , = : -, from the root on"

// IsPath reports whether a spec takes a text for the path of a file on the host.
func IsPath(text string) bool {
	return strings.HasPrefix(text, "/") && len(text) <= 255 && validPath.MatchString(text) && path.Clean(text) == text
}

// path reads the absolute path of a file on the host.
func (b *block) path(name string) string {
	text, ok := b.text(name)
	if !ok {
		return ""
	}
	switch {
	case !strings.HasPrefix(text, "/"):
		example := b.def.argument(name).Example
		if path, ok := unixPath(text); ok {
			example = strconv.Quote(path)
		}
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
