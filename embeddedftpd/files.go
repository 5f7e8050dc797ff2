package embeddedftpd

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var (
	errNotRegular = errors.New("not a regular file")
	errTime       = errors.New("the time cannot be set")
)

// fileState is what file commands remember of each other.
type fileState struct {
	cwd        string // virtual
	renameFrom string // virtual; "": no RNFR before
	offset     int64  // of the last REST
}

// fail replies to a failed file operation, and logs those that an operator looks for.
func (s *session) fail(err error) {
	code, text := fileReply(err)
	level := slog.LevelDebug
	if verbs[s.verb].writes || code/100 == 4 {
		level = slog.LevelWarn
	}
	s.log.Log(s.ctx, level, "refused", "command", s.verb, "path", failedPath(err), "error", err)
	s.reply(code, text)
}

// changed replies to a command that was to change a file, and logs what it did.
func (s *session) changed(err error, code int, text, what string, attrs ...any) {
	if err != nil {
		s.fail(err)
		return
	}
	s.log.Info(what, attrs...)
	s.reply(code, text)
}

// refuseWrite replies to a user who may only read.
func (s *session) refuseWrite(name string) {
	s.log.Warn("write refused", "command", s.verb, "path", s.path(name), "error", "the user may only read")
	s.reply(550, "Permission denied: read-only.")
}

// name is the part of a command's argument that names a file.
func (c command) name() string {
	name := c.arg
	switch c.verb {
	case "MFMT", "SITE CHMOD":
		_, name, _ = strings.Cut(c.arg, " ")
	case "SITE UTIME":
		_, name, _ = parseUtime(c.arg)
	}
	return name
}

// failedPath is the virtual path that an error of an os.Root names; "": none.
func failedPath(err error) string {
	var one *fs.PathError
	var two *os.LinkError
	switch {
	case errors.As(err, &one):
		return resolve("/", one.Path)
	case errors.As(err, &two):
		return resolve("/", two.Old)
	}
	return ""
}

// path is the virtual path that an argument names.
func (s *session) path(arg string) string { return resolve(s.files.cwd, arg) }

// named is the path of something that is there. Some clients send two spaces before a
// path, the second of which belongs to it only if it then names something.
func (s *session) named(arg string) string {
	if !strings.HasPrefix(arg, " ") {
		return arg
	}
	if _, err := s.login.root.Lstat(rooted(s.path(arg))); err == nil {
		return arg
	}
	return strings.TrimLeft(arg, " ")
}

// existing is the virtual path of that.
func (s *session) existing(arg string) string { return s.path(s.named(arg)) }

func (s *session) cwd(arg string) {
	to := s.existing(arg)
	info, err := s.login.root.Stat(rooted(to))
	if err == nil && !info.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil {
		s.fail(err)
		return
	}
	s.files.cwd = to
	s.reply(250, "Directory changed to "+quoted(to)+".")
}

func (s *session) cdup(string) { s.cwd("..") }

func (s *session) pwd(string) { s.reply(257, quoted(s.files.cwd)+" is the current directory.") }

func (s *session) mkd(arg string) {
	at := s.path(arg)
	s.changed(s.login.root.Mkdir(rooted(at), 0o777), 257, quoted(at)+" created.", "directory made", "path", at)
}

func (s *session) rmd(arg string)  { s.remove(arg, true) }
func (s *session) dele(arg string) { s.remove(arg, false) }

// remove removes a folder or anything else.
func (s *session) remove(arg string, folder bool) {
	at := s.existing(arg)
	info, err := s.login.root.Lstat(rooted(at))
	switch {
	case err != nil:
	case at == "/":
		err = fs.ErrPermission
	case folder && !info.IsDir():
		err = syscall.ENOTDIR
	case !folder && info.IsDir():
		err = syscall.EISDIR
	default:
		err = s.login.root.Remove(rooted(at))
	}
	s.changed(err, 250, "Removed.", "removed", "path", at)
}

func (s *session) rnfr(arg string) {
	from := s.existing(arg)
	_, err := s.login.root.Lstat(rooted(from))
	if from == "/" {
		err = fs.ErrPermission
	}
	if err != nil {
		s.fail(err)
		return
	}
	s.files.renameFrom = from
	s.reply(350, "Send RNTO with the new name.")
}

func (s *session) rnto(arg string) {
	from, to := s.files.renameFrom, s.path(arg)
	if from == "" {
		s.reply(503, "Send RNFR first.")
		return
	}
	s.files.renameFrom = ""
	err := fs.ErrPermission
	if to != "/" {
		err = s.login.root.Rename(rooted(from), rooted(to))
	}
	s.changed(err, 250, "Renamed.", "renamed", "path", from, "to", to)
}

