package shadow

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
)

// trace follows packets through the ruleset with `nft monitor trace`: SYNs
// from the ingress of a device, and the answers to them on their way out.
type trace struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu    sync.Mutex
	lines []string
}

const (
	// maxTrace bounds the lines that are kept.
	maxTrace = 200_000
	// traceTime is how long a line may come after its packet.
	traceTime = 2 * time.Second
	traceMark = `
table netdev pasvctl_trace { chain ingress { type filter hook ingress device "%[1]s" priority -500; meta protocol { ip, ip6 } tcp flags & (syn | ack) == syn meta nftrace set 1; }; }
table inet pasvctl_trace {
	chain come { type filter hook prerouting priority -500; tcp flags & (syn | ack) == syn meta nftrace set 1; }
	chain go { type filter hook output priority -500; tcp flags & (syn | ack) == syn | ack meta nftrace set 1; }
}`
	// traceStart is traced itself: the monitor is ready once it shows up.
	traceStart = 9 // discard, towards the trial's own loopback address
)

func startTrace(n *packets.Namespace, device string) (*trace, error) {
	if _, err := n.Run(fmt.Sprintf(traceMark, device), "nft", "-f", "-"); err != nil {
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
	here := netip.MustParseAddr("127.0.0.1")
	for deadline := time.Now().Add(packets.Patience); time.Now().Before(deadline) && !t.saw(here, netip.AddrPortFrom(here, traceStart)); {
		if c, err := n.Dial(here, netip.AddrPortFrom(here, traceStart), 20*time.Millisecond); err == nil {
			c.Close()
		}
		time.Sleep(10 * time.Millisecond)
	}
	return t, nil
}

func (t *trace) stop() {
	// It runs until it is told to stop; its exit status says only that.
	_ = t.cmd.Process.Kill()
	<-t.done
	_ = t.cmd.Wait()
}

type fate struct {
	rule    string // "inet filter input: policy drop"; "" if no line shows it
	base    string // the base chain that led there: "inet filter input"
	rewrote bool   // the rule gives the packet another destination
	seen    bool
}

// of finds the verdict on a connection. It waits for a verdict until the
// deadline: the trace comes over a socket of its own.
func (t *trace) of(from netip.Addr, to netip.AddrPort, accepts string, deadline time.Time) (f fate) {
	for ; ; time.Sleep(10 * time.Millisecond) {
		if f = t.find(from, to, accepts); f.rule != "" && !f.rewrote || time.Now().After(deadline) {
			return f
		}
	}
}

func (t *trace) forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = nil
}

func (t *trace) saw(from netip.Addr, to netip.AddrPort) bool { return t.find(from, to, "").seen }

// find looks for the rule that dropped the connection's packets or rewrote
// them, or for the one that accepted them in the base chain accepts.
func (t *trace) find(from netip.Addr, to netip.AddrPort, accepts string) (f fate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	base := map[string]string{} // by the packet's id
	come := []string{fmt.Sprintf("saddr %s ", from), fmt.Sprintf("daddr %s ", to.Addr()), fmt.Sprintf("tcp dport %d ", to.Port())}
	back := []string{fmt.Sprintf("saddr %s ", to.Addr()), fmt.Sprintf("daddr %s ", from), fmt.Sprintf("tcp sport %d ", to.Port())}
	for _, line := range t.lines {
		w := strings.Fields(line)
		if len(w) < 7 || w[0] != "trace" || w[1] != "id" {
			continue
		}
		id, chain, text := w[2], strings.Join(w[3:6], " "), strings.Join(w[6:], " ")
		if w[6] == "packet:" && (base[id] != "" || hasAll(text, come) || hasAll(text, back)) {
			base[id], f.seen = chain, true
		}
		if base[id] == "" {
			continue
		}
		rule := chain + ": " + strings.TrimPrefix(counted.ReplaceAllString(text, ""), "rule ")
		switch {
		case strings.HasSuffix(text, " (verdict drop)"), text == "policy drop":
			return fate{rule: verdict.ReplaceAllString(rule, ""), base: base[id], seen: true}
		case strings.HasSuffix(text, " (verdict accept)") && accepts != "" && base[id] == accepts:
			return fate{rule: verdict.ReplaceAllString(rule, ""), base: accepts, seen: true}
		case strings.HasPrefix(text, "rule ") && rewrites.MatchString(text):
			f = fate{rule: verdict.ReplaceAllString(rule, ""), base: base[id], rewrote: true, seen: true}
		}
	}
	return f
}

var (
	counted  = regexp.MustCompile(`counter packets \d+ bytes \d+ `)
	verdict  = regexp.MustCompile(` \(verdict [^)]*\)$`)
	rewrites = regexp.MustCompile(` (dnat|redirect|xt target (DNAT|REDIRECT|TPROXY)|tproxy)\b`)
)

func hasAll(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}
