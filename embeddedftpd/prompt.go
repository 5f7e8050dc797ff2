package embeddedftpd

import (
	"net"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// promptness is how long a session looks again and again for what its client
// sends next, before it sleeps. To sleep and be woken costs about as much
// processor time, and far more of the client's. It is for clients nearby: one
// that was slower the last time is not looked for, and no two sessions look at
// the same time.
const promptness = 120 * time.Microsecond

var looking atomic.Bool

// promptReader reads a control connection in clear text.
type promptReader struct {
	tcp     *net.TCPConn
	raw     syscall.RawConn
	several bool // processors: on the only one nobody looks
	prompt  bool // the client was, the last time

	// read is what now does with the descriptor, into and got are its argument
	// and result. Made each time, they were most of what a small transfer left to
	// the garbage collector, whose every run costs as much as ten transfers.
	read func(fd uintptr) bool
	into []byte
	got  int
}

func newPromptReader(tcp *net.TCPConn) *promptReader {
	raw, err := tcp.SyscallConn()
	r := &promptReader{tcp: tcp, raw: raw, several: err == nil && runtime.GOMAXPROCS(0) > 1}
	r.read = func(fd uintptr) bool {
		r.got, _ = syscall.Read(int(fd), r.into)
		return true
	}
	return r
}

func (r *promptReader) Read(b []byte) (n int, err error) {
	// Where there are other sessions to serve, it may well have come after them.
	runtime.Gosched()
	began := time.Now()
	if r.soon(func() bool { n, err = r.now(b); return n > 0 || err != nil }) {
		return n, err
	}
	n, err = r.tcp.Read(b)
	r.prompt = r.several && time.Since(began) < 2*promptness
	return n, err
}

// now reads what is there; 0: nothing, or the end, which the next Read finds.
func (r *promptReader) now(b []byte) (int, error) {
	r.into, r.got = b, 0
	err := r.raw.Read(r.read)
	r.into = nil
	return max(r.got, 0), err
}

// soon calls try until it succeeds, if the client is a prompt one, and tells
// whether it did.
func (r *promptReader) soon(try func() bool) bool {
	if !r.prompt || !looking.CompareAndSwap(false, true) {
		return false
	}
	defer looking.Store(false)
	for began := time.Now(); time.Since(began) < promptness; runtime.Gosched() {
		if try() {
			return true
		}
	}
	r.prompt = false
	return false
}
