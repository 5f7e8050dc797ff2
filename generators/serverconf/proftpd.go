package serverconf

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

const (
	// maxProftpdLine is what a line may have, continued ones together, in bytes:
	// ProFTPD reads 4,096 and takes the rest for another line (1.3.8, measured).
	// What is less is for the words that make it a comment.
	maxProftpdLine = 3900
	maxNesting     = 32
)

// readProftpd reads proftpd.conf: directives and sections, a line each, which a
// backslash before the line feed continues. Names are words, quoted or not, in
// any case. A comment is never continued (measured).
func readProftpd(c *Config, at int) error {
	c.ends = map[Section]int{}
	return (&proftpdReader{Config: c}).read(at, nil, nil, -1)
}

type proftpdReader struct {
	*Config
	included int // files so far
}

// read reads a file within the sections open. within are the files that include
// it, the innermost last; main is Directive.main, or -1 in the main file.
func (r *proftpdReader) read(at int, open []Section, within []int, main int) error {
	f, depth := r.files[at], len(open)
	for i := 0; i < len(f.lines); {
		first := i
		text := string(f.lines[i])
		comment := strings.HasPrefix(strings.TrimLeft(text, space), "#")
		for i++; !comment && strings.HasSuffix(text, "\\\n") && i < len(f.lines); i++ {
			text = strings.TrimSuffix(text, "\\\n") + strings.TrimLeft(string(f.lines[i]), space)
			if len(text) > maxProftpdLine {
				return &Error{f.name, first + 1, fmt.Sprintf("the line and what continues it is longer than %d bytes", maxProftpdLine)}
			}
		}
		name, rest := cutWord(text)
		fail := func(reason string) error { return &Error{f.name, first + 1, reason} }
		switch {
		case comment || name == "":
		case strings.HasPrefix(name, "</"):
			if len(open) == depth || !strings.EqualFold(strings.TrimRight(name[2:], ">"), open[len(open)-1].Name) {
				return fail("it ends a section that is not the innermost open one")
			}
			r.ends[open[len(open)-1]] = first
			open = open[:len(open)-1]
		case strings.HasPrefix(name, "<"):
			if len(open) == maxNesting {
				return fail(fmt.Sprintf("more than %d sections are open", maxNesting))
			}
			open = append(slices.Clone(open), Section{strings.ToLower(strings.Trim(name, "<>")), strings.TrimSuffix(rest, ">"), first + 1, at, i})
		default:
			d := Directive{File: f.name, Line: first + 1, Lines: i - first, Context: open, Name: name, Value: rest, file: at, main: main}
			if main < 0 {
				d.main = i
			}
			r.Directives = append(r.Directives, d)
			if strings.EqualFold(name, "Include") {
				if err := r.include(d, within); err != nil {
					return err
				}
			}
		}
	}
	if len(open) > depth {
		return &Error{f.name, open[len(open)-1].Line, "the section that starts here has no end"}
	}
	return nil
}

// include reads what an Include names as if it were in its place.
func (r *proftpdReader) include(d Directive, within []int) error {
	files, found := r.Config.included(d)
	if !found {
		r.Unread = append(r.Unread, d)
	}
	within = append(slices.Clone(within), d.file)
	for _, f := range files {
		r.included++
		if len(within) > maxDepth || r.included > maxIncluded || slices.Contains(within, f) {
			return &Error{d.File, d.Line, "files include each other without end, or too deep"}
		}
		if err := r.read(f, d.Context, within, d.main); err != nil {
			return err
		}
	}
	return nil
}

// cutWord takes the first word off a line as ProFTPD's pr_str_get_word does: in
// quotes a backslash escapes, and a # starts a comment.
func cutWord(line string) (word, rest string) {
	line = strings.Trim(line, space)
	if line == "" || line[0] == '#' {
		return "", ""
	}
	if line[0] != '"' {
		end := strings.IndexAny(line, space)
		if end < 0 {
			return line, ""
		}
		return line[:end], strings.TrimLeft(line[end:], space)
	}
	var b strings.Builder
	i := 1
	for ; i < len(line) && line[i] != '"'; i++ {
		if line[i] == '\\' && i+1 < len(line) {
			i++
		}
		b.WriteByte(line[i])
	}
	return b.String(), strings.TrimLeft(line[min(i+1, len(line)):], space)
}

