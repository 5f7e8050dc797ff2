# The headquarters' server, which speaks to other companies.

locals {
  certificate = "/etc/ssl/certs/ftp.pem"
  key         = "/etc/ssl/private/ftp.key"
}

host "hub" {
  addresses   = ["203.0.113.40", "203.0.113.41", "2001:db8:0:40::1"]
  interface   = "eth0"
  avoid_ports = ["20000-20499"] # the phone system's media ports

  firewall {
    into = "inet filter input"
  }
}

# Orders, on the bundled daemon. TLS is required and data connections must
# resume their session, which tells the sessions apart: one port is enough for
# all of them.
site "orders" {
  host      = "hub"
  addresses = ["203.0.113.40", "2001:db8:0:40::1"]
  server    = "embedded"
  port      = 21
  clients   = concat(var.partners, ["2001:db8:c::/48"])

  tls {
    mode        = "explicit"
    required    = true
    certificate = local.certificate
    key         = local.key
  }

  concurrency {
    sessions             = 500
    sessions_per_address = 100
  }

  objective {
    refused = var.refused
  }
}

# The same daemon in clear text, for machines that know no TLS: sessions of one
# address need ports of their own, those of different addresses do not. A traffic
# block would let them take turns on fewer ports, with a longer max_wait on fewer
# still; only required TLS, as above, gets by with one.
site "machines" {
  host      = "hub"
  addresses = ["203.0.113.40", "2001:db8:0:40::1"]
  server    = "embedded"
  port      = 2121
  clients   = ["198.51.100.128/25"]

  concurrency {
    sessions             = 80
    sessions_per_address = 16
  }
}

# The archive's ports were agreed with the auditors years ago, so they are
# pinned: the plan checks that they are enough, and nothing moves them.
site "archive" {
  host       = "hub"
  addresses  = ["203.0.113.41"]
  server     = "vsftpd"
  port       = 990
  clients    = ["192.0.2.128/25"]
  data_ports = "21000-21499"

  tls {
    mode        = "implicit"
    required    = true
    certificate = local.certificate
    key         = local.key
  }

  concurrency {
    sessions             = 90
    sessions_per_address = 30
  }
}

target "nftables" {}

target "iptables" {}

target "sysctl" {}

target "vsftpd" {}

target "proftpd" {}

target "pureftpd" {}

target "aws" {
  format = "cloudformation"
  vpc_id = "vpc-0a1b2c3d4e5f60718"
}

# A page for the partners, whose own firewalls must let the same ports out.
target "template" {
  source = "partners.md.tmpl"
  output = "partners.md"
}
