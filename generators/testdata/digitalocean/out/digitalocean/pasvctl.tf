# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
#
# A Terraform module, for a configuration with your digitalocean provider: one
# firewall for each host. It applies to the Droplets that have the host's tag: add
# it to the host's Droplet. The rules of all firewalls of a Droplet add up; what no
# rule admits is denied. Firewalls are stateful: replies and running transfers need
# no rule. There is no gate: the data ports are open to all clients.
#
# The outbound rules let everything out, since a Droplet whose firewalls have no
# outbound rule can open no connection at all, not even for DNS or updates.

terraform {
  required_version = ">= 1.3"

  required_providers {
    digitalocean = {
      source  = "digitalocean/digitalocean"
      version = ">= 2.0"
    }
  }
}

resource "digitalocean_tag" "edge-1" {
  name = "pasvctl-edge-1"
}

resource "digitalocean_firewall" "edge-1" {
  name = "pasvctl-edge-1"
  tags = [digitalocean_tag.edge-1.name]

  # downloads control
  inbound_rule {
    protocol   = "tcp"
    port_range = "21"
    source_addresses = [
      "0.0.0.0/0",
      "::/0",
    ]
  }

  # downloads data
  inbound_rule {
    protocol   = "tcp"
    port_range = "61000-61046"
    source_addresses = [
      "0.0.0.0/0",
      "::/0",
    ]
  }

  # orders control
  inbound_rule {
    protocol   = "tcp"
    port_range = "2121"
    source_addresses = [
      "192.0.2.0/24",
      "2001:db8:1::/48",
    ]
  }

  # orders data
  inbound_rule {
    protocol   = "tcp"
    port_range = "61047-61057"
    source_addresses = [
      "192.0.2.0/24",
      "2001:db8:1::/48",
    ]
  }

  outbound_rule {
    protocol              = "tcp"
    port_range            = "1-65535"
    destination_addresses = ["0.0.0.0/0", "::/0"]
  }

  outbound_rule {
    protocol              = "udp"
    port_range            = "1-65535"
    destination_addresses = ["0.0.0.0/0", "::/0"]
  }

  outbound_rule {
    protocol              = "icmp"
    destination_addresses = ["0.0.0.0/0", "::/0"]
  }
}

resource "digitalocean_firewall" "edge2" {
  name = "pasvctl-edge2"
  tags = ["ftp"]

  # edi control
  inbound_rule {
    protocol   = "tcp"
    port_range = "2121"
    source_addresses = [
      "192.0.2.0/25",
      "192.0.2.128/25",
      "198.51.100.7/32",
    ]
  }

  # edi data
  inbound_rule {
    protocol   = "tcp"
    port_range = "61000-61010"
    source_addresses = [
      "192.0.2.0/25",
      "192.0.2.128/25",
      "198.51.100.7/32",
    ]
  }

  outbound_rule {
    protocol              = "tcp"
    port_range            = "1-65535"
    destination_addresses = ["0.0.0.0/0", "::/0"]
  }

  outbound_rule {
    protocol              = "udp"
    port_range            = "1-65535"
    destination_addresses = ["0.0.0.0/0", "::/0"]
  }

  outbound_rule {
    protocol              = "icmp"
    destination_addresses = ["0.0.0.0/0", "::/0"]
  }
}
