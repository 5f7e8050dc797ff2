package finding

// What is found on a machine that is to run the sites.
var (
	CheckFailed = rule("check-failed", "A check could not be made",
		"A file, a program or a privilege that a check needs is missing.",
		"What the check would find is unknown.",
		"Run pasvctl doctor as root on the host itself, with the firewall's programs installed.")
	InterfaceWrong = rule("interface-wrong", "Interface without the host's packets",
		"The machine lacks the interface that the host names, or its addresses are on another.",
		"The rules match only packets that come in on that interface: none.",
		"Name the interface that the packets come in by, or leave out interface.")
	AddressMissing = rule("address-missing", "Address not on this machine",
		"No interface of the machine has an address of the host.",
		"Rules for that address match no packet.",
		"Add the address to an interface, correct it, or write floating = true if it moves between machines.")
	PortSquatted = rule("port-squatted", "Port of a range taken",
		"Another program listens on a port of a site's range.",
		"Transfers that are given this port fail, or reach that program.",
		"Stop the program, or give the site other ports with data_ports.")
	PortUsedOutbound = rule("port-used-outbound", "Port of a range in use by an outgoing connection",
		"An outgoing connection of this machine leaves from a port of a site's range.",
		"The server cannot bind that port while the connection lasts.",
		"Reserve the range with the rendered sysctl file, then restart the program.")
	EphemeralDiffers = rule("ephemeral-differs", "Ephemeral ports are not those of the spec",
		"The kernel draws local ports from another range than the spec's ephemeral_ports.",
		"Ranges were placed without regard to the ports that programs are given.",
		"Correct ephemeral_ports, then run pasvctl generate again.")
	EphemeralUnreserved = rule("ephemeral-unreserved", "Ephemeral ports in a range",
		"A site's range overlaps the kernel's local ports and is not reserved.",
		"Any program here may be given a port of the range, and the transfer that needs it fails.",
		"Load the rendered sysctl file.")
	RangeUnreserved = rule("range-unreserved", "Range not reserved",
		"ip_local_reserved_ports lacks a site's range.",
		"If ip_local_port_range is widened later, other programs can take ports of the range.",
		"Load the rendered sysctl file.")
	ConntrackFull = rule("conntrack-full", "Connection tracking table too small",
		"The table has fewer free entries than the sites may need.",
		"When it is full, the kernel drops all new connections.",
		"Raise net.netfilter.nf_conntrack_max.")
	ConntrackLiberal = rule("conntrack-liberal", "Sequence numbers are not checked",
		"nf_conntrack_tcp_be_liberal is set.",
		"A blind packet can open the gate.",
		"Set net.netfilter.nf_conntrack_tcp_be_liberal to 0.")
	ConntrackStrict = rule("conntrack-strict", "Running connections are not picked up",
		"nf_conntrack_tcp_loose is 0.",
		"Running transfers stop when rules are first loaded, or the table is flushed.",
		"Set net.netfilter.nf_conntrack_tcp_loose to 1.")
	BacklogShort = rule("backlog-short", "Queue before accept too short",
		"net.core.somaxconn is smaller than the sessions that may connect at once.",
		"Clients of a login storm wait for retransmitted SYNs.",
		"Raise net.core.somaxconn.")
	CertificateUnreadable = rule("certificate-unreadable", "Certificate cannot be read",
		"The file of tls.certificate is missing, unreadable or not a certificate.",
		"The server does not start, or serves no TLS.",
		"Put a PEM certificate there, readable for the server.")
	CertificateInvalid = rule("certificate-invalid", "Certificate not valid now",
		"The certificate has expired or is not valid yet, by this machine's clock.",
		"Clients that check certificates refuse to connect.",
		"Correct the clock, or renew the certificate.")
	CertificateExpires = rule("certificate-expires", "Certificate expires soon",
		"The certificate expires within two weeks.",
		"After that, clients that check certificates refuse to connect.",
		"Renew it.")
	SELinuxDenies = rule("selinux-denies", "SELinux denies passive ports",
		"SELinux is enforcing, and ftpd_use_passive_mode is off.",
		"FTP daemons may not bind the range.",
		"Run setsebool -P ftpd_use_passive_mode on.")
	FirewallManager = rule("firewall-manager", "Another program writes firewall rules",
		"firewalld, ufw or Docker manages rules on this machine.",
		"Its reloads may affect pasvctl's rules.",
		"None is needed; the finding says how both work together.")
	RulesMisplaced = rule("rules-misplaced", "Rules in a chain that another program owns",
		"The host's rules go into a chain of firewalld or iptables.",
		"Its owner wipes them, or its tools break.",
		"Remove firewall { into } from the host, or use the backend that the message names.")
	RulesRefused = rule("rules-refused", "The rules would not load",
		"The rules need a chain that is missing, or objects of theirs are used by others' rules.",
		"apply refuses them.",
		"Make the chain, or remove the rules that use pasvctl's objects.")
	RulesElsewhere = rule("rules-elsewhere", "Rules in two backends",
		"nftables and iptables both have rules under pasvctl's name.",
		"Both see each packet, and the stricter wins.",
		"Remove all with pasvctl apply --remove, then apply again.")
	RulesGone = rule("rules-gone", "The rules are gone",
		"Rules that were applied are no longer in the kernel.",
		"The sites have no gate and no limits, or the host's own rules block them.",
		"Run pasvctl apply --restore.")
	RulesChanged = rule("rules-changed", "The rules were changed",
		"Somebody has changed pasvctl's rules in the kernel.",
		"They may open more than the spec, or less.",
		"See pasvctl diff, then apply with --adopt.")
	RulesOutdated = rule("rules-outdated", "The spec has changed since",
		"The spec has changed since its rules were applied.",
		"The machine runs the older rules.",
		"Run pasvctl apply.")
	RulesOfAnother = rule("rules-of-another", "The rules of another spec",
		"This machine runs the rules of another spec or host.",
		"This spec's sites have none.",
		"Put the sites of one machine into one spec, or replace the rules with --replace.")
	RulesSaved = rule("rules-saved", "Saved rules that need pasvctl's sets",
		"A file that is loaded at boot has pasvctl's chains, but their sets do not exist yet.",
		"None of that file is loaded.",
		"Remove the lines from it; apply puts the rules back after a boot.")
	ChangePending = rule("change-pending", "A change waits to be confirmed",
		"A change of the rules has not been confirmed.",
		"It is taken back at its deadline, or stays unconfirmed if its guard is gone.",
		"Run pasvctl confirm or pasvctl rollback.")
	ClientsDropped = rule("clients-dropped", "Other rules drop the sites' clients",
		"Rules of others drop or divert connections that the policy allows.",
		"Those clients cannot connect or transfer.",
		"Let the sites' ports pass those rules.")
	GateUntaught = rule("gate-untaught", "The gate does not see control connections",
		"Packets of control connections are accepted or untracked before they reach pasvctl's rules.",
		"The gate refuses their data connections.",
		"Put pasvctl's jump first, or let the kernel track the control ports.")
	PolicyBypassed = rule("policy-bypassed", "Other rules let strangers in",
		"A rule that comes before pasvctl's accepts connections that the policy refuses.",
		"Strangers reach the sites' ports.",
		"Put pasvctl's jump before that rule.")
	TrialIncomplete = rule("trial-incomplete", "Not every connection was tried",
		"The time for trying connections was over.",
		"What the rest would show is unknown.",
		"Run it again on a quieter machine, or with fewer sites.")
)
