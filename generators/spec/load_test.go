package spec

import (
	"os"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"
)

func TestDesignExample(t *testing.T) {
	src := `
host "edge1" {
  addresses       = ["203.0.113.10", "2001:db8::10"]
  interface       = "eth0"
  ephemeral_ports = "32768-60999"
  avoid_ports     = ["30000-32767"]
  firewall { into = "inet filter input" }
}
variable "n" {
  type = number
  default = 400
  validation {
    condition = var.n > 0
    error_message = "n must be positive."
  }
}
locals {
  a = local.b + 1
  b = var.n
}
site "downloads" {
  host     = "edge1"
  server   = "vsftpd"
  port     = 21
  announce = "198.51.100.7"
  clients  = ["0.0.0.0/0", "::/0"]
  tls {
    mode        = "explicit"
    required    = true
    certificate = "/etc/ssl/certs/ftp.pem"
    key         = "/etc/ssl/private/ftp.key"
  }
  concurrency {
    sessions             = local.a
    sessions_per_address = 50
  }
}
dynamic "site" {
  for_each = toset(["a", "b"])
  labels = ["x-${site.value}"]
  content {
    host = "edge1"
    server = "proftpd"
    port = index(["a","b"], site.value) + 100
    concurrency { sessions = sum([for x in [1,2,3]: x]) }
    data_ports = "2000${index(["a","b"], site.value)}"
  }
}
gateway "nat1" {
  address = "198.51.100.7"
  sites   = ["downloads"]
}
target "aws" {
  format = "terraform"
}
`
	s, diags := Load(fstest.MapFS{"x.pasv.hcl": {Data: []byte(src)}}, []string{"x.pasv.hcl"}, Options{
		Servers: map[string]Server{"vsftpd": {}, "proftpd": {}}, Targets: []string{"aws", "sysctl"},
	})
	if len(diags) > 0 {
		_ = hcl.NewDiagnosticTextWriter(os.Stderr, s.Files, 100, false).WriteDiagnostics(diags)
		t.Fatal("the example is not valid")
	}
	if len(s.Sites) != 3 || s.Sites[0].Concurrency.Sessions != 401 || s.Sites[2].DataPorts != (PortRange{20001, 20001}) {
		t.Errorf("decoded wrongly: %+v", s.Sites)
	}
}
