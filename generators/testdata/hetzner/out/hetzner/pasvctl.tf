# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
#
# A Terraform module, for a configuration with your hcloud provider: one firewall
# for each host. It applies to the servers that its label selector matches; without
# one attach it with hcloud_firewall_attachment or firewall_ids of the server, never
# both ways. The rules of all firewalls of a server add up; what no rule admits is
# denied. Without outbound rules everything may go out. Firewalls are stateful:
# replies and running transfers need no rule. They do not filter private networks.
# There is no gate: the data ports are open to all clients.

terraform {
  required_version = ">= 1.3"

  required_providers {
    hcloud = {
      source  = "hetznercloud/hcloud"
      version = ">= 1.40"
    }
  }
}

resource "hcloud_firewall" "edge-1" {
  name = "pasvctl-edge-1"

  rule {
    description = "downloads control"
    direction   = "in"
    protocol    = "tcp"
    port        = "21"
    source_ips = [
      "0.0.0.0/0",
      "::/0",
    ]
  }

  rule {
    description = "downloads data"
    direction   = "in"
    protocol    = "tcp"
    port        = "61000-61046"
    source_ips = [
      "0.0.0.0/0",
      "::/0",
    ]
  }

  rule {
    description = "orders control"
    direction   = "in"
    protocol    = "tcp"
    port        = "2121"
    source_ips = [
      "192.0.2.0/24",
      "2001:db8:1::/48",
    ]
  }

  rule {
    description = "orders data"
    direction   = "in"
    protocol    = "tcp"
    port        = "61047-61057"
    source_ips = [
      "192.0.2.0/24",
      "2001:db8:1::/48",
    ]
  }
}

resource "hcloud_firewall" "edge2" {
  name = "pasvctl-edge2"

  rule {
    description = "edi control"
    direction   = "in"
    protocol    = "tcp"
    port        = "2121"
    source_ips = [
      "192.0.2.0/25",
      "192.0.2.128/25",
      "198.51.100.7/32",
    ]
  }

  rule {
    description = "edi data"
    direction   = "in"
    protocol    = "tcp"
    port        = "61000-61010"
    source_ips = [
      "192.0.2.0/25",
      "192.0.2.128/25",
      "198.51.100.7/32",
    ]
  }

  apply_to {
    label_selector = "role=ftp"
  }
}

output "firewall_ids" {
  description = "Id of each host's firewall, by the host's name in the spec."
  value = {
    "edge-1" = hcloud_firewall.edge-1.id
    "edge2"  = hcloud_firewall.edge2.id
  }
}