// size is the number of bytes that RETR would send (RFC 3659 section 4). In
// TYPE A that is not the size of the file, and counting would read all of it.
func (s *session) size(arg string) {
	if s.data.ascii {
		s.reply(550, "SIZE is not available in TYPE A; use TYPE I.")
		return
	}
	info, err := s.login.root.Stat(rooted(s.existing(arg)))
	if err == nil && !info.Mode().IsRegular() {
		err = errNotRegular
	}
	if err != nil {
		s.fail(err)
		return
	}
	s.reply(213, fmt.Sprint(info.Size()))
}

// mdtm is RFC 3659 section 3 and, with a time before the path, what MFMT is.
func (s *session) mdtm(arg string) {
	info, err := s.login.root.Stat(rooted(s.existing(arg)))
	if err == nil {
		s.reply(213, formatTime(info.ModTime()))
		return
	}
	stamp, name, _ := strings.Cut(arg, " ")
	at, ok := parseTime(stamp)
	switch {
	case name == "" || !ok:
		s.fail(err)
	case s.login.user.ReadOnly:
		s.refuseWrite(name)
	default:
		s.modify(true, 213, name, at)
	}
}

// mfmt is draft-somers-ftp-mfxx-04, for folders too.
func (s *session) mfmt(arg string) {
	stamp, name, _ := strings.Cut(arg, " ")
	at, ok := parseTime(stamp)
	s.modify(ok && name != "", 213, name, at)
}

// utime is SITE UTIME: with a time and the path, or the path and the times of access,
// modification and change, of which the second counts.
func (s *session) utime(arg string) {
	at, name, ok := parseUtime(arg)
	s.modify(ok, 200, name, at)
}

func parseUtime(arg string) (at time.Time, name string, ok bool) {
	if all, utc := strings.CutSuffix(arg, " UTC"); utc {
		parts := strings.Split(all, " ")
		n := len(parts)
		if n < 4 {
			return time.Time{}, "", false
		}
		name, arg = strings.Join(parts[:n-3], " "), parts[n-2]
	} else {
		arg, name, _ = strings.Cut(arg, " ")
	}
	if len(arg) == len("YYYYMMDDHHMM") {
		arg += "00"
	}
	at, ok = parseTime(arg)
	return at, name, ok && name != ""
}

// modify sets the time of what name names, if the argument was understood, and replies.
func (s *session) modify(understood bool, code int, name string, to time.Time) {
	if !understood {
		s.reply(501, "Usage: "+verbs[s.verb].usage)
		return
	}
	at := s.existing(name)
	info, err := s.login.root.Stat(rooted(at))
	if err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		err = errNotRegular
	}
	if err == nil {
		to, err = setTime(s.login.root.Root, rooted(at), to)
	}
	if err != nil {
		s.fail(err)
		return
	}
	s.reply(code, "Modify="+formatTime(to)+"; "+name)
}

// chmod is SITE CHMOD, without the bits by which a program changes its user.
func (s *session) chmod(arg string) {
	octal, name, _ := strings.Cut(arg, " ")
	mode, err := strconv.ParseUint(octal, 8, 9)
	at := s.existing(name)
	switch {
	case err != nil || name == "":
		s.reply(501, "Usage: "+verbs[s.verb].usage)
		return
	case at == "/":
		err = fs.ErrPermission
	default:
		err = s.login.root.Chmod(rooted(at), fs.FileMode(mode))
	}
	s.changed(err, 200, "Mode changed to "+octal+".", "mode changed", "path", at, "mode", octal)
}

// setTime sets a file's modification time, and returns what the file system
// made of it: many keep fewer years than a time can have.
func setTime(root *os.Root, name string, at time.Time) (time.Time, error) {
	if !time.Unix(0, at.UnixNano()).Equal(at) {
		// Chtimes counts nanoseconds in 64 bits and would set some other time.
		return time.Time{}, errTime
	}
	if err := root.Chtimes(name, time.Time{}, at); err != nil {
		return time.Time{}, err
	}
	info, err := root.Stat(name)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// formatTime writes a time as RFC 3659 section 2.3, in UTC, years beyond 9999 as the
// last.
func formatTime(t time.Time) string {
	if t.After(lastTime) {
		t = lastTime
	}
	return t.UTC().Format("20060102150405")
}

var lastTime = time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC)

// parseTime is its opposite. A fraction of a second may follow, of up to nine
// digits; second 60 is a leap second and becomes the next minute.
func parseTime(text string) (time.Time, bool) {
	whole, fraction, dotted := strings.Cut(text, ".")
	if len(whole) != 14 || dotted && (fraction == "" || len(fraction) > 9) || !digits(whole) || !digits(fraction) {
		return time.Time{}, false
	}
	leap := whole[12:] == "60"
	if leap {
		text = whole[:12] + "59"
	}
	t, err := time.Parse("20060102150405", text) // and the fraction
	if leap {
		t = t.Add(time.Second)
	}
	if err != nil || t.After(lastTime) {
		return time.Time{}, false
	}
	return t, true
}

func digits(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
