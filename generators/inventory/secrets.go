package inventory

import (
	"bytes"
	"path"
	"regexp"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

var (
	// secretName is a directive or a key that a secret follows; a flag is none.
	secretName = regexp.MustCompile(`(?i)^[\s#]*(?:export\s+)?((?:[a-z0-9_]*(?:password|passwd|passphrase|secret|token|credential|api_?key|signing_key)[a-z0-9_]*|SQL(?:Named)?ConnectInfo|LDAPBindDN|[a-z]*pw|pass))\s*[=:\s]\s*"?([^\s"]+)`)
	// secretURL has a password before the host.
	secretURL  = regexp.MustCompile(`://[^/\s:@]+:[^/\s@]+@`)
	privateKey = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----`)
	keyEnd     = regexp.MustCompile(`-----END [A-Z ]*PRIVATE KEY-----`)
	// notSecret is a flag, a number, a path, or vsftpd's placeholder for a name.
	notSecret = regexp.MustCompile(`(?i)^(?:yes|no|on|off|true|false|none|[0-9]|/.*|\$USER)$`)
)

// secretLines are the lines of a text that look like secrets, by index, and what
// they are: the directive, never the value. Lines that continue one belong to it.
func secretLines(text []byte) map[int]string {
	found := map[int]string{}
	open, continued := false, ""
	for i, line := range strings.Split(string(text), "\n") {
		what := continued
		switch {
		case what != "":
		case open || privateKey.MatchString(line):
			open, what = !keyEnd.MatchString(line), "a private key"
		case secretURL.MatchString(line):
			what = "a password in an address"
		default:
			if m := secretName.FindStringSubmatch(line); m != nil && !notSecret.MatchString(m[2]) {
				what = m[1]
			}
		}
		continued = ""
		if what != "" {
			found[i] = what
			if strings.HasSuffix(line, `\`) {
				continued = what
			}
		}
	}
	return found
}

// secrets notes what a file has.
func (in *input) secrets(name string, text []byte) {
	found := secretLines(text)
	for i := range bytes.Count(text, []byte("\n")) + 1 {
		if what := found[i]; what != "" && (found[i-1] != what || what != "a private key") {
			in.Secrets = append(in.Secrets, Secret{in.in(name, i+1), what})
		}
	}
}

// WithoutSecrets is a copy of a config in which a comment is in the place of
// each line that looks like a secret.
func WithoutSecrets(base *spec.Base) *spec.Base {
	bare := *base
	bare.Files = nil
	for _, f := range base.Files {
		lines := strings.SplitAfter(string(f.Text), "\n")
		for i, what := range secretLines(f.Text) {
			lines[i] = "# not copied, since it looks like a secret: " + path.Base(what) + "\n"
		}
		bare.Files = append(bare.Files, spec.BaseFile{Name: f.Name, Text: []byte(strings.Join(lines, ""))})
	}
	return &bare
}
