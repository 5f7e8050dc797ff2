package embeddedftpd

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// maxLine bounds a command line without its end: a path of PATH_MAX fits.
const maxLine = 4096 + 16

// errLineTooLong is a line beyond maxLine, which has been discarded up to its end.
var errLineTooLong = errors.New("command line too long")

// maxDiscarded is how much of one line is skipped before the session ends.
const maxDiscarded = 4 << 20

var errFlood = errors.New("a command line without an end")

// Telnet bytes (RFC 854) that an FTP control connection may carry.
const (
	telnetIAC  = 0xff
	telnetDont = 0xfe
	telnetWill = 0xfb
	telnetDM   = 0xf2
	telnetSE   = 0xf0 // the lowest command
)

// lineReader reads command lines, free of Telnet commands. It holds 512 bytes until a
// longer line comes.
type lineReader struct {
	in        *bufio.Reader
	line      []byte // what has come of a line
	discarded int    // how much of it besides
}

const smallLine = 512

func newLineReader(src io.Reader) *lineReader {
	return &lineReader{in: bufio.NewReaderSize(src, smallLine)}
}

// pending reports whether bytes have been read that no line has returned.
func (r *lineReader) pending() bool { return r.in.Buffered()+len(r.line) > 0 }

// next returns the next line without its end, CRLF or LF. One with nothing besides
// Telnet commands is none. After a timeout it may be called again: what was read is
// kept.
func (r *lineReader) next() (string, error) {
	for {
		come, err := r.in.ReadSlice('\n')
		kept := min(len(come), maxLine+len("\r\n")-len(r.line))
		r.line = append(r.line, come[:kept]...)
		if r.discarded += len(come) - kept; r.discarded > maxDiscarded {
			return "", errFlood
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return "", err
		}
		line := bytes.TrimSuffix(bytes.TrimSuffix(r.line, []byte("\n")), []byte("\r"))
		long := r.discarded > 0 || len(line) > maxLine
		text, empty := stripTelnet(line), len(line) == 0
		if r.line, r.discarded = r.line[:0], 0; cap(r.line) > smallLine {
			r.line = nil
		}
		switch {
		case long:
			return "", errLineTooLong
		case text != "" || empty:
			return text, nil
		}
	}
}

// stripTelnet removes Telnet commands. Before a verb DM goes without its IAC too:
// proxies (docker-proxy, HAProxy) lose the byte that is sent as urgent, which is the
// IAC with some clients and the DM with others.
func stripTelnet(line []byte) string {
	if bytes.IndexByte(line, telnetIAC) < 0 && bytes.IndexByte(line, telnetDM) < 0 {
		return string(line)
	}
	out := make([]byte, 0, len(line))
	for i := 0; i < len(line); i++ {
		switch {
		case line[i] != telnetIAC:
			out = append(out, line[i])
		case i+1 == len(line) || line[i+1] < telnetSE:
		case line[i+1] == telnetIAC:
			out = append(out, telnetIAC)
			i++
		case line[i+1] >= telnetWill && line[i+1] <= telnetDont:
			i += 2
		default:
			i++
		}
	}
	for len(out) > 0 && out[0] == telnetDM {
		out = out[1:]
	}
	return string(out)
}

// command is a line taken apart: the verb in capitals, and what follows the first
// space.
type command struct {
	verb, arg string
	tooLong   bool // the line was, and has no verb
}

// parseCommand takes a line apart. Spaces before the verb are forgiven, those
// in the argument belong to it: a file name may start or end with one.
func parseCommand(line string) command {
	line = strings.TrimLeft(line, " ")
	verb, arg, _ := strings.Cut(line, " ")
	return command{verb: upperASCII(verb), arg: arg}
}

// upperASCII leaves every byte that is no letter of ASCII alone.
func upperASCII(s string) string {
	upper := []byte(s)
	for i, c := range upper {
		if c >= 'a' && c <= 'z' {
			upper[i] -= 'a' - 'A'
		}
	}
	return string(upper)
}

// clean reports whether an argument can be a path: it has no line break and no NUL.
func clean(arg string) bool {
	return !strings.ContainsAny(arg, "\r\n\x00")
}
