package embeddedftpd

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// All transfers together keep to the total rate, in both directions, and small
// files, which are sent in one piece otherwise, count too.
func TestTotalRate(t *testing.T) {
	const rate, size, sessions = 200_000, 20_000, 3
	ts := start(t, func(c *Config) { c.TotalRate, c.MaxWait = rate, patience })
	content := strings.Repeat("x", size)
	ts.file(t, "f", content)
	ts.file(t, "small", content[:4000])
	began := time.Now()
	var all sync.WaitGroup
	for i := range sessions {
		v, err := visit("127.0.0.1", ts.addr())
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			defer v.conn.Close()
			if err := v.transfer("f"+string(rune('0'+i)), content); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	// Of each session only the last file may be sent before it is paid for.
	if took := time.Since(began); took < sessions*size*time.Second/rate {
		t.Errorf("%d bytes at %d a second took %v", 2*sessions*size, rate, took)
	}

	c := ts.login(t)
	began = time.Now()
	const times = 20
	for range times {
		c.get("RETR small")
	}
	if took, want := time.Since(began), time.Duration((times-1)*4000)*time.Second/rate; took < want {
		t.Errorf("%d small files took %v, want at least %v", times, took, want)
	}
}

func TestBucket(t *testing.T) {
	b := &bucket{rate: 1000}
	now := time.Now()
	for i, step := range []struct {
		bytes       int64
		after, wait time.Duration
	}{
		{500, 0, 500 * time.Millisecond},
		{500, 0, time.Second},
		{0, 400 * time.Millisecond, 600 * time.Millisecond},
		{100, 2 * time.Second, 100 * time.Millisecond}, // nothing is saved up
	} {
		now = now.Add(step.after)
		if got := b.pay(step.bytes, now); got != step.wait {
			t.Errorf("step %d: wait %v, want %v", i, got, step.wait)
		}
	}
}

// The time that a slow client takes for some bytes is not waited for again.
func TestSlowClientWaitsOnce(t *testing.T) {
	tr := &transfer{limits: []*bucket{{rate: 1000}}, paidAt: time.Now().Add(-time.Minute)}
	tr.bytes.Add(500)
	if wait := tr.pay(); wait > 0 {
		t.Errorf("500 bytes took a minute, and wait for %v", wait)
	}
	tr.bytes.Add(500)
	tr.paidAt = time.Now()
	if wait := tr.pay(); wait < 400*time.Millisecond || wait > 500*time.Millisecond {
		t.Errorf("500 bytes at once wait for %v", wait)
	}
}
