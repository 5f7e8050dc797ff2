package embeddedftpd

import (
	"errors"
	"io"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// pipe is what splice needs between a file and a socket.
type pipe struct{ r, w int }

func openPipe() (pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return pipe{}, err
	}
	p := pipe{fds[0], fds[1]}
	if _, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, burst); err != nil {
		p.close()
		return pipe{}, err
	}
	return p, nil
}

func (p pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

func splice(from, to int, n int64) (int64, error) {
	return uninterrupted(func() (int64, error) { return unix.Splice(from, nil, to, nil, int(n), 0) })
}

func uninterrupted(do func() (int64, error)) (int64, error) {
	for {
		if n, err := do(); err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// receiveSpliced stores what comes by way of a pipe, without copying it.
func (t *transfer) receiveSpliced(conn passive.Conn) error {
	pipe, err := openPipe()
	if err != nil {
		return t.copyIn()
	}
	defer pipe.close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	for {
		if err := t.extend(conn.SetReadDeadline); err != nil {
			return err
		}
		var n int64
		waited := raw.Read(func(fd uintptr) bool {
			n, err = splice(int(fd), pipe.w, min(t.chunk(), burst))
			return err != unix.EAGAIN
		})
		if waited != nil {
			err = waited
		}
		if err != nil || n == 0 {
			return t.judge(0, err)
		}
		t.bytes.Add(n)
		switch err := t.store(pipe, n); err {
		case nil:
		case errCopied:
			return t.copyIn()
		default:
			return localError{err}
		}
	}
}

// errCopied is store's if the file takes no splice: it is appended to, or the
// file system has none.
var errCopied = errors.New("copied")

// store writes the n bytes in the pipe to the file.
func (t *transfer) store(pipe pipe, n int64) error {
	for n > 0 {
		some, err := splice(pipe.r, int(t.file.Fd()), n)
		if err == unix.EINVAL {
			if _, err = io.CopyN(t.file, pipe, n); err == nil {
				err = errCopied
			}
		}
		if err != nil {
			return err
		}
		n -= some
	}
	return nil
}

func (p pipe) Read(b []byte) (int, error) { return unix.Read(p.r, b) }
