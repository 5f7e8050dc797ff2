package embeddedftpd

import (
	"cmp"
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// burst is how much of a file is collected in a pipe: 1 MiB, to which any user may
// enlarge one (pipe(7)). A sendfile wakes a fast client for each 64 KiB; bursts are
// 1.17 times the rate at 0.87 of the processor time, those of half the size 0.89 of
// theirs, of twice the size 0.70 (measured with cmd/lab/bench).
const burst = 1 << 20

// sendfile is sendfile(2) from the file's own offset. A test replaces it.
var sendfile = func(to, from int, n int64) (int64, error) {
	return uninterrupted(func() (int64, error) {
		n, err := unix.Sendfile(to, from, nil, int(n))
		return int64(n), err
	})
}

// send sends the left bytes that follow the file's offset, in clear text without
// copying them: up to burst by sendfile, more in bursts. After a stall it goes on.
func (t *transfer) send(left int64) error {
	socket, ok := t.conn.(*passive.Socket)
	if !ok {
		return t.copyOut()
	}
	move := func(to int) (int64, error) { return sendfile(to, int(t.file.Fd()), min(left, t.chunk())) }
	if left > burst && len(t.limits) == 0 {
		if pipe, err := openPipe(); err == nil {
			defer pipe.close()
			move = func(to int) (int64, error) { return pipe.pass(int(t.file.Fd()), to, left) }
		}
	}
	for left > 0 {
		n, err := t.carry(socket, false, move)
		left -= n
		switch {
		case err == errCopied:
			return t.copyOut()
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF // cut short meanwhile
		}
	}
	return nil
}

// errCopied is carry's if the file takes no system call that copies nothing.
var errCopied = errors.New("copied")

// carry has move carry bytes once the client is ready for it. No bytes and no error:
// the end.
func (t *transfer) carry(socket *passive.Socket, reads bool, move func(fd int) (int64, error)) (n int64, err error) {
	if n, err = socket.Try(move); err == unix.EAGAIN {
		raw := socket.Poll()
		ready, deadline := raw.Write, socket.SetWriteDeadline
		if reads {
			ready, deadline = raw.Read, socket.SetReadDeadline
		}
		if err = t.extend(deadline); err == nil {
			waited := ready(func(fd uintptr) bool {
				n, err = move(int(fd))
				return err != unix.EAGAIN
			})
			err = cmp.Or(waited, err)
		}
	}
	t.bytes.Add(n)
	switch errno, ok := err.(unix.Errno); {
	case errno == unix.EINVAL || errno == unix.ENOSYS:
		return n, errCopied
	case ok && !connectionLost(errno):
		return n, &os.PathError{Op: "transfer", Path: t.path, Err: err}
	case err != nil && n == 0:
		return 0, t.judge(0, err)
	}
	return n, nil
}

// connectionLost reports whether such a call failed because of the connection.
func connectionLost(err unix.Errno) bool {
	switch err {
	case unix.ECONNRESET, unix.EPIPE, unix.ETIMEDOUT, unix.ECONNABORTED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ENETDOWN:
		return true
	}
	return false
}
