package generators

import (
	"net/netip"
	"regexp"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// unitUser are names of users that systemd.service(5) takes.
var unitUser = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,30}$`)

// unfit tells what a unit of a served site cannot hold.
func (s *systemd) unfit() (diags hcl.Diagnostics) {
	if !unitProgram.MatchString(s.Spec) {
		diags = append(diags, s.wrong("spec", "spec is %q, but a unit needs the absolute path of the spec on the host, of letters, digits and _ . + - only, like \"/etc/pasvctl\".", s.Spec))
	}
	if !unitUser.MatchString(s.User) || s.User == "root" {
		diags = append(diags, s.wrong("user", "user is %q, but the daemon runs as an ordinary user of the host, named with small letters, digits, _ and -, like \"pasvctl\".", s.User))
	}
	return diags
}

// served renders the service and the socket of a site that the bundled daemon
// serves: DIR/HOST/pasvctl-SITE.service and .socket.
func (s *systemd) served(p *plan.Plan, site *plan.Site) []File {
	unit := "pasvctl-" + site.Name
	var ports []int
	for port := int(site.DataPorts.First); port <= int(site.DataPorts.Last); port++ {
		ports = append(ports, port)
	}
	data := map[string]any{
		"Header": header(p, "#"), "Site": site.Name, "Unit": unit,
		"Program": s.Program, "Spec": s.Spec, "User": s.User,
		"Lock": plan.LockFile, "Packaged": false,
		"TLS":       site.TLS.Mode != spec.TLSOff,
		"Restarts":  site.ForeignData, // the daemon then does not hand over
		"Users":     "/etc/pasvctl/" + site.Name + ".users",
		"Addresses": bracketed(site.Addresses), "Control": site.Port, "Data": ports,
		"Files": 7*site.Sessions + (len(ports)+1)*len(site.Addresses) + 1024,
	}
	folder := site.Host.Name + "/" + unit
	return []File{
		render(folder+".service", "systemd/pasvctl-site.service.tmpl", data),
		render(folder+".socket", "systemd/pasvctl-site.socket.tmpl", data),
	}
}

// bracketed writes addresses as they stand before a port.
func bracketed(all []netip.Addr) []string {
	var texts []string
	for _, a := range all {
		if text := a.String(); a.Is6() {
			texts = append(texts, "["+text+"]")
		} else {
			texts = append(texts, text)
		}
	}
	return texts
}
