# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
#
# A Terraform module, for a configuration with your azurerm provider: one network
# security group for each host. Attach it to the host's network interfaces
# (azurerm_network_interface_security_group_association) or to its subnet; if both
# have one, both must admit the clients. Groups are stateful: replies and running
# transfers need no rule. What no rule admits is denied, except what Azure's own
# rules 65000 and 65001 let in: any port from the virtual network and its peers,
# and the load balancer's probes. Azure translates public addresses first, so the
# destination is any address of the interface. There is no gate: the data ports
# are open to all clients. A rule of your own with a smaller number comes first.

terraform {
  required_version = ">= 1.3"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 3.0"
    }
  }
}

locals {
  made = {
    "edge-1" = "pasvctl-edge-1"
  }

  # Each site has two numbers among those of its host; the lock keeps them.
  rules = {
    "edge-1/downloads/v4" = {
      host        = "edge-1"
      name        = "pasvctl-edge-1--downloads-v4"
      priority    = 300
      description = "FTP control and data ports of downloads for IPv4, by pasvctl"
      ports       = ["21", "61000-61046"]
      from = [
        "0.0.0.0/0",
      ]
    }
    "edge-1/downloads/v6" = {
      host        = "edge-1"
      name        = "pasvctl-edge-1--downloads-v6"
      priority    = 301
      description = "FTP control and data ports of downloads for IPv6, by pasvctl"
      ports       = ["21", "61000-61046"]
      from = [
        "::/0",
      ]
    }
    "edge-1/orders/v4" = {
      host        = "edge-1"
      name        = "pasvctl-edge-1--orders-v4"
      priority    = 302
      description = "FTP control and data ports of orders for IPv4, by pasvctl"
      ports       = ["2121", "61047-61057"]
      from = [
        "192.0.2.0/24",
      ]
    }
    "edge-1/orders/v6" = {
      host        = "edge-1"
      name        = "pasvctl-edge-1--orders-v6"
      priority    = 303
      description = "FTP control and data ports of orders for IPv6, by pasvctl"
      ports       = ["2121", "61047-61057"]
      from = [
        "2001:db8:1::/48",
      ]
    }
    "edge2/edi/v4" = {
      host        = "edge2"
      name        = "pasvctl-edge2--edi-v4"
      priority    = 300
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

# Groups that exist already. Nothing else may manage them with inline rules,
# which remove all others.
locals {
  group_names = merge({ for host, group in azurerm_network_security_group.pasvctl : host => group.name }, {
    "edge2" = "edge2-nsg"
  })
}

resource "azurerm_network_security_group" "pasvctl" {
  for_each = local.made

  name                = each.value
  location            = "westeurope"
  resource_group_name = "ftp"
}

resource "azurerm_network_security_rule" "pasvctl" {
  for_each = local.rules

  name                        = each.value.name
  resource_group_name         = "ftp"
  network_security_group_name = local.group_names[each.value.host]
  description                 = each.value.description
  priority                    = each.value.priority
  direction                   = "Inbound"
  access                      = "Allow"
  protocol                    = "Tcp"
  source_address_prefixes     = each.value.from
  source_port_range           = "*"
  destination_address_prefix  = "*"
  destination_port_ranges     = each.value.ports
}

output "network_security_group_ids" {
  description = "Id of each group that this module makes, by the host's name in the spec."
  value       = { for host, group in azurerm_network_security_group.pasvctl : host => group.id }
  depends_on  = [azurerm_network_security_rule.pasvctl]
}
