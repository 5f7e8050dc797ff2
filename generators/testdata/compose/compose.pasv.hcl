# Sites in containers: the bundled daemon, two images whose variables are known,
# and one whose are not.

host "edge1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
}

host "edge2" {
  addresses = ["203.0.113.20"]
  interface = "eth0"
}

site "downloads" {
  host    = "edge1"
  server  = "embedded"
  port    = 21
  clients = ["192.0.2.0/24", "2001:db8:1::/48"]

  concurrency {
    sessions             = 400
    sessions_per_address = 50
  }

  tls {
    required    = true
    certificate = "/etc/ftp/tls/fullchain.pem"
    key         = "/etc/ftp/tls/privkey.pem"
  }
}

site "scans" {
  host     = "edge1"
  server   = "sftpgo"
  port     = 2021
  announce = "198.51.100.7"

  concurrency {
    sessions             = 10
    sessions_per_address = 5
  }

  tls {
    certificate = "/etc/ftp/live/fullchain.pem"
    key         = "/etc/ftp/live/privkey.pem"
  }
}

site "uploads" {
  host   = "edge2"
  server = "pureftpd"
  port   = 21

  concurrency {
    sessions             = 20
    sessions_per_address = 4
  }
}

site "legacy" {
  host     = "edge2"
  server   = "vsftpd"
  port     = 2121
  announce = "ftp.example.net"

  concurrency {
    sessions             = 6
    sessions_per_address = 6
  }
}

site "mirror" {
  host   = "edge2"
  server = "vsftpd"
  port   = 2100

  concurrency {
    sessions             = 4
    sessions_per_address = 4
  }
}

target "compose" {
  images = {
    scans   = "ghcr.io/drakkan/sftpgo:v2.7-alpine"
    uploads = "stilliard/pure-ftpd:hardened"
    mirror  = "registry.example.net:5000/mirror/vsftpd"
  }
  environment = {
    mirror = "fauria"
  }
}
