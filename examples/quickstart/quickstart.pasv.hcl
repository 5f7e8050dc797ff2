# One vsftpd on one machine: the least that pasvctl has to be told.
#
# Nothing is known about the traffic, so the range is sized for the worst case,
# all 400 sessions holding a data port at once, and refuses one data connection
# in a million even then.

host "edge1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
}

site "downloads" {
  host   = "edge1"
  server = "vsftpd"
  port   = 21

  concurrency {
    sessions             = 400 # control connections at once
    sessions_per_address = 50  # behind the busiest client address
  }

  objective {
    refused = 1e-6 # share of data connections that may find no port
  }
}
