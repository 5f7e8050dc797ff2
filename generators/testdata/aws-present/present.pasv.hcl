# AWS for people who have some: one host's group is there already, and a site's
# clients are a prefix list and the members of another group.

host "edge-1" {
  addresses = ["203.0.113.10", "2001:db8::10"]
}

host "edge2" {
  addresses = ["203.0.113.20"]
}

site "downloads" {
  host   = "edge-1"
  server = "vsftpd"
  port   = 21

  concurrency {
    sessions = 10
  }
}

site "edi" {
  host    = "edge2"
  server  = "proftpd"
  port    = 2121
  clients = ["10.0.0.0/8"]

  concurrency {
    sessions = 10
  }
}

target "aws" {
  vpc_id          = "vpc-0a1b2c3d"
  security_groups = { edge-1 = "sg-0a1b2c3d" }
  sources         = { edi = ["pl-0a1b2c3d", "sg-0e4f5a6b"] }
  tags            = { Team = "transfer", "cost centre" = "4711" }
}

target "aws" {
  format          = "cloudformation"
  vpc_id          = "vpc-0a1b2c3d"
  security_groups = { edge-1 = "sg-0a1b2c3d" }
  sources         = { edi = ["pl-0a1b2c3d", "sg-0e4f5a6b"] }
  tags            = { Team = "transfer", "cost centre" = "4711" }
}

target "aws" {
  format  = "cli"
  sources = { edi = ["pl-0a1b2c3d", "sg-0e4f5a6b"] }
}
