# Made by pasvctl 0.1.0 from existing; do not edit: change the spec and generate it again.
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

variable "vpc_id" {
  description = "Id of the hosts' VPC."
  type        = string
}

locals {
  hosts = ["files"]
  ipv4 = {
    "files/archive/control/0.0.0.0/0"  = { host = "files", from = "0.0.0.0/0", first = 2121, last = 2121, description = "archive control" }
    "files/archive/data/0.0.0.0/0"     = { host = "files", from = "0.0.0.0/0", first = 61000, last = 61030, description = "archive data" }
    "files/partners/control/0.0.0.0/0" = { host = "files", from = "0.0.0.0/0", first = 21, last = 21, description = "partners control" }
    "files/partners/data/0.0.0.0/0"    = { host = "files", from = "0.0.0.0/0", first = 61031, last = 61216, description = "partners data" }
    "files/scans/control/0.0.0.0/0"    = { host = "files", from = "0.0.0.0/0", first = 2122, last = 2122, description = "scans control" }
    "files/scans/data/0.0.0.0/0"       = { host = "files", from = "0.0.0.0/0", first = 61217, last = 61236, description = "scans data" }
  }
  ipv6 = {
  }
}

# Terraform creates a replacement and its rules before it deletes the old group:
# name_prefix lets both exist. In between, network interfaces that use this
# module's output move to the new group.
resource "aws_security_group" "pasvctl" {
  for_each = toset(local.hosts)

  name_prefix = "pasvctl-${each.key}-"
  description = "FTP control and passive ports by pasvctl"
  vpc_id      = var.vpc_id

  tags = {
    Name = "pasvctl-${each.key}"
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "ipv4" {
  for_each = local.ipv4

  security_group_id = aws_security_group.pasvctl[each.value.host].id
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

  security_group_id = aws_security_group.pasvctl[each.value.host].id
  description       = each.value.description
  ip_protocol       = "tcp"
  from_port         = each.value.first
  to_port           = each.value.last
  cidr_ipv6         = each.value.from

  lifecycle {
    create_before_destroy = true
  }
}

output "security_group_ids" {
  description = "Id of each host's security group, by the host's name in the spec."
  value       = { for host, group in aws_security_group.pasvctl : host => group.id }
  depends_on = [
    aws_vpc_security_group_ingress_rule.ipv4,
    aws_vpc_security_group_ingress_rule.ipv6,
  ]
}