// words are the arguments of a directive.
func words(value string) []string {
	var all []string
	for {
		word, rest := cutWord(value)
		if word == "" && rest == "" {
			return all
		}
		all, value = append(all, word), rest
	}
}

// Level is where a directive counts: its sections without those that only make it
// conditional.
func (d Directive) Level() []Section {
	return slices.DeleteFunc(slices.Clone(d.Context), func(s Section) bool {
		return s.Name == "ifmodule" || s.Name == "ifdefine" || s.Name == "ifversion"
	})
}

// at reports whether the directive stands directly in a server's section, or
// for nil at server level.
func (d Directive) at(host *Section) bool {
	level := d.Level()
	return host == nil && len(level) == 0 || host != nil && len(level) == 1 && level[0] == *host
}

// hostOf is the <VirtualHost> that answers for the site, nil if that is the
// main server: the one with an address and the control port of the site; or
// else, if the main server has another port, the only one that is named by a
// host name and has that port.
func (c *Config) hostOf(site *spec.Site) (*Section, error) {
	if c.format != formats["proftpd"] {
		return nil, nil
	}
	hosts, port := c.virtualHosts()
	var exact, byName []*Section
	for i := range hosts {
		host := &hosts[i]
		if port[*host] != site.Port {
			continue
		}
		literal, ours := true, false
		for _, word := range words(host.Args) {
			address, err := netip.ParseAddr(word)
			literal = literal && err == nil
			ours = ours || err == nil && slices.Contains(site.Addresses, address)
		}
		switch {
		case ours:
			exact = append(exact, host)
		case !literal && port[Section{}] != site.Port:
			byName = append(byName, host)
		}
	}
	if len(exact) == 0 {
		exact = byName
	}
	switch len(exact) {
	case 0:
		return nil, nil
	case 1:
		return exact[0], nil
	}
	return nil, &Error{c.files[exact[1].file].name, exact[1].Line, fmt.Sprintf("this <VirtualHost> and the one of line %d both have control port %d of the site", exact[0].Line, site.Port)}
}

// virtualHosts are the heads of those that have a directive, and the control
// ports of the servers, the main one under the zero Section. A server without
// Port has 21, whatever the others have (measured).
func (c *Config) virtualHosts() (hosts []Section, port map[Section]uint16) {
	port = map[Section]uint16{}
	set := map[Section]bool{}
	for _, d := range c.Directives {
		level := d.Level()
		var host Section
		if len(level) > 0 && level[0].Name == "virtualhost" {
			host = level[0]
		}
		if _, seen := port[host]; !seen {
			port[host] = 21
			if host != (Section{}) {
				hosts = append(hosts, host)
			}
		}
		if strings.EqualFold(d.Name, "Port") && len(level) <= 1 && !set[host] {
			set[host] = true
			word, _ := cutWord(d.Value)
			number, _ := strconv.ParseUint(word, 10, 16)
			port[host] = uint16(number)
		}
	}
	return hosts, port
}

// proftpdEffective is the first of the host's own, or else of <Global>, which
// all servers read behind their own lines (measured). Of TLSOptions all count.
// What counts for all servers of a process says nothing of one of several.
func proftpdEffective(c *Config, host *Section, name string) []Directive {
	if processWide(name) && c.others(host) {
		return nil
	}
	var own, global []Directive
	for _, d := range c.named(name) {
		level := d.Level()
		switch {
		case d.at(host), processWide(name) && d.at(nil):
			own = append(own, d)
		case len(level) == 1 && level[0].Name == "global":
			global = append(global, d)
		}
	}
	all := append(own, global...)
	if strings.EqualFold(name, "TLSOptions") {
		return all
	}
	return all[:min(1, len(all))]
}

// processWide reports whether a directive counts for all servers of a process.
func processWide(name string) bool {
	return slices.ContainsFunc([]string{"MaxInstances", "PidFile", "ScoreboardFile", "ControlsSocket", "DelayTable"}, func(n string) bool { return strings.EqualFold(n, name) })
}
