package embeddedftpd

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func quiet(c *Config) {
	c.Log = slog.New(slog.DiscardHandler)
	c.MaxSessions = 1 << 20
	c.MaxWait = patience
}

// BenchmarkRetrieve and BenchmarkStore carry 256 MiB an operation, by a client
// in this process: sendfile and splice show beside a copy through it.
func BenchmarkRetrieve(b *testing.B) {
	const size = 256 << 20
	for _, typ := range []string{"I", "A"} {
		b.Run("TYPE "+typ, func(b *testing.B) {
			ts := start(b, quiet)
			full := filepath.Join(ts.root, "f")
			if err := os.WriteFile(full, make([]byte, size), 0o644); err != nil {
				b.Fatal(err)
			}
			c := ts.login(b)
			c.conn.SetDeadline(noDeadline)
			c.do(200, "TYPE %s", typ)
			b.SetBytes(size)
			for b.Loop() {
				data := c.passive()
				c.do(150, "RETR f")
				if n, err := io.Copy(io.Discard, data); n != size || err != nil {
					b.Fatal(n, err)
				}
				data.Close()
				c.expect(226)
			}
		})
	}
}

func BenchmarkStore(b *testing.B) {
	const size = 256 << 20
	for _, typ := range []string{"I", "A"} {
		b.Run("TYPE "+typ, func(b *testing.B) {
			ts := start(b, quiet)
			src, err := os.CreateTemp(b.TempDir(), "")
			if err == nil {
				err = src.Truncate(size)
			}
			if err != nil {
				b.Fatal(err)
			}
			defer src.Close()
			c := ts.login(b)
			c.conn.SetDeadline(noDeadline)
			c.do(200, "TYPE %s", typ)
			b.SetBytes(size)
			for b.Loop() {
				data := c.passive()
				c.do(150, "STOR f")
				src.Seek(0, io.SeekStart)
				if n, err := io.Copy(data, src); n != size || err != nil {
					b.Fatal(n, err)
				}
				data.Close()
				c.expect(226)
			}
		})
	}
}

// BenchmarkSmallFiles retrieves 1 KiB files over one port, logged in once.
func BenchmarkSmallFiles(b *testing.B) {
	for _, sessions := range []int{1, 32} {
		b.Run(fmt.Sprintf("sessions=%d", sessions), func(b *testing.B) {
			ts := start(b, func(c *Config) {
				quiet(c)
				c.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}
				c.PassiveLast = c.PassiveFirst + 31
			})
			ts.file(b, "f", strings.Repeat("x", 1024))
			clients := make([]*client, sessions)
			for i := range clients {
				clients[i] = ts.login(b)
				clients[i].conn.SetDeadline(noDeadline)
			}
			var work sync.WaitGroup
			left := make(chan struct{}, sessions)
			b.ResetTimer()
			for _, c := range clients {
				work.Go(func() {
					buf := make([]byte, 2048)
					for range left {
						c.transfer("RETR f", func(data net.Conn) error {
							for {
								if _, err := data.Read(buf); err == io.EOF {
									return nil
								} else if err != nil {
									return err
								}
							}
						})
					}
				})
			}
			for range b.N {
				left <- struct{}{}
			}
			close(left)
			work.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "transfers/s")
		})
	}
}

// BenchmarkIdleSessions holds sessions that have logged in and made a transfer
// each, and reports the server's memory a session: heap and stacks.
func BenchmarkIdleSessions(b *testing.B) {
	const sessions = 1000
	ts := start(b, func(c *Config) {
		quiet(c)
		c.AnonymousRoot = b.TempDir()
	})
	at := ts.Addrs()[0]
	if err := os.WriteFile(filepath.Join(ts.cfg.AnonymousRoot, "f"), make([]byte, 1024), 0o644); err != nil {
		b.Fatal(err)
	}
	memory := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	for b.Loop() {
		before := memory()
		var fds []int
		for range sessions {
			fds = append(fds, rawSession(b, at))
		}
		b.ReportMetric(float64(memory()-before)/sessions/1024, "KiB/session")
		for _, fd := range fds {
			unix.Close(fd)
		}
		ts.eventually(b, "the sessions end", func(s Stats) bool { return s.Sessions == 0 })
	}
}

// rawSession logs in over a bare socket, so that the client costs this process
// no memory.
func rawSession(b *testing.B, at netip.AddrPort) int {
	b.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())})
	}
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 512)
	say := func(line, code string) string {
		b.Helper()
		if line != "" {
			if _, err := unix.Write(fd, []byte(line+"\r\n")); err != nil {
				b.Fatal(err)
			}
		}
		n, err := unix.Read(fd, buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), code) {
			b.Fatalf("%s: %q, %v", line, buf[:n], err)
		}
		return string(buf[:n])
	}
	say("", "220")
	say("USER anonymous", "331")
	say("PASS x", "230")
	var port int
	text := say("EPSV", "229")
	fmt.Sscanf(text[strings.Index(text, "|||")+3:], "%d", &port)
	data, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.Connect(data, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: port})
	}
	if err != nil {
		b.Fatal(err)
	}
	defer unix.Close(data)
	text = say("RETR f", "150")
	for n, err := 1, error(nil); n > 0; {
		if n, err = unix.Read(data, make([]byte, 2048)); err != nil {
			b.Fatal(err)
		}
	}
	if !strings.Contains(text, "\n226") {
		say("", "226")
	}
	return fd
}
