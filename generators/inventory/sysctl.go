package inventory

import (
	"regexp"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() { register(reader{tellsSysctl, readSysctl}) }

var sysctlLine = regexp.MustCompile(`(?m)^[ \t]*-?(?:net|kernel|vm|fs)[./][a-z0-9_./-]+[ \t]*=`)

func tellsSysctl(text []byte) int { return matches(sysctlLine, text) }

// readSysctl reads a file of sysctl.d(5), or what sysctl -a prints, for the local
// ports of the kernel.
func readSysctl(in *input) error {
	for i, line := range strings.Split(string(in.text), "\n") {
		name, text, ok := strings.Cut(line, "=")
		if !ok {
			continue
		}
		at := in.at(i + 1)
		switch name = strings.Trim(strings.ReplaceAll(name, "/", "."), " \t-"); name {
		case "net.ipv4.ip_local_port_range":
			first, last, _ := strings.Cut(strings.Join(strings.Fields(text), " "), " ")
			r, err := ports(first, last)
			if err != nil {
				in.unread(at, name, "%s", err)
				continue
			}
			in.LocalPorts = Setting[spec.PortRange]{r, at}
		case "net.ipv4.ip_local_reserved_ports":
			in.ReservedPorts = nil // the last line counts
			for _, part := range strings.Split(strings.TrimSpace(text), ",") {
				if r, ok := spec.ParsePortRange(strings.TrimSpace(part)); ok && r.First > 0 {
					in.ReservedPorts = append(in.ReservedPorts, Setting[spec.PortRange]{r, at})
				} else if strings.TrimSpace(part) != "" {
					in.unread(at, name, "it is not a list of ports")
				}
			}
		}
	}
	return nil
}
