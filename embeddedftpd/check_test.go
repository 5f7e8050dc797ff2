package embeddedftpd

import (
	"context"
	"testing"
	"time"
)

func TestCheck(t *testing.T) {
	ts := start(t, nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ts.eventually(t, "the server accepts", func(Stats) bool { return ts.Ready() })
	for range 3 {
		if err := ts.Check(ctx); err != nil {
			t.Fatal(err)
		}
		ts.login(t).do(221, "QUIT") // the loops go on
	}

	// What never happens: a lock that is held for good.
	short := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		return ts.Check(ctx)
	}
	ts.admission.mu.Lock()
	if err := short(); err == nil {
		t.Error("no error while a lock is held")
	}
	stuck := dial(t, ts.addr()) // and with it the loop of this port
	if err := short(); err == nil {
		t.Error("no error while a loop is stuck")
	}
	ts.admission.mu.Unlock()
	stuck.expect(220)
	if err := ts.Check(ctx); err != nil {
		t.Error(err)
	}
	if err := ts.stop(); err != nil {
		t.Fatal(err)
	}
	if err := ts.Check(ctx); err == nil {
		t.Error("no error after the stop")
	}
}
