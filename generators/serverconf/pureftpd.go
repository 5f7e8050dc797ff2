package serverconf

import (
	"path"
	"regexp"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// readPureftpd reads a file of the folder of Debian's pure-ftpd-wrapper(8): its
// name is the directive, its first line that is neither blank nor a comment the
// value.
func readPureftpd(c *Config, at int) error {
	f := c.files[at]
	for i, raw := range f.lines {
		line := strings.Trim(string(raw), space)
		if line != "" && line[0] != '#' {
			c.Directives = append(c.Directives, Directive{File: f.name, Line: i + 1, Lines: 1, Name: path.Base(f.name), Value: line, file: at})
			return nil
		}
	}
	return nil
}

// readPureftpdFile reads pure-ftpd.conf, README.Configuration-File of 1.0.50: a name and
// its value a line, # before a comment.
func readPureftpdFile(c *Config, at int) error {
	f := c.files[at]
	for i, raw := range f.lines {
		name, value := cutWord(string(raw))
		if name != "" {
			c.Directives = append(c.Directives, Directive{File: f.name, Line: i + 1, Lines: 1, Name: name, Value: strings.TrimRight(value, space), file: at})
		}
	}
	return nil
}

// setting is the name of a file that the wrapper reads; it skips the others.
var setting = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]+$`)

// KeptFolder is a config that is a folder with ours in it.
type KeptFolder struct {
	Theirs      []spec.BaseFile // the files that are not owned, as they are
	Unset       []string        // names of owned ones that ours lack
	Differences []Difference    // as in Kept
}

// KeepFolder splits a folder of settings at ours: a file of the name of one of
// ours gives way to it.
func (c *Config) KeepFolder(base *spec.Base, ours []spec.BaseFile) (*KeptFolder, error) {
	own, err := Read(c.server, &spec.Base{Folder: true, Files: ours})
	if err != nil {
		return nil, err
	}
	kept := &KeptFolder{Differences: c.differences(nil, own)}
	for _, f := range base.Files {
		_, owned := Owned(c.server, f.Name)
		switch {
		case own.Has(f.Name) || !setting.MatchString(f.Name):
		case owned:
			kept.Unset = append(kept.Unset, f.Name)
		default:
			kept.Theirs = append(kept.Theirs, f)
		}
	}
	return kept, nil
}
