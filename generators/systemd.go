package generators

import (
	"regexp"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "systemd", New: func() Target {
		return &systemd{Program: "/usr/bin/pasvctl", Spec: "/etc/pasvctl", User: "pasvctl"}
	}, Settings: []spec.Argument{
		{Name: "program", Type: spec.Text, Default: "/usr/bin/pasvctl", Limit: unitPath, Example: `"/usr/local/bin/pasvctl"`,
			Doc: "Where pasvctl is installed on the host."},
		{Name: "spec", Type: spec.Text, Default: "/etc/pasvctl", Limit: unitPath, Example: `"/srv/pasvctl"`,
			Doc: "Where the spec is on the host."},
		{Name: "user", Type: spec.Text, Default: "pasvctl", Limit: "small letters, digits, _ and -; not root", Example: `"ftp"`,
			Doc: "User that the bundled daemon runs as; the deb and the rpm create \"pasvctl\"."},
	}})
}

// systemd renders a unit for each host that puts the rules which were applied
// last into force at boot, before there is a network, and units for each site
// that the bundled daemon serves.
type systemd struct {
	placed
	// Program is where pasvctl is installed, as an absolute path.
	Program string `hcl:"program,optional"`
	// Spec is where the spec is on the host, as an absolute path.
	Spec string `hcl:"spec,optional"`
	// User is who the daemon runs as.
	User string `hcl:"user,optional"`
}

const unitPath = "an absolute path of letters, digits and _ . + -"

// unitProgram are paths that systemd.service(5) takes as they are, without
// quotes and specifiers.
var unitProgram = regexp.MustCompile(`^(/[A-Za-z0-9_.+-]+)+$`)

// Files renders DIR/HOST/pasvctl-rules.service; pasvctl-rules-watch.timer and
// its service, which restore rules that were flushed;
// pasvctl-sets.service, which runs before saved iptables rules are loaded; and
// for a served site DIR/HOST/pasvctl-SITE.service and pasvctl-SITE.socket.
func (s *systemd) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	if !unitProgram.MatchString(s.Program) {
		return nil, hcl.Diagnostics{s.wrong("program", "program is %q, but a unit needs the absolute path of pasvctl, of letters, digits and _ . + - only, like \"/usr/local/bin/pasvctl\".", s.Program)}
	}
	if diags := s.unfit(); diags.HasErrors() {
		return nil, diags
	}
	var files []File
	for _, h := range p.Hosts {
		data := map[string]any{"Header": header(p, "#"), "Host": h.Name, "Program": s.Program, "Sets": false, "Packaged": false}
		for _, unit := range []string{"pasvctl-rules.service", "pasvctl-rules-watch.service", "pasvctl-rules-watch.timer"} {
			files = append(files, render(h.Name+"/"+unit, "systemd/"+unit+".tmpl", data))
		}
		data["Sets"] = true
		files = append(files, render(h.Name+"/pasvctl-sets.service", "systemd/pasvctl-rules.service.tmpl", data))
		for _, site := range h.Sites {
			if site.Server == "embedded" {
				files = append(files, s.served(p, site)...)
			}
		}
	}
	return files, nil
}
