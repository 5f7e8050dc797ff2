package embeddedftpd

import (
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// dataPair is a data connection as a transfer gets it, and its client's end, whose
// buffer does not grow with what it reads.
func dataPair(t *testing.T) (server *passive.Socket, client *net.TCPConn) {
	t.Helper()
	loopback := netip.MustParseAddr("127.0.0.1")
	r, err := start(t, nil).pool.Session(loopback, loopback).Reserve(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	client, err = net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, r.Port())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	client.SetReadBuffer(1 << 20)
	conn, err := r.Accept(t.Context(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*passive.Socket), client
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

// Whatever the client's pauses make of it, every byte is sent once.
func TestSend(t *testing.T) {
	for _, pause := range []time.Duration{0, 5 * time.Millisecond, 100 * time.Millisecond} {
		server, client := dataPair(t)
		f, content := numbered(t, 64<<20)
		got := make(chan [32]byte)
		go func() {
			sum := sha256.New()
			for {
				n, err := io.CopyN(sum, client, 8<<20)
				if n == 0 || err != nil {
					break
				}
				time.Sleep(pause)
			}
			got <- [32]byte(sum.Sum(nil))
		}()
		const from = 1 // the pages of a pipe are not always full
		content = content[from:]
		f.Seek(from, io.SeekStart)
		tr := &transfer{stall: patience, conn: server, file: f}
		if err := tr.send(int64(len(content))); err != nil || tr.bytes.Load() != int64(len(content)) {
			t.Errorf("sent %d, %v", tr.bytes.Load(), err)
		}
		server.Close()
		if sum := <-got; sum != sha256.Sum256(content) {
			t.Errorf("pauses of %v: what came differs from the file", pause)
		}
	}
}

// A file that was cut short meanwhile ends its download, by sendfile or by splice.
func TestSendCutShort(t *testing.T) {
	for _, size := range []int{burst / 4, 3*burst + 1} {
		server, client := dataPair(t)
		f, _ := numbered(t, size)
		go io.Copy(io.Discard, client)
		tr := &transfer{stall: patience, conn: server, file: f}
		err := tr.send(int64(2 * size))
		if at := tr.bytes.Load(); at != int64(size) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("sent %d of %d, %v", at, size, err)
		}
	}
}

// A client that reads nothing stalls its download, of a file in bursts or one whose
// rate is limited.
func TestSendStalls(t *testing.T) {
	for _, limits := range [][]*bucket{nil, {{rate: 1 << 40}}} {
		server, _ := dataPair(t)
		f, content := numbered(t, 32<<20)
		tr := &transfer{stall: 100 * time.Millisecond, conn: server, file: f, limits: limits, ctx: t.Context()}
		err := tr.send(int64(len(content)))
		if sent := tr.bytes.Load(); !errors.Is(err, errStalled) || sent == 0 || sent == int64(len(content)) {
			t.Errorf("nobody read, and %d bytes were sent, %v", sent, err)
		}
	}
}

// An abort ends a download whose client reads a little all the time.
func TestAbortWhileSending(t *testing.T) {
	server, client := dataPair(t)
	f, content := numbered(t, 64<<20)
	tr := &transfer{cancel: func() {}, stall: patience, conn: server, file: f}
	go func() {
		piece := make([]byte, 512<<10)
		for got := 0; ; {
			n, err := io.ReadFull(client, piece)
			if err != nil {
				return
			}
			if got += n; got == 4<<20 {
				go tr.abort()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	err := tr.send(int64(len(content)))
	if sent := tr.bytes.Load(); !errors.Is(err, errAborted) || sent == 0 || sent == int64(len(content)) {
		t.Errorf("sent %d, %v", sent, err)
	}
}

// restoreSendfile gives sendfile, and sets it back at the test's end.
func restoreSendfile(t *testing.T, ts *testServer) (was func(to, from int, n int64) (int64, error)) {
	was = sendfile
	t.Cleanup(func() {
		if err := ts.stop(); err != nil { // before sendfile is what it was
			t.Error(err)
		}
		sendfile = was
	})
	return was
}

// What a small transfer cannot send at once, the ordinary one sends.
func TestSmallFileThatWaits(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "f", "content")
	was := restoreSendfile(t, ts)
	asked := 0
	sendfile = func(to, from int, n int64) (int64, error) {
		if asked++; asked == 1 {
			return 0, unix.EAGAIN
		}
		return was(to, from, min(n, int64(1+asked%2)))
	}
	c := ts.login(t)
	for range 9 {
		data := c.passive()
		c.do(150, "RETR f")
		if got, err := io.ReadAll(data); err != nil || string(got) != "content" {
			t.Fatalf("%q, %v", got, err)
		}
		c.expect(226)
		c.do(350, "REST 2")
		if got := c.get("RETR f"); got != "ntent" {
			t.Fatalf("from 2: %q", got)
		}
	}
	if asked < 9*3+9*2 {
		t.Errorf("%d calls for 18 files", asked)
	}
}

// A panic in a small transfer leaves its client no connection that never ends.
func TestPanicInASmallTransfer(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "f", "content")
	restoreSendfile(t, ts)
	sendfile = func(int, int, int64) (int64, error) { panic("as it should") }
	c := ts.login(t)
	data := c.passive()
	c.send("RETR f")
	data.SetReadDeadline(time.Now().Add(patience))
	if got, err := io.ReadAll(data); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%q, %v: want a reset", got, err)
	}
	if _, err := c.text.ReadLine(); err == nil {
		t.Error("the session goes on")
	}
}
