package embeddedftpd

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestLineReader(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	input := "one\r\ntwo\n\r\n" + long + "\r\n" + long + "yy\r\nthree \r\nfour\rfive\r\n\xff\xff\xff\xfb\x01six\xff\r\nunfinished"
	want := []string{"one", "two", "", long, "too long", "three ", "four\rfive", "\xffsix"}
	for name, src := range map[string]io.Reader{
		"at once": strings.NewReader(input), "byte by byte": iotest.OneByteReader(strings.NewReader(input)),
		"halves": iotest.HalfReader(strings.NewReader(input)), "with the error": iotest.DataErrReader(strings.NewReader(input)),
	} {
		r := newLineReader(src)
		for i, w := range want {
			got, err := r.next()
			if errors.Is(err, errLineTooLong) {
				got, err = "too long", nil
			}
			if err != nil || got != w {
				t.Errorf("%s: line %d: %.40q, %v, want %.40q", name, i, got, err, w)
			}
		}
		if got, err := r.next(); err != io.EOF {
			t.Errorf("%s: at the end: %q, %v", name, got, err)
		}
	}
}

// A deadline that passes in the middle of a line loses nothing of it.
func TestLineReaderGoesOn(t *testing.T) {
	r := newLineReader(io.MultiReader(strings.NewReader("NO"), iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("OP\r\n")))))
	var lines []string
	for range 10 {
		line, err := r.next()
		if err == nil {
			lines = append(lines, line)
		} else if err != iotest.ErrTimeout && err != io.EOF {
			t.Fatal(err)
		}
	}
	if len(lines) != 1 || lines[0] != "NOOP" {
		t.Errorf("%q", lines)
	}
}

func TestLineReaderGivesMemoryBack(t *testing.T) {
	r := newLineReader(iotest.OneByteReader(strings.NewReader(strings.Repeat("x", maxLine) + "\r\nNOOP\r\n")))
	for range 2 {
		if _, err := r.next(); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.buf) != smallLine {
		t.Errorf("the buffer keeps %d bytes", len(r.buf))
	}
}

