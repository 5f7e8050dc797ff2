package serverconf

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// Ours are the lines in a kept config.
type Ours struct {
	// Header is the first line, a comment that starts with HeaderStart.
	Header string
	// Process is what ProFTPD has once for all its servers.
	Process string
	// Server is what the site's server has.
	Server string
	// Limits are sections of ProFTPD's that the site's server has: of several for one
	// command the last of a level is in force, and server level beats <Global>
	// (1.3.8, measured).
	Limits string
}

// What marks our lines in a kept config: one that becomes a base again has them
// once.
const (
	HeaderStart = "# Made by pasvctl "
	// Warning is the line behind the header.
	Warning    = "# The other lines are those of base_config, with any password in it: do not commit this file."
	blockStart = "# pasvctl begin"
	blockEnd   = "# pasvctl end"
)

// Kept is a config with ours in it.
type Kept struct {
	Files []spec.BaseFile // the main one first
	// Differences are the owned directives of the base with another value than
	// ours, one for each attribute.
	Differences []Difference
	// Shared are the lines that are comments now, and that other servers of the
	// process read, too, in <Global> or in a file that they include.
	Shared []Directive
	// Overlaps are ranges of other servers of the process that share a port with
	// the site's.
	Overlaps []Directive
}

// Keep returns a config of one file, and those that it includes, with ours in
// it. Every owned directive that the site's server reads becomes a comment,
// which names the attribute that sets it now; every other byte stays. The error
// is an *Error.
func (c *Config) Keep(site *spec.Site, ours Ours) (*Kept, error) {
	host, err := c.hostOf(site)
	if err != nil {
		return nil, err
	}
	own, err := Read(c.server, &spec.Base{Files: []spec.BaseFile{{Name: "generated", Text: []byte(ours.Process + ours.Server + ours.Limits)}}})
	if err != nil {
		return nil, err
	}
	replaced := make([][][]byte, len(c.files)) // by file and line; nil: as it is
	for i, f := range c.files {
		replaced[i] = dropOurs(f.lines, i == 0)
	}
	theirs := c.theirs()
	kept := &Kept{Differences: theirs.differences(host, own)}
	if host != nil {
		kept.Differences = append(kept.Differences, otherAddresses(c.files[host.file].name, host, site)...)
	}
	kept.Shared, kept.Overlaps = theirs.commentOwned(host, own, replaced)
	inserted := c.places(host, ours)
	header := ours.Header + "\n" + Warning + "\n"
	for i, f := range c.files {
		text := assemble(header, f.lines, replaced[i], func(line int) string { return inserted[place{i, line}] })
		if c.server == "vsftpd" && len(text) > maxVsftpdFile {
			return nil, &Error{f.name, 0, "with pasvctl's lines it is longer than the 100,000 bytes that vsftpd reads"}
		}
		kept.Files = append(kept.Files, spec.BaseFile{Name: f.name, Text: text})
		header = "" // of the main one only
	}
	return kept, nil
}

// place is before a line of a file, both by index.
type place struct{ file, line int }

// commentOwned replaces what is owned, and returns what other servers read, too,
// and the ranges of theirs that share a port with ours.
func (c *Config) commentOwned(host *Section, own *Config, replaced [][][]byte) (shared, overlaps []Directive) {
	others := c.others(host)
	var comments []Directive
	elsewhere := map[place]bool{} // lines of files that sections of other servers include, too
	for _, d := range c.Directives {
		attr, owned := c.owns(d, host, own, others)
		at := place{d.file, d.Line - 1}
		switch {
		case !owned:
			elsewhere[at] = true
			if strings.EqualFold(d.Name, "PassivePorts") && overlap(d, own) {
				overlaps = append(overlaps, d)
			}
		case replaced[at.file][at.line] == nil: // it may be included twice
			comment(replaced[at.file][at.line:], c.files[at.file].lines[at.line:], d, attr)
			comments = append(comments, d)
		}
	}
	return slices.DeleteFunc(comments, func(d Directive) bool {
		return !elsewhere[place{d.file, d.Line - 1}] && !(others && d.within("global"))
	}), overlaps
}

// overlap reports whether a PassivePorts shares a port with ours.
func overlap(d Directive, own *Config) bool {
	theirs, ok := spec.ParsePortRange(word(d.Value, 0) + "-" + word(d.Value, 1))
	return ok && slices.ContainsFunc(own.named(d.Name), func(o Directive) bool {
		ours, ok := spec.ParsePortRange(word(o.Value, 0) + "-" + word(o.Value, 1))
		return ok && ours.Overlaps(theirs)
	})
}

