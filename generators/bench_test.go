package generators

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// fleet writes a spec of many sites, at most perHost on a host. Sizes and
// servers vary as they do where a hoster runs one site for each customer.
func fleet(sites, perHost int) fstest.MapFS {
	var text strings.Builder
	servers := []string{"vsftpd", "proftpd", "embedded"}
	for i := range sites {
		host, on := i/perHost, i%perHost
		if on == 0 {
			fmt.Fprintf(&text, "host \"edge%d\" {\n  addresses = [\"198.18.%d.%d\", \"2001:db8::%x\"]\n}\n\n", host, host/256, host%256, host+1)
		}
		fmt.Fprintf(&text, "site \"customer%05d\" {\n  host = \"edge%d\"\n  server = %q\n  port = %d\n  clients = [\"10.%d.%d.0/24\", \"0.0.0.0/1\"]\n",
			i, host, servers[i%len(servers)], 3500+on, i/256, i%256)
		fmt.Fprintf(&text, "  concurrency {\n    sessions = %d\n    sessions_per_address = 2\n  }\n}\n\n", 3+i%5)
	}
	// Every default target, with an AWS account whose quota takes 100 sites a
	// group. 1,000 on a host fit into no group, and aws is left out there.
	text.WriteString("target \"nftables\" {}\ntarget \"iptables\" {}\ntarget \"sysctl\" {}\ntarget \"vsftpd\" {}\ntarget \"proftpd\" {}\n")
	if perHost <= 100 {
		text.WriteString("target \"aws\" {\n  rules_per_group = 1000\n}\n")
	}
	return fstest.MapFS{"fleet.pasv.hcl": {Data: []byte(text.String())}}
}

var sizes = []struct{ sites, perHost int }{{10, 100}, {1_000, 100}, {10_000, 100}, {1_000, 1_000}}

// BenchmarkPlan reads a spec and plans it.
func BenchmarkPlan(b *testing.B) {
	for _, size := range sizes {
		text := fleet(size.sites, size.perHost)
		perSite(b, size.sites, size.perHost, func(b *testing.B) { load(b, text) })
	}
}

// BenchmarkGenerate reads a spec, plans it, and renders all default targets.
func BenchmarkGenerate(b *testing.B) {
	for _, size := range sizes {
		text := fleet(size.sites, size.perHost)
		perSite(b, size.sites, size.perHost, func(b *testing.B) {
			if _, diags := load(b, text).Files(); diags.HasErrors() {
				b.Fatal(diags)
			}
		})
	}
}

// BenchmarkRender renders all default targets of a plan that is there.
func BenchmarkRender(b *testing.B) {
	for _, size := range sizes {
		p := load(b, fleet(size.sites, size.perHost))
		perSite(b, size.sites, size.perHost, func(b *testing.B) {
			if _, diags := p.Files(); diags.HasErrors() {
				b.Fatal(diags)
			}
		})
	}
}

func load(b *testing.B, text fstest.MapFS) *Project {
	p, diags := Load(text, []string{"fleet.pasv.hcl"}, Options{})
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	return p
}

func perSite(b *testing.B, sites, perHost int, run func(*testing.B)) {
	b.Run(fmt.Sprintf("sites=%d/per_host=%d", sites, perHost), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			run(b)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(sites), "ns/site")
	})
}
