package embeddedftpd

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
)

// The address follows the name, logs a change, and stays while the name cannot
// be resolved or only the order of its addresses changes.
func TestAnnouncedNameIsFollowed(t *testing.T) {
	log := new(logBuffer)
	var answer []netip.Addr
	a := &announcer{name: "nat.example", log: slog.New(slog.NewTextHandler(log, nil))}
	a.lookup = func(_ context.Context, network, name string) ([]netip.Addr, error) {
		if network != "ip4" || name != "nat.example" {
			t.Errorf("asks for %s %s", network, name)
		}
		if answer == nil {
			return nil, errors.New("no answer")
		}
		return answer, nil
	}
	a.answer.Store(new(netip.Addr))
	one, two := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.8")
	for i, step := range []struct {
		answer  []netip.Addr
		want    netip.Addr
		fails   bool
		changes int
	}{
		{[]netip.Addr{two, one}, one, false, 0},
		{[]netip.Addr{one, two}, one, false, 0},
		{nil, one, true, 0},
		{[]netip.Addr{}, one, true, 0},
		{[]netip.Addr{two}, two, false, 1},
		{[]netip.Addr{one, two}, two, false, 1},
	} {
		answer = step.answer
		if err := a.resolve(t.Context()); (err != nil) != step.fails || a.address() != step.want {
			t.Errorf("step %d: %s, %v", i, a.address(), err)
		}
		if got := strings.Count(log.String(), "has changed"); got != step.changes {
			t.Errorf("step %d: %d changes logged, want %d", i, got, step.changes)
		}
	}
}

// The first network that has the client decides.
func TestAnnouncedByClient(t *testing.T) {
	other := netip.MustParseAddr("198.51.100.7")
	ts := start(t, func(c *Config) {
		c.Announce = other
		c.AnnounceTo = []Announcement{
			{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParseAddr("10.0.1.5")}, {netip.MustParsePrefix("127.0.0.0/8"), netip.MustParseAddr("10.0.1.6")},
		}
	})
	for client, want := range map[string]string{"127.0.0.1": "10.0.1.5", "::ffff:127.0.0.1": "10.0.1.5", "127.0.0.2": "10.0.1.6", "192.0.2.1": "198.51.100.7"} {
		if got := ts.announced.to(netip.MustParseAddr(client)); got.String() != want {
			t.Errorf("%s is told %s, want %s", client, got, want)
		}
	}
	c := ts.login(t)
	c.send("PASV")
	if said := c.expect(227); !strings.Contains(said, "(10,0,1,5,") {
		t.Errorf("PASV: %s", said)
	}
}

// The reply to PASV has the name's address; without one the server does not
// start.
func TestAnnouncedNameInTheReply(t *testing.T) {
	ts := start(t, func(c *Config) { c.AnnounceName = "localhost" })
	if got := ts.announced.address(); got != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("localhost is %s", got)
	}
	_, err := New(t.Context(), Config{
		Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, PassiveFirst: 20000, PassiveLast: 20000, AnnounceName: "nowhere.invalid",
	})
	if err == nil || !strings.Contains(err.Error(), "cannot resolve nowhere.invalid") {
		t.Errorf("a name that does not exist: %v", err)
	}
}
