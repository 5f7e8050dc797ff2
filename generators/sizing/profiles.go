package sizing

import "time"

// Lookup returns the profile of the server that a spec calls name.
func Lookup(name string) (Profile, bool) {
	for _, p := range profiles {
		if p.Name == name {
			return p.clone(), true
		}
	}
	return Profile{}, false
}

// Profiles returns all profiles, sorted by name.
func Profiles() []Profile {
	all := make([]Profile, len(profiles))
	for i, p := range profiles {
		all[i] = p.clone()
	}
	return all
}

// clone keeps a caller's changes to Sources out of the table below.
func (p Profile) clone() Profile {
	p.Sources = append([]string(nil), p.Sources...)
	return p
}

// The widths of the listen race: from a server's choice of a port to its
// listening there. ProFTPD lost 0.59 % ± 0.04 % to it at 240 PASV/s on 23 ports
// with 12 held (46,000 requests) and 0.19 % ± 0.03 % on 32 (19,000), that is
// 0.26 ms and 0.17 ms times the rate over the free ports: the wider one is on the
// safe side. Pure-FTPd lost 0.1 % on 32 ports and less than 0.1 % on 96.
const (
	raceProFTPD  = 250 * time.Microsecond
	racePureFTPd = 150 * time.Microsecond
)

