package packets_test

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// crowd are the clients that connect at once, each less often than its cap.
const crowd = 200

// plainRules are the fewest that a stateful firewall has.
const plainRules = "table inet plain { chain input { type filter hook input priority filter; policy accept; ct state established accept; }; }\n"

// BenchmarkNewConnections measures new connections a second of this process's
// processor time, in which both ends and the rules between them run, to the
// last site of a host: to its control port and through the gate to its data
// ports, with the rules of 1, 100 and 1,000 sites and with plainRules. They are
// medians of rounds that take turns. Run it with -benchtime 1x.
func BenchmarkNewConnections(b *testing.B) {
	needs.Root(b)
	needs.Tool(b, "nft")
	const rounds, round = 5, time.Second
	server := addr("203.0.113.10")
	var clients []netip.Addr
	for i := range crowd {
		clients = append(clients, netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}))
	}
	for _, sites := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("sites=%d", sites), func(b *testing.B) {
			control, data := uint16(1999+sites), uint16(9990+10*sites)
			rules := rendered(b, "nftables", nil, fleet(server, sites)...)["edge1/nftables.nft"]
			var beds []*packets.Bed
			for _, text := range []string{plainRules, rules} {
				bed, err := packets.New(packets.Layout{Server: []netip.Addr{server}, Clients: clients})
				if err != nil {
					b.Fatal(err)
				}
				defer bed.Close()
				if _, err := bed.Server.Run(text, "nft", "-f", "-"); err != nil {
					b.Fatal(err)
				}
				echo, err := packets.NewEcho(bed.Server, addrPort(server, control), addrPort(server, data))
				if err != nil {
					b.Fatal(err)
				}
				defer echo.Close()
				beds = append(beds, bed)
			}
			for b.Loop() {
				for name, port := range map[string]uint16{"control": control, "data": data} {
					rates := make([][]float64, len(beds))
					for range rounds {
						for i, bed := range beds {
							connectAll(b, bed, clients, addrPort(server, control)) // opens the gate
							made, before := 0, processorTime(b)
							for processorTime(b)-before < round {
								connectAll(b, bed, clients, addrPort(server, port))
								made += crowd
							}
							rates[i] = append(rates[i], float64(made)/(processorTime(b)-before).Seconds())
						}
					}
					for i := range rates {
						slices.Sort(rates[i])
					}
					plain, ours := rates[0][rounds/2], rates[1][rounds/2]
					b.ReportMetric(plain, name+"-plain/s")
					b.ReportMetric(ours, name+"-ours/s")
					b.ReportMetric(ours/plain, name+"-share")
				}
			}
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkLoad measures what the rules of many sites cost: seconds for a check
// and for loads, and the kernel's memory.
func BenchmarkLoad(b *testing.B) {
	needs.Root(b)
	needs.Tool(b, "nft")
	for _, sites := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("sites=%d", sites), func(b *testing.B) {
			rules := rendered(b, "nftables", nil, fleet(addr("203.0.113.10"), sites)...)["edge1/nftables.nft"]
			for b.Loop() {
				n, err := packets.NewNamespace()
				if err != nil {
					b.Fatal(err)
				}
				before := kernelMemory(b)
				for _, step := range []struct{ name, option string }{{"check", "-cf"}, {"load", "-f"}, {"again", "-f"}} {
					started := time.Now()
					if _, err := n.Run(rules, "nft", step.option, "-"); err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(time.Since(started).Seconds(), step.name+"-s")
				}
				b.ReportMetric(kernelMemory(b)-before, "kernel-MB")
				n.Close()
			}
		})
	}
}

var kernelLine = regexp.MustCompile(`(?m)^(?:Slab|VmallocUsed|Percpu|PageTables): +(\d+) kB$`)

// kernelMemory is what the kernel itself uses, in MB. Other work on the machine
// shows in it.
func kernelMemory(b *testing.B) (mb float64) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		b.Fatal(err)
	}
	for _, m := range kernelLine.FindAllSubmatch(text, -1) {
		kb, err := strconv.Atoi(string(m[1]))
		if err != nil {
			b.Fatal(err)
		}
		mb += float64(kb) / 1024
	}
	return mb
}

// fleet are sites with a gate, for the clients of the benchmark only, on a host
// of both families.
func fleet(server netip.Addr, count int) (sites []*spec.Site) {
	h := newHost(nil, server, families["IPv6"].server)
	for i := range count {
		data := spec.PortRange{First: uint16(10000 + 10*i), Last: uint16(10009 + 10*i)}
		sites = append(sites, newSite(h, fmt.Sprintf("site%d", i), uint16(2000+i), data, 8, "192.0.2.0/24", "2001:db8:1::/48"))
	}
	return sites
}

func connectAll(b *testing.B, bed *packets.Bed, clients []netip.Addr, to netip.AddrPort) {
	probes := make([]packets.Probe, len(clients))
	for i, c := range clients {
		probes[i] = packets.Probe{From: c, To: to, Want: packets.Admitted}
	}
	for _, r := range bed.Send(probes...) {
		if r.Got != packets.Admitted || r.Err != nil {
			b.Fatalf("from %s to %s: %s %v", r.From, r.To, r.Got, r.Err)
		}
	}
}
