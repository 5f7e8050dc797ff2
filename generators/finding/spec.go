package finding

// What is wrong with the text of a spec.
var (
	InvalidSyntax = rule("invalid-syntax", "Invalid syntax",
		"The text does not follow HCL's grammar.",
		"Nothing after it in the block can be read.",
		"Correct the marked place; pasvctl fmt shows how HCL is laid out.")
	InvalidExpression = rule("invalid-expression", "Invalid expression",
		"An expression cannot be evaluated.",
		"Its argument has no value.",
		"Correct it, or write the value itself.")
	UnknownReference = rule("unknown-reference", "Unknown name in an expression",
		"An expression names a variable, local value, attribute or function that does not exist.",
		"Its argument has no value.",
		"Declare the name, or correct it.")
	ReferenceCycle = rule("reference-cycle", "Cycle of local values",
		"Local values refer to each other in a circle.",
		"None of them has a value.",
		"Give one of them a value of its own.")
	UnsupportedArgument = rule("unsupported-argument", "Unsupported argument",
		"A block has an argument, block or label that it does not take.",
		"It has no effect.",
		"Correct its name, or move it to the block that takes it; pasvctl help spec lists them.")
	MissingArgument = rule("missing-argument", "Missing argument",
		"A block lacks an argument or block that it needs.",
		"There is no safe default to compute with.",
		"Write it.")
	DuplicateArgument = rule("duplicate-argument", "Duplicate argument",
		"An argument or block that is allowed once is given twice.",
		"pasvctl cannot know which one counts.",
		"Keep one.")
	DuplicateName = rule("duplicate-name", "Duplicate name",
		"Two declarations have the same name.",
		"A reference could mean either, and their files would overwrite each other.",
		"Rename one of them.")
	DuplicateElement = rule("duplicate-element", "Duplicate element",
		"A list has the same element twice.",
		"It is probably a mistake, and another element is missing.",
		"Remove one of the two.")
	EmptyList = rule("empty-list", "Empty list",
		"A list that needs an element has none.",
		"Nothing is served, or no client can connect.",
		"Name the elements, or leave the argument out if it has a default.")
	WrongType = rule("wrong-type", "Wrong type",
		"A value is of another type than its argument takes.",
		"The argument cannot be used.",
		"Write a value of the type that the message names.")
	InvalidChoice = rule("invalid-choice", "Invalid choice",
		"The value is not one of the words that the argument takes.",
		"The argument cannot be used.",
		"Write one of the words that the message lists.")
	ValueOutOfRange = rule("value-out-of-range", "Value out of range",
		"A number or duration is below or above what its argument takes.",
		"The result could not be computed, or no server could have it.",
		"Write a value within the bounds that the message names.")
	InvalidDuration = rule("invalid-duration", "Invalid duration",
		"A text is not a duration.",
		"Its value is unknown.",
		`Write a number with its unit, like "150ms", "2s" or "5m".`)
	ConflictingValues = rule("conflicting-values", "Conflicting values",
		"Two arguments contradict each other.",
		"No server can do both.",
		"Change one of them, as the message says.")
	NoEffect = rule("no-effect", "Argument without effect",
		"An argument has no effect here.",
		"The spec promises something that is not done.",
		"Remove it.")
	InvalidName = rule("invalid-name", "Invalid name",
		"A name has characters, or a length, that files, chains or expressions do not take.",
		"Files and rules could not be named after it.",
		"Use lower-case letters, digits and hyphens, starting with a letter.")
	ReservedName = rule("reserved-name", "Reserved name",
		"A name is taken: by a folder or file that pasvctl writes, or by the operating system.",
		"Two things would be written to one path, or the file could not be made.",
		"Choose another name.")
	InvalidPath = rule("invalid-path", "Invalid path",
		"A path is not absolute, not in its simplest form, or has characters that configs do not take.",
		"A server could not open it.",
		"Write an absolute path of letters, digits and / . _ @ + , = : -.")
	TextTooLong = rule("text-too-long", "Text too long",
		"A text is longer than any setting needs.",
		"Configs and rules could not hold it.",
		"Shorten it.")
	FileTooLong = rule("file-too-long", "File too long",
		"A file exceeds the size that is read.",
		"It is not read.",
		"Split it.")
	ControlCharacter = rule("control-character", "Control character",
		"A text has a control character, a line break or an invisible character.",
		"It could end a line of a generated config and start another.",
		"Write it without.")
	NotText = rule("not-text", "Not text",
		"A file or value is not UTF-8 text, or has a NUL byte.",
		"It cannot be read.",
		"Save it as UTF-8.")
	SpecTooComplex = rule("spec-too-complex", "Spec too complex",
		"The spec nests too deep, chains too many operators, or has too large a number or too many blocks.",
		"Evaluating it could take all memory.",
		"Move parts into locals, or split the spec.")
	SpecUnreadable = rule("spec-unreadable", "Cannot read the spec",
		"A file of the spec cannot be read.",
		"Its sites are missing.",
		"Correct the path or the permissions.")
	SourceUnreadable = rule("source-unreadable", "Cannot read the source",
		"The source of a template cannot be read, or is outside the spec's folder.",
		"The target renders nothing.",
		"Put the file into the folder of the spec and write its path from there.")
	NoSite = rule("no-site", "Spec without a site",
		"The spec has no site block.",
		"There is nothing to compute.",
		"Add a site.")
	VersionUnmet = rule("version-unmet", "Another version of pasvctl required",
		"required_version does not admit this version of pasvctl.",
		"This version may misread the spec.",
		"Run a version that it allows, or change it.")
	UnknownVariable = rule("unknown-variable", "Unknown variable",
		"A value is given for a variable that the spec does not declare.",
		"The value has no effect.",
		"Correct its name, or declare the variable.")
	VariableWithoutValue = rule("variable-without-value", "Variable without a value",
		"A variable has no default, and nothing sets it.",
		"What depends on it has no value.",
		"Give it a default, or set it with --var, --var-file or PASVCTL_VAR_NAME.")
	VariableRefused = rule("variable-refused", "Invalid value of variable",
		"A variable's validation refuses its value.",
		"The spec's author has ruled the value out.",
		"Give a value that the rule allows.")
)

