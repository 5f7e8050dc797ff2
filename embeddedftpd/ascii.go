package embeddedftpd

import (
	"bytes"
	"io"
)

// TYPE A carries lines that end in CRLF (RFC 959 section 3.1.1.1); on disk
// they end in LF. A line that ends in CRLF on disk already goes out as it is,
// so that a text file from Windows stays one.

func (t *transfer) sendASCII() error { return convert(dataConn{t}, t.file, toNetwork) }

func (t *transfer) receiveASCII() error { return convert(t.file, dataConn{t}, fromNetwork) }

func toNetwork(text []byte) []byte {
	return bytes.ReplaceAll(fromNetwork(text), []byte("\n"), []byte("\r\n"))
}

// fromNetwork leaves a CR that no LF follows: it is data.
func fromNetwork(text []byte) []byte {
	return bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
}

// convert copies lines with the ends that ends gives them. A CR that comes last
// waits for what follows it.
func convert(dst io.Writer, src io.Reader, ends func([]byte) []byte) error {
	return withBuffer(func(buf []byte) error {
		for held := 0; ; {
			n, err := src.Read(buf[held:])
			text := buf[:held+n]
			if held = 0; err != io.EOF && bytes.HasSuffix(text, []byte("\r")) {
				held, text = 1, text[:len(text)-1]
			}
			if _, failed := dst.Write(ends(text)); failed != nil {
				return failed
			}
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			copy(buf, "\r"[:held])
		}
	})
}
