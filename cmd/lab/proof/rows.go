package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/ftpload"
	"github.com/pasvctl/pasvctl/cmd/internal/loadmodel"
	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

const (
	connect   = 50 * time.Millisecond  // mean that the client lets pass before it connects
	told      = 55 * time.Millisecond  // connect_time of the plan: that, and what a busy machine adds
	maxWait   = 200 * time.Millisecond // of the bundled daemon, which lets a PASV wait
	objective = 1e-2                   // of the planned rows: one that a run of seconds can see
	firstPort = 61000
)

// Row is one measurement that is to be made.
type Row struct {
	Server  string
	Rate    float64 // data connections asked for a second
	Ports   int     // of the range
	Free    int     // of them, those that no squatter holds
	Planned bool    // the range is the one that the plan computes
	// Burst is played in the place of the rate, if it has sessions.
	Burst sizing.Burst
	// Shape is that of the connect times on the bundled daemon; "": constant.
	Shape ftpload.Shape
}

var (
	servers   = []string{"vsftpd", "proftpd", "pureftpd", "embedded"}
	workloads = []float64{80, 240}
	sizes     = []int{1, 2, 4, 8, 16, 32}
)

func rows() ([]Row, error) {
	var all []Row
	for _, server := range servers {
		for _, rate := range workloads {
			for _, n := range sizes {
				all = append(all, Row{Server: server, Rate: rate, Ports: smallestRange(server, n), Free: n})
			}
			p, err := Row{Server: server, Rate: rate}.plan()
			if err != nil {
				return nil, err
			}
			n := p.Plan.Sites[0].DataPorts.Count()
			all = append(all, Row{Server: server, Rate: rate, Ports: n, Free: n, Planned: true})
			if server == "embedded" {
				for _, shape := range []ftpload.Shape{ftpload.Exponential, ftpload.Lognormal} {
					all = append(all, Row{Server: server, Rate: rate, Ports: n, Free: n, Planned: true, Shape: shape})
				}
			}
		}
		for _, burst := range bursts {
			r := Row{Server: server, Planned: true, Burst: burst}
			p, err := r.plan()
			if err != nil {
				return nil, err
			}
			r.Ports = p.Plan.Sites[0].DataPorts.Count()
			r.Free = r.Ports
			all = append(all, r)
		}
	}
	return all, nil
}

// bursts start slowly enough for the listen race to be rare: what a start in
// one instant loses to it depends on the machine.
var bursts = []sizing.Burst{
	{Sessions: burstSessions, Within: 300 * time.Millisecond, Connections: 1},
	{Sessions: burstSessions, Within: time.Second, Connections: 4},
}

const (
	burstSessions = 40
	background    = 1 // data connections a second that the plan allows for beside a burst
)

// smallestRange is the range on which a server can be brought to use n ports;
// squatters hold the others. ProFTPD takes no range of one port, and Pure-FTPd
// admits half as many sessions as its range has ports.
func smallestRange(server string, n int) int {
	p, _ := sizing.Lookup(server)
	return max(n, p.MinPorts, p.PortsPerSession*capOn(server))
}

// capOn is the number of sessions that the server admits.
func capOn(server string) int {
	if server == "pureftpd" {
		return 48
	}
	return 150
}

// sessions is the number of sessions that ask: enough that a request hardly
// ever finds none of them idle, and fewer than the server admits, for it counts
// one that has ended until it has seen its end.
func (r Row) sessions() int {
	if r.Burst.Sessions > 0 {
		return r.Burst.Sessions
	}
	if r.Server == "pureftpd" {
		return 44
	}
	return 120
}

// specText is the row's site as a user would describe it.
func (r Row) specText() string {
	rate, burst := r.Rate, ""
	if b := r.Burst; b.Sessions > 0 {
		rate = background
		burst = fmt.Sprintf("    burst {\n      sessions    = %d\n      within      = %q\n      connections = %d\n    }\n", b.Sessions, b.Within, b.Connections)
	}
	return fmt.Sprintf(`host "here" {
  addresses = ["127.0.0.1"]
}

site "shop" {
  host   = "here"
  server = %q
  port   = 2121
  gate   = false
  concurrency {
    sessions = %d
  }
  traffic {
    transfers_per_second = %g
    connect_time         = %q
    transfer_time        = "5ms"
%s  }
  objective {
    refused  = %g
    max_wait = %q
  }
}
`, r.Server, capOn(r.Server), rate, told, burst, objective, maxWait)
}

