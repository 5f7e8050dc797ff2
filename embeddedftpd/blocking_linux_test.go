package embeddedftpd

import (
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// dataPair is a data connection, and its client's end, whose buffer does not grow
// with what it reads.
func dataPair(t *testing.T) (server, client *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = net.DialTCP("tcp", nil, l.Addr().(*net.TCPAddr)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	client.SetReadBuffer(1 << 20)
	if server, err = l.AcceptTCP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return server, client
}

func numbered(t *testing.T, size int) (*os.File, []byte) {
	t.Helper()
	content := make([]byte, size)
	for i := range content {
		content[i] = byte(i>>16 ^ i>>8 ^ i)
	}
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, content
}

// Whatever the client's pauses make of it, every byte is sent once, and a
// connection that the poller has to wait for is left as it can.
func TestSendBlocking(t *testing.T) {
	server, client := dataPair(t)
	f, content := numbered(t, 64<<20)
	got := make(chan [32]byte)
	go func() {
		sum := sha256.New()
		for pause := 0; ; pause++ {
			n, err := io.CopyN(sum, client, 8<<20)
			if n == 0 || err != nil {
				break
			}
			time.Sleep(time.Duration(pause%3) * 5 * blockingWait)
		}
		got <- [32]byte(sum.Sum(nil))
	}()
	blocked, polled := 0, 0
	for left := int64(len(content)); left > 0; {
		n, err := sendBlocking(server, f, left)
		blocked++
		if err == errPolled {
			polled++
			server.SetWriteDeadline(time.Now().Add(patience))
			n, err = server.ReadFrom(&io.LimitedReader{R: f, N: min(left, 1<<20)})
		}
		if err != nil || n == 0 {
			t.Fatalf("%d left: sent %d, %v", left, n, err)
		}
		left -= n
	}
	if polled == 0 || polled == blocked {
		t.Errorf("of %d calls %d were left to the poller: want some", blocked, polled)
	}
	server.Close()
	if sum := <-got; sum != sha256.Sum256(content) {
		t.Error("what came differs from the file")
	}
}

// A client that reads nothing is left to the poller, with a connection that does
// not block; so is one for which there is no place.
func TestSendBlockingGivesUp(t *testing.T) {
	server, _ := dataPair(t)
	f, content := numbered(t, 32<<20)
	var sent int64
	var err error
	for err == nil && sent < int64(len(content)) {
		var n int64
		n, err = sendBlocking(server, f, int64(len(content))-sent)
		sent += n
	}
	if err != errPolled {
		t.Fatalf("after %d bytes that nobody read: %v", sent, err)
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != sent {
		t.Errorf("the file is at %d, and %d bytes were sent, %v", at, sent, err)
	}
	conn, err := server.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	conn.Control(func(fd uintptr) {
		if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("the connection is left in blocking mode: %#x, %v", flags, err)
		}
	})

	for range cap(blocking) {
		blocking <- struct{}{}
	}
	defer func() {
		for range cap(blocking) {
			<-blocking
		}
	}()
	fresh, _ := dataPair(t)
	if n, err := sendBlocking(fresh, f, 1); n != 0 || err != errPolled {
		t.Errorf("with no place left: %d bytes, %v", n, err)
	}
}

// A client that stops to read is left to the poller, and one whose rate is
// limited from the first byte on.
func TestBlockingSender(t *testing.T) {
	server, client := dataPair(t)
	f, content := numbered(t, 64<<20)
	s := newBlockingSender(&transfer{})
	go io.CopyN(io.Discard, client, 32<<20)
	left := int64(len(content))
	for !s.polled && left > 0 {
		server.SetWriteDeadline(time.Now().Add(blockingWait))
		n, err := s.send(server, f, left)
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		left -= n
	}
	if !s.polled {
		t.Error("a client that reads nothing is not left to the poller")
	}
	if limited := newBlockingSender(&transfer{rate: 1}); !limited.polled {
		t.Error("a limited rate does not wait for the poller")
	}
}
