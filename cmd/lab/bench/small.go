package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// crowd is many sessions that each transfer small files one after another, all
// driven by one thread: a thread for each would cost the servers their
// processors.
type crowd struct {
	epoll   int
	members []*member
	byFD    map[int]*member
	load

	done, refused int
	refusal       string
	longest       time.Duration // from an EPSV to its reply

	// late are those whose data connection has to wait for one of the room file
	// descriptors that are left for data connections, of which open are used.
	late       []*member
	room, open int
}

// load is what a crowd does.
type load struct {
	stores bool
	awake  bool // it never sleeps, but looks for replies all the time
}

// member is a session of a crowd.
type member struct {
	fd, data int
	name     string
	server   netip.AddrPort
	source   netip.Addr
	buf      []byte
	asked    time.Time
	port     uint16 // of the data connection
	got      int    // bytes of the file
	replied  bool   // 226
}

// payload is what a small file holds.
var payload = bytes.Repeat([]byte("x"), 1024)

// gather logs n sessions in; source gives the client address of each.
func gather(address string, n int, l load, source func(int) string) (*crowd, error) {
	c := &crowd{byFD: map[int]*member{}, load: l}
	var limit unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	if err != nil {
		return nil, err
	}
	// The server's limit is the same, and it has files to open, too.
	const files = 500
	c.room = int(limit.Cur) - n - files
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, err
	}
	for i := range n {
		s, err := login(address, source(i))
		if err != nil {
			c.close()
			return nil, fmt.Errorf("session %d: %w", i, err)
		}
		m := &member{fd: s.fd, data: -1, name: fmt.Sprintf("small/%d", i%smallFiles), server: s.server, source: s.source}
		c.members = append(c.members, m)
		c.byFD[s.fd] = m
		err = unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, s.fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(s.fd)})
		if err != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

func (c *crowd) close() {
	for _, m := range c.members {
		if m.data >= 0 {
			unix.Close(m.data)
		}
		unix.Close(m.fd)
	}
	unix.Close(c.epoll)
}

// run keeps every session busy for the period, and lets each end the transfer
// it is in.
func (c *crowd) run(ctx context.Context, period time.Duration) (time.Duration, error) {
	// A collection would wait for the thread, which may be in await.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	began := time.Now()
	for _, m := range c.members {
		if err := c.ask(m); err != nil {
			return 0, err
		}
	}
	busy := len(c.members)
	events := make([]unix.EpollEvent, 256)
	for busy > 0 {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		n, err := c.await(events)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			return 0, fmt.Errorf("%d sessions wait for ever: %v", busy, err)
		}
		for _, e := range events[:n] {
			m := c.byFD[int(e.Fd)]
			if len(c.late) > 0 {
				first := c.late[0]
				c.late = c.late[1:]
				if err := c.begin(first); err != nil {
					return 0, err
				}
			}
			var over bool
			if m.fd == int(e.Fd) {
				over, err = c.advance(m)
			} else if err = c.collect(m); err == nil {
				over = c.over(m)
			}
			if err != nil {
				return 0, err
			}
			switch {
			case !over:
			case time.Since(began) >= period:
				busy--
			default:
				if err := c.ask(m); err != nil {
					return 0, err
				}
			}
		}
	}
	return time.Since(began), nil
}

// await waits for events; none: they took too long.
func (c *crowd) await(events []unix.EpollEvent) (n int, err error) {
	if !c.awake {
		return wait(c.epoll, events, patience*1000)
	}
	for began := time.Now(); n == 0 && err == nil && time.Since(began) < patience*time.Second; {
		n, err = wait(c.epoll, events, 0)
	}
	return n, err
}

// wait is unix.EpollWait without a word to the scheduler. To that the thread
// computes all the time, and nobody watches every 20 µs whether a processor has
// become free, which would cost the server a good part of its own.
func wait(epoll int, events []unix.EpollEvent, milliseconds int) (int, error) {
	n, _, err := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)),
		uintptr(milliseconds), 0, 0)
	if err != 0 {
		return 0, err
	}
	return int(n), nil
}

