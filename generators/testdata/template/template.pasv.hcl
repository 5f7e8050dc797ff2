# A page of the user's own, with everything that a template is given.

host "edge1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
}

host "edge2" {
  addresses      = ["203.0.113.20"]
  interface      = "eth0"
  reserved_ports = ["8080"]
}

site "downloads" {
  host     = "edge2"
  server   = "vsftpd"
  port     = 21
  announce = "198.51.100.7"

  concurrency {
    sessions = 10
  }
}

site "edi" {
  host    = "edge1"
  server  = "embedded"
  port    = 990
  clients = ["192.0.2.0/25", "2001:db8:1::/48"]

  tls {
    mode        = "implicit"
    required    = true
    certificate = "/etc/ssl/certs/ftp.pem"
    key         = "/etc/ssl/private/ftp.key"
  }

  concurrency {
    sessions             = 10
    sessions_per_address = 4
  }
}

gateway "nat1" {
  address = "198.51.100.7"
  sites   = ["downloads"]
}

target "template" {
  source = "ports.md.tmpl"
  output = "docs/ports.md"
}

target "template" {
  source = "everything.json.tmpl"
  output = "everything.json"
}
