package portowner

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOwnListener(t *testing.T) {
	for _, network := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", network)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		at := l.Addr().(*net.TCPAddr).AddrPort()
		owners, err := Of(at)
		if err != nil {
			t.Fatal(err)
		}
		if len(owners) == 0 {
			t.Fatalf("%v: no owner", at)
		}
		o := owners[0]
		if o.PID != os.Getpid() || o.UID != os.Getuid() || o.State != Listening || o.Local != at {
			t.Errorf("%v: %+v", at, o)
		}
		if age := time.Since(o.Started); age < -time.Second || age > time.Hour {
			t.Errorf("this test began %s ago", age)
		}
		comm, err := os.ReadFile("/proc/self/comm")
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%s (pid %d, user ", strings.TrimSpace(string(comm)), os.Getpid())
		if s := o.String(); !strings.HasPrefix(s, want) || !strings.HasSuffix(s, "), listening on "+at.String()) {
			t.Errorf("%q", s)
		}
		everywhere := netip.AddrPortFrom(netip.IPv6Unspecified(), at.Port())
		if owners, err := Of(everywhere); err != nil || len(owners) == 0 || owners[0] != o {
			t.Errorf("%v: %v, %v", everywhere, owners, err)
		}
		elsewhere := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.9"), at.Port())
		if owners, err := Of(elsewhere); err != nil || slices.Contains(owners, o) {
			t.Errorf("%v: %v, %v", elsewhere, owners, err)
		}
	}
}

func TestWhatBlocks(t *testing.T) {
	for _, c := range []struct {
		local, at string
		want      bool
	}{
		{"10.0.0.1:61000", "10.0.0.1:61000", true},
		{"10.0.0.1:61000", "10.0.0.1:61001", false},
		{"10.0.0.1:61000", "10.0.0.2:61000", false},
		{"0.0.0.0:61000", "10.0.0.1:61000", true},
		{"10.0.0.1:61000", "0.0.0.0:61000", true},
		{"[::]:61000", "10.0.0.1:61000", true},
		{"10.0.0.1:61000", "[::]:61000", true},
		{"[::ffff:10.0.0.1]:61000", "10.0.0.1:61000", true},
		{"[2001:db8::1]:61000", "[::]:61000", true},
		{"[2001:db8::1]:61000", "0.0.0.0:61000", false},
		{"0.0.0.0:61000", "[2001:db8::1]:61000", false},
	} {
		if got := blocks(netip.MustParseAddrPort(c.local), netip.MustParseAddrPort(c.at)); got != c.want {
			t.Errorf("%s in the way of %s: %v", c.local, c.at, got)
		}
	}
}

func TestOutgoingConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	at := c.LocalAddr().(*net.TCPAddr).AddrPort()
	owners, err := Of(at)
	if err != nil || len(owners) != 1 {
		t.Fatalf("%v, %v", owners, err)
	}
	if o := owners[0]; o.State != Connected || o.PID != os.Getpid() || !strings.Contains(o.String(), "with a connection from "+at.String()) {
		t.Errorf("%+v: %v", o, o)
	}
}

// table is as proc(5) and a little-endian kernel have it.
const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0A00000A:EE48 00000000:0000 0A 00000000:00000000 00:00000000 00000000 54321        0 777 1 0000000000000000 100 0 0 10 0
   1: 0100007F:EE49 0100007F:1F90 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0000000000000000
   2: garbage
   3: 00000000:EE4A 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 778 1 0000000000000000 100 0 0 10 0
`

func fakeProc(t *testing.T) string {
	t.Helper()
	proc := t.TempDir()
	for _, dir := range []string{"net", "41/fd", "42/fd", "notapid"} {
		if err := os.MkdirAll(filepath.Join(proc, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"net/tcp": table, "42/comm": "ng\x1binx\n"} {
		if err := os.WriteFile(filepath.Join(proc, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("socket:[778]", filepath.Join(proc, "42/fd/7")); err != nil {
		t.Fatal(err)
	}
	return proc
}

func TestReadsTheKernelsTable(t *testing.T) {
	proc := fakeProc(t)
	for _, c := range []struct {
		at   string
		want string
	}{
		{"10.0.0.10:61000", "a process of user 54321, listening on 10.0.0.10:61000 (only root can see which)"},
		{"127.0.0.1:61001", "a connection from 127.0.0.1:61001 that has ended (TIME_WAIT, over within 60 s)"},
		{"10.0.0.10:61002", "ng?inx (pid 42, user root), listening on 0.0.0.0:61002"},
		{"10.0.0.11:61000", ""},
		{"10.0.0.10:61003", ""},
	} {
		owners, err := of(proc, netip.MustParseAddrPort(c.at))
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if len(owners) > 0 {
			got = owners[0].String()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.at, got, c.want)
		}
	}
}

func TestAnyConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	at := l.Addr().(*net.TCPAddr).AddrPort()
	match := func(local netip.AddrPort) bool { return local == at }
	if found, err := AnyConnection(match); err != nil || found {
		t.Errorf("a listener alone: %t, %v", found, err)
	}
	c, err := net.Dial("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if found, err := AnyConnection(match); err != nil || !found {
		t.Errorf("with a connection: %t, %v", found, err)
	}
}