// plan is the row's spec, planned as for a user. Where the row has a range of
// its own it takes the place of the computed one.
func (r Row) plan() (*generators.Project, error) {
	dir, err := os.MkdirTemp("", "proof")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	const name = "proof.pasv.hcl"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(r.specText()), 0o600); err != nil {
		return nil, err
	}
	p, diags := generators.Load(os.DirFS(dir), []string{name}, generators.Options{})
	if diags.HasErrors() {
		return nil, diags
	}
	if r.Ports > 0 && !r.Planned {
		p.Plan.Sites[0].DataPorts = spec.PortRange{First: firstPort, Last: uint16(firstPort + r.Ports - 1)}
	}
	return p, nil
}

// vsftpdOverride spares vsftpd a network namespace for each session. One that
// is refused loses its session, and to make and unmake 200 namespaces a second
// takes a small machine whole.
const vsftpdOverride = "isolate_network=NO\n"

// files are the server's rendered configuration, by path.
func (r Row) files() (map[string][]byte, error) {
	p, err := r.plan()
	if err != nil {
		return nil, err
	}
	rendered, diags := p.Files(r.Server)
	if diags.HasErrors() {
		return nil, diags
	}
	if len(rendered) == 0 {
		return nil, errors.New("nothing was rendered for " + r.Server)
	}
	files := map[string][]byte{}
	for _, f := range rendered {
		files[f.Path] = f.Content
		if r.Server == "vsftpd" {
			files[f.Path] = append(slices.Clone(f.Content), vsftpdOverride...)
		}
	}
	return files, nil
}

// squatted are the ports that another program holds, spread evenly, so that
// the free ones lie alone and none of them is found more often than the rest.
func (r Row) squatted(first int) []int {
	var free []int
	for i := range r.Free {
		free = append(free, first+i*r.Ports/r.Free)
	}
	var taken []int
	for port := first; port < first+r.Ports; port++ {
		if !slices.Contains(free, port) {
			taken = append(taken, port)
		}
	}
	return taken
}

// model is what the model says of a load on the row's server.
func (r Row) model(rate, listen, hold float64) loadmodel.Expected {
	p, _ := sizing.Lookup(r.Server)
	if r.Burst.Sessions > 0 {
		return r.modelOfBurst(p, listen, hold)
	}
	server := loadmodel.Server{Profile: p, Ports: r.Ports, Squatted: r.Ports - r.Free, MaxWait: maxWait}
	return server.Expect(loadmodel.Load{
		Sessions: r.sessions(), Addresses: 1, Open: true, OneEach: r.oneEach(),
		Rate: rate, Listen: listen, Hold: hold,
	})
}

// modelOfBurst is what the last one of the burst to ask is refused, and what it
// loses to the listen race: a bound.
func (r Row) modelOfBurst(p sizing.Profile, listen, hold float64) loadmodel.Expected {
	seconds := func(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
	w := sizing.Workload{
		Sessions:  r.Burst.Sessions,
		Traffic:   &sizing.Traffic{Connect: seconds(listen), Transfer: seconds(hold - listen)},
		Objective: sizing.Objective{MaxWait: maxWait},
	}
	refused, raced := sizing.RefusedInBurst(p, w, r.Ports, r.Burst)
	return loadmodel.Expected{Refused: refused + raced, Hold: hold, AtMost: true}
}

// oneEach: each session serves one transfer, on a server that keeps a
// session's port until it ends.
func (r Row) oneEach() bool {
	p, _ := sizing.Lookup(r.Server)
	return p.Hold == sizing.HoldSession && r.Burst.Sessions == 0
}

func (r Row) String() string {
	return strings.Join([]string{r.Server, r.asked(), r.ports()}, " ")
}

// asked is what the row asks for, as the table writes it.
func (r Row) asked() string {
	if b := r.Burst; b.Sessions > 0 {
		return fmt.Sprintf("%d x %d in %s", b.Sessions, b.Connections, b.Within)
	}
	if r.Shape != "" {
		return fmt.Sprintf("%g %s", r.Rate, r.Shape)
	}
	return fmt.Sprintf("%g", r.Rate)
}

// ports is the row's range as the table writes it.
func (r Row) ports() string {
	switch {
	case r.Planned:
		return fmt.Sprintf("%d planned", r.Ports)
	case r.Free < r.Ports:
		return fmt.Sprintf("%d of %d", r.Free, r.Ports)
	default:
		return fmt.Sprint(r.Ports)
	}
}