func (c *crowd) ask(m *member) error {
	m.asked = time.Now()
	return write(m.fd, "EPSV\r\n")
}

func write(fd int, text string) error {
	n, err := unix.Write(fd, []byte(text))
	if err == nil && n < len(text) {
		err = errors.New("a command did not fit into the socket")
	}
	return err
}

// advance reads replies of m and does what follows. It reports whether a
// transfer is over, or was refused.
func (c *crowd) advance(m *member) (over bool, err error) {
	var chunk [512]byte
	n, err := unix.Read(m.fd, chunk[:])
	if err != nil || n == 0 {
		return false, fmt.Errorf("the control connection ended: %v", err)
	}
	m.buf = append(m.buf, chunk[:n]...)
	for err == nil {
		end := bytes.IndexByte(m.buf, '\n')
		if end < 0 {
			return over, nil
		}
		line := string(m.buf[:end])
		m.buf = append(m.buf[:0], m.buf[end+1:]...)
		if len(line) < 4 || line[3] != ' ' {
			continue
		}
		switch line[:3] {
		case "229":
			c.longest = max(c.longest, time.Since(m.asked))
			if m.port, err = epsvPort(line); err == nil {
				err = c.begin(m)
			}
		case "150", "125":
			if c.stores {
				err = c.deliver(m)
			} else if err = c.collect(m); err == nil && m.data >= 0 {
				c.byFD[m.data] = m
				err = unix.EpollCtl(c.epoll, unix.EPOLL_CTL_ADD, m.data, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(m.data)})
			}
		case "226":
			m.replied = true
			over = c.over(m)
		default:
			c.refused++
			c.refusal = line
			c.hangUp(m)
			over = true
		}
	}
	return false, err
}

// over reports whether m has both the file and the reply.
func (c *crowd) over(m *member) bool {
	if !m.replied || m.data >= 0 {
		return false
	}
	m.replied = false
	c.done++
	return true
}

// hangUp closes the data connection.
func (c *crowd) hangUp(m *member) {
	if m.data >= 0 {
		delete(c.byFD, m.data)
		unix.Close(m.data)
		m.data = -1
		c.open--
	}
}

// begin opens the data connection and sends the command.
func (c *crowd) begin(m *member) (err error) {
	if c.open == c.room {
		c.late = append(c.late, m)
		return nil
	}
	m.data, err = dial(netip.AddrPortFrom(m.server.Addr(), m.port), m.source, unix.SOCK_NONBLOCK)
	if err != nil {
		return err
	}
	c.open++
	verb := "RETR "
	if c.stores {
		verb = "STOR "
	}
	return write(m.fd, verb+m.name+"\r\n")
}

// deliver writes the file; it waits only where the connection is still under
// way.
func (c *crowd) deliver(m *member) error {
	defer c.hangUp(m)
	for {
		n, err := unix.Write(m.data, payload)
		switch {
		case err == nil && n == len(payload):
			return nil
		case err == nil:
			return fmt.Errorf("%d bytes were written", n)
		case err != unix.EAGAIN && err != unix.EINTR && err != unix.ENOTCONN:
			return err
		}
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(m.data), Events: unix.POLLOUT}}, patience*1000)
		if ready == 0 && err == nil {
			return errors.New("a data connection waits for ever")
		}
	}
}

// collect reads what is there of the file, and closes the connection at its
// end.
func (c *crowd) collect(m *member) error {
	var buf [2048]byte
	for {
		n, err := unix.Read(m.data, buf[:])
		switch {
		case err == unix.EAGAIN:
			return nil
		case err == unix.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("a data connection: %w", err)
		}
		if m.got += n; n > 0 {
			continue
		}
		c.hangUp(m)
		if m.got != len(payload) {
			return fmt.Errorf("%d bytes of %d came", m.got, len(payload))
		}
		m.got = 0
		return nil
	}
}
