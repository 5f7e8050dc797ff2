package embeddedftpd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
)

// Each target holds the code to a second opinion: a regular expression, a
// resolver of another make, or the kernel. What fuzzing found worth keeping is
// in testdata/fuzz, and goes through every `go test`.

// telnetCommand is what a Telnet command takes of a line, or an escaped 255, and
// loneMark what is left of one before a verb. The bytes are seen as runes of
// Latin-1, because regexp reads UTF-8.
var (
	telnetCommand = regexp.MustCompile(`(?s)ÿ(?:(ÿ)|[û-þ].?|[ð-ú]|)`)
	loneMark      = regexp.MustCompile(`^ò+`)
)

func withoutTelnet(line string) string {
	return bytesOf(loneMark.ReplaceAllString(telnetCommand.ReplaceAllString(runesOf(line), "$1"), ""))
}

func runesOf(raw string) string {
	runes := make([]rune, len(raw))
	for i := range len(raw) {
		runes[i] = rune(raw[i])
	}
	return string(runes)
}

func bytesOf(latin1 string) string {
	var raw []byte
	for _, r := range latin1 {
		raw = append(raw, byte(r))
	}
	return string(raw)
}

var commandLine = regexp.MustCompile(`(?s)^ *([^ ]*)(?: (.*))?$`)

// What arrives is cut into lines the same way however it arrives, and however
// often a deadline passes meanwhile; the buffer is bounded; and what a reply
// quotes comes back as it was.
func FuzzCommandReader(f *testing.F) {
	f.Add([]byte("USER a\r\nPASS b\r\n"), 3)
	f.Add([]byte("\xff\xf4\xff\xf2ABOR\r\n"), 1)
	f.Add([]byte(strings.Repeat("x", maxLine+1)+"\r\nNOOP\n"), 1000)
	f.Add([]byte("\xff\xff\xff\r\n\x00\r"), 2)
	f.Fuzz(func(t *testing.T, input []byte, step int) {
		r := newLineReader(&stepReader{r: bytes.NewReader(input), n: 1 + max(0, step)%4096})
		whole := strings.Split(string(input), "\n")
		for _, want := range whole[:len(whole)-1] {
			want = strings.TrimSuffix(want, "\r")
			if isTelnetOnly(want) {
				continue
			}
			line, err := nextLine(t, r)
			if len(want) > maxLine {
				if !errors.Is(err, errLineTooLong) {
					t.Fatalf("%d bytes became %.40q, %v", len(want), line, err)
				}
				continue
			}
			if want = withoutTelnet(want); err != nil || line != want {
				t.Fatalf("%.40q, %v, want %.40q", line, err, want)
			}
			checkCommand(t, line)
			if reply := string(appendReply(nil, 550, []string{line})); clean(line) && withoutTelnet(reply) != "550 "+line+"\r\n" {
				t.Fatalf("%.40q is quoted as %.60q", line, reply)
			}
		}
		if line, err := nextLine(t, r); err != io.EOF {
			t.Fatalf("after the last line: %.40q, %v", line, err)
		}
	})
}

// isTelnetOnly reports whether a line is no command, not even an empty one.
func isTelnetOnly(line string) bool {
	return line != "" && len(line) <= maxLine && withoutTelnet(line) == ""
}

func nextLine(t *testing.T, r *lineReader) (string, error) {
	for {
		line, err := r.next()
		if cap(r.line) > 4*maxLine {
			t.Fatalf("the buffer grew to %d bytes", cap(r.line))
		}
		if err != iotest.ErrTimeout {
			return line, err
		}
	}
}

func checkCommand(t *testing.T, line string) {
	want := commandLine.FindStringSubmatch(runesOf(line))
	verb := strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, want[1])
	if got := parseCommand(line); got.verb != bytesOf(verb) || got.arg != bytesOf(want[2]) {
		t.Fatalf("%.40q became %.40v", line, got)
	}
}

// stepReader gives at most n bytes a read, and nothing but a timeout every
// other time.
type stepReader struct {
	r     io.Reader
	n     int
	reads int
}

func (s *stepReader) Read(p []byte) (int, error) {
	if s.reads++; s.reads%2 == 0 {
		return 0, iotest.ErrTimeout
	}
	return s.r.Read(p[:min(len(p), s.n)])
}

// loggedIn is a session that has a root and nothing else.
func loggedIn(f *testing.F, dir string) *session {
	f.Helper()
	root, err := os.OpenRoot(dir)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { root.Close() })
	s := new(session)
	s.login.root = &sharedRoot{Root: root}
	if s.login.root.files, err = root.Open("."); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.login.root.files.Close() })
	s.files.cwd = "/"
	return s
}

