package spec

import (
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
)

// fleet writes a spec of n sites, at most 100 on a host, as a person or a
// program would write it out.
func fleet(n int) string {
	var out strings.Builder
	for i := range n {
		host := i / 100
		if i%100 == 0 {
			fmt.Fprintf(&out, "host \"edge%d\" {\n  addresses = [\"10.%d.%d.1\", \"2001:db8:%x::1\"]\n}\n", host, host/256, host%256, host)
		}
		fmt.Fprintf(&out, `site "site-%d" {
  host     = "edge%d"
  server   = "vsftpd"
  port     = %d
  announce = "198.51.100.7"
  clients  = ["192.0.2.0/24", "2001:db8::/32"]
  tls {
    mode        = "explicit"
    required    = true
    certificate = "/etc/ssl/certs/ftp.pem"
    key         = "/etc/ssl/private/ftp.key"
  }
  concurrency {
    sessions             = 40
    sessions_per_address = 5
  }
  traffic {
    transfers_per_second = 4
    connect_time         = "120ms"
  }
}
`, i, host, 2000+i%100)
	}
	return out.String()
}

// dynamicFleet makes the same number of sites out of locals.
func dynamicFleet(n int) string {
	return fmt.Sprintf(`
locals {
  hosts = [for i in range(%d) : { name = "edge${i}", address = cidrhost("10.0.0.0/8", 256 * i + 1) }]
  sites = { for pair in setproduct(local.hosts, range(%d)) :
    "${pair[0].name}-${pair[1]}" => { host = pair[0].name, port = 2000 + pair[1], sessions = 40 }
  }
}
dynamic "host" {
  for_each = local.hosts
  labels   = [host.value.name]
  content { addresses = [host.value.address] }
}
dynamic "site" {
  for_each = local.sites
  labels   = ["s-${site.key}"]
  content {
    host    = site.value.host
    server  = "vsftpd"
    port    = site.value.port
    clients = [for i in range(2) : cidrsubnet("10.0.0.0/8", 8, i)]
    concurrency { sessions = site.value.sessions }
  }
}
`, max(1, n/100), min(n, 100))
}

// files puts a spec into files that are not too long.
func files(text string) (fsys fstest.MapFS, names []string) {
	fsys = fstest.MapFS{}
	for len(text) > 0 {
		part := text
		if len(part) > maxFile {
			part = part[:strings.LastIndex(part[:maxFile], "\n}\n")+3]
		}
		name := fmt.Sprintf("%03d.pasv.hcl", len(names))
		fsys[name] = &fstest.MapFile{Data: []byte(part)}
		names, text = append(names, name), text[len(part):]
	}
	return fsys, names
}

func BenchmarkLoad(b *testing.B) {
	for _, form := range []struct {
		name  string
		write func(n int) string
	}{{"written", fleet}, {"dynamic", dynamicFleet}} {
		for _, n := range []int{10, 1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", form.name, n), func(b *testing.B) {
				fsys, names := files(form.write(n))
				o := known()
				b.ReportAllocs()
				for b.Loop() {
					s, diags := Load(fsys, names, o)
					if len(diags) > 0 || len(s.Sites) != n {
						b.Fatalf("%d sites, %v", len(s.Sites), diags)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/site")
			})
		}
	}
}