// profiles, sorted by name. "Measured" means on Linux 6.18 and Debian 12 with
// a client that fills the range, watches which ports are handed out, and then
// abandons them.
var profiles = []Profile{
	{
		Name: "apache", Title: "Apache FtpServer",
		Hold: HoldTransfer, Pick: PickScan, Scope: ScopePort, WhenFull: FullRefuses,
		AbandonedHold: 300 * time.Second, IdleFrees: true, MinPorts: 1,
		Strangers: StrangersServed,
		Sources: []string{
			"hold, pick, when full: source, PassivePorts and IODataConnectionFactory; a port is drawn from the list of free ones and returned when the data connection closes",
			"abandoned hold: documentation, idle timeout 300 s",
			"strangers: documentation, the address check is off by default",
		},
	},
	{
		Name: "aws_transfer", Title: "AWS Transfer Family",
		Hold: HoldListen, Pick: PickScan, Scope: ScopeAddress, WhenFull: FullUnknown,
		AbandonedHold: 1800 * time.Second, MinPorts: 9, FixedPorts: 9,
		Strangers: StrangersRefused, ResumesTLS: true,
		Sources: []string{
			"fixed ports: documentation, data channels use 8192-8200",
			"scope: inferred from documentation; nine ports serve 10,000 connections, and 300 if a NAT hides the clients' addresses",
			"hold, pick, when full: undocumented; the ones that its nine ports allow",
			"abandoned hold: documentation, idle timeout 1800 s",
			"strangers: undocumented; TLS: documentation, TlsSessionResumptionMode = ENFORCED",
		},
	},
	{
		Name: "embedded", Title: "pasvctl serve",
		Hold: HoldListen, Pick: PickScan, Scope: ScopeAddress, WhenFull: FullWaits,
		MarksSessions: true, HoldsRange: true,
		AbandonedHold: 32 * time.Second, MinPorts: 1,
		Strangers: StrangersIgnored, AnnouncesByClient: true, AnnouncesName: true, ResumesTLS: true, AdmitsForeign: true,
		ActiveFrom: ActiveEphemeral, ActiveInClear: true,
		Sources: []string{
			"hold, pick, scope, when full: package embeddedftpd/passive and its tests",
			"abandoned hold: 30 s until the reservation expires and 2 s while its key rests",
			"active from, active in clear: package embeddedftpd and its tests",
		},
	},
	{
		Name: "filezilla", Title: "FileZilla Server",
		Hold: HoldListen, Pick: PickScan, Scope: ScopePort, WhenFull: FullRefuses,
		AbandonedHold: time.Hour, IdleFrees: true, MinPorts: 1,
		Strangers: StrangersRefused, ResumesTLS: true,
		Sources: []string{
			"pick: source, port_randomizer; from a random start through the range, up to three times: first ports that nobody used for four minutes, then other peers', then the same peer's",
			"scope, hold: source; a port in its listening stage is passed over, whoever listens; once connected it may be used again",
			"tries: source; 15, but only a port that cannot be bound costs one, so they matter only if that many adjacent ports are squatted",
			"when full (421): source",
			"abandoned hold: source, activity timeout of one hour",
			"strangers, TLS: documentation, the address check and session resumption cannot be turned off; that a stranger costs the client its port is unmeasured",
		},
	},
	{
		Name: "ftpserverlib", Title: "ftpserverlib",
		Hold: HoldTransfer, Pick: PickRandom, Tries: 4000, TriesPerPort: 4, MinTries: 40, DistinctTries: 1000,
		Scope: ScopePort, WhenFull: FullRefuses,
		AbandonedHold: 900 * time.Second, IdleFrees: true, MinPorts: 1,
		Strangers: StrangersRefused,
		Sources: []string{
			"pick: source, 0.31 and later; for 10 to 1,000 ports to try, as many as the range has, it draws four times as many random ones and leaves out the repeated; so even a range with a free port refuses e^-4 of the time when all others are taken",
			"hold, when full (421, the session stays): measured",
			"abandoned hold: measured",
			"strangers: source, the transfer is lost",
		},
	},
	{
		Name: "goftp", Title: "goftp server v2",
		Hold: HoldListen, Pick: PickRandom, Tries: 10, Scope: ScopePort, WhenFull: FullRefuses,
		AbandonedHold: 300 * time.Second, MinPorts: 2, NeverDrawn: 1,
		Strangers: StrangersServed,
		Sources: []string{
			"pick, never drawn, min ports: source, min + Intn(max-min): the last port is never drawn, and a range of one port panics",
			"hold, when full (425): source",
			"abandoned hold: unconfirmed, taken as the other servers' idle timeout",
			"strangers: source, no check",
		},
	},
	{
		Name: "iis", Title: "Microsoft IIS FTP",
		Hold: HoldSession, Pick: PickScan, Scope: ScopePort, WhenFull: FullUnknown,
		AbandonedHold: 120 * time.Second, IdleFrees: true, MinPorts: 1,
		Strangers: StrangersRefused,
		Sources: []string{
			"hold: unmeasured; the longest one, to be on the safe side",
			"pick, when full: undocumented; taken as a scan",
			"abandoned hold: documentation, control channel timeout 120 s",
			"strangers: documentation, matchClientAddressForPasv is on by default",
		},
	},
	{
		Name: "proftpd", Title: "ProFTPD",
		Hold: HoldListen, Pick: PickScan, Scope: ScopePort, WhenFull: FullLeaves,
		AbandonedHold: 600 * time.Second, IdleFrees: true, MinPorts: 2,
		RaceWindow: raceProFTPD, Strangers: StrangersRefused, AnnouncesName: true, ResumesTLS: true, AdmitsForeign: true, ActiveFrom: ActiveEphemeral,
		Sources: []string{
			"hold, pick (a shuffled scan, three passes), when full (a kernel port, with a warning in the log): measured, 1.3.8",
			"abandoned hold: measured, TimeoutIdle 600 s",
			"min ports: measured; a range of one port is a fatal configuration error",
			"race window: measured",
			"strangers: measured with AllowForeignAddress off, which must be written out (proftpd#2272): 425, and the port is spent",
			"TLS: documentation, on unless TLSOptions NoSessionReuseRequired",
			"active from: measured, with RootRevoke UseNonCompliantActiveTransfer as without RootRevoke; with RootRevoke off, the port below the control port",
		},
	},
	{
		Name: "pureftpd", Title: "Pure-FTPd",
		Hold: HoldSession, Pick: PickScan, Scope: ScopePort, WhenFull: FullRefuses,
		AbandonedHold: 900 * time.Second, IdleFrees: true, PortsPerSession: 2, MinPorts: 2,
		RaceWindow: racePureFTPd, Strangers: StrangersIgnored, AnnouncesName: true, ActiveFrom: ActiveTwenty, AlwaysActive: true,
		NoImplicitTLS: true,                                                                                                         // its TLS modes are all explicit
		WhyNotForeign: "Pure-FTPd admits them with AllowUserFXP, which also has it connect to any address that PORT and EPRT name.", // measured, 1.0.50
		Sources: []string{
			"hold (until the next PASV or the session's end), pick (a scan from a random start), when full (425): measured, 1.0.50",
			"abandoned hold: measured, MaxIdleTime 15 minutes",
			"ports per session: measured; it admits half as many clients as it has ports",
			"min ports: measured; one port gives a cap of 0 clients, which it reads as no cap",
			"race window: measured",
			"strangers: measured, it keeps accepting; with AllowUserFXP it serves them, and PORT to them, too; TLS session reuse is never demanded",
			"active from, always active: measured; no option of pure-ftpd(8) turns it off",
		},
	},
	{
		Name: "pyftpdlib", Title: "pyftpdlib",
		Hold: HoldListen, Pick: PickScan, Scope: ScopePort, WhenFull: FullLeaves,
		AbandonedHold: 30 * time.Second, MinPorts: 1,
		Strangers: StrangersIgnored, NoImplicitTLS: true, AdmitsForeign: true, ActiveFrom: ActiveEphemeral,
		Sources: []string{
			"pick (random, without replacement, to the last port), when full (a kernel port, with a warning): source and measured",
			"hold, abandoned hold: measured",
			"strangers: measured, it keeps listening; with permit_foreign_addresses it serves them",
			"active from: measured",
		},
	},
	{
		Name: "sftpgo", Title: "SFTPGo",
		Hold: HoldTransfer, Pick: PickRandom, Tries: 1000, TriesPerPort: 1, MinTries: 10,
		Scope: ScopePort, WhenFull: FullRefuses,
		AbandonedHold: 900 * time.Second, IdleFrees: true, MinPorts: 1,
		Strangers: StrangersRefused, AnnouncesByClient: true, AdmitsForeign: true, ActiveFrom: ActiveEphemeral,
		Sources: []string{
			"pick: source; its FTP service is a fork of ftpserverlib 0.25, which draws with replacement as often as the range is wide, 10 to 1,000 times: one free port among many taken is missed e^-1 of the time",
			"strangers: as ftpserverlib; source, passive_connections_security 1 admits them",
			"active from: source, active_transfers_port_non_20",
			"all other fields: as ftpserverlib",
		},
	},
	{
		Name: "vsftpd", Title: "vsftpd",
		Hold: HoldTransfer, Pick: PickRandom, Tries: 9, Scope: ScopePort, WhenFull: FullDrops,
		AbandonedHold: 300 * time.Second, IdleFrees: true, MinPorts: 1,
		Strangers: StrangersRefused, AnnouncesName: true, ResumesTLS: true, AdmitsForeign: true, ActiveFrom: ActiveTwenty,
		Sources: []string{
			"pick, tries: measured, 3.0.3, and source, privops.c: nine draws with replacement",
			"when full (500 OOPS, the session ends), hold: measured",
			"abandoned hold: measured; 300 s of idle timeout, 60 s if the transfer was requested",
			"strangers: measured, 425, and the port is spent, unless pasv_promiscuous",
			"TLS: documentation, require_ssl_reuse is on by default",
			"active from: measured, with connect_from_port_20 and ftp_data_port",
		},
	},
}
