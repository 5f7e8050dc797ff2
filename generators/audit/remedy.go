package audit

import (
	"fmt"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// lines say how a server's config writes what remedies set.
type lines struct {
	sessions    string // the cap, with %d
	ports       string // the range, with %d for both ends
	peerCheck   string // on
	reuse       string // demanded
	noTruncated string // uploads
	announce    string
	tls         string // required
}

const (
	withoutReuse     = "run vsftpd, ProFTPD or pasvctl serve, which can demand it, or leave it"
	withoutTruncated = "run vsftpd or pasvctl serve, which can refuse them, or leave it"
)

var written = map[string]lines{
	"vsftpd": {
		sessions: "set max_clients=%d", ports: "set pasv_min_port=%d and pasv_max_port=%d", peerCheck: "set pasv_promiscuous=NO",
		reuse: "set require_ssl_reuse=YES", noTruncated: "set strict_ssl_read_eof=YES", announce: "pasv_address",
		tls: "set ssl_enable=YES, force_local_logins_ssl=YES and force_local_data_ssl=YES",
	},
	"proftpd": {
		sessions: "write MaxClients %d", ports: "write PassivePorts %d %d", peerCheck: "write AllowForeignAddress off",
		reuse: "remove NoSessionReuseRequired from TLSOptions", noTruncated: withoutTruncated, announce: "MasqueradeAddress",
		tls: "write TLSEngine on and TLSRequired on",
	},
	"pureftpd": {
		sessions: "set MaxClientsNumber to %d", ports: "set PassivePortRange to %d %d", peerCheck: "remove AllowUserFXP",
		reuse: withoutReuse, noTruncated: withoutTruncated, announce: "ForcePassiveIP", tls: "set TLS to 3",
	},
	"sftpgo": {
		sessions:  "set SFTPGO_COMMON__MAX_TOTAL_CONNECTIONS=%d",
		ports:     "set SFTPGO_FTPD__PASSIVE_PORT_RANGE__START=%d and SFTPGO_FTPD__PASSIVE_PORT_RANGE__END=%d",
		peerCheck: "set PASSIVE_CONNECTIONS_SECURITY of the binding to 0", reuse: withoutReuse, noTruncated: withoutTruncated,
		announce: "FORCE_PASSIVE_IP of the binding", tls: "set TLS_MODE of the binding to 1",
	},
}

func (s *server) lines() lines { return written[s.Profile] }

func (s *server) setSessions(n int) string { return fmt.Sprintf(s.lines().sessions, max(1, n)) }

func (s *server) setPorts(r spec.PortRange) string {
	return fmt.Sprintf(s.lines().ports, r.First, r.Last)
}
