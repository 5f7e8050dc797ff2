package generators

import (
	"fmt"
	"regexp"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
)

func init() {
	register(Kind{Name: "systemd", New: func() Target { return &systemd{Program: "/usr/bin/pasvctl"} }})
}

// systemd renders a unit for each host that puts the rules which were applied
// last into force at boot, before there is a network.
type systemd struct {
	// Program is where pasvctl is installed, as an absolute path.
	Program string `hcl:"program,optional"`

	ProgramRange hcl.Range `hcl:"program,attr_value_range"`
}

// unitProgram are paths that systemd.service(5) takes as they are, without
// quotes and specifiers.
var unitProgram = regexp.MustCompile(`^(/[A-Za-z0-9_.+-]+)+$`)

// Files renders DIR/HOST/pasvctl-rules.service.
func (s *systemd) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	if !unitProgram.MatchString(s.Program) {
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Invalid program",
			Detail:   fmt.Sprintf("program is %q, but a unit needs the absolute path of pasvctl, of letters, digits and _ . + - only, like \"/usr/local/bin/pasvctl\".", s.Program),
			Subject:  &s.ProgramRange,
		}}
	}
	var files []File
	for _, h := range p.Hosts {
		files = append(files, render(h.Name+"/pasvctl-rules.service", "systemd/pasvctl-rules.service.tmpl", map[string]any{
			"Header":  header(p, "#"),
			"Host":    h.Name,
			"Program": s.Program,
		}))
	}
	return files, nil
}
