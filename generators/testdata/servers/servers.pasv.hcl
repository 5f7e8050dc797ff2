# Servers in Python and Go, whose configs are a program and an environment.
host "edge1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
}

site "partners" {
  host         = "edge1"
  server       = "sftpgo"
  port         = 2121
  announce     = "198.51.100.7"
  idle_timeout = "30m"

  announce_to = {
    "10.0.0.0/8"  = "10.0.1.5"
    "10.2.0.0/16" = "10.2.1.5"
  }

  tls {
    mode          = "explicit"
    required      = true
    session_reuse = "preferred"
    certificate   = "/etc/ssl/certs/ftp.pem"
    key           = "/etc/ssl/private/ftp.key"
  }

  concurrency {
    sessions             = 40
    sessions_per_address = 5
  }
}

site "scans" {
  host         = "edge1"
  server       = "pyftpdlib"
  port         = 21
  announce     = "198.51.100.7"
  data_timeout = "60s"

  tls {
    mode        = "explicit"
    required    = true
    certificate = "/etc/ssl/certs/ftp.pem"
    key         = "/etc/ssl/private/ftp.key"
  }

  concurrency {
    sessions             = 40
    sessions_per_address = 5
  }
}

target "pyftpdlib" {}
target "sftpgo" {}
