package embeddedftpd

import (
	"sync"
	"time"
)

// bucket bounds the bytes a second of one transfer, or of all together. A transfer pays
// after each chunk and waits until what all have sent is paid for.
type bucket struct {
	rate int64 // bytes a second

	mu        sync.Mutex
	transfers int
	due       time.Time // when all that was sent is paid for
}

// count adds to the transfers that share the rate.
func (b *bucket) count(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.transfers += n
}

// chunk is how much a transfer may carry before it pays: an eighth of a second's worth
// for all of them, but a few segments each.
func (b *bucket) chunk() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return max(b.rate/8/int64(max(b.transfers, 1)), min(b.rate, 4096))
}

// pay pays for what t has carried since paidAt, and says how long it has to wait.
func (t *transfer) pay() (wait time.Duration) {
	n := t.bytes.Load() - t.paid
	t.paid += n
	for _, b := range t.limits {
		wait = max(wait, b.pay(n, t.paidAt)-time.Since(t.paidAt))
	}
	return wait
}

// pay counts n bytes, and says how long the payer has to wait.
func (b *bucket) pay(n int64, now time.Time) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.due.Before(now) {
		b.due = now
	}
	b.due = b.due.Add(time.Duration(float64(n) / float64(b.rate) * float64(time.Second)))
	return b.due.Sub(now)
}
