package passive

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTakenPortIsNamedAndAllAreLetGo(t *testing.T) {
	p := open(t, 3, nil)
	c := p.config
	p.Close()
	middle := netip.AddrPortFrom(loopback, c.First+1)
	squatter, err := net.Listen("tcp4", middle.String())
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	_, err = Open(t.Context(), c)
	var taken *TakenError
	if !errors.As(err, &taken) || taken.Addr != middle || !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("Open gave %v", err)
	}
	for _, port := range []uint16{c.First, c.Last} {
		l, err := net.Listen("tcp4", netip.AddrPortFrom(loopback, port).String())
		if err != nil {
			t.Fatalf("still held: %v", err)
		}
		l.Close()
	}
}

// A listener that the pool closes is no failure.
func TestCloseLogsNothing(t *testing.T) {
	var log bytes.Buffer
	p := open(t, 3, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	r, err := p.Reserve(soon(t), loopback, loopback, nil)
	if err != nil {
		t.Fatal(err)
	}
	dial(t, loopback, r.Port())
	if _, err := r.Accept(soon(t), time.Minute); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if log.Len() > 0 {
		t.Error(log.String())
	}
}

func TestHeldPortsCannotBeSquatted(t *testing.T) {
	p := open(t, 2, nil)
	for port := p.config.First; port <= p.config.Last; port++ {
		if l, err := net.Listen("tcp4", netip.AddrPortFrom(loopback, port).String()); err == nil {
			l.Close()
			t.Errorf("port %d could be bound by another socket", port)
		}
	}
}

func TestListenersHandedIn(t *testing.T) {
	p := open(t, 2, nil)
	c := p.config
	p.Close()
	listenTCP := func(port uint16) *net.TCPListener {
		l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(loopback, port)))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	inRange, outside := listenTCP(c.Last), listenTCP(0)
	file, err := inRange.File()
	if err != nil {
		t.Fatal(err)
	}
	again, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	c.Listeners = []*net.TCPListener{inRange, outside, again.(*net.TCPListener)}
	p, err = Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, l := range c.Listeners[1:] {
		if err := l.SetDeadline(time.Now()); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a listener outside the range, or a second one of its port: %v, want it closed", err)
		}
	}
	var both []*Reservation
	for range 2 {
		r, err := p.Reserve(soon(t), loopback, loopback, nil)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, r)
	}
	for _, r := range both {
		dial(t, loopback, r.Port())
		if _, err := r.Accept(soon(t), time.Minute); err != nil {
			t.Errorf("port %d: %v", r.Port(), err)
		}
	}
}

func TestBothFamilies(t *testing.T) {
	v6 := netip.IPv6Loopback()
	for _, c := range []struct {
		name  string
		bind  []netip.Addr
		local []netip.Addr
	}{
		{"each loopback", []netip.Addr{loopback, v6}, []netip.Addr{loopback, v6}},
		{"every address by ::", []netip.Addr{netip.IPv6Unspecified()}, []netip.Addr{loopback, v6}},
		{"both wildcards", []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()}, []netip.Addr{loopback, v6}},
		{"IPv4 only", []netip.Addr{netip.IPv4Unspecified()}, []netip.Addr{loopback}},
		{"IPv6 loopback only", []netip.Addr{v6}, []netip.Addr{v6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := open(t, 1, func(config *Config) { config.Addresses = c.bind })
			for _, local := range c.local {
				r, err := p.Reserve(soon(t), local, local, nil)
				if err != nil {
					t.Fatal(err)
				}
				client, err := net.Dial("tcp", netip.AddrPortFrom(local, r.Port()).String())
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				if _, err := r.Accept(soon(t), time.Minute); err != nil {
					t.Errorf("on %v: %v", local, err)
				}
			}
		})
	}
}

// TestNoDescriptorLeft lets a child process run out of descriptors: the
// connection waits in the backlog meanwhile, the accept loop does not spin, and
// the session is served when there are descriptors again.
func TestNoDescriptorLeft(t *testing.T) {
	if os.Getenv("PASSIVE_TEST_STARVED") != "" {
		starve(t)
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^TestNoDescriptorLeft$", "-test.timeout=30s")
	child.Env = append(os.Environ(), "PASSIVE_TEST_STARVED=1")
	child.Stderr = os.Stderr
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	tell := func(prefix string) string {
		for lines.Scan() {
			if rest, ok := strings.CutPrefix(lines.Text(), prefix); ok {
				return rest
			}
		}
		t.Fatalf("the child never said %q", prefix)
		return ""
	}
	port, err := strconv.Atoi(tell("port "))
	if err != nil {
		t.Fatal(err)
	}
	client := dial(t, loopback, uint16(port))
	time.Sleep(500 * time.Millisecond)
	io.WriteString(in, "go on\n")
	n, err := strconv.Atoi(tell("accept errors "))
	if err != nil {
		t.Fatal(err)
	}
	// 5, 10, 20 … 320 ms: seven or eight in half a second.
	if n < 1 || n > 20 {
		t.Errorf("%d accept errors in half a second", n)
	}
	if got, _ := io.ReadAll(client); string(got) != "served" {
		t.Errorf("the client read %q", got)
	}
	if err := child.Wait(); err != nil {
		t.Error(err)
	}
}

func starve(t *testing.T) {
	p := open(t, 1, nil)
	r, err := p.Reserve(t.Context(), loopback, loopback, nil)
	if err != nil {
		t.Fatal(err)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	fmt.Printf("port %d\n", r.Port())
	bufio.NewReader(os.Stdin).ReadString('\n')
	fmt.Printf("accept errors %d\n", p.Stats().AcceptErrors)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	c, err := r.Accept(soon(t), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(c, "served")
	c.Close()
}

// A predecessor gives its control ports last, and all are found in no more than the
// time of one look each: what is left stays in order.
func TestHandedStayInOrder(t *testing.T) {
	var handed []*net.TCPListener
	for range 5 {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: loopback.AsSlice()})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		handed = append(handed, l)
	}
	want := slices.Clone(handed[:4])
	last, err := Listen(t.Context(), addrPort(handed[4].Addr()), false, &handed)
	if err != nil || !slices.Equal(handed, want) {
		t.Errorf("%v; after the last was taken: %v, want %v", err, handed, want)
	}
	last.Close()
}
