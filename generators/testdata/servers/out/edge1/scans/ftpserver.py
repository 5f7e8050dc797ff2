# Made by pasvctl 0.1.0; do not edit: change the spec and generate it again.
#
# Run it as root, which it needs for the control port and for users to be
# themselves: python3 ftpserver.py

import logging

from OpenSSL import SSL
from pyftpdlib.authorizers import UnixAuthorizer
from pyftpdlib.handlers import PassiveDTP, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer


class Passive(PassiveDTP):
    # Seconds. A PASV that no connection follows holds its port this long, which
    # the range is computed with.
    timeout = 30


class Data(TLS_DTPHandler):
    # Seconds that a transfer may make no progress.
    timeout = 60


class Handler(TLS_FTPHandler):
    # 41 data ports: contention. The firewall rules open exactly these.
    # range() leaves its second number out. When all are taken pyftpdlib uses
    # others, which no rule opens.
    passive_ports = range(61053, 61094)
    passive_dtp = Passive
    dtp_handler = Data
    masquerade_address = "198.51.100.7"
    permit_foreign_addresses = False
    # Passive mode only: no connection from this server to a client.
    proto_cmds = {
        name: what
        for name, what in TLS_FTPHandler.proto_cmds.items()
        if name not in ("PORT", "EPRT")
    }

    # Seconds until an idle session is closed.
    timeout = 300

    # Users of the system, each in their own home.
    authorizer = UnixAuthorizer(rejected_users=["root"])

    # The greeting does not tell the version.
    banner = "FTP server ready"

    certfile = "/etc/ssl/certs/ftp.pem"
    keyfile = "/etc/ssl/private/ftp.key"
    tls_control_required = True
    tls_data_required = True
    ssl_options = TLS_FTPHandler.ssl_options | SSL.OP_NO_TLSv1 | SSL.OP_NO_TLSv1_1


class Server(FTPServer):
    # The sessions that the range is computed for. pyftpdlib counts each IPv6
    # address separately.
    max_cons = 40
    max_cons_per_ip = 5

    # All addresses of the site share the caps.
    sessions = []

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.ip_map = self.sessions

    # pyftpdlib's own counts listeners and data connections, too.
    def _map_len(self):
        return len(self.ip_map)


def main():
    logging.basicConfig(level=logging.INFO)
    servers = [
        Server(("203.0.113.10", 21), Handler),
        Server(("2001:db8::10", 21), Handler),
    ]
    # Without a timeout pyftpdlib 1.5 may sleep past its timers once a transfer
    # has stalled, and abandoned ports stay held.
    servers[0].serve_forever(timeout=1.0)


if __name__ == "__main__":
    main()