// lay writes a tree: a name that ends in a slash is a folder, "a -> b" a link,
// anything else a file that holds content.
func lay(f testing.TB, dir, content string, names ...string) {
	f.Helper()
	for _, name := range names {
		var err error
		if link, to, ok := strings.Cut(name, " -> "); ok {
			err = os.Symlink(to, filepath.Join(dir, link))
		} else if strings.HasSuffix(name, "/") {
			err = os.Mkdir(filepath.Join(dir, name), 0o755)
		} else {
			err = os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644)
		}
		if err != nil {
			f.Fatal(err)
		}
	}
}

// A path is what a resolver that goes part by part makes of it, and whatever
// opens lies inside the root, wherever links lead.
func FuzzPath(f *testing.F) {
	base, err := filepath.EvalSymlinks(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	lay(f, base, "outside", "root/", "out/", "secret", "out/f")
	inside := filepath.Join(base, "root")
	lay(f, inside, "inside", "a/", "a/b/", "f", "a/f", "a/b/f", "in -> a", "deep -> a/b", "back -> a/..", "loop -> loop",
		"out -> "+base+"/out", "up -> ..", "a/up -> ../../out", "secret -> ../secret", "root -> /", "through -> up/root/f", "a/top -> ../f")
	s := loggedIn(f, inside)
	known := s.login.root.files
	for _, arg := range []string{
		"", "..", "/", "a/../../b", "//x/./y/", "\xff", "a\\..\\b", "/..//../ ", "in/f", "up/secret", "a/up/f", "out/f", "secret", "deep/../f",
		"root" + base + "/secret", "through", "a/top", "back/f", "loop/f", base + "/secret",
	} {
		f.Add("/", arg)
		f.Add("a/b", arg)
	}
	f.Fuzz(func(t *testing.T, cwd, arg string) {
		s.files.cwd = resolve("/", cwd)
		at := s.path(arg)
		if want := walk(walk("/", cwd), arg); at != want {
			t.Fatalf("%q in %q: %q, want %q", arg, cwd, at, want)
		}
		if q := quoted(at); strings.ReplaceAll(q[1:len(q)-1], `""`, `"`) != at {
			t.Fatalf("%q quoted is %s", at, q)
		}
		if !clean(at) {
			return // no command gets that far
		}
		for _, files := range []*os.File{known, nil} { // with openat2 and without
			s.login.root.files = files
			if file, _, err := s.openRegular(at, os.O_RDONLY); err == nil {
				if b, err := io.ReadAll(file); err != nil || string(b) != "inside" {
					t.Errorf("%q holds %q, %v", at, b, err)
				}
				opened(t, inside, at, file)
			}
		}
		if dir, err := s.openDir(at); err == nil {
			opened(t, inside, at, dir)
		}
	})
}

// walk resolves a path part by part.
func walk(cwd, arg string) string {
	var parts []string
	if !strings.HasPrefix(arg, "/") {
		arg = cwd + "/" + arg
	}
	for part := range strings.SplitSeq(arg, "/") {
		switch {
		case part == "" || part == ".":
		case part != "..":
			parts = append(parts, part)
		case len(parts) > 0:
			parts = parts[:len(parts)-1]
		}
	}
	return "/" + strings.Join(parts, "/")
}

// opened closes file after making sure that the kernel finds the same at that
// path, and finds it inside.
func opened(t *testing.T, inside, at string, file *os.File) {
	defer file.Close()
	real, err := filepath.EvalSymlinks(inside + at)
	if err != nil {
		t.Fatalf("%q was opened, but %v", at, err)
	}
	if real != inside && !strings.HasPrefix(real, inside+"/") {
		t.Fatalf("%q leads to %q", at, real)
	}
	want, err := os.Stat(real)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := file.Stat(); err != nil || !os.SameFile(got, want) {
		t.Fatalf("%q is not %q: %v", at, real, err)
	}
}

// Options of ls(1): clusters of letters, "--" behind the last of them.
var (
	lsOptions = regexp.MustCompile(`^(?: *-[a-zA-Z0-9]+(?: |$))*(?: *--(?: |$))? *$`)
	lsOption  = regexp.MustCompile(`^ *-(?:[a-zA-Z0-9]+|-)(?: |$)`)
)

// Of an argument of LIST nothing but options is dropped, and all of them; and
// what is listed, sent back as it stands, names each file that is there.
func FuzzListArguments(f *testing.F) {
	base := f.TempDir()
	lay(f, base, "", "dir/", "dir/sub/", "dir/sub/deep", "dir/a.txt", "dir/b.txt", "a.txt", "[ab].txt", "*", " lead", "trail ", "-dash", "-la", "--",
		"back\\slash", "ümläut", "line\nbreak", "link -> dir", "dangling -> gone")
	s := loggedIn(f, base)
	for _, arg := range []string{
		"", "-la", "-l -a dir", "-- -x", "- ", "-é", "-la  x", "dir/*.txt", "*", "[ab].txt", "dir/../link/", "dir/a.txt/", "a.txt/.", "-- -la", "/",
		"-- --", "../*", "dangling", "link/*", " lead", "dir/[", ".", "..", "-a dir/su?", "line*",
	} {
		f.Add(arg, false)
		f.Add(arg, true)
	}
	f.Fuzz(func(t *testing.T, arg string, below bool) {
		s.files.cwd = "/"
		if below {
			s.files.cwd = "/dir"
		}
		rest := listArg(arg)
		dropped, ok := strings.CutSuffix(arg, rest)
		if !ok || !lsOptions.MatchString(dropped) {
			t.Fatalf("%q: %q was dropped", arg, dropped)
		}
		if !strings.HasSuffix(strings.TrimSuffix(dropped, " "), "--") && lsOption.MatchString(rest) {
			t.Fatalf("%q: %q still starts with options", arg, rest)
		}
		if !clean(rest) {
			return
		}
		want, exists := namesOf(base, s.files.cwd, rest)
		got, err := namesListed(s, rest)
		if exists != (err == nil) {
			t.Fatalf("%q exists: %v, yet %v", rest, exists, err)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q lists %q, want %q", rest, got, want)
		}
	})
}

// namesOf says by the file system what arg names.
func namesOf(base, cwd, arg string) (names []string, exists bool) {
	if _, err := os.Lstat(base + walk(cwd, arg)); err != nil {
		arg = strings.TrimLeft(arg, " ")
	}
	at := walk(cwd, arg)
	info, err := os.Stat(base + at)
	folder := err == nil && info.IsDir()
	if _, err := os.Lstat(base + at); err == nil && !folder {
		return []string{at}, true
	}
	pattern := "*"
	if !folder {
		slash := strings.LastIndex(arg, "/") + 1
		at, pattern = walk(cwd, arg[:slash]), arg[slash:]
		// filepath.Match does not see every mistake in a pattern.
		if _, err := path.Match(pattern, ""); err != nil || !strings.ContainsAny(pattern, "*?[") {
			return nil, false
		}
	}
	all, err := os.ReadDir(base + at)
	if err != nil {
		return nil, false
	}
	for _, e := range all {
		if ok, _ := filepath.Match(pattern, e.Name()); ok && !strings.Contains(e.Name(), "\n") {
			names = append(names, walk(at, e.Name()))
		}
	}
	slices.Sort(names)
	return names, true
}

// namesListed are the paths that the lines of NLST lead to.
func namesListed(s *session, arg string) (names []string, err error) {
	sel, err := s.choose(arg)
	if err != nil {
		return nil, err
	}
	var dir *os.File
	if sel.entry == nil {
		if dir, err = s.openDir(sel.dir); err != nil {
			return nil, err
		}
		defer dir.Close()
	}
	var sent []byte
	if err := s.each(dir, sel, func(e entry) error { sent = sel.appendName(sent, e); return nil }); err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(sent)) {
		names = append(names, s.path(strings.TrimSuffix(line, "\r\n")))
	}
	slices.Sort(names)
	return names, nil
}

