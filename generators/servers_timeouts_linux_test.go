package generators

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/plan"
)

// A session that sends nothing, with a PASV that no connection follows, and a
// transfer that carries nothing end when the spec says, and not before; the
// first is how long the model has the port held.
func TestServersKeepTheTimeouts(t *testing.T) {
	t.Parallel()
	someServers(t, []string{"vsftpd", "proftpd", "pureftpd", "pyftpdlib"}, func(t *testing.T, server realServer) {
		idle, data := 6*time.Second, 3*time.Second
		if server.name == "pureftpd" { // whole minutes, and one for both
			idle, data = time.Minute, time.Minute
		}
		p := realSite(server.name, func(s *plan.Site) {
			s.Addresses = s.Addresses[:1]
			s.IdleTimeout, s.DataTimeout = idle, data
		})
		if hold := p.Sites[0].AbandonedHoldOn(p.Sites[0].Profile); hold != idle {
			t.Errorf("the model holds an abandoned port for %s, not %s", hold, idle)
		}
		server.serve(t, p)
		address := net.JoinHostPort(serverAddresses[0], "2121")
		await(t, address)
		start := time.Now()
		silent, asking, stalled := mustSession(t, clientAddresses[0], address), mustSession(t, clientAddresses[1], address), mustSession(t, clientAddresses[2], address)
		var ports []netip.AddrPort
		for _, s := range []*ftpSession{silent, asking, stalled} {
			if err := s.raw.SetDeadline(start.Add(100 * time.Second)); err != nil {
				t.Fatal(err)
			}
			port, err := s.passive(true)
			if err != nil {
				t.Fatal(err)
			}
			ports = append(ports, port)
		}
		if err := asking.text.PrintfLine("RETR list.txt"); err != nil { // and nobody connects
			t.Fatal(err)
		}
		conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientAddresses[2])}}).Dial("tcp", ports[2].String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := stalled.cmd(1, "STOR stalled"); err != nil {
			t.Fatal(err)
		}
		silentFree, askingFree := make(chan time.Duration, 1), make(chan time.Duration, 1)
		go func() { silentFree <- untilFree(ports[0], start) }()
		go func() { askingFree <- untilFree(ports[1], start) }()
		begun := time.Now()
		stalled.text.ReadResponse(226)
		if took := time.Since(begun); took < data-time.Second || time.Since(start) > 95*time.Second {
			t.Errorf("a transfer that stalls ends after %s, not %s", took, data)
		}
		if took := <-silentFree; took < idle-time.Second || took > 95*time.Second {
			t.Errorf("the port of a silent session is free after %s, not %s", took, idle)
		}
		if took := <-askingFree; took > 95*time.Second {
			t.Errorf("the port of a transfer that nobody connects for is free after %s, not %s or sooner", took, idle)
		}
	})
}

// untilFree is the time from start until nothing is bound to the address, at
// most 100 s.
func untilFree(address netip.AddrPort, start time.Time) time.Duration {
	for time.Since(start) < 100*time.Second {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(address))
		if err == nil {
			l.Close()
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	return time.Since(start)
}
