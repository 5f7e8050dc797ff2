# Each region has one server with three sites, all made from one description.

dynamic "host" {
  for_each = var.regions
  iterator = region
  labels   = ["edge-${region.key}"]

  content {
    addresses = region.value.addresses
    interface = "eth0"
  }
}

# Invoices for the branches, under TLS. ProFTPD keeps a port to itself only
# until the client has connected to it, so it needs one for each session and
# one more for a port that another program may hold.
dynamic "site" {
  for_each = var.regions
  iterator = region
  labels   = ["invoices-${region.key}"]

  content {
    host    = "edge-${region.key}"
    server  = "proftpd"
    port    = 21
    clients = region.value.branches

    tls {
      mode        = "explicit"
      required    = true
      certificate = local.certificate
      key         = local.key
    }

    concurrency {
      sessions             = region.value.sessions
      sessions_per_address = ceil(region.value.sessions / 4)
    }

    objective {
      refused = var.refused
    }
  }
}

# Scanners put their pages here: old firmware without TLS, always from inside.
# Pure-FTPd admits half as many clients as it has ports.
dynamic "site" {
  for_each = var.regions
  iterator = region
  labels   = ["scans-${region.key}"]

  content {
    host    = "edge-${region.key}"
    server  = "pureftpd"
    port    = 2121
    clients = [for network in region.value.branches : network if !strcontains(network, ":")]

    concurrency {
      sessions             = 60
      sessions_per_address = 12
    }
  }
}

# Price lists for everybody. The traffic is known from the logs, so the range
# need not be sized for the worst case.
dynamic "site" {
  for_each = var.regions
  iterator = region
  labels   = ["prices-${region.key}"]

  content {
    host   = "edge-${region.key}"
    server = "vsftpd"
    port   = 2122

    concurrency {
      sessions             = region.value.sessions
      sessions_per_address = 10
    }

    traffic {
      transfers_per_second = 6
      connect_time         = "80ms"
      transfer_time        = "1.5s"
      abandoned            = 0.01
      peak_factor          = 1.5
    }

    objective {
      refused = 1e-5
    }
  }
}
