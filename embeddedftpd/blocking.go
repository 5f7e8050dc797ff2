package embeddedftpd

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

// A chunk that took less than quickChunk is followed by one of four times its
// size, which at the same rate takes no more than half of slowChunk. A client
// for which one takes longer than slowChunk is left to the poller.
const (
	quickChunk = 50 * time.Millisecond
	slowChunk  = 8 * quickChunk
	firstChunk = 16 << 20
	lastChunk  = 1 << 30
)

// errPolled is no failure: the poller has to wait for the client.
var errPolled = errors.New("not without the poller")

// sendBlocking sends a file in larger and larger chunks for as long as the
// client is fast, and tells how far it came. The kernel waits for such a client
// itself, on a socket of which the poller never hears; against chunks for which
// the poller waits that was 1.19 times the rate at 0.83 of the processor time
// (measured with bench/). A client that is not fast, and one whose rate is
// limited, would only hold up a thread.
func (t *transfer) sendBlocking(socket *passive.Socket, f *os.File, from, to int64) (at int64, err error) {
	if t.rate > 0 || t.total != nil {
		return from, nil
	}
	at = from
	for chunk := int64(firstChunk); ; {
		began := time.Now()
		n, err := t.sendChunk(socket, f, min(to-at, chunk))
		at += n
		t.bytes.Add(n)
		took := time.Since(began)
		switch {
		case err == errPolled, at == to, took > slowChunk:
			return at, nil
		case err != nil:
			return at, t.judge(n, err)
		case n == 0:
			return at, localError{io.ErrUnexpectedEOF} // cut short meanwhile
		case took < quickChunk:
			chunk = min(4*chunk, lastChunk)
		}
	}
}
