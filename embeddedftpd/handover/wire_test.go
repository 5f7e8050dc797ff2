package handover

import (
	"io"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A message may carry as many descriptors as the kernel lets it: a predecessor of
// another version sends more at once.
func TestMostDescriptors(t *testing.T) {
	ends := pair(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var many []Socket
	for range wireMost {
		many = append(many, l.(*net.TCPListener))
	}
	if err := sendMessage(ends[0], wireListeners, many...); err != nil {
		t.Fatal(err)
	}
	m, err := receiveMessage(ends[1])
	if err != nil || len(m.files) != wireMost {
		t.Fatalf("%d descriptors came, %v", len(m.files), err)
	}
	all, err := m.listeners()
	if err != nil || len(all) != wireMost {
		t.Errorf("%d listeners, %v", len(all), err)
	}
	closeAll(all)
}

// pair is both ends of a hand-over.
func pair(t *testing.T) (ends [2]*net.UnixConn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		ends[i] = c.(*net.UnixConn)
	}
	return ends
}

// A connection that comes with a message of another version is nobody's.
func TestUnknownMessage(t *testing.T) {
	ends := pair(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if err := sendMessage(ends[0], 'X', c.(Socket)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	unwanted := func(*net.TCPConn) { t.Error("it was taken for another one") }
	go (&Predecessor{conn: ends[1]}).Serve(t.Context(), slog.New(slog.DiscardHandler), unwanted, unwanted)
	client.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("it was not closed: %v", err)
	}
}
