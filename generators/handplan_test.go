package generators

import (
	"fmt"
	"net/netip"
	"sort"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// handHost is a host as a spec would describe it.
func handHost(name string, addresses ...string) *spec.Host {
	host := &spec.Host{
		Name:           name,
		EphemeralPorts: spec.PortRange{First: 32768, Last: 60999},
		Ranges:         attrRanges("", "addresses", "reserved_ports"),
	}
	for _, a := range addresses {
		host.Addresses = append(host.Addresses, netip.MustParseAddr(a))
	}
	return host
}

// handSite is a site with a range that the test chose; change edits it before
// its policy is derived.
func handSite(host *spec.Host, name, server string, port uint16, data spec.PortRange, change func(*plan.Site)) *plan.Site {
	site := &plan.Site{
		Site: &spec.Site{
			Name: name, Host: host, Addresses: host.Addresses, Server: server, Port: port,
			Clients:          []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
			IPv6ClientPrefix: 64,
			Gate:             true,
			TLS:              spec.TLS{Mode: spec.TLSOff},
			Workload:         sizing.Workload{Sessions: 6, SessionsPerAddress: 3},
			Ranges:           attrRanges("", "addresses", "clients", "data_ports", "server", "tls", "tls.mode", "tls.certificate", "tls.key", "truncated_uploads", "idle_timeout", "data_timeout"),
		},
		Profile:   sizing.Profile{Name: server, AbandonedHold: 300 * time.Second, IdleFrees: true},
		DataPorts: data,
	}
	if change != nil {
		change(site)
	}
	site.Policy = plan.Policy{
		Control: site.Port, Data: data, Gate: site.Gate,
		GateTimeout: 2 * time.Minute, MaxPerClient: site.SessionsPerAddress, ClientPrefix6: site.IPv6ClientPrefix,
	}
	if site.ActiveMode {
		site.Policy.Active = host.EphemeralPorts
		if site.Profile.ActiveFrom == sizing.ActiveTwenty {
			site.Policy.Active = spec.PortRange{First: 20, Last: 20}
		}
	}
	for _, a := range site.Addresses {
		if a.Is4() {
			site.Policy.Addresses4 = append(site.Policy.Addresses4, a)
		} else {
			site.Policy.Addresses6 = append(site.Policy.Addresses6, a)
		}
	}
	for _, prefix := range site.Clients {
		if prefix.Addr().Is4() {
			site.Policy.Clients4 = append(site.Policy.Clients4, prefix)
		} else {
			site.Policy.Clients6 = append(site.Policy.Clients6, prefix)
		}
	}
	return site
}

// attrRanges gives each attribute a line of its own, so that a test can tell
// which one a diagnostic points at.
func attrRanges(attrs ...string) spec.Ranges {
	ranges := spec.Ranges{}
	for i, attr := range attrs {
		ranges[attr] = hcl.Range{Filename: attr, Start: hcl.Pos{Line: i + 1, Column: 1}, End: hcl.Pos{Line: i + 1, Column: 2}}
	}
	return ranges
}

func handPlan(sites ...*plan.Site) *plan.Plan {
	p := &plan.Plan{SpecName: "shop.pasv.hcl", Sites: sites}
	hosts := map[*spec.Host]*plan.Host{}
	for _, site := range sites {
		host := hosts[site.Host]
		if host == nil {
			host = &plan.Host{Host: site.Host}
			hosts[site.Host] = host
			p.Hosts = append(p.Hosts, host)
		}
		host.Sites = append(host.Sites, site)
	}
	sort.Slice(p.Hosts, func(i, j int) bool { return p.Hosts[i].Name < p.Hosts[j].Name })
	return p
}

// handTarget decodes a target block's body, as a spec has it.
func handTarget(t *testing.T, kind, body string) Target {
	t.Helper()
	file, diags := hclparse.NewParser().ParseHCL([]byte(body), "spec")
	settings := kinds[kind].New()
	diags = append(diags, gohcl.DecodeBody(file.Body, nil, settings)...)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if s, ok := settings.(interface{ setPlaces(spec.Ranges, []byte) }); ok {
		at := spec.Ranges{}
		attrs, _ := file.Body.JustAttributes()
		for name, attr := range attrs {
			at[name] = attr.Expr.Range()
		}
		s.setPlaces(at, nil)
	}
	return settings
}

// mustFiles renders a target that has nothing to complain about, by path.
func mustFiles(t *testing.T, target Target, p *plan.Plan) map[string]string {
	t.Helper()
	files, diags := target.Files(p)
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	again, _ := target.Files(p)
	byPath := map[string]string{}
	for i, file := range files {
		if string(again[i].Content) != string(file.Content) {
			t.Errorf("%s is not the same twice", file.Path)
		}
		byPath[file.Path] = string(file.Content)
	}
	return byPath
}

// said lists diagnostics as "severity: id at place", sorted as they came.
func said(diags hcl.Diagnostics) []string {
	var all []string
	for _, d := range diags {
		severity := map[hcl.DiagnosticSeverity]string{hcl.DiagError: "error", hcl.DiagWarning: "warning"}[d.Severity]
		at := "nowhere"
		if d.Subject != nil {
			at = d.Subject.Filename
		}
		all = append(all, fmt.Sprintf("%s: %s at %s", severity, idOf(d), at))
	}
	return all
}
