package embeddedftpd

import (
	"bufio"
	"io"
	"net"
	"os"
)

// TYPE A carries lines that end in CRLF (RFC 959 section 3.1.1.1); on disk
// they end in LF. A line that ends in CRLF on disk already goes out as it is,
// so that a text file from Windows stays one.

// sendASCII is send in TYPE A.
func (t *transfer) sendASCII(conn net.Conn, f *os.File) error {
	return withBuffer(func(buf []byte) error {
		out := bufio.NewWriterSize(dataConn{t, conn}, 32<<10)
		if err := toNetwork(out, fileReader{f}, buf); err != nil {
			return err
		}
		return out.Flush()
	})
}

// receiveASCII is receive in TYPE A.
func (t *transfer) receiveASCII(conn net.Conn, f *os.File) error {
	return withBuffer(func(buf []byte) error {
		out := bufio.NewWriterSize(fileWriter{f}, 32<<10)
		if err := fromNetwork(out, dataConn{t, conn}, buf); err != nil {
			// What came whole is kept, as in TYPE I.
			out.Flush()
			return err
		}
		return out.Flush()
	})
}

// toNetwork copies src to dst, putting a CR before each LF that has none.
func toNetwork(dst *bufio.Writer, src io.Reader, buf []byte) error {
	var last byte
	for {
		n, err := src.Read(buf)
		for _, c := range buf[:n] {
			if c == '\n' && last != '\r' {
				dst.WriteByte('\r')
			}
			// bufio.Writer keeps its first error for the Flush below and after.
			dst.WriteByte(c)
			last = c
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if dst.Buffered() == 0 {
			continue
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
		for _, c := range buf[:n] {
			if held && c != '\n' {
				dst.WriteByte('\r')
			}
			if held = c == '\r'; !held {
				dst.WriteByte(c)
			}
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