// What is wrong with hosts, sites and what they refer to.
var (
	UnknownHost = rule("unknown-host", "Unknown host",
		"The name is not a host's.",
		"The site has no machine to run on.",
		"Name a host block, or add one.")
	UnknownSite = rule("unknown-site", "Unknown site",
		"The name is not a site's.",
		"What refers to it has no destination.",
		"Name a site block, or add one.")
	UnknownServer = rule("unknown-server", "Unknown server",
		"No server profile has this name.",
		"How it draws and holds passive ports is unknown, so the range cannot be computed.",
		"Name a known server, or describe yours in a profile block.")
	UnknownTarget = rule("unknown-target", "Unknown target",
		"No target has this name.",
		"Nothing can be rendered for it.",
		"Name one of the targets that the message lists.")
	InvalidAddress = rule("invalid-address", "Invalid address",
		"A text is not an IP address that a machine can be reached by.",
		"Rules and configs could not use it.",
		`Write one address, like "203.0.113.10" or "2001:db8::10".`)
	InvalidNetwork = rule("invalid-network", "Invalid client network",
		"A text is not a network of clients.",
		"Rules would match other clients, or none.",
		`Write a network with its prefix, like "192.0.2.0/24".`)
	DuplicateAddress = rule("duplicate-address", "Duplicate address",
		"Two hosts or gateways have the same address.",
		"A packet could not be told to belong to one of them.",
		"Give the address to one of them.")
	AddressNotOfHost = rule("address-not-of-host", "Not the host's address",
		"A site names an address that its host does not have.",
		"The server could not listen there.",
		"Use one of the host's addresses, or add it to the host.")
	FamilyMismatch = rule("family-mismatch", "Addresses of different families",
		"One side has only IPv4 addresses, the other only IPv6 addresses.",
		"No packet gets from one to the other.",
		"Add an address or network of the other's family.")
	UnreachableClients = rule("unreachable-clients", "Clients that cannot connect",
		"Packets from a client network never reach the site.",
		"The network is in the rules for nothing.",
		"Remove it, or correct it.")
	AnnounceInvalid = rule("announce-invalid", "Invalid announced address",
		"announce is not an IPv4 address that clients can connect to.",
		"Clients that use PASV would connect to the wrong place.",
		"Write the IPv4 address that clients reach the site by.")
	AnnounceNotGateway = rule("announce-not-gateway", "Site does not announce its gateway",
		"A site behind a gateway announces another address than the gateway's.",
		"Clients that use PASV connect past the gateway and fail.",
		"Set announce to the gateway's address, or list the client networks that need another.")
	InvalidChain = rule("invalid-chain", "Invalid chain",
		"into does not name a chain that nft can jump from.",
		"The rules could not be loaded.",
		`Write family, table and chain, like "inet filter input".`)
	InvalidDestination = rule("invalid-destination", "Invalid destination",
		"An expectation's destination is neither a site's port nor HOST:PORT.",
		"There is nothing to send a packet to.",
		"Write site.NAME.data, site.NAME.control or \"HOST:PORT\".")
	PortOutOfRange = rule("port-out-of-range", "Port out of range",
		"A port is not a whole number from 1 to 65535.",
		"No server can listen there.",
		"Write a port from 1 to 65535; FTP's own is 21.")
	InvalidPortRange = rule("invalid-port-range", "Invalid port range",
		"A text is not a range of ports.",
		"It cannot be opened or avoided.",
		`Write the first and the last port with a hyphen, like "61000-61099".`)
	ControlPortTaken = rule("control-port-taken", "Control port taken",
		"Two sites listen on one port of one address.",
		"One of the servers does not start.",
		"Give one of them another port or another address.")
	PortsOverlap = rule("ports-overlap", "Overlapping ports",
		"A site's data ports include a port that a site uses on the same address.",
		"Whoever binds the port second fails, or clients meet the wrong server.",
		"Move one of the two.")
	DataPortsPrivileged = rule("data-ports-privileged", "Data ports below 1024",
		"A pinned range starts below 1024.",
		"A server that has dropped root cannot bind those ports.",
		"Choose a range above 1023.")
	DataPortsAvoided = rule("data-ports-avoided", "Data ports to be avoided",
		"A pinned range includes ports that the host's avoid_ports lists.",
		"Whatever the list keeps them for meets the site's clients.",
		"Move the range, or correct the list.")
	DataPortsEphemeral = rule("data-ports-ephemeral", "Data ports among the ephemeral ports",
		"A pinned range includes ports that the host gives to its own outgoing connections.",
		"Any program may hold one of them when the server needs it.",
		"Move the range, or reserve it with target \"sysctl\" {}.")
	NeedsTLS = rule("needs-tls", "Needs TLS",
		"An argument asks for what only TLS makes possible, and the site has none.",
		"The server cannot do it.",
		"Set tls.mode, or remove the argument.")
	ImplicitTLSPort = rule("implicit-tls-port", "Implicit TLS on port 21",
		"The site speaks implicit TLS on the port of clear text and AUTH TLS.",
		"Clients do not connect.",
		`Use port 990, or mode = "explicit".`)
	ExplicitTLSPort = rule("explicit-tls-port", "Explicit TLS on port 990",
		"The site speaks clear text and AUTH TLS on the port of implicit TLS.",
		"Clients start with a TLS handshake there, and do not connect.",
		`Use port 21, or mode = "implicit".`)
	ServerUnable = rule("server-unable", "The server cannot do this",
		"The spec asks for what this server has no setting for.",
		"The server does something else, or does not start.",
		"Change the argument, or run a server that can.")
	GateRefusesForeignData = rule("gate-refuses-foreign-data", "The gate refuses foreign data connections",
		"foreign_data admits data connections from any address, and the gate only from those of control connections.",
		"The firewall drops what the server would admit.",
		"Set gate = false, or remove foreign_data.")
	ServerRefusesForeignData = rule("server-refuses-foreign-data", "The server refuses foreign data connections",
		"The gate is off for clients that connect from several addresses, and the server still compares them.",
		"Their data connections are refused.",
		"Set foreign_data as the message says.")
)

