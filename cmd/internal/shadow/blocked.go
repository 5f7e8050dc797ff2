package shadow

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators/plan"
)

// Blocked is a new connection that our policy allows and that some rule drops.
type Blocked struct {
	Site *plan.Site
	From netip.Addr
	To   netip.AddrPort
	Rule string // "inet filter input: policy drop"; "" where no trace names it
}

// maxProbed bounds the sites that are asked for: what drops one site's packets
// drops those of its neighbours.
const maxProbed = 20

// Check makes a copy of the host, whose device is called device, puts the live
// rules there and then ours, as load does, and lets a client of each site
// connect to the control port and then to the first data port.
func Check(live Rules, load func(*packets.Namespace) error, h *plan.Host, device string) (blocked []Blocked, err error) {
	attempts := attempts(h)
	layout := packets.Layout{Server: h.Addresses, Interface: device}
	for _, a := range attempts {
		if !slices.Contains(layout.Clients, a.From) {
			layout.Clients = append(layout.Clients, a.From)
		}
	}
	bed, err := packets.New(layout)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, bed.Close()) }()
	if err := live.Load(bed.Server); err != nil {
		return nil, err
	}
	if err := load(bed.Server); err != nil {
		return nil, fmt.Errorf("loading our rules beside the live ones: %w", err)
	}
	t, err := startTrace(bed.Server)
	if err != nil {
		return nil, err
	}
	defer t.stop()
	return connect(bed, attempts, t)
}

// connect makes each attempt in turn.
func connect(bed *packets.Bed, attempts []Blocked, t *trace) (blocked []Blocked, err error) {
	var at []netip.AddrPort
	for _, a := range attempts {
		if !slices.Contains(at, a.To) {
			at = append(at, a.To)
		}
	}
	echo, err := packets.NewEcho(bed.Server, at...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, echo.Close()) }()
	for _, a := range attempts {
		// The control connection stays open: the gate goes by it.
		c, err := bed.World.Dial(a.From, a.To, time.Second)
		if err == nil {
			defer c.Close()
			if err := packets.Exchange(c); err == nil {
				continue
			}
		}
		a.Rule = t.dropped(a.From, a.To.Port())
		blocked = append(blocked, a)
	}
	return blocked, nil
}

// attempts lists, for each site and family, a client's control connection and
// its data connection.
func attempts(h *plan.Host) (all []Blocked) {
	for _, s := range h.Sites[:min(len(h.Sites), maxProbed)] {
		for _, family := range []struct {
			addresses []netip.Addr
			clients   []netip.Prefix
		}{{s.Policy.Addresses4, s.Policy.Clients4}, {s.Policy.Addresses6, s.Policy.Clients6}} {
			if len(family.addresses) == 0 || len(family.clients) == 0 {
				continue
			}
			from := Client(family.clients[0], h.Addresses)
			for _, port := range []uint16{s.Port, s.DataPorts.First} {
				all = append(all, Blocked{Site: s, From: from, To: netip.AddrPortFrom(family.addresses[0], port)})
			}
		}
	}
	return all
}

// Client picks an address of the prefix that is none of the host's own: the
// second one, or a documentation address (RFC 5737, RFC 3849) where the prefix
// is the whole family.
func Client(p netip.Prefix, taken []netip.Addr) netip.Addr {
	a := p.Masked().Addr()
	if p.Bits() == 0 {
		a = netip.MustParseAddr("198.51.100.200")
		if p.Addr().Is6() {
			a = netip.MustParseAddr("2001:db8:ffff::200")
		}
	} else if p.Bits() < a.BitLen() {
		a = a.Next()
	}
	for slices.Contains(taken, a) && p.Contains(a.Next()) {
		a = a.Next()
	}
	return a
}

// trace follows packets through the ruleset with `nft monitor trace`.
type trace struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu    sync.Mutex
	lines []string
}

// maxTrace bounds the lines that are kept.
const maxTrace = 100_000

func startTrace(n *packets.Namespace) (*trace, error) {
	const mark = "table inet pasvctl_trace { chain syn_packets { type filter hook prerouting priority -350; tcp flags syn meta nftrace set 1; }; }"
	if _, err := n.Run(mark, "nft", "-f", "-"); err != nil {
		return nil, err
	}
	t := &trace{done: make(chan struct{})}
	t.cmd = exec.CommandContext(context.Background(), "nft", "-n", "monitor", "trace")
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.Do(t.cmd.Start); err != nil {
		return nil, err
	}
	go func() {
		defer close(t.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			t.mu.Lock()
			if len(t.lines) < maxTrace {
				t.lines = append(t.lines, lines.Text())
			}
			t.mu.Unlock()
		}
	}()
	time.Sleep(100 * time.Millisecond) // until the monitor has subscribed
	return t, nil
}

func (t *trace) stop() {
	// It runs until it is told to go; its exit status says only that.
	_ = t.cmd.Process.Kill()
	<-t.done
	_ = t.cmd.Wait()
}

// dropped finds the rule or policy that dropped a connection from an address
// to a port, as "FAMILY TABLE CHAIN: RULE".
func (t *trace) dropped(from netip.Addr, port uint16) string {
	time.Sleep(50 * time.Millisecond) // the trace comes over a socket of its own
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := map[string]bool{}
	for _, line := range t.lines {
		f := strings.Fields(line)
		if len(f) < 7 || f[0] != "trace" || f[1] != "id" {
			continue
		}
		id, chain := f[2], strings.Join(f[3:6], " ")
		text := strings.Join(f[6:], " ")
		if f[6] == "packet:" && strings.Contains(text, "saddr "+from.String()+" ") && strings.Contains(text, fmt.Sprintf("tcp dport %d ", port)) {
			ids[id] = true
		}
		if !ids[id] {
			continue
		}
		if rule, found := strings.CutSuffix(text, " (verdict drop)"); found {
			return chain + ": " + strings.TrimPrefix(rule, "rule ")
		}
		if text == "policy drop" {
			return chain + ": policy drop"
		}
	}
	return ""
}
