package embeddedftpd

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestLineReader(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	input := "one\r\ntwo\n\r\n" + long + "\r\n" + long + "yy\r\nthree \r\nfour\rfive\r\n\xff\xff\xff\xfb\x01six\xff\r\n" +
		"\xff\xf1\r\n\xff\xf4\xff\xf2\r\n\xf2\r\n \r\n\xff\xf4\xf2seven\r\n\xff\xf4\xffeight\r\n\xf2\xff\xf2nine\xf2\r\nunfinished"
	want := []string{"one", "two", "", long, "too long", "three ", "four\rfive", "\xffsix", " ", "seven", "eight", "nine\xf2"}
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
	if cap(r.line) > smallLine {
		t.Errorf("the buffer keeps %d bytes", cap(r.line))
	}
}

func TestParseCommand(t *testing.T) {
	for line, want := range map[string]command{
		"NOOP": {verb: "NOOP"}, "noop": {verb: "NOOP"}, "  nOoP": {verb: "NOOP"}, "RETR  a b ": {verb: "RETR", arg: " a b "},
		"": {}, "  ": {}, "CWD é": {verb: "CWD", arg: "é"},
	} {
		if got := parseCommand(line); got != want {
			t.Errorf("%q: %+v, want %+v", line, got, want)
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
		"20240229123456.", "20240229123456.1234567890", "+0240229123456", " 20240229123456", "20240229123456Z", "99991231235960",
	} {
		if got, ok := parseTime(text); ok {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// Some file systems keep times that four digits of a year cannot say.
func TestTimeBeyondTheFormat(t *testing.T) {
	if got := formatTime(time.Date(12_000, 1, 1, 0, 0, 0, 0, time.UTC)); got != "99991231235959" {
		t.Errorf("the year 12000: %s", got)
	}
}
