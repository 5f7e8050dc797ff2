package spec

import (
	"fmt"
	"time"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// siteTimeouts reads after how long a site's server ends an idle session and a
// transfer that makes no progress. 0 is the server's own.
func siteTimeouts(b *block, s *Site, server sizing.Profile) (idle, data time.Duration) {
	idle, data = b.wholeSeconds("idle_timeout"), b.wholeSeconds("data_timeout")
	for _, name := range []string{"idle_timeout", "data_timeout"} {
		switch {
		case !b.has(name):
		case s.Profile != nil:
			why := ""
			if name == "idle_timeout" {
				why = " How long a PASV that no connection follows keeps its port is abandoned_hold there."
			}
			b.warn(name, finding.NoEffect, "profile %q describes a server that pasvctl writes no config for.%s Remove %s.", s.Server, why, name)
		case server.FixedPorts > 0:
			b.err(name, finding.ServerUnable, "%s has no setting for it. Remove %s.", server.Title, name)
		case name == "data_timeout":
			b.unconfigured(name, s, server)
		case server.ActiveFrom == "" && server.Name != "" && !server.IdleFrees:
			b.warn(name, finding.NoEffect, "pasvctl writes no config for %s, and its idle timeout does not decide how long a PASV keeps its port. Remove %s.", s.Server, name)
		}
	}
	return idle, data
}

// wholeSeconds reads a duration that servers count in seconds; 0 if it is not set.
func (b *block) wholeSeconds(name string) time.Duration {
	d := b.duration(name)
	if up := (d + time.Second - 1).Truncate(time.Second); up != d {
		b.err(name, finding.ValueOutOfRange, "%s is %s, but servers count whole seconds. Write %q.", b.key(name), d, fmt.Sprintf("%.0fs", up.Seconds()))
	}
	return d
}
