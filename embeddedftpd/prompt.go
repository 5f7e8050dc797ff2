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

// maxAwake is how long a session may go without sleeping. Where only one
// processor is in use, the runtime asks its poller for the others' commands when
// nobody looks, or else every 10 ms.
const maxAwake = 2 * time.Millisecond

var looking atomic.Bool

// promptReader reads a control connection in clear text.
type promptReader struct {
	tcp     *net.TCPConn
	raw     syscall.RawConn
	several bool // processors: on the only one nobody looks
	prompt  bool // the client was, the last time
	slept   time.Time
	turn    int64 // in which it was at work

	// meanwhile is done after each look that found nothing, until it tells that
	// nothing is left to do.
	meanwhile func() (done bool)

	// read is what now does with the descriptor, into and got are its argument
	// and result; compare and same are those of beside. Made each time, they were
	// most of what a small transfer left to the garbage collector, whose every run
	// costs as much as ten transfers.
	read    func(fd uintptr) bool
	into    []byte
	got     int
	compare func(fd uintptr)
	same    bool
}

func newPromptReader(tcp *net.TCPConn) *promptReader {
	raw, err := tcp.SyscallConn()
	r := &promptReader{tcp: tcp, raw: raw, several: err == nil && processors > 1}
	r.read = func(fd uintptr) bool {
		r.got, _ = syscall.Read(int(fd), r.into)
		return true
	}
	r.compare = func(fd uintptr) { r.same = arrivedHere(int(fd)) }
	return r
}

func (r *promptReader) Read(b []byte) (n int, err error) {
	// Where there are other sessions to serve, it may well have come after them.
	runtime.Gosched()
	began := time.Now()
	done := false
	if r.soon(func() bool {
		n, err = r.now(b)
		if n > 0 || err != nil {
			return true
		}
		done = done || r.meanwhile()
		return false
	}) {
		return n, err
	}
	n, err = r.tcp.Read(b)
	r.slept = time.Now()
	r.prompt = r.several && r.slept.Sub(began) < 2*promptness
	return n, err
}

// now reads what is there; 0: nothing, or the end, which the next Read finds.
func (r *promptReader) now(b []byte) (int, error) {
	r.into, r.got = b, 0
	err := r.raw.Read(r.read)
	r.into = nil
	return max(r.got, 0), err
}

// beside tells whether the client runs on the processor that this runs on, and
// to look without a pause would keep it from sending what is looked for.
func (r *promptReader) beside() bool {
	r.same = false
	r.raw.Control(r.compare)
	return r.same
}

// soon calls try until it succeeds, if the client is a prompt one, and tells
// whether it did.
func (r *promptReader) soon(try func() bool) bool {
	began := time.Now()
	n := atWork.join(r, began)
	if n > 1 && n < many {
		return false
	}
	if !r.prompt || began.Sub(r.slept) > maxAwake || !looking.CompareAndSwap(false, true) {
		return false
	}
	defer looking.Store(false)
	beside := false
	for look := began; look.Sub(began) < promptness; look = time.Now() {
		found := try()
		looked.Add(int64(time.Since(look)))
		if found {
			return true
		}
		if look == began {
			beside = n == 1 && r.beside()
		}
		if beside {
			yield()
		} else {
			runtime.Gosched()
		}
	}
	r.prompt = false
	return false
}
