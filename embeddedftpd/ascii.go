package embeddedftpd

import (
	"bufio"
	"bytes"
	"io"
)

// TYPE A carries lines that end in CRLF (RFC 959 section 3.1.1.1); on disk
// they end in LF. A line that ends in CRLF on disk already goes out as it is,
// so that a text file from Windows stays one.

// sendASCII is send in TYPE A.
func (t *transfer) sendASCII() error {
	return withBuffer(func(buf []byte) error {
		out := bufio.NewWriterSize(dataConn{t}, 32<<10)
		if err := toNetwork(out, t.file, buf); err != nil {
			return err
		}
		return out.Flush()
	})
}

// receiveASCII is receive in TYPE A.
func (t *transfer) receiveASCII() error {
	return withBuffer(func(buf []byte) error {
		out := bufio.NewWriterSize(t.file, 32<<10)
		if err := fromNetwork(out, dataConn{t}, buf); err != nil {
			// What came whole is kept, as in TYPE I.
			out.Flush()
			return err
		}
		return out.Flush()
	})
}

// toNetwork copies src to dst, putting a CR before each LF that has none.
// bufio.Writer keeps its first error for the Flush after each read.
func toNetwork(dst *bufio.Writer, src io.Reader, buf []byte) error {
	var last byte
	for {
		n, err := src.Read(buf)
		for p := buf[:n]; len(p) > 0; {
			i := bytes.IndexByte(p, '\n')
			if i < 0 {
				dst.Write(p)
				last = p[len(p)-1]
				break
			}
			if i > 0 {
				last = p[i-1]
			}
			dst.Write(p[:i])
			if last != '\r' {
				dst.WriteByte('\r')
			}
			dst.WriteByte('\n')
			last, p = '\n', p[i+1:]
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := dst.Flush(); err != nil {
			return err
		}
	}
}

// fromNetwork copies src to dst, dropping the CR of each CRLF. A CR that no LF
// follows is data.
func fromNetwork(dst *bufio.Writer, src io.Reader, buf []byte) error {
	held := false // a CR whose next byte has not come yet
	for {
		n, err := src.Read(buf)
		for p := buf[:n]; len(p) > 0; {
			if held && p[0] != '\n' {
				dst.WriteByte('\r')
			}
			i := bytes.IndexByte(p, '\r')
			if held = i >= 0; !held {
				dst.Write(p)
				break
			}
			dst.Write(p[:i])
			p = p[i+1:]
		}
		if err == io.EOF {
			if held {
				dst.WriteByte('\r')
			}
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := dst.Write(nil); err != nil {
			return err
		}
	}
}
