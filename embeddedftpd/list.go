package embeddedftpd

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// listBatch is how many entries are read, sorted and sent at a time, which bounds the
// memory.
const listBatch = 4096

// entry is one line of a listing.
type entry struct {
	name string
	info fs.FileInfo
	link string // where a symbolic link leads; "" where it cannot be followed
}

// formatter appends the line of an entry, its line end included.
type formatter func(buf []byte, e entry) []byte

// selection is what a listing command asks for.
type selection struct {
	dir     string // virtual; of entry alone: its path
	pattern string // which names of it; "": all
	entry   *entry // this one alone
	prefix  string // what stands before each name in NLST
	tree    bool   // and the folders below, with all that is in them
}

func (s *session) list(arg string) {
	name := listArg(arg)
	sel, err := s.choose(name)
	sel.tree = strings.Contains(strings.TrimSuffix(arg, name), "R") // of the options
	now := time.Now()
	s.listing("LIST", sel, err, func(buf []byte, e entry) []byte { return appendLong(buf, e, now) })
}

func (s *session) nlst(arg string) {
	sel, err := s.choose(listArg(arg))
	s.listing("NLST", sel, err, sel.appendName)
}

// appendName appends a line of NLST, a path for other commands.
func (sel selection) appendName(buf []byte, e entry) []byte {
	if !clean(e.name) {
		return buf
	}
	buf = append(buf, sel.prefix...)
	buf = append(buf, e.name...)
	return append(buf, '\r', '\n')
}

// mlsd is RFC 3659 section 7: a folder and nothing else.
func (s *session) mlsd(arg string) {
	sel := selection{dir: s.existing(arg)}
	info, err := s.login.root.Stat(rooted(sel.dir))
	if err == nil && !info.IsDir() {
		s.reply(501, "MLSD lists directories; use MLST.")
		return
	}
	may := s.rightsIn(sel.dir, false)
	s.listing("MLSD", sel, err, func(buf []byte, e entry) []byte {
		if clean(e.name) {
			buf = appendFacts(buf, e, s.features, may)
		}
		return sel.appendName(buf, e)
	})
}

// listArg drops options of ls(1). A lone "-" or what follows "--" is a path.
func listArg(arg string) string {
	rest := strings.TrimLeft(arg, " ")
	for strings.HasPrefix(rest, "-") {
		option, after, _ := strings.Cut(rest, " ")
		if option == "--" {
			return after
		}
		if option == "-" || strings.Trim(option[1:], letters) != "" {
			return rest
		}
		arg = after
		rest = strings.TrimLeft(after, " ")
	}
	return arg
}

const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// choose finds what a listing names: a directory, a file, or those that match a
// pattern.
func (s *session) choose(arg string) (selection, error) {
	if !clean(arg) {
		return selection{}, fs.ErrNotExist
	}
	if arg = s.named(arg); arg == "" || arg == "." {
		return selection{dir: s.files.cwd}, nil
	}
	at := s.path(arg)
	parent, base := path.Split(arg)
	info, err := s.login.root.Stat(rooted(at))
	switch {
	case err == nil && info.IsDir():
		return selection{dir: at, prefix: strings.TrimRight(arg, "/") + "/"}, nil
	case err != nil && strings.ContainsAny(base, "*?["):
		if _, err := path.Match(base, ""); err != nil {
			return selection{}, fs.ErrNotExist
		}
		return selection{dir: s.path(parent), pattern: base, prefix: parent}, nil
	case err != nil:
		// A link that leads nowhere is listed anyway.
		if info, err = s.login.root.Lstat(rooted(at)); err != nil {
			return selection{dir: at}, err
		}
	}
	if base != path.Base(at) { // "file/" or "file/."
		parent = strings.TrimSuffix(path.Dir(at), "/") + "/"
	}
	return selection{dir: at, prefix: parent, entry: &entry{name: path.Base(at), info: info}}, nil
}

// listing sends what was chosen over the data connection.
func (s *session) listing(verb string, sel selection, err error, format formatter) {
	if !s.connected(sel.dir) {
		return
	}
	t := &transfer{verb: verb, path: sel.dir, sends: true, listing: true}
	if err == nil && sel.entry == nil {
		t.file, err = s.openDir(sel.dir)
	}
	if err != nil {
		s.fail(err)
		return
	}
	s.runTransfer(t, func() error {
		out := bufio.NewWriterSize(dataConn{t}, 16<<10)
		var line []byte
		write := func(e entry) error {
			line = format(line[:0], e)
			_, err := out.Write(line)
			return err
		}
		var err error
		if sel.tree && sel.pattern == "" && sel.entry == nil {
			err = s.sendTree(out, t.file, sel, write)
		} else {
			err = s.each(t.file, sel, write)
		}
		if err != nil {
			return err
		}
		return out.Flush()
	})
}

// maxTree bounds what LIST -R remembers of folders still to be listed: bytes of paths.
const maxTree = 1 << 20

