package packets

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// atOnce bounds the connections that are tried at a time.
const atOnce = 1024

// Send tries the probes from the world, many at a time, and returns their
// results in order. What was admitted is reset at once.
func (b *Bed) Send(probes ...Probe) []Result {
	var all []Result
	for some := range slices.Chunk(probes, atOnce) {
		v := b.World.volley(some)
		v.close()
		all = append(all, v.results...)
	}
	return all
}

// Connection is a probe with its connection, which is nil unless a listener
// accepted it. Close resets it, so that nothing is sent afterwards.
type Connection struct {
	Result
	*os.File
}

// Local is the client's end of a connection that was accepted.
func (c Connection) Local() netip.AddrPort {
	if c.File == nil {
		return netip.AddrPort{}
	}
	var name unix.Sockaddr
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { name, _ = unix.Getsockname(int(fd)) })
	}
	if err != nil {
		return netip.AddrPort{}
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(name.Addr), uint16(name.Port))
	}
	return netip.AddrPort{}
}

// CloseAll closes the connections that were accepted.
func CloseAll(all []Connection) {
	for _, c := range all {
		if c.File != nil {
			c.Close()
		}
	}
}

// Connect tries the probes as Send does and keeps the connections.
func (b *Bed) Connect(probes ...Probe) []Connection {
	var all []Connection
	for some := range slices.Chunk(probes, atOnce) {
		v := b.World.volley(some)
		for i, r := range v.results {
			c := Connection{Result: r}
			if v.open[i] {
				c.File = os.NewFile(uintptr(v.fds[i]), r.To.String())
				v.fds[i] = -1
			}
			all = append(all, c)
		}
		v.close()
	}
	return all
}

// volley is a number of connections that are tried at once, from one thread:
// a silence is waited for once, and not for each.
type volley struct {
	probes  []Probe
	results []Result
	fds     []int  // -1: closed
	open    []bool // somebody accepted
	started time.Time
	silent  int // unanswered ones, by what was expected of them
	patient int
}

// volley tries the probes and waits until there is nothing to be waited for.
func (n *Namespace) volley(probes []Probe) *volley {
	v := &volley{probes: probes, results: make([]Result, len(probes)), fds: make([]int, len(probes)), open: make([]bool, len(probes))}
	for i, p := range probes {
		v.results[i], v.fds[i] = Result{Probe: p, Got: Dropped}, -1
	}
	err := n.Do(func() error {
		for i := range probes {
			v.start(i)
		}
		return v.wait()
	})
	if err != nil {
		for i := range v.results {
			v.results[i].Err = errors.Join(v.results[i].Err, err)
		}
	}
	return v
}

// start sends a SYN, from the namespace of its thread.
func (v *volley) start(i int) {
	p := v.probes[i]
	fail := func(what string, err error) {
		v.results[i].Err = fmt.Errorf("from %s to %s: %s: %w", p.From, p.To, what, err)
	}
	family, from, to := unix.AF_INET6, address(netip.AddrPortFrom(p.From, 0)), address(p.To)
	if p.From.Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		fail("socket", err)
		return
	}
	v.fds[i] = fd
	err = errors.Join(
		// Chosen at connect, a port may be used towards every other address too.
		unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1),
		unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}),
	)
	if err = errors.Join(err, unix.Bind(fd, from)); err != nil {
		fail("bind", err)
		return
	}
	switch err := unix.Connect(fd, to); err {
	case nil, unix.EINPROGRESS:
		if p.Want == Dropped {
			v.silent++
		} else {
			v.patient++
		}
	default:
		fail("connect", err)
	}
	v.started = time.Now()
}

func address(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

// wait takes answers until all are there, or until those that are missing have
// had their time.
func (v *volley) wait() error {
	poll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(poll)
	for i, fd := range v.fds {
		if fd < 0 || v.results[i].Err != nil {
			continue
		}
		event := unix.EpollEvent{Events: unix.EPOLLOUT | unix.EPOLLONESHOT, Fd: int32(i)}
		if err := unix.EpollCtl(poll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			return err
		}
	}
	events := make([]unix.EpollEvent, 256)
	for v.silent+v.patient > 0 {
		allowed := Silence
		if v.patient > 0 {
			allowed = Patience
		}
		left := max(0, time.Until(v.started.Add(allowed)))
		n, err := unix.EpollWait(poll, events, int((left+time.Millisecond-1)/time.Millisecond))
		if err != nil && err != unix.EINTR {
			return err
		}
		if n == 0 && left == 0 { // answers that came while this thread waited for a processor count
			return nil
		}
		for _, e := range events[:max(n, 0)] {
			v.answer(int(e.Fd))
		}
	}
	return nil
}

// answer records the result of a connection. A reset is an answer: the packet has
// passed the firewall, whether or not somebody listens behind it.
func (v *volley) answer(i int) {
	p, r := v.probes[i], &v.results[i]
	if p.Want == Dropped {
		v.silent--
	} else {
		v.patient--
	}
	code, err := unix.GetsockoptInt(v.fds[i], unix.SOL_SOCKET, unix.SO_ERROR)
	switch errno := unix.Errno(code); {
	case err != nil:
		r.Err = err
	case errno == 0:
		r.Got, v.open[i] = Admitted, true
	case errno == unix.ECONNREFUSED || errno == unix.ECONNRESET:
		r.Got = Admitted
	case errno != unix.ETIMEDOUT:
		r.Err = fmt.Errorf("from %s to %s: %w", p.From, p.To, errno)
	}
}

func (v *volley) close() {
	for i, fd := range v.fds {
		if fd >= 0 {
			unix.Close(fd)
			v.fds[i] = -1
		}
	}
}