var timeVal = regexp.MustCompile(`^([0-9]{12})([0-9]{2})(?:\.[0-9]{1,9})?$`)

// A time is read as the standard library reads it, comes back as it was, and
// the file system keeps what the reply says.
func FuzzTime(f *testing.F) {
	for _, text := range []string{
		"20240229123456", "20240229123456.789", "20161231235960", "00010101000000", "99991231235960", "2024022912345", "20240229123456.",
		"2024022912345é", "99991231235959", "19691231235959.5", "16770921001243", "22620411234717", "19000229000000", "00000101000000",
	} {
		f.Add(text)
	}
	dir := f.TempDir()
	lay(f, dir, "", "f")
	root := loggedIn(f, dir).login.root.Root
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := parseTime(text)
		if want, valid := timeOf(text); ok != valid || !at.Equal(want) {
			t.Fatalf("%q: %v, %v, want %v, %v", text, at, ok, want, valid)
		}
		if !ok {
			return
		}
		stamp := formatTime(at)
		if back, ok := parseTime(stamp); !ok || !back.Equal(at.Truncate(time.Second)) {
			t.Fatalf("%q became %v, and back %q", text, at, stamp)
		}
		kept, err := setTime(root, "f", at)
		info, statErr := os.Stat(filepath.Join(dir, "f"))
		if statErr != nil {
			t.Fatal(statErr)
		}
		if now := at.Year() >= 1970 && at.Year() < 2038; err != nil && now || err == nil && !kept.Equal(info.ModTime()) {
			t.Fatalf("%q: the file has %v, not %v: %v", text, info.ModTime(), kept, err)
		} else if now && formatTime(kept) != stamp {
			t.Fatalf("%q: the file has %v", text, kept)
		}
	})
}

