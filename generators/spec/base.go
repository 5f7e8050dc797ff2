package spec

import (
	"bytes"
	"io/fs"
	"path"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// The bounds of what base_config names.
const (
	MaxBase      = 1 << 20 // bytes, all files together
	MaxBaseFiles = 256
)

// Base is a server's own config, which base_config names: a file, or the files
// of a folder. It may hold passwords: no diagnostic quotes it.
type Base struct {
	Path   string // slash-separated, where the spec's files have theirs
	Folder bool
	Files  []BaseFile // of a folder in the order of their names
	// Folders are those that a file includes whole, named as Files are.
	Folders []string
}

// BaseFile is one file of a Base, byte for byte.
type BaseFile struct {
	Name string // slash-separated, from the folder, or from the file's own folder
	Text []byte // no NUL
}

// Keep enters a file of a base config into Files without its text: no output
// replaces it, and no diagnostic shows its lines.
func (s *Spec) Keep(name string) {
	if s.Files[name] == nil {
		s.Files[name] = &hcl.File{}
	}
}

// siteBase reads base_config, nil without it. from is the file of the site.
func siteBase(b *block, from string) *Base {
	name, ok := b.text("base_config")
	if !ok {
		return nil
	}
	at, ok := b.beside("base_config", from, name, finding.BaseConfigUnreadable)
	if !ok {
		return nil
	}
	base := &Base{Path: at}
	names := []string{at}
	if entries, err := fs.ReadDir(b.l.fsys, at); err == nil {
		base.Folder, names = true, nil
		for _, e := range entries { // sorted
			if !e.IsDir() {
				names = append(names, path.Join(at, e.Name()))
			}
		}
		if len(names) == 0 || len(names) > MaxBaseFiles {
			b.err("base_config", finding.BaseConfigUnreadable, "the folder %q holds %d files. A server's config has at least one and at most %d.", at, len(names), MaxBaseFiles)
			return nil
		}
	}
	left := MaxBase
	for _, name := range names {
		text, ok := b.readBeside("base_config", name, left, finding.BaseConfigUnreadable)
		if !ok {
			return nil
		}
		if at := bytes.IndexByte(text, 0); at >= 0 { // in any encoding: the bytes are kept as they are
			b.err("base_config", finding.NotText, "line %d of %q has a NUL byte, which no server's config has.", 1+bytes.Count(text[:at], []byte("\n")), name)
			return nil
		}
		left -= len(text)
		base.Files = append(base.Files, BaseFile{path.Base(name), text})
		b.l.spec.Keep(name)
	}
	return base
}
