# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
#
# A Terraform module: one security group per host; attach it to the host's
# network interfaces. The groups are stateful, so replies and running transfers
# need no rule. They have no egress rules: passive FTP opens no connection from
# the server. Add a group of your own for what else the host needs (DNS, updates).

terraform {
  required_version = ">= 1.3"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

locals {
  hosts = ["edge2"]
  ipv4 = {
    "edge-1/downloads/control/0.0.0.0/0" = { host = "edge-1", from = "0.0.0.0/0", first = 21, last = 21, description = "downloads control" }
    "edge-1/downloads/data/0.0.0.0/0"    = { host = "edge-1", from = "0.0.0.0/0", first = 61000, last = 61046, description = "downloads data" }
  }
  ipv6 = {
    "edge-1/downloads/control/::/0" = { host = "edge-1", from = "::/0", first = 21, last = 21, description = "downloads control" }
    "edge-1/downloads/data/::/0"    = { host = "edge-1", from = "::/0", first = 61000, last = 61046, description = "downloads data" }
  }
  prefix_lists = {
    "edge2/edi/control/pl-0a1b2c3d" = { host = "edge2", from = "pl-0a1b2c3d", first = 2121, last = 2121, description = "edi control" }
    "edge2/edi/data/pl-0a1b2c3d"    = { host = "edge2", from = "pl-0a1b2c3d", first = 61000, last = 61010, description = "edi data" }
  }
  security_groups = {
    "edge2/edi/control/sg-0e4f5a6b" = { host = "edge2", from = "sg-0e4f5a6b", first = 2121, last = 2121, description = "edi control" }
    "edge2/edi/data/sg-0e4f5a6b"    = { host = "edge2", from = "sg-0e4f5a6b", first = 61000, last = 61010, description = "edi data" }
  }
}

# Groups that exist already. Nothing else may manage them with inline rules,
# which remove all others.
locals {
  group_ids = merge({ for host, group in aws_security_group.pasvctl : host => group.id }, {
    "edge-1" = "sg-0a1b2c3d"
  })
}

# Terraform creates a replacement and its rules before it deletes the old group:
# name_prefix lets both exist. In between, network interfaces that use this
# module's output move to the new group.
resource "aws_security_group" "pasvctl" {
  for_each = toset(local.hosts)

  name_prefix = "pasvctl-${each.key}-"
  description = "FTP control and passive ports by pasvctl"
  vpc_id      = "vpc-0a1b2c3d"

  tags = { "Team" = "transfer", "cost centre" = "4711", Name = "pasvctl-${each.key}" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "ipv4" {
  for_each = local.ipv4

  security_group_id = local.group_ids[each.value.host]
  description       = each.value.description
  ip_protocol       = "tcp"
  from_port         = each.value.first
  to_port           = each.value.last
  cidr_ipv4         = each.value.from

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "ipv6" {
  for_each = local.ipv6

  security_group_id = local.group_ids[each.value.host]
  description       = each.value.description
  ip_protocol       = "tcp"
  from_port         = each.value.first
  to_port           = each.value.last
  cidr_ipv6         = each.value.from

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "prefix_list" {
  for_each = local.prefix_lists

  security_group_id = local.group_ids[each.value.host]
  description       = each.value.description
  ip_protocol       = "tcp"
  from_port         = each.value.first
  to_port           = each.value.last
  prefix_list_id    = each.value.from

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "security_group" {
  for_each = local.security_groups

  security_group_id            = local.group_ids[each.value.host]
  description                  = each.value.description
  ip_protocol                  = "tcp"
  from_port                    = each.value.first
  to_port                      = each.value.last
  referenced_security_group_id = each.value.from

  lifecycle {
    create_before_destroy = true
  }
}

output "security_group_ids" {
  description = "Id of each host's security group, by the host's name in the spec."
  value       = local.group_ids
  depends_on = [
    aws_vpc_security_group_ingress_rule.ipv4,
    aws_vpc_security_group_ingress_rule.ipv6,
    aws_vpc_security_group_ingress_rule.prefix_list,
    aws_vpc_security_group_ingress_rule.security_group,
  ]
}
