# Containers that use the network of their host: no port is published.

host "edge1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
}

site "downloads" {
  host    = "edge1"
  server  = "embedded"
  port    = 2121
  clients = ["192.0.2.0/24", "2001:db8:1::/48"]

  concurrency {
    sessions             = 40
    sessions_per_address = 5
  }
}

target "compose" {
  network = "host"
}

target "kubernetes" {
  expose    = "host_network"
  namespace = "ftp"
}
