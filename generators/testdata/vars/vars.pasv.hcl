# Variables for configuration management, in the formats and under the names of
# more than one reader.

host "edge1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
}

host "edge2" {
  addresses      = ["203.0.113.20"]
  interface      = "eth0"
  reserved_ports = ["8080"]
}

site "downloads" {
  host        = "edge2"
  server      = "sftpgo"
  port        = 21
  announce    = "198.51.100.7"
  announce_to = { "10.0.0.0/8" = "10.0.1.5", "10.1.0.0/16" = "10.1.0.1" }
  active_mode = true

  concurrency {
    sessions = 10
  }
}

site "yes" { # a boolean in YAML, unless it is quoted
  host    = "edge1"
  server  = "proftpd"
  port    = 21
  clients = ["192.0.2.0/25", "2001:db8:1::/48"]

  tls {
    required    = true
    certificate = "/etc/ssl/certs/ftp.pem"
    key         = "/etc/ssl/private/ftp.key"
  }

  concurrency {
    sessions             = 10
    sessions_per_address = 4
  }
}

site "edi" {
  host    = "edge1"
  server  = "proftpd"
  port    = 2121
  clients = ["192.0.2.128/25"]

  concurrency {
    sessions = 10
  }
}

gateway "nat1" {
  address       = "198.51.100.7"
  sites         = ["downloads"]
  control_ports = { downloads = 30000 }
}

target "vars" {}

target "vars" {
  format = "json"
  prefix = "pasvctl::"
}
