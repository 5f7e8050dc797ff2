package serverconf

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// maxDepth is how deep files include each other, and maxIncluded how many
// times files are included in all.
const (
	maxDepth    = 8
	maxIncluded = 1000
	maxFolder   = 10_000 // entries
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
			names, folder := beside(fsys, path.Dir(base.Path), d.path())
			if folder != "" {
				base.Folders = append(base.Folders, folder)
			}
			for _, name := range names {
				if slices.ContainsFunc(base.Files, func(f spec.BaseFile) bool { return f.Name == name }) {
					continue
				}
				if !printable(name) || strings.Contains(name, `\`) {
					return &Error{d.File, d.Line, "it names a file whose name not every file system takes"}
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

// tails are a path without more and more of its first parts; none starts with a
// pattern for folders, which any folder would match.
func tails(name string) []string {
	var all []string
	name = strings.Trim(path.Clean("/"+name), "/")
	for range maxDepth {
		first, _, nested := strings.Cut(name, "/")
		if name != "" && !(nested && strings.ContainsAny(first, meta)) {
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

const meta = `*?[\`

// matches reports whether ProFTPD's Include of a path takes a name: the file, one
// directly in the folder, hidden or not, or one of a pattern, which takes hidden
// ones only if it starts with a dot (1.3.8, measured).
func matches(tail, name string) bool {
	if name == tail || path.Dir(name) == tail {
		return true
	}
	hit, err := path.Match(tail, name)
	if err != nil || !hit {
		return false
	}
	parts := strings.Split(name, "/")
	for i, pattern := range strings.Split(tail, "/") {
		if strings.HasPrefix(parts[i], ".") && !strings.HasPrefix(pattern, ".") {
			return false
		}
	}
	return true
}

// beside finds what a path of the server's machine is in a folder, sorted, and
// which folder in it the path is, if it is one.
func beside(fsys fs.FS, in, name string) (files []string, folder string) {
	for _, tail := range tails(name) {
		if strings.ContainsAny(path.Dir(tail), meta) {
			if files = within(fsys, in, tail); len(files) > 0 {
				return files, ""
			}
			continue
		}
		dir := tail
		entries, err := fs.ReadDir(fsys, path.Join(in, dir))
		if err == nil {
			folder = tail
		} else {
			dir = path.Dir(tail)
			entries, err = fs.ReadDir(fsys, path.Join(in, dir))
		}
		if err != nil || len(entries) > maxFolder {
			continue
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if !matches(tail, name) {
				continue
			}
			if info, err := fs.Stat(fsys, path.Join(in, name)); err == nil && info.Mode().IsRegular() {
				files = append(files, name)
			}
		}
		if folder != "" || len(files) > 0 {
			return files, folder
		}
	}
	return nil, ""
}

// within finds the files of a pattern that has patterns for folders, too, sorted.
func within(fsys fs.FS, in, tail string) (files []string) {
	folders := []string{"."}
	parts := strings.Split(tail, "/")
	for i := range parts {
		var next []string
		for _, folder := range folders {
			entries, err := fs.ReadDir(fsys, path.Join(in, folder))
			if err != nil || len(entries) > maxFolder {
				continue
			}
			for _, e := range entries {
				name := path.Join(folder, e.Name())
				if !matches(strings.Join(parts[:i+1], "/"), name) {
					continue
				}
				info, err := fs.Stat(fsys, path.Join(in, name))
				switch last := i == len(parts)-1; {
				case err != nil:
				case last && info.Mode().IsRegular() || !last && info.IsDir():
					next = append(next, name)
				}
				if len(next) > spec.MaxBaseFiles {
					return next // more than a base may have: the caller says so
				}
			}
		}
		folders = next
	}
	return folders
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

// included are the files of the config that a directive names. It is found, too,
// if it names a folder without files.
func (c *Config) included(d Directive) (files []int, found bool) {
	for _, tail := range tails(d.path()) {
		for i, f := range c.files {
			if f.name == tail || i != d.file && matches(tail, f.name) {
				files = append(files, i)
			}
		}
		if len(files) > 0 || slices.Contains(c.folders, tail) {
			slices.SortFunc(files, func(a, b int) int { return strings.Compare(c.files[a].name, c.files[b].name) })
			return files, true
		}
	}
	return nil, false
}
