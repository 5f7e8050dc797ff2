host "edge1" {
  addresses = ["203.0.113.10"]
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

target "systemd" {
  program = "/usr/local/bin/pasvctl"
}
