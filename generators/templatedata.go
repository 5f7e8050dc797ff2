package generators

import (
	"fmt"
	"slices"
	"time"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// templateData is what a user's template sees as its dot. It is a public face:
// names stay, and are only added to. Everything is text, a number, a boolean, a
// list or a dict; what a spec leaves out is "", 0 or an empty list.
//
//	.Header    "Made by pasvctl …", without a comment mark
//	.Version   of pasvctl
//	.Spec      the name that the spec gives itself
//	.Hosts     by name: Name, Interface, Addresses, EphemeralPorts, AvoidPorts,
//	           ReservedPorts, Sites
//	.Sites     by name: Name, Host, Server, Addresses, ControlPort, DataPorts,
//	           Pinned, Binding (the bound that makes the range so large),
//	           Refused (share of data connections), Announce, Clients, Gate,
//	           ForeignData, Sessions, SessionsPerAddress, IdleTimeout and
//	           DataTimeout (seconds; 0 if not set), AbandonedHold (seconds
//	           that a PASV without a connection holds its port: the idle
//	           timeout, on most servers), AnnounceTo, ActiveMode,
//	           TruncatedUploads, TLS
//	.Gateways  by name: Name, Address, Forwards
//
// A range of ports is First, Last and Count. TLS is Mode, Required,
// ReuseRequired, Certificate and Key. An AnnounceTo is Clients and Address, the
// smallest network first. A forward is Site, Ports, To and ToPorts.
func templateData(p *plan.Plan) map[string]any {
	return map[string]any{
		"Header": header(p, "")[1:], "Version": Version, "Spec": p.SpecName,
		"Hosts": listOf(p.Hosts, hostData), "Sites": listOf(p.Sites, siteData), "Gateways": listOf(p.Gateways, gatewayData),
	}
}

func hostData(host *plan.Host) map[string]any {
	return map[string]any{
		"Name": host.Name, "Interface": host.Interface, "Addresses": texts(host.Addresses),
		"EphemeralPorts": rangeData(host.EphemeralPorts), "AvoidPorts": listOf(host.AvoidPorts, rangeData),
		"ReservedPorts": listOf(host.ReservedPorts, rangeData), "Sites": listOf(host.Sites, siteData),
	}
}

func gatewayData(gateway *plan.Gateway) map[string]any {
	return map[string]any{"Name": gateway.Name, "Address": gateway.Address.String(), "Forwards": listOf(gateway.Forwards, forwardData)}
}

func forwardData(f plan.Forward) map[string]any {
	return map[string]any{"Site": f.Site.Name, "Ports": rangeData(f.Ports), "To": f.To.String(), "ToPorts": rangeData(f.ToPorts)}
}

func announcementData(to spec.Announcement) map[string]any {
	return map[string]any{"Clients": to.Clients.String(), "Address": to.Address.String()}
}

func siteData(site *plan.Site) map[string]any {
	return map[string]any{
		"AnnounceTo": listOf(site.AnnounceTo, announcementData), "ActiveMode": site.ActiveMode, "TruncatedUploads": string(site.TruncatedUploads),
		"Name": site.Name, "Host": site.Host.Name, "Server": site.Server, "Addresses": texts(site.Addresses),
		"ControlPort": int(site.Port), "DataPorts": rangeData(site.DataPorts),
		"Pinned": site.Pinned, "Binding": site.Sizing.Binding, "Refused": site.Refused,
		"Announce": site.Announced(), "Clients": texts(slices.Concat(site.Policy.Clients4, site.Policy.Clients6)),
		"IdleTimeout": int(site.IdleTimeout.Seconds()), "DataTimeout": int(site.DataTimeout.Seconds()),
		"Gate": site.Gate, "ForeignData": site.ForeignData, "Sessions": site.Sessions, "SessionsPerAddress": site.SessionsPerAddress,
		"AbandonedHold": int(site.AbandonedHoldOn(site.Profile) / time.Second),
		"TLS": map[string]any{
			"Mode": string(site.TLS.Mode), "Required": site.TLS.Required, "ReuseRequired": site.TLS.ReuseRequired,
			"Certificate": site.TLS.Certificate, "Key": site.TLS.Key,
		},
	}
}

func rangeData(r spec.PortRange) map[string]any {
	return map[string]any{"First": int(r.First), "Last": int(r.Last), "Count": r.Count()}
}

// texts writes addresses or prefixes as the spec does.
func texts[T fmt.Stringer](values []T) []any { return listOf(values, T.String) }

// listOf is a list, never nil, of what each value is to a template.
func listOf[T, D any](values []T, data func(T) D) []any {
	all := []any{}
	for _, value := range values {
		all = append(all, data(value))
	}
	return all
}