// timeOf is what a time of RFC 3659 section 2.3 means, up to the year 9999.
func timeOf(text string) (time.Time, bool) {
	parts := timeVal.FindStringSubmatch(text)
	if parts == nil {
		return time.Time{}, false
	}
	layout, leap := "20060102150405", time.Duration(0)
	if parts[2] == "60" { // a leap second, which no clock here has
		text, leap = parts[1]+"59", time.Second
	}
	at, err := time.Parse(layout, text) // takes a fraction behind the seconds
	if at = at.Add(leap); err != nil || at.Year() > 9999 {
		return time.Time{}, false
	}
	return at, true
}

// takesTime are the commands without which no second transfer begins, and the one
// whose reply is delayed.
var takesTime = []string{"PASV", "EPSV", "PORT", "EPRT", "PASS"}

// Whatever comes on the control connection during a transfer is answered line
// by line, as it is when idle; the transfer's own reply comes on top.
func FuzzCommandsDuringTransfer(f *testing.F) {
	for _, input := range []string{
		"\r\n", "  \r\n\n\n", "\xff\xf1\r\n", "\xff\xf4\r\n\xff\xf4\xff\xf2\r\nNOOP", "\xf2ABOR\r\n", "NOOP\r\nABOR\r\nSTAT\r\nNOOP",
		"STAT\r\nPWD\r\nSTAT\r\n\r\n", "REIN\r\nPWD\r\n", "QUIT\r\nNOOP\r\n", strings.Repeat("x", maxLine+1) + "\r\nNOOP", "RETR huge\r\nREST 3",
		strings.Repeat("NOOP\r\n\r\n", maxQueued), "\xff", "\xff\xfb", "HELP\r\nCWD \xff\xff\r\n", "MLST\r\nFEAT\r\nABOR",
	} {
		f.Add([]byte(input))
	}
	ts := start(f, func(c *Config) {
		reader := c.Users.(oneUser)
		reader.ReadOnly = true // both sessions see the same files
		c.Users, c.Log = reader, slog.New(slog.DiscardHandler)
	})
	f.Fuzz(func(t *testing.T, input []byte) {
		whole := string(input) + "\r\nQUIT\r\n"
		verbs := verbsUpToQuit(whole)
		if len(input) > 64<<10 || slices.ContainsFunc(verbs, func(v string) bool { return slices.Contains(takesTime, v) }) {
			return
		}
		idle := repliesTo(t, ts.login(t), whole, nil)
		c := ts.login(t)
		busy := repliesTo(t, c, whole, blockedRetr(t, ts, c))
		own := slices.IndexFunc(busy, func(r string) bool {
			return r == "426 Transfer aborted." || r == "426 Data connection lost."
		})
		if own < 0 {
			t.Fatalf("%q: no reply for the transfer in %q", whole, busy)
		}
		busy = slices.Delete(busy, own, own+1)
		code := func(r string) string { return r[:3] }
		if !slices.EqualFunc(idle, busy, func(a, b string) bool { return code(a) == code(b) }) {
			t.Fatalf("%q: when idle %q, during a transfer %q", whole, idle, busy)
		}
		if len(idle) != len(verbs) {
			t.Fatalf("%q: %d replies to %d commands: %q", whole, len(idle), len(verbs), idle)
		}
	})
}

// verbsUpToQuit are those of the lines that get a reply.
func verbsUpToQuit(text string) []string {
	var verbs []string
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		switch {
		case len(line) > maxLine:
			verbs = append(verbs, "")
		case !isTelnetOnly(line):
			verbs = append(verbs, parseCommand(withoutTelnet(line)).verb)
		}
		if n := len(verbs); n > 0 && verbs[n-1] == "QUIT" {
			break
		}
	}
	return verbs
}

// repliesTo sends text, closes the data connection of a running transfer a little
// later, and reads replies to the session's end.
func repliesTo(t *testing.T, c *client, text string, data net.Conn) []string {
	t.Helper()
	go io.WriteString(c.conn, text)
	if data != nil {
		time.AfterFunc(2*time.Millisecond, func() { data.Close() })
	}
	var replies []string
	for {
		code, text, err := c.text.ReadResponse(0)
		switch {
		case err == io.EOF || errors.Is(err, syscall.ECONNRESET): // bytes behind QUIT that nobody reads
			return replies
		case err != nil:
			t.Fatalf("%q: after %q: %v", text, replies, err)
		}
		replies = append(replies, fmt.Sprint(code, " ", text))
	}
}
