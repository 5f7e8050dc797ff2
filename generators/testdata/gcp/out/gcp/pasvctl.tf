# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
#
# VPC firewall rules: one for each site and address family. They apply to the
# instances that have the host's network tag or service account: give it to the
# host's instance. Rules are stateful: replies and running transfers need no rule.
# What no rule admits is denied, unless the network has rules of its own that
# admit it, as default-allow-internal does from the network's own addresses. There
# is no gate: the data ports are open to all clients.
#
# This is a Terraform module, for a configuration with your google provider.

terraform {
  required_version = ">= 1.3"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.0"
    }
  }
}

locals {
  rules = {
    "edge-1/downloads/v4" = {
      name        = "pasvctl-edge-1--downloads-v4"
      tags        = ["pasvctl-edge-1"]
      accounts    = null
      description = "FTP control and data ports of downloads for IPv4, by pasvctl"
      ports       = ["21", "61000-61046"]
      from = [
        "0.0.0.0/0",
      ]
    }
    "edge-1/downloads/v6" = {
      name        = "pasvctl-edge-1--downloads-v6"
      tags        = ["pasvctl-edge-1"]
      accounts    = null
      description = "FTP control and data ports of downloads for IPv6, by pasvctl"
      ports       = ["21", "61000-61046"]
      from = [
        "::/0",
      ]
    }
    "edge-1/orders/v4" = {
      name        = "pasvctl-edge-1--orders-v4"
      tags        = ["pasvctl-edge-1"]
      accounts    = null
      description = "FTP control and data ports of orders for IPv4, by pasvctl"
      ports       = ["2121", "61047-61057"]
      from = [
        "192.0.2.0/24",
      ]
    }
    "edge-1/orders/v6" = {
      name        = "pasvctl-edge-1--orders-v6"
      tags        = ["pasvctl-edge-1"]
      accounts    = null
      description = "FTP control and data ports of orders for IPv6, by pasvctl"
      ports       = ["2121", "61047-61057"]
      from = [
        "2001:db8:1::/48",
      ]
    }
    "edge2/edi/v4" = {
      name        = "pasvctl-edge2--edi-v4"
      tags        = null
      accounts    = ["ftp@transfer-4711.iam.gserviceaccount.com"]
      description = "FTP control and data ports of edi for IPv4, by pasvctl"
      ports       = ["2121", "61000-61010"]
      from = [
        "192.0.2.0/25",
        "192.0.2.128/25",
        "198.51.100.7/32",
      ]
    }
  }
}

resource "google_compute_firewall" "pasvctl" {
  for_each = local.rules

  name                    = each.value.name
  project                 = "transfer-4711"
  network                 = "prod"
  description             = each.value.description
  direction               = "INGRESS"
  priority                = 1000
  source_ranges           = each.value.from
  target_tags             = each.value.tags
  target_service_accounts = each.value.accounts

  allow {
    protocol = "tcp"
    ports    = each.value.ports
  }
}
