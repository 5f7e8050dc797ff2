# A server that pasvctl has no profile of: a warehouse system with an FTP service
# built in. It goes by the local port alone, so a port is taken from its reply to
# PASV to the end of the transfer, whoever the client is.
#
# What a profile leaves out is taken on the safe side. `pasvctl load` measures
# whether a running server keeps to it.

profile "warehouse" {
  title          = "Acme Warehouse FTP"
  hold           = "transfer" # a port is one session's until the transfer ends
  scope          = "port"     # and no other address's either
  pick           = "random"   # it draws ports at random,
  draws          = 20         # twenty times at most,
  when_full      = "refuses"  # and then answers 425
  abandoned_hold = "2m"       # a PASV that no connection follows
}

host "depot" {
  addresses = ["203.0.113.60"]
}

# Hand scanners, each of which sends its pages with four sessions at once.
site "scans" {
  host    = "depot"
  server  = "warehouse"
  port    = 21
  clients = ["198.51.100.0/25"]

  concurrency {
    sessions             = 120
    sessions_per_address = 4
  }

  traffic {
    transfers_per_second = 5
    connect_time         = "60ms"
    transfer_time        = "1.2s"
    abandoned            = 0.002
    parallel             = 4
  }

  objective {
    refused = 1e-5
  }
}

# Nothing writes the appliance's own config: `pasvctl explain` and `generate` say
# which range to type into its web page.
target "nftables" {}

target "iptables" {}
