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

// profiles, sorted by name. "Measured" means on Linux 6.18 and Debian 12 with
// a client that fills the range, watches which ports are handed out, and then
// abandons them.
var profiles = []Profile{
	{
		Name: "apache", Title: "Apache FtpServer",
		Hold: HoldTransfer, Pick: PickScan, Scope: ScopePort, WhenFull: FullRefuses,
		AbandonedHold: 300 * time.Second, MinPorts: 1,
		Sources: []string{
			"hold, pick, when full: source, PassivePorts and IODataConnectionFactory; a port is drawn from the list of free ones and returned when the data connection closes",
			"abandoned hold: documentation, idle timeout 300 s",
		},
	},
	{
		Name: "aws_transfer", Title: "AWS Transfer Family",
		Hold: HoldListen, Pick: PickScan, Scope: ScopeAddress, WhenFull: FullUnknown,
		AbandonedHold: 1800 * time.Second, MinPorts: 9, FixedPorts: 9,
		Sources: []string{
			"fixed ports: documentation, data channels use 8192-8200",
			"scope: inferred from the nine ports that serve any number of clients, unconfirmed",
			"hold, pick, when full: undocumented; the ones that its nine ports allow",
			"abandoned hold: documentation, idle timeout 1800 s",
		},
	},
	{
		Name: "embedded", Title: "pasvctl serve",
		Hold: HoldListen, Pick: PickScan, Scope: ScopeAddress, WhenFull: FullWaits,
		MarksSessions: true, HoldsRange: true,
		AbandonedHold: 60 * time.Second, MinPorts: 1,
		Sources: []string{
			"hold, pick, scope, when full: package embeddedftpd/passive and its tests",
			"abandoned hold: 30 s until the reservation expires and 30 s while its key rests",
		},
	},
	{
		Name: "filezilla", Title: "FileZilla Server",
		Hold: HoldListen, Pick: PickScanPartial, Tries: 15, Scope: ScopeAddress, WhenFull: FullRefuses,
		AbandonedHold: 120 * time.Second, MinPorts: 1,
		Sources: []string{
			"pick, scope, when full: source; a random start, then upwards, 15 tries; peers do not exclude each other",
			"abandoned hold: documentation, login and idle timeout 120 s, unconfirmed",
		},
	},
	{
		Name: "ftpserverlib", Title: "ftpserverlib",
		Hold: HoldTransfer, Pick: PickDistinct, Tries: 1000, Scope: ScopePort, WhenFull: FullRefuses,
		AbandonedHold: 900 * time.Second, MinPorts: 1,
		Sources: []string{
			"pick: source, as many distinct random draws as the range has ports, at most 1,000; measured, two binds a port of a full range",
			"hold, when full (421, the session stays): measured",
			"abandoned hold: measured",
		},
	},
	{
		Name: "goftp", Title: "goftp server v2",
		Hold: HoldListen, Pick: PickRandom, Tries: 10, Scope: ScopePort, WhenFull: FullRefuses,
		AbandonedHold: 300 * time.Second, MinPorts: 2, NeverDrawn: 1,
		Sources: []string{
			"pick, never drawn, min ports: source, min + Intn(max-min): the last port is never drawn, and a range of one port panics",
			"hold, when full (425): source",
			"abandoned hold: unconfirmed, taken as the other servers' idle timeout",
		},
	},
	{
		Name: "iis", Title: "Microsoft IIS FTP",
		Hold: HoldSession, Pick: PickScan, Scope: ScopePort, WhenFull: FullUnknown,
		AbandonedHold: 120 * time.Second, MinPorts: 1,
		Sources: []string{
			"hold: unmeasured; the longest one, to be on the safe side",
			"pick, when full: undocumented; taken as a scan",
			"abandoned hold: documentation, control channel timeout 120 s",
		},
	},
	{
		Name: "proftpd", Title: "ProFTPD",
		Hold: HoldListen, Pick: PickScan, Scope: ScopePort, WhenFull: FullLeaves,
		AbandonedHold: 600 * time.Second, MinPorts: 2,
		Sources: []string{
			"hold, pick (a shuffled scan, three passes), when full (a kernel port, with a warning in the log): measured, 1.3.8",
			"abandoned hold: measured, TimeoutIdle 600 s",
			"min ports: measured; a range of one port is a fatal configuration error",
		},
	},
	{
		Name: "pureftpd", Title: "Pure-FTPd",
		Hold: HoldSession, Pick: PickScan, Scope: ScopePort, WhenFull: FullRefuses,
		AbandonedHold: 900 * time.Second, PortsPerSession: 2, MinPorts: 2,
		Sources: []string{
			"hold (until the next PASV or the session's end), pick (a scan from a random start), when full (425): measured, 1.0.50",
			"abandoned hold: measured, MaxIdleTime 15 minutes",
			"ports per session: measured; it admits half as many clients as it has ports",
			"min ports: measured; one port gives a cap of 0 clients, which it reads as no cap",
		},
	},
	{
		Name: "pyftpdlib", Title: "pyftpdlib",
		Hold: HoldListen, Pick: PickScan, Scope: ScopePort, WhenFull: FullLeaves,
		AbandonedHold: 30 * time.Second, MinPorts: 1,
		Sources: []string{
			"pick (random, without replacement, to the last port), when full (a kernel port, with a warning): source and measured",
			"hold, abandoned hold: measured",
		},
	},
	{
		Name: "sftpgo", Title: "SFTPGo",
		Hold: HoldTransfer, Pick: PickDistinct, Tries: 1000, Scope: ScopePort, WhenFull: FullRefuses,
		AbandonedHold: 900 * time.Second, MinPorts: 1,
		Sources: []string{
			"all fields: its FTP service is ftpserverlib, see there",
		},
	},
	{
		Name: "vsftpd", Title: "vsftpd",
		Hold: HoldTransfer, Pick: PickRandom, Tries: 9, Scope: ScopePort, WhenFull: FullDrops,
		AbandonedHold: 300 * time.Second, MinPorts: 1,
		Sources: []string{
			"pick, tries: measured, 3.0.3, and source, privops.c: nine draws with replacement",
			"when full (500 OOPS, the session dies), hold: measured",
			"abandoned hold: measured; 300 s of idle timeout, 60 s where the transfer was asked for",
		},
	},
}