var errTree = errors.New("too many folders below one folder")

// sendTree writes a folder and all those below it as `ls -lR` does. It follows no
// links.
func (s *session) sendTree(out *bufio.Writer, top *os.File, sel selection, write func(entry) error) error {
	base := "."
	if sel.prefix != "" {
		base = cmp.Or(strings.TrimSuffix(sel.prefix, "/"), "/")
	}
	for next, size := []string{""}, 0; len(next) > 0; {
		below := next[len(next)-1]
		next, size = next[:len(next)-1], size-len(below)
		dir, name, at := top, base, path.Join(sel.dir, below)
		if below != "" {
			var err error
			if dir, err = s.openDir(at); err != nil {
				continue // removed since, or not for this user
			}
			name = strings.TrimSuffix(base, "/") + "/" + below
			out.WriteString("\r\n")
		}
		out.WriteString(shown.Replace(name) + ":\r\n")
		var found []string
		err := s.each(dir, selection{dir: at}, func(e entry) error {
			if e.info.IsDir() {
				found = append(found, path.Join(below, e.name))
				if size += len(found[len(found)-1]); size > maxTree {
					return errTree
				}
			}
			return write(e)
		})
		if below != "" {
			dir.Close()
		}
		if err != nil {
			return err
		}
		slices.SortFunc(found, func(a, b string) int { return strings.Compare(b, a) })
		next = append(next, found...)
	}
	return nil
}

// openDir opens a directory and nothing else, and waits for nothing.
func (s *session) openDir(at string) (*os.File, error) {
	return s.login.root.OpenFile(rooted(at), os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
}

// readlink says where a link leads, "" where that is nowhere or out of the root.
func (s *session) readlink(at string) string {
	if _, err := s.login.root.Stat(rooted(at)); err != nil {
		return ""
	}
	to, _ := s.login.root.Readlink(rooted(at))
	return to
}

// each calls do with what was chosen, of dir batch by batch, each of them sorted.
func (s *session) each(dir *os.File, sel selection, do func(entry) error) error {
	if sel.entry != nil {
		return do(*sel.entry)
	}
	for {
		batch, end := dir.ReadDir(listBatch)
		slices.SortFunc(batch, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
		for _, d := range batch {
			if match, _ := path.Match(sel.pattern, d.Name()); sel.pattern != "" && !match {
				continue
			}
			info, err := d.Info()
			if err != nil {
				continue // removed since
			}
			e := entry{name: d.Name(), info: info}
			if info.Mode()&fs.ModeSymlink != 0 {
				e.link = s.readlink(path.Join(sel.dir, e.name))
			}
			if err := do(e); err != nil {
				return err
			}
		}
		if end == io.EOF {
			return nil
		}
		if end != nil {
			return end
		}
	}
}

// halfYear is how old a file may be for ls(1) to show its time of day.
const halfYear = 182 * 24 * time.Hour

// appendLong appends a line of `ls -l`, which clients parse for lack of any standard,
// in UTC.
func appendLong(buf []byte, e entry, now time.Time) []byte {
	when := e.info.ModTime().UTC()
	stamp := when.Format("Jan _2 15:04")
	if age := now.Sub(when); age > halfYear || age < -24*time.Hour {
		stamp = when.Format("Jan _2  2006")
	}
	links := uint64(1)
	if st, ok := e.info.Sys().(*syscall.Stat_t); ok {
		links = uint64(st.Nlink)
	}
	name := e.name
	if e.link != "" {
		name += " -> " + e.link
	}
	return fmt.Appendf(buf, "%s %4d ftp      ftp      %12d %s %s\r\n", modeString(e.info.Mode()), links, e.info.Size(), stamp, shown.Replace(name))
}

// shown has a name as ls(1) shows it: what would break the line is a question mark.
var shown = strings.NewReplacer("\r", "?", "\n", "?", "\x00", "?")

// modeString is the first column of ls(1), which fs.FileMode's String is not.
func modeString(m fs.FileMode) string {
	kind := byte('-')
	for _, k := range []struct {
		bits   fs.FileMode
		letter byte
	}{
		{fs.ModeDevice, 'b'}, {fs.ModeCharDevice, 'c'}, {fs.ModeSocket, 's'}, {fs.ModeNamedPipe, 'p'}, {fs.ModeSymlink, 'l'}, {fs.ModeDir, 'd'},
	} {
		if m&k.bits != 0 {
			kind = k.letter
		}
	}
	out := []byte(m.Perm().String())
	out[0] = kind
	for i, bit := range []fs.FileMode{fs.ModeSetuid, fs.ModeSetgid, fs.ModeSticky} {
		if at := 3 + 3*i; m&bit != 0 {
			letter := "sst"[i]
			if out[at] == '-' {
				letter -= 'a' - 'A'
			}
			out[at] = letter
		}
	}
	return string(out)
}
