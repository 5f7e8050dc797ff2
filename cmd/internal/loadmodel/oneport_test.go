package loadmodel_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/ftpload"
	"github.com/pasvctl/pasvctl/embeddedftpd"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/sizing/simulate"
)

const crowd = 200 // sessions

// onePort starts the daemon with a single passive port and a file for each
// session, and returns where it listens.
func onePort(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i := range crowd {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d", i)), fmt.Appendf(nil, "of session %d\n", i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	var server *embeddedftpd.Server
	for port := uint16(23000); server == nil; port++ {
		if port == 23100 {
			t.Fatal("found no free port on loopback")
		}
		// A port that is taken is for the next try to avoid.
		server, _ = embeddedftpd.New(ctx, embeddedftpd.Config{
			Listen:       []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
			PassiveFirst: port, PassiveLast: port,
			MaxWait: 10 * time.Second, AnonymousRoot: dir, Log: slog.New(slog.DiscardHandler),
		})
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return server.Addrs()[0].String()
}

func load(t *testing.T, c ftpload.Config) *ftpload.Report {
	t.Helper()
	c.User, c.Password, c.Sessions, c.Path, c.Op = "anonymous", "a@b", crowd, "f%d", ftpload.Retrieve
	c.Timeout, c.ConnectDelay.Shape = 30*time.Second, ftpload.Constant
	r, err := ftpload.Run(t.Context(), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.Asked == 0 || r.Refused != 0 || r.Kinds[ftpload.Done] != r.Asked || r.Ports != 1 {
		t.Errorf("one port is to serve them all: %+v", r)
	}
	return r
}

// The old question, first half: one port does for 200 sessions where each has
// an address of its own, for then no two connections have the same four
// values. Nobody waits for anybody.
func TestOnePortServesManyAddresses(t *testing.T) {
	t.Parallel()
	c := ftpload.Config{Addr: onePort(t), Rate: 100, Duration: 3 * time.Second, Seed: 1}
	for i := range crowd {
		c.Sources = append(c.Sources, netip.AddrFrom4([4]byte{127, 0, 7, byte(i + 1)}))
	}
	// Some 20 sessions listen on that port at a time.
	c.ConnectDelay.Mean = 200 * time.Millisecond
	if r := load(t, c); r.MeanWait > c.ConnectDelay.Mean.Seconds()/4 {
		t.Errorf("they waited %.3f s on average, and no address has two sessions", r.MeanWait)
	}
}

// The second half: behind one address they take turns, as in a queue with one
// server, 60 % busy. The load's arrivals are the same in every run, and their
// own mean wait is the stationary queue's within a few percent; what is left is
// the machine's, which makes a hold of 50 ms longer and never shorter. A factor
// of two either way is beyond that, and tells a queue of this load from one at
// 40 % (16 ms) or at 80 % (100 ms).
func TestOnePortQueuesOneAddress(t *testing.T) {
	t.Parallel()
	c := ftpload.Config{Addr: onePort(t), Rate: 12, Duration: 8 * time.Second, Seed: 55}
	c.ConnectDelay.Mean = 50 * time.Millisecond
	r := load(t, c)
	embedded, _ := sizing.Lookup("embedded")
	hold := time.Duration(r.MeanListen * float64(time.Second))
	predicted, err := simulate.Run(t.Context(), simulate.Config{
		Profile: embedded, Ports: 1, Seed: 1, Shape: simulate.Constant, Arrivals: simulate.Open, Split: simulate.SplitNever,
		Workload: sizing.Workload{
			Sessions: crowd, Traffic: &sizing.Traffic{Rate: c.Rate, Connect: hold},
			Objective: sizing.Objective{Refused: 0.1, MaxWait: 10 * time.Second},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := predicted.Waits.Mean
	t.Logf("waited %.1f ms on average, simulated %.1f ms, Pollaczek and Khinchine %.1f ms", 1000*r.MeanWait, 1000*want,
		1000*c.Rate*hold.Seconds()*hold.Seconds()/2/(1-c.Rate*hold.Seconds()))
	if r.MeanWait < want/2 || r.MeanWait > want*2 {
		t.Errorf("waited %.1f ms on average, and the model says %.1f ms", 1000*r.MeanWait, 1000*want)
	}
}
