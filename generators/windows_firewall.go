package generators

import (
	"net/netip"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(Kind{Name: "windows_firewall", New: func() Target { return &windowsFirewall{} }})
}

// windowsFirewall renders inbound rules of Windows Defender Firewall as a PowerShell
// script for each host (module NetSecurity, New-NetFirewallRule and
// Set-NetFirewallRule): one rule for each site, its control port or its data ports,
// and address family.
type windowsFirewall struct{}

// windowsName is the longest name of a rule here. A rule is a value of the registry
// under its name, which may have 16,383 characters ("Registry element size limits").
const windowsName = 200

// windowsRule is what one rule admits. All its addresses are of one family.
type windowsRule struct {
	Name, Title string
	Local       []netip.Addr
	Ports       spec.PortRange
	From        []netip.Prefix
	// Everyone: From has the whole family. Then it needs no list, since Local
	// already names the family.
	Everyone bool
}

// Files renders DIR/HOST/windows-firewall.ps1 for each host.
func (*windowsFirewall) Files(p *plan.Plan) ([]File, hcl.Diagnostics) {
	var files []File
	for _, host := range p.Hosts {
		if rules := windowsRules(host); len(rules) > 0 {
			files = append(files, render(host.Name+"/windows-firewall.ps1", "windows_firewall/windows-firewall.ps1.tmpl",
				map[string]any{"Header": header(p, "#"), "Host": host.Name, "Rules": rules}))
		}
	}
	return files, nil
}

// windowsRules are the rules of a host, in the order of the flat list.
func windowsRules(host *plan.Host) []windowsRule {
	var all []windowsRule
	at := map[string]int{}
	for _, way := range host.Admissions() {
		for _, purpose := range way.For {
			local, suffix := purpose.Site.Policy.Addresses4, "v4"
			if way.Family() == "IPv6" {
				local, suffix = purpose.Site.Policy.Addresses6, "v6"
			}
			name := cloudName(windowsName, "-"+purpose.String()+"-"+suffix, host.Name, purpose.Site.Name)
			i, seen := at[name]
			if !seen {
				i = len(all)
				at[name] = i
				all = append(all, windowsRule{Name: name, Title: "FTP " + purpose.Site.Name + " " + purpose.String() + " " + way.Family(),
					Local: local, Ports: way.Ports})
			}
			all[i].From = append(all[i].From, way.From)
			all[i].Everyone = all[i].Everyone || way.From.Bits() == 0
		}
	}
	for i := range all {
		slices.SortFunc(all[i].From, netip.Prefix.Compare)
	}
	return all
}
