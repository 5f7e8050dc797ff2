package generators

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
)

func init() {
	register(Kind{Name: "ufw", HostFiles: []string{"ufw"}, New: func() Target { return &ufw{} }})
}

// ufw renders an application profile of each site and a script with its rules
// (ufw(8), APPLICATION INTEGRATION). A profile becomes one multiport match of 15
// ports, of which a site takes 3: its control port, and a range counts two. A rule
// with ports in place of a profile would stay when the range moves.
type ufw struct{}

// Files renders DIR/HOST/ufw/pasvctl.profile and DIR/HOST/ufw/pasvctl.sh.
func (*ufw) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	for _, host := range p.Hosts {
		rules := hostRules(host)
		if len(rules) == 0 {
			continue
		}
		data := map[string]any{"Header": header(p, "#"), "Rules": rules}
		for _, name := range []string{"pasvctl.profile", "pasvctl.sh"} {
			files = append(files, render(host.Name+"/ufw/"+name, "ufw/"+name+".tmpl", data))
		}
	}
	return files, nil
}
