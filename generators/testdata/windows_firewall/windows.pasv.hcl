# Two Windows hosts: IIS for everyone beside another site, and FileZilla Server.

host "edge-1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
}

host "edge2" {
  addresses = ["203.0.113.20"]
}

site "downloads" {
  host   = "edge-1"
  server = "iis"
  port   = 21

  concurrency {
    sessions = 10
  }
}

site "edi" {
  host    = "edge2"
  server  = "filezilla"
  port    = 2121
  clients = ["192.0.2.0/25", "192.0.2.128/25", "198.51.100.7/32"]

  concurrency {
    sessions = 10
  }
}

site "orders" {
  host    = "edge-1"
  server  = "filezilla"
  port    = 2121
  clients = ["192.0.2.0/24", "2001:db8:1::/48"]

  concurrency {
    sessions = 10
  }
}

target "windows_firewall" {}
