package passive

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"
)

// frugal reads byte by byte, so that crypto/tls takes nothing beyond the record
// that it needs: what follows stays in the kernel, as with other TLS libraries.
type frugal struct{ net.Conn }

func (f frugal) Read(b []byte) (int, error) { return f.Conn.Read(b[:min(1, len(b))]) }

// TestUploadsOfClientsThatNeverRead: each writes, closes and leaves unread
// whatever the server has sent after its part of the handshake.
func TestUploadsOfClientsThatNeverRead(t *testing.T) {
	versions(t, func(t *testing.T, version uint16) {
		const size = 128 << 10 // more than the server's window, so that some is still unsent at the close
		uploads := 1000
		if version == tls.VersionTLS12 {
			uploads = 50 // it sends its ticket within the handshake
		}
		p := open(t, 1, withTLS(version))
		s := mustControl(t, p)
		payload := bytes.Repeat([]byte("upload"), size/6+1)[:size]
		for i := range uploads {
			r := mustReserve(t, p, loopback, s.mark)
			sent := make(chan error, 1)
			go func() {
				raw, err := tryDial(loopback, r.Port())
				if err == nil {
					c := tls.Client(frugal{raw}, s.client)
					_, err = c.Write(payload)
					c.Close()
				}
				sent <- err
			}()
			c, err := r.Accept(soon(t), time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, payload) {
				t.Fatalf("upload %d: %d of %d bytes, %v", i, len(got), size, err)
			}
			c.Close()
			if err := <-sent; err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestTicketIsOnlyHeldBack: the client has it once the server has written, and
// resumes with it when the control connection's ticket is gone.
func TestTicketIsOnlyHeldBack(t *testing.T) {
	p := open(t, 1, withTLS(tls.VersionTLS13))
	s := mustControl(t, p)
	for _, token := range []string{"", "data"} {
		r := mustReserve(t, p, loopback, s.mark)
		client, err := s.dial(loopback, r.Port())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		old, _ := s.client.ClientSessionCache.Get("ftp.test")
		if err := s.serve(soon(t), r, client, []byte(token)); err != nil {
			t.Fatal(err)
		}
		ticket, _ := s.client.ClientSessionCache.Get("ftp.test")
		if ticket == nil || ticket == old {
			t.Fatalf("after %q the client has no new ticket", token)
		}
	}
	if err := s.download(soon(t), p, loopback, []byte("resumed")); err != nil {
		t.Error(err)
	}
}
