# SELinux: one host needs active mode too, and one has no server in the domain ftpd_t.

host "edge1" {
  addresses = ["203.0.113.10"]
}

host "edge2" {
  addresses = ["203.0.113.20"]
}

host "edge3" {
  addresses = ["203.0.113.30"]
}

site "downloads" {
  host   = "edge1"
  server = "vsftpd"
  port   = 21

  concurrency {
    sessions = 10
  }
}

site "edi" {
  host        = "edge2"
  server      = "proftpd"
  port        = 2121
  active_mode = true

  concurrency {
    sessions = 10
  }
}

site "python" {
  host   = "edge3"
  server = "pyftpdlib"
  port   = 21

  concurrency {
    sessions = 10
  }
}

target "selinux" {}
