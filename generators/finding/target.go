package finding

// What the targets find.
var (
	InvalidSetting = rule("invalid-setting", "Invalid setting of a target",
		"A target's setting has a form that its file format or platform does not take.",
		"The target renders nothing.",
		"Write it as the message says.")
	TargetLeftOut = rule("target-left-out", "Default target left out",
		"A default target cannot hold the plan, and the spec does not ask for it.",
		"Its files are missing; those of the other default targets are written.",
		"Write a target block for each target that is wanted.")
	FileConflict = rule("file-conflict", "Two files on one path",
		"Two targets write the same path, or one writes a file that another needs as a folder.",
		"One would overwrite the other.",
		"Change the output of one of them, or remove it.")
	TemplateMistake = rule("template-mistake", "Mistake in the template",
		"The target's own template does not parse, or fails.",
		"The target renders nothing.",
		"Correct the marked place of the template.")
	PlatformLimit = rule("platform-limit", "More than the platform takes",
		"The rendered file exceeds a limit of the platform that reads it.",
		"The platform refuses it, or loads a part.",
		"Split the spec, or merge ranges and networks.")
	SecurityGroupFull = rule("security-group-full", "Too many rules for a security group",
		"A host needs more rules than one security group holds.",
		"AWS refuses the group.",
		"Name fewer and wider client networks, spread the sites, or raise the quota and rules_per_group.")
	SecurityGroupShared = rule("security-group-shared", "A security group cannot tell these sites apart",
		"Two sites use one port on different addresses of a host, for different clients.",
		"In AWS each site's ports are open to the other's clients; the host's firewall still tells them apart.",
		"Give the sites different ports.")
	BaseConfigUnfit = rule("base-config-unfit", "Not a config of the server",
		"base_config is of a kind that the site's server does not have, or pasvctl writes none for that server, or another site of the host cannot run beside it.",
		"Nothing is generated.",
		"Name the server's own config, one for each site, or remove base_config.")
	BaseConfigUnreadable = rule("base-config-unreadable", "Cannot read the base config",
		"base_config cannot be read, is outside the spec's folder, or is not a config that its server would read.",
		"Nothing is generated.",
		"Correct the named place of the file.")
	BaseConfigDiffers = rule("base-config-differs", "The base config says otherwise",
		"A directive of the base config that the spec sets has another value there.",
		"The generated config has the spec's value, and the base's line is a comment.",
		"Write the value into the spec, or remove the line from the base config.")
	BaseConfigIncludes = rule("base-config-includes", "Files of the base config are not read",
		"The base config names further files of the server's config, which are not in its folder.",
		"A directive in them may win over the spec's.",
		"Copy them beside the base config, or remove from them the directives that the generated block has.")
	BaseConfigShared = rule("base-config-shared", "Other servers lose a directive",
		"A directive of <Global> or of an included file is a comment in the generated config, and other servers of the base config read it, too.",
		"They have ProFTPD's default instead.",
		"Write it into the sections of those servers.")
	ListensWider = rule("listens-wider", "The server listens on other addresses too",
		"The server binds one address or all, and the site has some of the host's.",
		"It answers on addresses that the site does not name.",
		"Name one address or all of them, or run ProFTPD.")
	CertificateElsewhere = rule("certificate-elsewhere", "The server reads its certificate elsewhere",
		"Pure-FTPd reads certificate and key from one file, which the spec does not name.",
		"The server does not start with TLS until the file is there.",
		"Join both in that file and name it in the spec.")
	ReuseUnchecked = rule("reuse-unchecked", "The server does not check session reuse",
		"The spec requires TLS session reuse, and the server takes data connections of any TLS session.",
		"A stranger's data connection is served.",
		`Set session_reuse = "preferred", or run another server.`)
	AnnounceMissing = rule("announce-missing", "No address for the reply to PASV",
		"A site runs in a container, where its server sees another address than its clients, and the spec does not say which one to announce.",
		"The reply to PASV names an address that no client can reach.",
		"Write announce in the site.")
	ManyProxies = rule("many-proxies", "A proxy process for each published port",
		"A container publishes a large range, and Docker starts a docker-proxy process for each port and address.",
		"Starting takes long, and the processes take much memory.",
		`Write network = "host" or forwarding = "rules" in the target's block, or run a server that needs fewer ports.`)
	ClientsHidden = rule("clients-hidden", "All clients have one address",
		"The engine forwards published ports by a proxy, whose address the server sees in place of its clients'.",
		"Caps for an address count all clients together, and a list of clients refuses all.",
		`Write network = "host" in the target's block, or sessions_per_address as high as sessions.`)
	ReplicasSplit = rule("replicas-split", "Several pods behind one Service",
		"A site has more than one pod behind its Service, which keeps affinity for each port by itself.",
		"Data connections go to other pods than their control connections, and fail.",
		"Write replicas = 1, and for more capacity further sites.")
	NodePortOutside = rule("node-port-outside", "Not a node port",
		"A Service of type NodePort has ports of 30000-32767 only, each once in a cluster, and a site has another.",
		"Nothing is generated.",
		"Choose a free port of that range, or expose the site by a load balancer.")
)
