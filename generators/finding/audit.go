package finding

// What is found in configs and firewalls that are there already.
var (
	NoCap = rule("no-cap", "No cap of sessions",
		"The config admits any number of sessions.",
		"No range is large enough for them: transfers fail when the ports run out.",
		"Judge the sessions that you have with pasvctl audit --sessions, set the server's cap to them, and widen the range to what they need.")
	RangeUnset = rule("range-unset", "No passive range",
		"The config names no range of passive ports.",
		"The server draws any port, so that a firewall must open them all.",
		"Set a range; pasvctl capacity says what one carries.")
	OpenForNothing = rule("ports-open-for-nothing", "Ports open for nothing",
		"A range has more ports than the sessions can use, or a firewall opens ports that no server draws.",
		"Whatever else listens there is reachable.",
		"Narrow the range, or the rule.")
	FirewallDiffers = rule("firewall-differs", "Server and firewall differ",
		"The firewall does not open exactly the ports that the server draws.",
		"Transfers that are given a closed port fail.",
		"Give both the same range.")
	FamilyForgotten = rule("family-forgotten", "Range closed to a family",
		"The firewall opens the control port to IPv4 and IPv6, and the range to one of them only.",
		"Clients of the other family log in, and their transfers fail.",
		"Open the range to both families.")
	AnnounceUnreachable = rule("announce-unreachable", "Announced address that clients cannot reach",
		"The address in the reply to PASV is private, loopback or for documentation.",
		"Clients that use PASV connect to the wrong place.",
		"Announce the address that clients reach the server by.")
	PeerCheckOff = rule("peer-check-off", "Data connections from any address",
		"The server does not compare the address of a data connection with its control connection's.",
		"A stranger who connects to a data port first takes the transfer, or sends one.",
		"Turn the check on.")
	SessionReuseOff = rule("session-reuse-off", "TLS session reuse not demanded",
		"A data connection need not resume its control connection's TLS session.",
		"A stranger with the client's address can take a transfer, or send one.",
		"Demand session reuse; a few clients cannot do it.")
	TruncatedAccepted = rule("truncated-uploads-accepted", "Truncated uploads accepted",
		"Under TLS the server takes an upload as complete that ends without close_notify.",
		"An attacker on the path can cut uploads short without notice.",
		"Refuse them, if the server can.")
	ClearText = rule("clear-text", "Clear text",
		"Sessions may go without TLS.",
		"Passwords and files can be read on the way.",
		"Require TLS.")
	BalancerListeners = rule("balancer-listeners", "More ports than a load balancer has listeners",
		"A load balancer takes a listener for each port, and the range has more than it can have.",
		"Transfers that are given a port without a listener fail.",
		"Use a range of fewer ports, or announce addresses of the servers themselves.")
	PublishedDiffers = rule("published-ports-differ", "Published ports differ from the container's",
		"A range of a container's ports is published under other numbers.",
		"Clients are told the container's ports, which are others outside.",
		"Publish each port under its own number.")
	LineUnread = rule("line-unread", "Line not read",
		"A line may matter and cannot be read.",
		"What it changes is not in the findings.",
		"Look at it; none may be needed.")
	IgnoreUnused = rule("ignore-unused", "Ignored finding that is not there",
		"A line of the ignore list matches no finding.",
		"It hides a later finding that nobody has judged.",
		"Remove the line.")
)
