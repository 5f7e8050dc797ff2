package serverconf

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// Directive is one directive as its file has it.
type Directive struct {
	File  string // as diagnostics name it: "vsftpd.conf"
	Line  int    // the first, from 1
	Lines int    // how many lines it takes, at least 1
	// Context are the sections around it, the outermost first.
	Context []Section
	Name    string
	Value   string // what follows the name, raw, without white space around it

	file int // index of File in Config
	// main is the index of the line behind the directive, or behind the Include
	// that brought it, in the main file.
	main int
}

// Section is the head of a section of ProFTPD's: <VirtualHost 203.0.113.10>.
type Section struct {
	Name string // in lower case
	Args string
	Line int // of the head, the first if it is continued

	file int // index in Config
	body int // index of the line behind the head
}

// At is where the directive stands: "vsftpd.conf:12".
func (d Directive) At() string { return fmt.Sprintf("%s:%d", d.File, d.Line) }

// Config is a server's config as it was read.
type Config struct {
	Directives []Directive // in the order of the files and lines
	// Unread are the directives that name further files of the config which are
	// not there.
	Unread []Directive
	server string
	format *format
	files  []file
	ends   map[Section]int // index of the line that ends a section of ProFTPD's
	// folders are those of the base that are there, by name.
	folders []string
}

type file struct {
	name  string
	lines [][]byte // with their line ends
}

// Error says where a config cannot be read. It quotes nothing of it.
type Error struct {
	File   string
	Line   int // 0: the whole file
	Reason string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

// maxLines bounds the lines of a config, all files together.
const maxLines = 20_000

// format is what sets a server's config apart.
type format struct {
	folder  bool // a file per setting, instead of one file
	maxLine int  // bytes that the server reads as one line
	owned   []group
	// read appends the directives of a file, which is there once, and of those
	// that it includes.
	read func(c *Config, at int) error
	// effective are the directives that a server goes by, of those with this
	// name. host is the section of ProFTPD's server, nil for the main one.
	effective func(c *Config, host *Section, name string) []Directive
}

var formats map[string]*format

func init() {
	formats = map[string]*format{
		"vsftpd":   {maxLine: maxVsftpdFile, owned: vsftpdOwned, read: readVsftpd, effective: lastOne},
		"proftpd":  {maxLine: maxProftpdLine, owned: proftpdOwned, read: readProftpd, effective: proftpdEffective},
		"pureftpd": {folder: true, maxLine: 4096, owned: pureftpdOwned, read: readPureftpd, effective: lastOne},
		pureFile:   {maxLine: 4096, owned: pureftpdOwned, read: readPureftpdFile, effective: lastOne},
	}
}

// pureFile is the format of Pure-FTPd's other config, the file that the server reads
// itself.
const pureFile = "pureftpd, a file"

// Reads reports whether a server, by the name of its profile, has a config that
// Read knows, and whether that is a folder.
func Reads(server string) (known, folder bool) {
	f, known := formats[server]
	return known, known && f.folder
}

// Read reads a config of a server that Reads knows. The error is an *Error.
func Read(server string, base *spec.Base) (*Config, error) {
	c := &Config{server: server, format: formats[server], folders: base.Folders}
	if server == "pureftpd" && !base.Folder {
		c.format = formats[pureFile]
	}
	count := 0
	for i, f := range base.Files {
		name := f.Name
		if base.Folder {
			name = path.Join(path.Base(base.Path), name)
		}
		if bytes.IndexByte(f.Text, 0) >= 0 {
			return nil, &Error{name, 0, "it has a NUL byte"}
		}
		if count += bytes.Count(f.Text, []byte("\n")); count > maxLines {
			return nil, &Error{name, 0, fmt.Sprintf("the config has more than %d lines", maxLines)}
		}
		c.files = append(c.files, file{name, split(f.Text)})
		for n, line := range c.files[i].lines {
			if len(line) > c.format.maxLine {
				return nil, &Error{name, n + 1, fmt.Sprintf("the line is longer than %d bytes", c.format.maxLine)}
			}
		}
	}
	read := len(c.files)
	if !base.Folder {
		read = min(read, 1) // the others are included
	}
	for i := range read {
		if err := c.format.read(c, i); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// split cuts a text behind each line feed.
func split(text []byte) [][]byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	if last := len(lines) - 1; len(lines[last]) == 0 {
		lines = lines[:last]
	}
	return lines
}

// Has reports whether a directive is anywhere in the config, except in the
// lines that an earlier run has put in.
func (c *Config) Has(name string) bool { return len(c.theirs().named(name)) > 0 }

// theirs is the config without the lines that an earlier run has put in.
func (c *Config) theirs() *Config {
	theirs := *c
	dropped := make([][][]byte, len(c.files))
	for i, f := range c.files {
		dropped[i] = dropOurs(f.lines, i == 0)
	}
	theirs.Directives = slices.DeleteFunc(slices.Clone(c.Directives), func(d Directive) bool { return dropped[d.file][d.Line-1] != nil })
	return &theirs
}

// named returns the directives with a name, whatever its case.
func (c *Config) named(name string) []Directive {
	var all []Directive
	for _, d := range c.Directives {
		if strings.EqualFold(d.Name, name) {
			all = append(all, d)
		}
	}
	return all
}

// lastOne is for a server that goes by the last of several; those for single
// users do not count.
func lastOne(c *Config, _ *Section, name string) []Directive {
	all := slices.DeleteFunc(c.named(name), func(d Directive) bool { return len(d.Context) > 0 })
	return all[max(0, len(all)-1):]
}

// within reports whether the directive is in a section of that name.
func (d Directive) within(name string) bool {
	return slices.ContainsFunc(d.Context, func(s Section) bool { return s.Name == name })
}
