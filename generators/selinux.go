package generators

import (
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "selinux", New: func() Target { return &selinux{} }})
}

// selinux gives the ports of each host's FTP servers the type ftp_port_t, with
// semanage(8). In the reference policy the domain ftpd_t may always bind ports of
// that type, other high ports only with the boolean ftpd_use_passive_mode, and it may
// connect to high ports, as active mode does, only with ftpd_connect_all_unreserved
// (read from Debian's policy 2.20221101 with sesearch).
type selinux struct{}

// selinuxServers run in the domain ftpd_t: the policy labels their programs ftpd_exec_t.
var selinuxServers = []string{"proftpd", "pureftpd", "vsftpd"}

// Files renders DIR/HOST/selinux.sh for each host that has such a server.
func (*selinux) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	for _, host := range p.Hosts {
		var ports []spec.PortRange
		active := false
		for _, site := range host.Sites {
			if slices.Contains(selinuxServers, site.Server) {
				ports = append(ports, spec.PortRange{First: site.Port, Last: site.Port}, site.DataPorts)
				active = active || site.Policy.Active.Count() > 0
			}
		}
		if len(ports) == 0 {
			continue
		}
		files = append(files, render(host.Name+"/selinux.sh", "selinux/selinux.sh.tmpl", map[string]any{
			"Header": header(p, "#"), "Host": host.Name, "Active": active,
			// semanage refuses local ranges that overlap.
			"Ports": spec.Join(spec.Merged(ports), " "),
		}))
	}
	return files, nil
}
