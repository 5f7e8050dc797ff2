# Servers that are there already, each with a config of its own beside this file.
#
# base_config keeps that config: users, login roots, umasks, messages and path
# rules stay theirs, byte for byte. What the spec sets becomes a comment in it,
# and pasvctl's lines are in one block. The generated configs are readable for
# their owner only, because a config may hold passwords.

pasvctl {
  name = "existing"
}

host "files" {
  addresses = ["203.0.113.40"]
}

# Partners log in as virtual users.
site "partners" {
  host        = "files"
  server      = "vsftpd"
  port        = 21
  base_config = "vsftpd.conf"

  concurrency {
    sessions             = 40
    sessions_per_address = 20
  }

  tls {
    mode        = "explicit"
    required    = true
    certificate = "/etc/ssl/private/vsftpd.pem"
    key         = "/etc/ssl/private/vsftpd.pem"
  }
}

# A file with what it includes: /etc/proftpd/conf.d is proftpd/conf.d here.
site "archive" {
  host        = "files"
  server      = "proftpd"
  port        = 2121
  base_config = "proftpd/proftpd.conf"

  concurrency {
    sessions = 30
  }
}

# The folder of Pure-FTPd's settings, /etc/pure-ftpd/conf.
site "scans" {
  host        = "files"
  server      = "pureftpd"
  port        = 2122
  base_config = "pure-ftpd"

  concurrency {
    sessions = 10
  }
}
