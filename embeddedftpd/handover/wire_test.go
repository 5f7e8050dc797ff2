package handover

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A message may carry as many descriptors as the kernel lets it: a predecessor of
// another version sends more at once.
func TestMostDescriptors(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var ends [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		c, err := net.FileConn(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ends[i] = c.(*net.UnixConn)
	}
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
