# What a cluster without a load balancer has: all ports within 30000-32767.

host "node1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
}

host "node2" {
  addresses = ["203.0.113.20"]
}

site "downloads" {
  host    = "node1"
  server  = "embedded"
  port    = 30021
  clients = ["192.0.2.0/24", "2001:db8:1::/48"]

  concurrency {
    sessions             = 400
    sessions_per_address = 5
  }
}

site "scans" {
  host   = "node2"
  server = "sftpgo"
  port   = 30022

  concurrency {
    sessions             = 10
    sessions_per_address = 5
  }

  tls {
    certificate = "/etc/ftp/tls/tls.crt"
    key         = "/etc/ftp/private/tls.key"
  }
}

site "chart" {
  host    = "node2"
  server  = "sftpgo"
  port    = 30023
  clients = ["192.0.2.0/24"]

  concurrency {
    sessions             = 4
    sessions_per_address = 4
  }
}

target "kubernetes" {
  expose    = "node_port"
  namespace = "ftp"
  nodes     = { node2 = "node2.example.net" }

  annotations = { "example.net/team" = "transfer" }
  images      = { scans = "ghcr.io/drakkan/sftpgo:v2.7-alpine" }
  selectors   = { chart = ["app.kubernetes.io/name=sftpgo", "app.kubernetes.io/instance=chart"] }
  storage     = "200Gi"
}