func (c *Config) places(host *Section, ours Ours) map[place]string {
	top := place{0, c.top()}
	switch {
	case c.server == "vsftpd": // the last line of a name wins
		return map[place]string{{0, len(c.files[0].lines)}: ours.Server}
	case host == nil: // the first line of a name wins
		end := place{0, len(c.files[0].lines)}
		if top == end {
			return map[place]string{top: ours.Process + ours.Server + ours.Limits}
		}
		return map[place]string{top: ours.Process + ours.Server, end: ours.Limits}
	}
	return map[place]string{top: ours.Process, {host.file, host.body}: ours.Server, {host.file, c.ends[*host]}: ours.Limits}
}

// assemble writes lines, or what replaces them, with blocks of ours before some.
func assemble(header string, lines, replaced [][]byte, inserted func(line int) string) []byte {
	out := []byte(header)
	for i := 0; i <= len(lines); i++ {
		if block := inserted(i); block != "" {
			if len(out) > 0 && out[len(out)-1] != '\n' {
				out = append(out, '\n')
			}
			out = append(out, blockStart+"\n"+block+blockEnd+"\n"...)
		}
		switch {
		case i == len(lines):
		case replaced[i] != nil:
			out = append(out, replaced[i]...)
		default:
			out = append(out, lines[i]...)
		}
	}
	return out
}

// top is where our lines stand at server level: before all others, but behind
// the last ModulePath, which our LoadModule needs.
func (c *Config) top() int {
	at := 0
	for _, d := range c.named("ModulePath") {
		if d.at(nil) && len(d.Context) == 0 {
			at = d.main
		}
	}
	return at
}

// owns reports whether the site's server reads a directive that is owned: one
// of the format's list, or one that our lines have. attr is what sets it, "" if
// no attribute does.
func (c *Config) owns(d Directive, host *Section, own *Config, others bool) (attr string, owned bool) {
	if strings.EqualFold(d.Name, "LoadModule") {
		return "", false
	}
	attr, owned = Owned(c.server, d.Name)
	stated := slices.ContainsFunc(own.named(d.Name), func(o Directive) bool { return o.at(nil) })
	if attr == activeMode && !stated {
		return "", false
	}
	if c.format != formats["proftpd"] {
		return attr, owned || stated
	}
	level := d.Level()
	switch {
	case !owned && !stated:
		return "", false
	case strings.EqualFold(d.Name, "TLSOptions") && !slices.ContainsFunc(tlsOptions, func(o string) bool { return hasWord(d.Value, o) }):
		return "", false
	case d.within("anonymous") && (attr == "concurrency.sessions" || attr == "concurrency.sessions_per_address"):
		return "", false // anonymous sessions may have a cap of their own
	case processWide(d.Name):
		return attr, len(level) == 0 && (stated || !others)
	case len(level) > 0 && level[0].Name == "virtualhost":
		return attr, host != nil && level[0] == *host
	case len(level) > 0 && level[0].Name == "global":
		// Other servers live by it, and it has no effect beside ours.
		return attr, !stated || strings.EqualFold(d.Name, "TLSOptions") || !others
	}
	return attr, host == nil
}

// Servers reports whether a <VirtualHost> of ProFTPD answers for the site, and
// whether the process has servers besides that of the site.
func (c *Config) Servers(site *spec.Site) (virtual, others bool) {
	host, err := c.hostOf(site)
	return err == nil && host != nil, err == nil && c.others(host)
}

// others reports whether a process of ProFTPD has servers besides that of host.
func (c *Config) others(host *Section) bool {
	hosts, port := c.virtualHosts()
	return host == nil && len(hosts) > 0 || host != nil && (len(hosts) > 1 || port[Section{}] != 0)
}

// Owned reports whether a directive is in the list of a server that Reads knows,
// and which attribute of a site sets it.
func Owned(server, name string) (attr string, owned bool) {
	for _, g := range formats[server].owned {
		for _, n := range append(slices.Clone(g.names), g.also...) {
			if strings.EqualFold(n, name) {
				return g.attr, true
			}
		}
	}
	return "", false
}

// option is a word of TLSOptions; ProFTPD starts with no other.
var option = regexp.MustCompile(`^[A-Za-z0-9]+$`)

