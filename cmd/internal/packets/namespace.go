package packets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// commandTime bounds every command that is run in a namespace.
const commandTime = time.Minute

// Namespace is a network namespace. Making one needs CAP_SYS_ADMIN in the
// user namespace that this process is in.
type Namespace struct {
	file *os.File
}

// NewNamespace makes an empty network namespace with its loopback device up.
func NewNamespace() (*Namespace, error) {
	n := &Namespace{}
	err := onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		var err error
		if n.file, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		// Duplicate address detection would hold back the first packets for a second.
		return errors.Join(loopbackUp(), os.WriteFile("/proc/sys/net/ipv6/conf/default/accept_dad", []byte("0"), 0))
	})
	if err != nil && n.file != nil {
		err = errors.Join(err, n.Close())
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// loopbackUp brings up the loopback device of this thread's namespace.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_LOOPBACK | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bringing up the loopback device of a network namespace: %w", err)
	}
	return nil
}

// Set writes a kernel parameter of the namespace, named by its path under
// /proc/sys.
func (n *Namespace) Set(parameter, value string) error {
	return n.Do(func() error { return os.WriteFile("/proc/sys/"+parameter, []byte(value), 0) })
}

// Close lets go of the namespace. The kernel removes it when its last socket
// and process are gone.
func (n *Namespace) Close() error { return n.file.Close() }

// path names the namespace for programs that this process starts.
func (n *Namespace) path() string {
	return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), n.file.Fd())
}

// Do runs f in the namespace: sockets that it opens and programs that it
// starts belong there. They go on belonging there after Do has returned.
func (n *Namespace) Do(f func() error) error {
	return onOwnThread(func() error {
		if err := unix.Setns(int(n.file.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering a network namespace: %w", err)
		}
		return f()
	})
}

// onOwnThread runs f on a thread that ends with it, because a thread that has
// changed its namespace must not go back to the scheduler.
func onOwnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		done <- f()
	}()
	return <-done
}

// Run runs a program in the namespace with stdin as its input and returns what
// it printed. The error has what it wrote to standard error.
func (n *Namespace) Run(stdin, program string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	err := n.Do(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), commandTime)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
		return cmd.Run()
	})
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), err
}

// Exec is Run for who may end it sooner; here commandTime alone does.
func (n *Namespace) Exec(_ context.Context, stdin, program string, args ...string) (string, error) {
	return n.Run(stdin, program, args...)
}

// Listen opens a TCP listener in the namespace.
func (n *Namespace) Listen(at netip.AddrPort) (net.Listener, error) {
	var l net.Listener
	err := n.Do(func() (err error) {
		config := net.ListenConfig{KeepAlive: -1} // a packet that nobody sent proves nothing
		config.SetMultipathTCP(false)
		l, err = config.Listen(context.Background(), "tcp", at.String())
		return err
	})
	return l, err
}

// Dial opens a TCP connection from an address of the namespace.
func (n *Namespace) Dial(from netip.Addr, to netip.AddrPort, timeout time.Duration) (net.Conn, error) {
	var c net.Conn
	err := n.Do(func() (err error) {
		dialer := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(from, 0)), Timeout: timeout, KeepAlive: -1}
		c, err = dialer.Dial("tcp", to.String())
		return err
	})
	return c, err
}
