host "edge1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
}

site "downloads" {
  host   = "edge1"
  server = "vsftpd"
  port   = 21

  concurrency {
    sessions             = 20
    sessions_per_address = 5
  }
}

site "orders" {
  host   = "edge1"
  server = "embedded"
  port   = 2121

  concurrency {
    sessions             = 400
    sessions_per_address = 3
  }
}

target "systemd" {}
