package draft

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Start is a commented spec of one server, to begin with. cloud is the name of a
// target for a cloud's firewall, or "". address is that of the host.
func Start(server string, sessions int, cloud string, address netip.Addr) ([]byte, error) {
	profile, ok := sizing.Lookup(server)
	if !ok {
		return nil, fmt.Errorf("no profile of a server %q is known", server)
	}
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("# One FTP server. pasvctl plan shows its range, and pasvctl help spec what else there is.\n")
	say("host \"ftp\" {")
	say("# Addresses that clients reach, the servers' own.")
	say("addresses = [%s]\n}\n", quoted(address.String()))
	say("site \"ftp\" {\nhost = \"ftp\"\nserver = %s\nport = 21\n", quoted(server))
	if n := profile.FixedPorts; n > 0 {
		say("data_ports = \"%d-%d\" # it always uses these", firstFixed, firstFixed+n-1)
	}
	say("# announce = \"198.51.100.7\" # the address in the 227 reply, if a NAT is in front")
	say("# clients = [\"192.0.2.0/24\"] # who may connect; without it everyone\n")
	say("concurrency {\n# Control connections at once: a user's client opens two or three.")
	say("sessions = %d", sessions)
	say("# sessions_per_address = %d # behind the busiest client address\n}\n", sessions)
	say("# Without it all sessions may want a port at once, which takes the most ports.")
	say("# traffic {\n#   transfers_per_second = 10 # data connections in the busiest second, LIST too\n#   transfer_time = \"1s\"\n# }\n")
	o := spec.DefaultObjective(profile)
	say("# objective {\n#   refused = %s # share of the data connections, at the peak\n#   squatted = %d # ports that other programs may take\n# }\n", plain(sizing.DefaultRefused), o.Squatted)
	say("# tls {\n#   mode = \"explicit\"\n#   required = true\n#   certificate = \"/etc/ssl/certs/ftp.pem\"\n#   key = \"/etc/ssl/private/ftp.key\"\n# }\n}")
	if cloud != "" {
		say("\n# The rules of the cloud's firewall, beside the files that every spec renders.")
		say("pasvctl {\ndefault_targets = true\n}\n\ntarget %s {", quoted(cloud))
		for _, k := range generators.Kinds() {
			for _, a := range k.Settings {
				if k.Name == cloud && a.Required != "" {
					say("%s = %s # yours", a.Name, a.Example)
				}
			}
		}
		say("}")
	}
	return hclwrite.Format([]byte(b.String())), nil
}

// firstFixed is the first of the ports that AWS Transfer Family uses, the only
// server with fixed ones (its documentation).
const firstFixed = 8192

// Clouds are the targets for firewalls of clouds.
func Clouds() (names []string) {
	for _, k := range generators.Kinds() {
		if slices.Contains([]string{"aws", "azure", "gcp", "openstack", "digitalocean", "hetzner"}, k.Name) {
			names = append(names, k.Name)
		}
	}
	return names
}