// What sizing and placing finds.
var (
	Overload = rule("overload", "More transfers than the sessions carry",
		"The sessions, each with one transfer at a time, cannot carry the transfers per second.",
		"The load grows without bound, and no range is enough.",
		"Raise sessions, or lower transfers_per_second, transfer_time or connect_time.")
	NoRangeSuffices = rule("no-range-suffices", "No range is large enough",
		"Even the largest range refuses more than the objective allows.",
		"The objective cannot be kept.",
		"Allow more in objective, ask for less, or choose another server.")
	TrafficRequired = rule("traffic-required", "Traffic must be known",
		"Without a traffic block the worst case is computed, and on this server no range is large enough for it.",
		"The range cannot be computed from the sessions alone.",
		"Add a traffic block.")
	ImpossibleWorkload = rule("impossible-workload", "Impossible workload",
		"The figures of a site cannot be true together.",
		"The range cannot be computed.",
		"Correct the attribute that the message names.")
	ImpossibleProfile = rule("impossible-profile", "Impossible profile",
		"A profile describes a server that cannot exist.",
		"No range can be computed for it.",
		"Correct the attribute that the message names.")
	RangeFixed = rule("range-fixed", "Range cannot be chosen",
		"The server always uses the same ports.",
		"Another range would be opened for nothing.",
		"Pin data_ports to them.")
	RangeTooSmall = rule("range-too-small", "Range too small",
		"A range has fewer ports than the sessions need.",
		"Transfers fail when the ports run out.",
		"Widen the range, or ask for less in concurrency, traffic or objective.")
	NoRoom = rule("no-room", "No room for the passive range",
		"The host has no gap of free ports as large as the range.",
		"The site cannot be placed.",
		"Ask for less, narrow ephemeral_ports, or give the site an address of its own.")
	RangeOverService = rule("range-over-service", "Data ports over a service",
		"A pinned range covers the port of a well-known service.",
		"The service is open to the site's clients, and the site cannot use its port.",
		"Move the range.")
	DataConnectionsUnproven = rule("data-connections-unproven", "Data connections prove nothing",
		"With foreign_data the first connection to a data port is served.",
		"A stranger can take a transfer or send one.",
		"Require TLS with session reuse, or remove foreign_data.")
	ListenRace = rule("listen-race", "The server's listen race",
		"Two sessions of this server may choose the same free port in the same instant.",
		"The second is refused, however large the range.",
		"Allow for it in objective.refused, or choose a server that draws again.")
	SharedSourcePorts = rule("shared-source-ports", "Source ports of one address run out",
		"The clients behind one address share its source ports.",
		"Behind most NATs more server ports do not help them.",
		"Add addresses to the NAT's pool.")
	InvalidRename = rule("invalid-rename", "Invalid rename of a site",
		"A moved block does not lead from a name that no site has any more to a site's present one.",
		"pasvctl cannot know which ports the site had.",
		"Remove the block, or correct its from and to.")
	RenamedTwice = rule("renamed-twice", "The lock has a site under two names",
		"A moved block gives a site the ports of its old name, and the lock has others under the present one.",
		"pasvctl cannot know which of the two ranges is deployed.",
		"Remove the moved block, or the lock's entry that is not deployed.")
	LockUnreadable = rule("lock-unreadable", "Cannot read the lock",
		"pasvctl.lock.hcl cannot be read.",
		"Every range would be chosen again, and deployed rules would no longer match.",
		"Correct its permissions, or restore it from version control.")
	LockDamaged = rule("lock-damaged", "Damaged lock file",
		"pasvctl.lock.hcl is not as pasvctl writes it.",
		"The ranges that are deployed are not known.",
		"Restore it from version control, or delete it to let pasvctl choose all ranges again.")
)
