# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
#
# A Terraform module, for a configuration with your openstack provider: one security
# group for each host. Name it in security_groups of the host's instance or port. The
# rules of all groups of a port add up; what no rule admits is denied. Groups are
# stateful: replies and running transfers need no rule. A new group lets everything
# out. There is no gate: the data ports are open to all clients.
#
# OpenStack cannot change a rule. If a range moves, Terraform makes each rule again,
# the new one before it deletes the old one.

terraform {
  required_version = ">= 1.3"

  required_providers {
    openstack = {
      source  = "terraform-provider-openstack/openstack"
      version = ">= 2.0"
    }
  }
}

locals {
  made = {
    "edge-1" = "pasvctl-edge-1"
  }

  rules = {
    "edge-1/downloads/control/0.0.0.0/0"    = { host = "edge-1", family = "IPv4", first = 21, last = 21, from = "0.0.0.0/0" }
    "edge-1/downloads/control/::/0"         = { host = "edge-1", family = "IPv6", first = 21, last = 21, from = "::/0" }
    "edge-1/downloads/data/0.0.0.0/0"       = { host = "edge-1", family = "IPv4", first = 61000, last = 61046, from = "0.0.0.0/0" }
    "edge-1/downloads/data/::/0"            = { host = "edge-1", family = "IPv6", first = 61000, last = 61046, from = "::/0" }
    "edge-1/orders/control/192.0.2.0/24"    = { host = "edge-1", family = "IPv4", first = 2121, last = 2121, from = "192.0.2.0/24" }
    "edge-1/orders/control/2001:db8:1::/48" = { host = "edge-1", family = "IPv6", first = 2121, last = 2121, from = "2001:db8:1::/48" }
    "edge-1/orders/data/192.0.2.0/24"       = { host = "edge-1", family = "IPv4", first = 61047, last = 61057, from = "192.0.2.0/24" }
    "edge-1/orders/data/2001:db8:1::/48"    = { host = "edge-1", family = "IPv6", first = 61047, last = 61057, from = "2001:db8:1::/48" }
    "edge2/edi/control/192.0.2.0/25"        = { host = "edge2", family = "IPv4", first = 2121, last = 2121, from = "192.0.2.0/25" }
    "edge2/edi/control/192.0.2.128/25"      = { host = "edge2", family = "IPv4", first = 2121, last = 2121, from = "192.0.2.128/25" }
    "edge2/edi/control/198.51.100.7/32"     = { host = "edge2", family = "IPv4", first = 2121, last = 2121, from = "198.51.100.7/32" }
    "edge2/edi/data/192.0.2.0/25"           = { host = "edge2", family = "IPv4", first = 61000, last = 61010, from = "192.0.2.0/25" }
    "edge2/edi/data/192.0.2.128/25"         = { host = "edge2", family = "IPv4", first = 61000, last = 61010, from = "192.0.2.128/25" }
    "edge2/edi/data/198.51.100.7/32"        = { host = "edge2", family = "IPv4", first = 61000, last = 61010, from = "198.51.100.7/32" }
  }

  group_ids = merge({ for host, group in openstack_networking_secgroup_v2.pasvctl : host => group.id }, {
    "edge2" = "8f1ffb2c-0d61-4a4b-9a34-8e2f1c0b7a55"
  })
}

resource "openstack_networking_secgroup_v2" "pasvctl" {
  for_each = local.made

  name        = each.value
  description = "FTP control and passive ports by pasvctl"
}

resource "openstack_networking_secgroup_rule_v2" "pasvctl" {
  for_each = local.rules

  security_group_id = local.group_ids[each.value.host]
  description       = each.key
  direction         = "ingress"
  ethertype         = each.value.family
  protocol          = "tcp"
  port_range_min    = each.value.first
  port_range_max    = each.value.last
  remote_ip_prefix  = each.value.from

  lifecycle {
    create_before_destroy = true
  }
}

output "security_group_ids" {
  description = "Id of each host's security group, by the host's name in the spec."
  value       = local.group_ids
  depends_on  = [openstack_networking_secgroup_rule_v2.pasvctl]
}
