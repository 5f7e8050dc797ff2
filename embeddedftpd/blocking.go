package embeddedftpd

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// blockingSender sends a file in larger and larger chunks for as long as the
// client is fast, since every time that a sendfile ends or waits outside the
// kernel costs: together a twelfth of the rate and a tenth of the processor time
// (measured with bench/). For a client that is not fast, and for one whose rate
// is limited, chunks are small and wait in the poller, so that an abort is heard
// at once.
type blockingSender struct {
	t      *transfer
	chunk  int64 // the next one
	polled bool  // from now on by the poller
}

// A chunk that took less than quickChunk is followed by one of four times its
// size, which at the same rate takes no more than half of slowChunk: so late may
// an abort be heard, and later by as much as the client turns slower within the
// chunk. What takes longer than slowChunk is left to the poller.
const (
	quickChunk = 50 * time.Millisecond
	slowChunk  = 8 * quickChunk
	firstChunk = 16 << 20
	lastChunk  = 1 << 30
)

// errPolled is no failure: the poller has to wait for the client.
var errPolled = errors.New("not without the poller")

func newBlockingSender(t *transfer) *blockingSender {
	return &blockingSender{t: t, chunk: firstChunk, polled: t.rate > 0 || t.total != nil}
}

// send sends some of the bytes that are left, 0 only at the end of the file.
func (s *blockingSender) send(tcp *net.TCPConn, f *os.File, left int64) (int64, error) {
	if s.polled {
		return tcp.ReadFrom(&io.LimitedReader{R: f, N: min(left, s.t.chunk())})
	}
	began := time.Now()
	n, err := sendBlocking(tcp, f, min(left, s.chunk))
	if err == errPolled {
		s.polled = true
		return s.send(tcp, f, left)
	}
	switch took := time.Since(began); {
	case took < quickChunk:
		s.chunk = min(4*s.chunk, lastChunk)
	case took > slowChunk:
		s.polled = true
	}
	return n, err
}
