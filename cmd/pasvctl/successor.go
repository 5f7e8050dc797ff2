//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/embeddedftpd/handover"
)

// handOverEnv names the descriptor over which a daemon that was started by its
// predecessor takes over.
const handOverEnv = "PASVCTL_HANDOVER_FD"

// predecessor takes over from the daemon that started this one; nil: nobody did.
func predecessor() (*handover.Predecessor, error) {
	conn, err := handOverConn()
	if conn == nil || err != nil {
		return nil, err
	}
	return handover.TakeOver(conn)
}

// refuse tells the daemon that started this one, if one did, why this one has
// failed before it took over.
func refuse(why error) {
	if conn, err := handOverConn(); conn != nil && err == nil {
		handover.Refuse(conn, why)
	}
}

// handOverConn leads to the daemon that started this one, at the first call;
// nil: nobody did.
func handOverConn() (*net.UnixConn, error) {
	text, started := os.LookupEnv(handOverEnv)
	if !started {
		return nil, nil
	}
	os.Unsetenv(handOverEnv)
	const hint = "a daemon sets " + handOverEnv + " for the one that takes over from it"
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, failure(fmt.Errorf("%s=%s is not a descriptor", handOverEnv, text), hint)
	}
	conn, err := unixConn(fd)
	if err != nil {
		return nil, failure(err, hint)
	}
	return conn, nil
}

func unixConn(fd int) (*net.UnixConn, error) {
	unix.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "hand-over")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("descriptor %d is no unix socket", fd)
	}
	return conn, nil
}

// activated are the listeners that systemd bound for the daemon.
func activated() ([]*net.TCPListener, error) {
	all, err := activation.Listeners()
	if err != nil {
		return nil, err
	}
	var listeners []*net.TCPListener
	for i, l := range all {
		tcp, ok := l.(*net.TCPListener)
		if !ok {
			return nil, failure(fmt.Errorf("socket %d of the socket unit does not listen on TCP", i+1), "write ListenStream=ADDRESS:PORT")
		}
		listeners = append(listeners, tcp)
	}
	return listeners, nil
}

// startSuccessor starts the program that is now installed where this one was,
// with the same arguments.
func startSuccessor(streams streams, log *slog.Logger) (handover.Successor, int, error) {
	var none handover.Successor
	if os.Getpid() == 1 {
		return none, 0, errors.New("process 1 cannot hand over, because its exit ends the container; start another container")
	}
	program, err := os.Executable()
	if err != nil {
		return none, 0, err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return none, 0, err
	}
	its := os.NewFile(uintptr(fds[1]), "hand-over")
	defer its.Close()
	mine, err := unixConn(fds[0])
	if err != nil {
		return none, 0, err
	}
	c := &exec.Cmd{Path: program, Args: os.Args, Stdout: streams.out, Stderr: unfolded(streams.err), ExtraFiles: []*os.File{its}}
	c.Env = append(successorEnv(os.Environ()), handOverEnv+"=3")
	if err := c.Start(); err != nil {
		mine.Close()
		return none, 0, err
	}
	reaped := make(chan struct{})
	go func() {
		defer close(reaped)
		if err := c.Wait(); err != nil {
			log.Error("the successor has exited", "pid", c.Process.Pid, "error", err)
		}
	}()
	kill := func() {
		select {
		case <-reaped: // it has failed, and its exit says more than a kill
		case <-time.After(2 * time.Second):
			c.Process.Kill()
			<-reaped
		}
	}
	return handover.Successor{Conn: mine, Kill: kill}, c.Process.Pid, nil
}

// successorEnv is the environment without what speaks of this process by its
// id.
func successorEnv(env []string) []string {
	return slices.DeleteFunc(env, func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains([]string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", handOverEnv}, name)
	})
}

// metricsAfter binds the metrics address, which the predecessor lets go of
// when this daemon is ready.
func metricsAfter(ctx context.Context, at string) (m *metricsServer, err error) {
	for range 100 {
		if m, err = listenMetrics(ctx, at); err == nil {
			return m, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil, err
}