// comment replaces a directive's lines.
func comment(replaced, lines [][]byte, d Directive, attr string) {
	why := "# pasvctl sets this: "
	if strings.EqualFold(d.Name, "TLSOptions") {
		attr = "tls"
	}
	if attr != "" {
		why = "# pasvctl: " + attr + " sets this: "
	}
	for i := range d.Lines {
		replaced[i] = append([]byte(why), lines[i]...)
		why = "#   "
	}
	if !strings.EqualFold(d.Name, "TLSOptions") {
		return
	}
	rest := slices.DeleteFunc(words(d.Value), func(w string) bool {
		return !option.MatchString(w) || slices.ContainsFunc(tlsOptions, func(o string) bool { return strings.EqualFold(o, w) })
	})
	if last := d.Lines - 1; len(rest) > 0 {
		text := strings.TrimSuffix(string(replaced[last]), "\n")
		replaced[last] = []byte(text + "\nTLSOptions " + strings.Join(rest, " ") + "\n")
	}
}

// dropOurs returns what replaces the lines: nothing for those that an earlier
// run has put in, nil for the others. The main file has a header.
func dropOurs(lines [][]byte, main bool) [][]byte {
	replaced := make([][]byte, len(lines))
	start := -1
	for i, line := range lines {
		switch text := string(bytes.TrimRight(line, "\r\n")); {
		case main && (i == 0 && strings.HasPrefix(text, HeaderStart) || i == 1 && text == Warning):
			replaced[i] = []byte{}
		case text == blockStart:
			start = i
		case text == blockEnd:
			for ; start >= 0 && start <= i; start++ {
				replaced[start] = []byte{}
			}
			start = -1
		}
	}
	return replaced
}

// Difference is an owned directive of a base with another value than ours.
type Difference struct {
	Directive
	Attr string // the attribute of a site that sets it; "" if none does
	// Write is the line of HCL that keeps the base's value; "" if none can. It
	// belongs into the block that Attr names.
	Write string
}

// differences compares what a base says, of what is owned, with ours.
func (c *Config) differences(host *Section, ours *Config) []Difference {
	var all []Difference
	tls := false // both have it, in the same way
	for _, g := range c.format.owned {
		if !tls && (strings.HasPrefix(g.attr, "tls.") && g.attr != "tls.mode" || g.attr == "truncated_uploads") {
			continue
		}
		all = append(all, c.flags(g, host, ours)...)
		theirs, first := c.values(g, host)
		own, said := ours.values(g, nil)
		write, ok := g.says(theirs)
		line, _ := g.says(own)
		if g.attr == "tls.mode" {
			tls = write == line && line != `mode = "off"`
		}
		switch {
		case first == nil || ok && write == line || g.attr == activeMode && said == nil:
			continue
		case g.attr == "tls.mode" && !strings.EqualFold(first.Name, g.names[0]):
			continue // TLSOptions without TLSEngine says nothing
		}
		if !ok {
			write = ""
		}
		if g.attr == "addresses" && ok && write == "" {
			write = "addresses = null"
		}
		all = append(all, Difference{*first, g.attr, write})
	}
	return all
}

// switches are directives that decide whether others count, so that one with
// another value than ours is worth a word. None but listen and pasv_enable is on
// without a line.
var switches = []string{"listen", "listen_ipv6", "pasv_enable", "port_promiscuous", "NATmode"}

// flags compares those of a group.
func (c *Config) flags(g group, host *Section, ours *Config) (all []Difference) {
	for _, name := range g.also {
		if !slices.Contains(switches, name) {
			continue
		}
		on := false
		for _, d := range ours.named(name) {
			on = yes(d.Value)
		}
		for _, d := range c.format.effective(c, host, name) {
			if yes(d.Value) != on {
				all = append(all, Difference{d, g.attr, ""})
			}
		}
	}
	return all
}

// otherAddresses compares the addresses of the site's <VirtualHost>, whose head
// stays as it is, with the site's.
func otherAddresses(file string, host *Section, site *spec.Site) []Difference {
	write, ok := addresses("addresses", []string{host.Args})
	if line, _ := addresses("addresses", []string{spec.Join(site.Addresses, " ")}); ok && line == write {
		return nil
	}
	return []Difference{{Directive{File: file, Line: host.Line, Lines: 1, Name: "<VirtualHost>", Value: host.Args}, "addresses", write}}
}

// values are the effective values of a group, and the first directive that says
// one.
func (c *Config) values(g group, host *Section) ([]string, *Directive) {
	v := make([]string, len(g.names))
	var first *Directive
	for i, name := range g.names {
		for _, d := range c.format.effective(c, host, name) {
			v[i] = strings.TrimSpace(v[i] + " " + d.Value)
			if first == nil {
				first = &d
			}
		}
	}
	return v, first
}

// printable reports whether a text is what a spec's string may be.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}
