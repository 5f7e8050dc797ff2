package inventory

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// ErrFormat is why a file is not read that no reader knows.
var ErrFormat = errors.New("its format is unknown")

// Source is a file or a folder to read.
type Source struct {
	FS   fs.FS  // what a config includes is looked for here, beside the file
	Name string // in FS
	// Text is the file itself, with a Name of any kind and no FS.
	Text []byte
	// Folder is put before the names of files in At: "etc" makes "etc/vsftpd.conf".
	Folder string
}

// The bounds of what is read.
const (
	maxFile  = 16 << 20 // bytes of a file
	maxFiles = 1000     // of a folder
)

// reader is one format.
type reader struct {
	// tells says how sure a text is of the format; 0: it is not.
	tells func(text []byte) int
	read  func(in *input) error
}

// readers are sorted by the names of their files; of two that are equally sure
// of a text the first reads it.
var readers []reader

func register(r reader) { readers = append(readers, r) }

// input is one file for a reader, which adds to the Inventory what it reads.
type input struct {
	*Inventory
	source Source
	text   []byte
	// read are the files of source.FS that were included.
	read map[string]bool
}

// at is a line of the file.
func (in *input) at(line int) At { return in.in(in.source.Name, line) }

// in is a line of a file of the same FS.
func (in *input) in(name string, line int) At {
	return At{path.Join(in.source.Folder, name), line}
}

func (in *input) unread(at At, what, format string, args ...any) {
	in.Unread = append(in.Unread, Unread{at, what, fmt.Sprintf(format, args...)})
}

// Read reads files and folders. It fails on a file that no reader knows, and on
// one that its program would not read either; of a folder it reads the files
// that a reader knows.
func Read(sources ...Source) (*Inventory, error) {
	inv := &Inventory{}
	for _, s := range sources {
		if err := inv.add(s); err != nil {
			return nil, err
		}
	}
	inv.resolve()
	return inv, nil
}

func (inv *Inventory) add(s Source) error {
	in := &input{Inventory: inv, source: s, read: map[string]bool{}}
	if s.FS == nil {
		in.source.FS = embed.FS{} // which has no files
	}
	entries, err := fs.ReadDir(in.source.FS, s.Name)
	if err == nil {
		return in.folder(entries)
	}
	known, err := in.file()
	if err == nil && !known {
		return fmt.Errorf("%s: %w", in.at(0), ErrFormat)
	}
	return err
}

// folder reads the files of a folder that a reader knows, first those that
// include others.
func (in *input) folder(entries []fs.DirEntry) error {
	if pureftpdFolder(entries) {
		return readPureftpdFolder(in, entries)
	}
	if conf := path.Join(in.source.Name, "conf"); isPureftpd(in.source.FS, conf) {
		in.source.Name = conf
		entries, _ = fs.ReadDir(in.source.FS, conf)
		return readPureftpdFolder(in, entries)
	}
	if len(entries) > maxFiles {
		return fmt.Errorf("%s: the folder has more than %d files", in.at(0), maxFiles)
	}
	main := func(e fs.DirEntry) bool { return strings.HasSuffix(e.Name(), "ftpd.conf") }
	entries = append(slices.DeleteFunc(slices.Clone(entries), func(e fs.DirEntry) bool { return !main(e) }),
		slices.DeleteFunc(slices.Clone(entries), main)...)
	served := map[string]bool{} // profiles with a main config
	some := false
	for _, e := range entries {
		one := *in
		one.source.Name = path.Join(in.source.Name, e.Name())
		info, err := fs.Stat(in.source.FS, one.source.Name)
		if err != nil {
			in.unread(one.at(0), "the file", "it leads out of the folder, or cannot be read")
		}
		if err != nil || !info.Mode().IsRegular() || in.read[one.source.Name] {
			continue
		}
		before, unread, secrets := len(in.Servers), len(in.Unread), len(in.Secrets)
		known, err := one.file()
		added := in.Servers[before:]
		switch {
		case err != nil && main(e):
			return err
		case err != nil:
			in.unread(one.at(0), "the file", "%s", strings.TrimPrefix(err.Error(), one.at(0).String()+": "))
		case !known:
			in.unread(one.at(0), "the file", "its format is unknown")
		case !main(e) && slices.ContainsFunc(added, func(s *Server) bool { return served[s.Profile] }):
			in.Servers, in.Unread, in.Secrets = in.Servers[:before], in.Unread[:unread], in.Secrets[:secrets]
			in.unread(one.at(0), "the file", "the main config does not include it; name the file if a process reads it")
		}
		some = some || known && err == nil
		for _, s := range added {
			served[s.Profile] = served[s.Profile] || main(e)
		}
	}
	if !some {
		return fmt.Errorf("%s: the folder has no file whose format is known", in.at(0))
	}
	return nil
}

// file reads a file, if a reader knows it.
func (in *input) file() (known bool, err error) {
	if in.text, err = in.bytes(); err != nil {
		return false, fmt.Errorf("%s: %w", in.at(0), err)
	}
	var best reader
	most := 0
	for _, r := range readers {
		if sure := r.tells(in.text); sure > most {
			best, most = r, sure
		}
	}
	if most == 0 {
		return false, nil
	}
	first := len(in.Servers)
	err = best.read(in)
	for _, s := range in.Servers[first:] {
		s.Made = madeBy(in.text)
	}
	return true, err
}

func (in *input) bytes() ([]byte, error) {
	text, err := in.source.Text, error(nil)
	if text == nil {
		text, err = spec.ReadBounded(in.source.FS, in.source.Name, maxFile)
	}
	switch {
	case err == spec.ErrTooLong || len(text) > maxFile:
		return nil, fmt.Errorf("it is longer than %d MiB", maxFile>>20)
	case err != nil:
		return nil, err
	case bytes.IndexByte(text, 0) >= 0:
		return nil, errors.New("it has a NUL byte")
	}
	return text, nil
}

// base is the file as a server's config.
func (in *input) base() *spec.Base {
	return &spec.Base{Path: in.source.Name, Files: []spec.BaseFile{{Name: path.Base(in.source.Name), Text: in.text}}}
}

// matches counts the lines of a text that match.
func matches(line *regexp.Regexp, text []byte) int {
	return len(line.FindAllIndex(text, 200))
}
