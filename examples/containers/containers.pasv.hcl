# FTP in containers. Under TLS the bundled daemon needs one data port for any number
# of sessions, so that an ordinary Service with two ports is enough, or two published
# ports in Compose:
#
#   kubectl apply -k out/edge1/kubernetes
#   docker compose -f out/edge1/compose.yaml up -d
#
# The files' headers name the objects and folders that they need beside them.

host "edge1" {
  # Of the load balancer, or of the machine that Docker runs on.
  addresses = ["203.0.113.10", "2001:db8::10"]
}

site "downloads" {
  host   = "edge1"
  server = "embedded"
  port   = 21

  concurrency {
    sessions             = 400
    sessions_per_address = 50
  }

  tls {
    required    = true
    certificate = "/etc/ftp/tls/tls.crt"
    key         = "/etc/ftp/tls/tls.key"
  }
}

target "kubernetes" {}

target "compose" {}
