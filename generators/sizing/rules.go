package sizing

import "math"

// Rule is a rule of thumb, or a preset, by which people open passive ports.
type Rule struct {
	Name   string `json:"name"` // who says so
	Says   string `json:"says"`
	Source string `json:"source"`
	Ports  int    `json:"ports"` // what it gives for the workload
}

// ruleOfThumb computes a rule's ports; 0 if the rule needs traffic and the
// workload has none.
type ruleOfThumb struct {
	name, says, source string
	ports              func(w Workload) int
}

func fixed(n int) func(Workload) int { return func(Workload) int { return n } }

func timesSessions(n int) func(Workload) int {
	return func(w Workload) int { return n * w.Sessions }
}

var rulesOfThumb = []ruleOfThumb{
	{"AWS Transfer Family", "always 8192-8200", "AWS Transfer Family user guide", fixed(9)},
	{"fauria/vsftpd", "21100-21110", "the image's README", fixed(11)},
	{"CompleteFTP", "100 ports", "CompleteFTP user guide", fixed(100)},
	{"docker-pure-ftpd", "two ports a client", "the image's README", timesSessions(2)},
	{"Axway SecureTransport", "five ports a connection at once", "SecureTransport administrator guide", timesSessions(5)},
	{"OneUptime", "about ten ports a client", "OneUptime's blog, 2026", timesSessions(10)},
	{"FileZilla Server", "more ports than transfers in any four minutes", "FileZilla Server documentation", fourMinutes},
	{"ProFTPD on AWS", "60000-65535 in the server, of which 60000-65534 are opened in the security group", "ProFTPD's AWS how-to", fixed(5536)},
	{"ProFTPD", "49152-65534", "ProFTPD documentation, PassivePorts", fixed(16383)},
	{"Plesk", "49152-65535", "Plesk's guide to passive FTP", fixed(16384)},
}

func fourMinutes(w Workload) int {
	if w.Traffic == nil {
		return 0
	}
	peak := max(1, w.Traffic.PeakFactor)
	return int(math.Ceil(w.Traffic.Rate*peak*240)) + 1
}

// RulesOfThumb returns what the rules of thumb would open for a workload, in a
// fixed order. A rule that goes by the rate is left out if the workload has
// none.
func RulesOfThumb(w Workload) []Rule {
	var all []Rule
	for _, r := range rulesOfThumb {
		if n := r.ports(w); n > 0 {
			all = append(all, Rule{Name: r.name, Ports: n, Says: r.says, Source: r.source})
		}
	}
	return all
}
