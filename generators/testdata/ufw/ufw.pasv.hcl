# ufw: networks that contain each other, two addresses.

host "edge1" {
  addresses = ["203.0.113.10", "203.0.113.11", "2001:db8::10"]
}

host "edge2" {
  addresses = ["203.0.113.20"]
}

site "downloads" {
  host   = "edge1"
  server = "vsftpd"
  port   = 21

  concurrency {
    sessions = 10
  }
}

site "orders-of-the-warehouse" {
  host      = "edge1"
  addresses = ["203.0.113.10", "2001:db8::10"]
  server    = "proftpd"
  port      = 2121
  clients   = ["192.0.2.0/24", "192.0.2.7/32", "198.51.100.0/24", "2001:db8:1::/48"]

  concurrency {
    sessions = 10
  }
}

site "edi" {
  host    = "edge2"
  server  = "proftpd"
  port    = 2121
  clients = ["192.0.2.0/25", "192.0.2.128/25", "198.51.100.7/32"]

  concurrency {
    sessions = 10
  }
}

target "ufw" {}
