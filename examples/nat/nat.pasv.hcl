# Two FTP servers in a private network behind one NAT gateway.
#
# A client reaches both at the gateway's address. The servers therefore announce
# that address in their passive replies, the gateway has to forward
# every data port to the server that handed it out, port for port, and the two
# ranges must not overlap, although the servers are different machines.

host "files" {
  addresses = ["192.0.2.10"]
  interface = "eth0"
}

host "exchange" {
  addresses = ["192.0.2.20"]
  interface = "eth0"

  # The backup agent listens here.
  avoid_ports = ["61000-61099"]

  # This machine's own firewall drops whatever it does not accept, so our chain
  # is jumped to from there.
  firewall {
    into = "inet filter input"
  }
}

# Public downloads: many clients, most of them fetching a file now and then.
site "downloads" {
  host     = "files"
  server   = "proftpd"
  port     = 21
  announce = "198.51.100.7"

  concurrency {
    sessions             = 300
    sessions_per_address = 20
  }

  traffic {
    transfers_per_second = 25
    connect_time         = "150ms"
    transfer_time        = "4s"
    abandoned            = 0.01 # clients that ask for a port and never come
  }

  objective {
    refused = 1e-4
  }
}

# Orders from two business partners, over TLS only. The clients are few and
# known, so nobody else gets so much as the control port.
site "orders" {
  host     = "exchange"
  server   = "vsftpd"
  port     = 2121
  announce = "198.51.100.7"
  clients  = ["203.0.113.0/25", "203.0.113.128/26"]

  tls {
    mode        = "explicit"
    required    = true
    certificate = "/etc/ssl/certs/orders.pem"
    key         = "/etc/ssl/private/orders.key"
  }

  concurrency {
    sessions             = 40
    sessions_per_address = 20
  }
}

gateway "nat1" {
  address = "198.51.100.7"
  sites   = ["downloads", "orders"]
}
