package embeddedftpd

import "context"

// transfer is a running data transfer of a session.
type transfer struct {
	done   chan struct{} // closed when it is over
	cancel context.CancelFunc
}

func (t *transfer) abort() { t.cancel() }
