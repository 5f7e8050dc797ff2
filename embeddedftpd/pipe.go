package embeddedftpd

import "golang.org/x/sys/unix"

// pipe is what splice needs between a file and a socket.
type pipe struct {
	r, w int
	held int64 // bytes in it
}

func openPipe() (*pipe, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	p := &pipe{r: fds[0], w: fds[1]}
	if _, err := unix.FcntlInt(uintptr(p.w), unix.F_SETPIPE_SZ, burst); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *pipe) close() {
	unix.Close(p.r)
	unix.Close(p.w)
}

// pass moves bytes from one descriptor to another, of which up to n new ones into the
// pipe once that is empty.
func (p *pipe) pass(from, to int, n int64) (some int64, err error) {
	if p.held == 0 {
		if p.held, err = splice(from, p.w, min(n, burst)); p.held == 0 {
			return 0, err
		}
	}
	some, err = splice(p.r, to, p.held)
	p.held -= some
	return some, err
}

func (p *pipe) Read(b []byte) (int, error) { return unix.Read(p.r, b) }

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
