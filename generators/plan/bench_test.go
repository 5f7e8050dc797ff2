package plan

import (
	"fmt"
	"testing"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// fleet has sites of five sizes, perHost of them on a host.
func fleet(sites, perHost int) *spec.Spec {
	s := &spec.Spec{Name: "fleet"}
	for i := range sites {
		if i%perHost == 0 {
			s.Hosts = append(s.Hosts, newHost(fmt.Sprintf("edge%d", i/perHost)))
		}
		s.Sites = append(s.Sites, newSite(s.Hosts[i/perHost], fmt.Sprintf("customer%05d", i), uint16(3500+i%perHost), 3+i%5))
	}
	return s
}

// BenchmarkBuild sizes, places and derives the policy of sites that are already
// read: without a lock, and with one that keeps them all.
func BenchmarkBuild(b *testing.B) {
	for _, size := range []struct{ sites, perHost int }{{10, 100}, {1_000, 100}, {10_000, 100}, {1_000, 1_000}} {
		s := fleet(size.sites, size.perHost)
		_, placement, diags := Build(s, nil)
		if diags.HasErrors() {
			b.Fatal(diags)
		}
		for _, c := range []struct {
			name string
			lock *Lock
		}{{"new", nil}, {"locked", placement.Lock}} {
			b.Run(fmt.Sprintf("sites=%d/per_host=%d/%s", size.sites, size.perHost, c.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, _, diags := Build(s, c.lock); diags.HasErrors() {
						b.Fatal(diags)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size.sites), "ns/site")
			})
		}
	}
}

func BenchmarkLock(b *testing.B) {
	const sites = 10_000
	_, placement, diags := Build(fleet(sites, 100), nil)
	if diags.HasErrors() {
		b.Fatal(diags)
	}
	text := placement.Lock.Bytes()
	perSite := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/sites, "ns/site")
	}
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, diags := ParseLock(text, LockFile); diags.HasErrors() {
				b.Fatal(diags)
			}
		}
		perSite(b)
	})
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			placement.Lock.Bytes()
		}
		perSite(b)
	})
}
