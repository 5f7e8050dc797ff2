package serverconf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// maxDepth is how deep files include each other, and maxIncluded how many
// times files are included in all.
const (
	maxDepth    = 8
	maxIncluded = 1000
)

// Include adds to a base of one file those that it names and that are beside it:
// what Include names in proftpd.conf and user_config_dir in vsftpd.conf, by as
// many of the last parts of that path as lead to a file from the folder of the
// base. /etc/proftpd/conf.d/tls.conf is conf.d/tls.conf there, or tls.conf. Files
// that are not there stay unread.
func Include(fsys fs.FS, server string, base *spec.Base) error {
	left := spec.MaxBase - len(base.Files[0].Text)
	for i := 0; i < len(base.Files); i++ {
		f := base.Files[i]
		c, err := Read(server, &spec.Base{Files: []spec.BaseFile{f}})
		if err != nil {
			return err
		}
		for _, d := range c.Unread {
			for _, name := range beside(fsys, path.Dir(base.Path), d.path()) {
				if slices.ContainsFunc(base.Files, func(f spec.BaseFile) bool { return f.Name == name }) {
					continue
				}
				text, err := read(fsys, path.Join(path.Dir(base.Path), name), left)
				if err != nil {
					return &Error{name, 0, err.Error()}
				}
				left -= len(text)
				if base.Files = append(base.Files, spec.BaseFile{Name: name, Text: text}); len(base.Files) > spec.MaxBaseFiles {
					return &Error{d.File, d.Line, fmt.Sprintf("the config has more than %d files", spec.MaxBaseFiles)}
				}
			}
		}
	}
	return nil
}

// path is the file, the folder or the pattern that a directive names.
func (d Directive) path() string { return word(d.Value, 0) }

// plain is a name that every file system takes.
var plain = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+@-]*(/[A-Za-z0-9_][A-Za-z0-9._+@-]*)*$`)

// tails are a path without more and more of its first parts.
func tails(name string) []string {
	var all []string
	name = strings.Trim(path.Clean("/"+name), "/")
	for range maxDepth {
		if name != "" {
			all = append(all, name)
		}
		_, rest, more := strings.Cut(name, "/")
		if !more {
			break
		}
		name = rest
	}
	return all
}

// beside finds what a path of the server's machine is in a folder, sorted.
func beside(fsys fs.FS, folder, name string) []string {
	for _, tail := range tails(name) {
		if strings.ContainsAny(path.Dir(tail), `*?[\`) {
			continue // patterns are for names
		}
		pattern := path.Join(folder, tail)
		if entries, err := fs.ReadDir(fsys, pattern); err == nil && len(entries) <= spec.MaxBaseFiles {
			pattern = path.Join(pattern, "*")
		}
		matches, err := fs.Glob(fsys, pattern)
		if err != nil || len(matches) > spec.MaxBaseFiles {
			continue
		}
		var found []string
		for _, match := range matches {
			match = strings.TrimPrefix(match, folder+"/")
			if info, err := fs.Stat(fsys, path.Join(folder, match)); err == nil && info.Mode().IsRegular() && plain.MatchString(match) {
				found = append(found, match)
			}
		}
		if len(found) > 0 {
			slices.Sort(found)
			return found
		}
	}
	return nil
}

func read(fsys fs.FS, name string, most int) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, errors.New("it cannot be opened")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, int64(most)+1))
	if err == nil && len(text) > most {
		err = fmt.Errorf("the config is longer than %d KiB, all files together", spec.MaxBase>>10)
	}
	return text, err
}

// included are the files of the config that a directive names.
func (c *Config) included(d Directive) []int {
	for _, tail := range tails(d.path()) {
		var found []int
		for i := range c.files {
			name := c.files[i].name
			match, err := path.Match(tail, name)
			if name == tail || i != d.file && (path.Dir(name) == tail || err == nil && match) {
				found = append(found, i)
			}
		}
		if len(found) > 0 {
			slices.SortFunc(found, func(a, b int) int { return strings.Compare(c.files[a].name, c.files[b].name) })
			return found
		}
	}
	return nil
}