func TestParseCommand(t *testing.T) {
	for line, want := range map[string]command{
		"NOOP": {"NOOP", ""}, "noop": {"NOOP", ""}, "  nOoP": {"NOOP", ""}, "RETR  a b ": {"RETR", " a b "}, "": {}, "CWD é": {"CWD", "é"},
	} {
		if got := parseCommand(line); got != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}

func TestReplyFormat(t *testing.T) {
	for want, lines := range map[string][]string{
		"200 OK\r\n": {"OK"}, "200-a\r\n 200 b\r\n200 c\r\n": {"a", "200 b", "c"}, "200 a??b\xff\xff\r\n": {"a\r\nb\xff"},
	} {
		if got := string(appendReply(nil, 200, lines)); got != want {
			t.Errorf("%q: %q, want %q", lines, got, want)
		}
	}
}

func FuzzCommandReader(f *testing.F) {
	f.Add([]byte("USER a\r\nPASS b\r\n"), 3)
	f.Add([]byte("\xff\xf4\xff\xf2ABOR\r\n"), 1)
	f.Add([]byte(strings.Repeat("x", 2*maxLine)+"\r\nNOOP\n"), 700)
	f.Add([]byte("\xff\xff\xff\r\n\x00\r"), 2)
	f.Fuzz(func(t *testing.T, input []byte, step int) {
		r := newLineReader(&stepReader{bytes.NewReader(input), 1 + max(0, step)%4096})
		lines := 0
		for {
			line, err := r.next()
			if err != nil && !errors.Is(err, errLineTooLong) {
				break
			}
			lines++
			if len(line) > maxLine || strings.Contains(line, "\n") {
				t.Fatalf("line of %d bytes: %.40q", len(line), line)
			}
			cmd := parseCommand(line)
			if strings.Contains(cmd.verb, " ") || len(cmd.verb)+len(cmd.arg) > len(line) {
				t.Fatalf("%.40q became %.40q", line, cmd)
			}
			if len(r.buf) > 4*maxLine {
				t.Fatalf("the buffer grew to %d bytes", len(r.buf))
			}
		}
		if want := bytes.Count(input, []byte("\n")); lines != want {
			t.Fatalf("%d lines, want %d", lines, want)
		}
	})
}

// stepReader gives at most n bytes a read.
type stepReader struct {
	r io.Reader
	n int
}

func (s *stepReader) Read(p []byte) (int, error) { return s.r.Read(p[:min(len(p), s.n)]) }

func FuzzPath(f *testing.F) {
	for _, arg := range []string{"", "..", "/", "a/../../b", "//x/./y/", "\xff", "a\\..\\b", "/..//../ "} {
		f.Add("/cwd", arg)
	}
	root, err := os.OpenRoot(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { root.Close() })
	f.Fuzz(func(t *testing.T, cwd, arg string) {
		at := resolve(resolve("/", cwd), arg)
		if at[0] != '/' || at != "/" && strings.HasSuffix(at, "/") {
			t.Fatalf("%q in %q: %q", arg, cwd, at)
		}
		for part := range strings.SplitSeq(at[1:], "/") {
			if part == ".." || part == "." || part == "" && at != "/" {
				t.Fatalf("%q in %q: %q", arg, cwd, at)
			}
		}
		if resolve(at, ".") != at || resolve("/", at) != at {
			t.Fatalf("%q is not stable", at)
		}
		// The root holds nothing, so whatever exists was found outside.
		if _, err := root.Lstat(rooted(at)); err == nil && at != "/" {
			t.Fatalf("%q exists", at)
		}
		if q := quoted(at); strings.ReplaceAll(q[1:len(q)-1], `""`, `"`) != at {
			t.Fatalf("%q quoted is %s", at, q)
		}
	})
}

func FuzzListArguments(f *testing.F) {
	for _, arg := range []string{"", "-la", "-l -a dir", "-- -x", "- ", "-é", "-la  x"} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		path := listArg(arg)
		if !strings.HasSuffix(arg, path) {
			t.Fatalf("%q: %q is not its end", arg, path)
		}
		if !strings.HasPrefix(strings.TrimLeft(arg, " "), "-") && path != arg {
			t.Fatalf("%q: %q", arg, path)
		}
		if option, _, _ := strings.Cut(path, " "); len(option) > 1 && option[0] == '-' && strings.Trim(option, letters) == "-" && !strings.Contains(arg, "--") {
			t.Fatalf("%q: %q still starts with options", arg, path)
		}
	})
}

func FuzzTime(f *testing.F) {
	for _, text := range []string{"20240229123456", "20240229123456.789", "20161231235960", "00010101000000", "99991231235960", "2024022912345", "20240229123456.", "2024022912345é"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, ok := parseTime(text)
		if !ok {
			return
		}
		whole, _, _ := strings.Cut(text, ".")
		if back := formatTime(at); back != whole && !strings.HasSuffix(whole, "60") {
			t.Fatalf("%q became %v, and back %q", text, at, back)
		}
		if at.Location() != time.UTC {
			t.Fatalf("%q became %v", text, at)
		}
	})
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]time.Time{
		"20240229123456":           time.Date(2024, 2, 29, 12, 34, 56, 0, time.UTC),
		"20240229123456.5":         time.Date(2024, 2, 29, 12, 34, 56, 500_000_000, time.UTC),
		"20240229123456.000000001": time.Date(2024, 2, 29, 12, 34, 56, 1, time.UTC),
		"20161231235960":           time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		if got, ok := parseTime(text); !ok || !got.Equal(want) {
			t.Errorf("%s: %v, %v, want %v", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"", "2024", "20230229000000", "20241301000000", "20240101240000", "20240101006000", "20240101000061",
		"20240229123456.", "20240229123456.1234567890", "+0240229123456", " 20240229123456", "20240229123456Z",
	} {
		if got, ok := parseTime(text); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}
