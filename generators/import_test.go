package generators_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hashicorp/hcl/v2"
	"go.yaml.in/yaml/v3"
	"go4.org/netipx"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/draft"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// configs are the files by which an import knows a server.
var configs = map[string]string{"vsftpd": "vsftpd.conf", "proftpd": "proftpd.conf", "pureftpd": "pure-ftpd", "sftpgo": "sftpgo.env"}

// sourcesOf are the configs of a host's servers, where pasvctl put them. bare
// reports that there are none that can be read.
func sourcesOf(fsys fs.FS, host *plan.Host) (sources []inventory.Source) {
	for _, s := range host.Sites {
		if name := configs[s.Server]; name != "" && s.Profile.Name == s.Server {
			sources = append(sources, inventory.Source{FS: fsys, Name: path.Join(host.Name, s.Name, name)})
		}
	}
	return sources
}

// comesBack imports a host's configs and firewall, and compares the spec that
// comes of it with the one that they were made of.
func comesBack(t *testing.T, host *plan.Host, sources ...inventory.Source) {
	t.Helper()
	comesBackWith(t, draft.Options{}, host.Interface, host, sources...)
}

func comesBackWith(t *testing.T, o draft.Options, iface string, host *plan.Host, sources ...inventory.Source) {
	t.Helper()
	inv, err := inventory.Read(sources...)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range inv.Unread {
		if strings.HasPrefix(u.Why, "it is only for the <anonymous>") {
			continue
		}
		t.Errorf("unread: %s %s: %s", u.At, u.What, u.Why)
	}
	d, err := draft.Of(inv, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Problems { // a range that was sized from traffic has too few for the worst case
		if finding.Of(p) != finding.RangeTooSmall {
			t.Errorf("%s\n%s", p.Detail, d.Files[0].Content)
		}
	}
	fsys := fstest.MapFS{}
	for _, f := range d.Files {
		fsys[f.Path] = &fstest.MapFile{Data: f.Content}
	}
	p, diags := generators.Load(fsys, []string{draft.Name}, generators.Options{})
	for _, diag := range diags {
		if diag.Severity == hcl.DiagError && finding.Of(diag) != finding.RangeTooSmall {
			t.Fatalf("%v\n%s", diags, d.Files[0].Content)
		}
	}
	if len(p.Spec.Hosts) != 1 || p.Spec.Hosts[0].Interface != iface {
		t.Errorf("hosts: %+v", p.Spec.Hosts)
	}
	for _, was := range host.Sites {
		if configs[was.Server] == "" {
			continue
		}
		i := slices.IndexFunc(p.Spec.Sites, func(s *spec.Site) bool { return s.Port == was.Port && sameAddresses(s.Addresses, was.Addresses) })
		if i < 0 {
			t.Errorf("site %s did not come back:\n%s", was.Name, d.Files[0].Content)
			continue
		}
		if diff := difference(was, p.Spec.Sites[i]); diff != "" {
			t.Errorf("site %s: %s\n%s", was.Name, diff, d.Files[0].Content)
		}
	}
}

func sameAddresses(a, b []netip.Addr) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.SortFunc(a, netip.Addr.Compare)
	slices.SortFunc(b, netip.Addr.Compare)
	return slices.Equal(a, b)
}

// difference is what a site that was imported says otherwise.
func difference(was *plan.Site, is *spec.Site) string {
	for what, pair := range map[string][2]any{
		"server":                 {was.Server, is.Server},
		"data ports":             {was.DataPorts, is.DataPorts},
		"sessions":               {was.Sessions, is.Sessions},
		"sessions per address":   {was.SessionsPerAddress, is.SessionsPerAddress},
		"announce":               {was.Announced(), is.Announced()},
		"foreign data":           {was.ForeignData, is.ForeignData},
		"TLS mode":               {was.TLS.Mode, is.TLS.Mode},
		"TLS required":           {was.TLS.Required, is.TLS.Required},
		"certificate":            {certificate(was.Site), certificate(is)},
		"idle timeout":           {was.AbandonedHoldOn(was.Profile), is.AbandonedHoldOn(was.Profile)},
		"data timeout":           {dataTimeout(was.Site), dataTimeout(is)},
		"addresses for networks": {fmt.Sprint(was.AnnounceTo), fmt.Sprint(is.AnnounceTo)},
	} {
		if pair[0] != pair[1] {
			return fmt.Sprintf("%s: %v became %v", what, pair[0], pair[1])
		}
	}
	if a, b := clients(was.Site), clients(is); !a.Equal(b) {
		return fmt.Sprintf("clients: %v became %v", a.Prefixes(), b.Prefixes())
	}
	return ""
}

// certificate is that of a site, except for Pure-FTPd, whose config has none.
func certificate(s *spec.Site) string {
	if s.Server == "pureftpd" {
		return ""
	}
	return s.TLS.Certificate + " " + s.TLS.Key
}

// dataTimeout is how long a transfer may stall, on servers that have a time for it.
func dataTimeout(s *spec.Site) time.Duration {
	if s.Server == "pureftpd" || s.Server == "sftpgo" {
		return 0
	}
	return cmp.Or(s.DataTimeout, 300*time.Second)
}

// clients are the networks of the families that a site has addresses of.
func clients(s *spec.Site) *netipx.IPSet {
	var b netipx.IPSetBuilder
	for _, p := range s.Clients {
		if slices.ContainsFunc(s.Addresses, func(a netip.Addr) bool { return a.Is4() == p.Addr().Is4() }) {
			b.AddPrefix(p)
		}
	}
	set, _ := b.IPSet()
	return set
}

// What pasvctl writes comes back: the random specs, with the rules of iptables.
func TestRandomSpecsComeBack(t *testing.T) {
	came := 0
	for seed := uint64(0); seed < generators.Seeds; seed += 3 {
		p, files := generators.Random(t, seed)
		if p == nil {
			continue
		}
		fsys := generators.Texts(files)
		for _, host := range p.Plan.Hosts {
			sources := sourcesOf(fsys, host)
			if len(sources) == 0 {
				continue
			}
			came++
			for _, name := range []string{"iptables.v4", "iptables.v6", "ipset"} {
				if name == "ipset" && !strings.Contains(string(fsys[host.Name+"/ipset"].Data), "\ncreate ") {
					continue // nothing to read
				}
				sources = append(sources, inventory.Source{FS: fsys, Name: host.Name + "/" + name})
			}
			t.Run(fmt.Sprintf("%d %s", seed, host.Name), func(t *testing.T) { comesBack(t, host, sources...) })
		}
	}
	if came < generators.Seeds/5 {
		t.Errorf("only %d hosts came back", came)
	}
}

// examples are the projects that the examples are, and their rendered folders.
func examples(t *testing.T) map[string]*generators.Project {
	t.Helper()
	all := map[string]*generators.Project{}
	for _, name := range []string{"examples/existing", "examples/fleet", "examples/nat", "examples/quickstart", "generators/testdata/servers"} {
		fsys := os.DirFS("../" + name)
		names, err := fs.Glob(fsys, "*"+spec.Extension)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s has no spec: %v", name, err)
		}
		p, diags := generators.Load(fsys, names, generators.Options{})
		if diags.HasErrors() {
			t.Fatalf("%s: %v", name, diags)
		}
		all[name+"/out"] = p
	}
	return all
}

func TestExamplesComeBack(t *testing.T) {
	for name, p := range examples(t) {
		fsys := os.DirFS("../" + name)
		for _, host := range p.Plan.Hosts {
			sources := sourcesOf(fsys, host)
			if len(sources) == 0 {
				continue
			}
			for _, file := range []string{"iptables.v4", "iptables.v6", "ipset"} {
				if _, err := fs.Stat(fsys, host.Name+"/"+file); err == nil {
					sources = append(sources, inventory.Source{FS: fsys, Name: host.Name + "/" + file})
				}
			}
			t.Run(strings.TrimSuffix(name, "/out")+" "+host.Name, func(t *testing.T) { comesBack(t, host, sources...) })
		}
	}
}

// What CloudFormation makes of the security groups comes back, as aws ec2
// describe-security-groups prints it. A group knows no address and no interface.
func TestSecurityGroupsComeBack(t *testing.T) {
	const name = "examples/fleet/out"
	p := examples(t)[name]
	fsys := os.DirFS("../" + name)
	text, err := fs.ReadFile(fsys, "aws/pasvctl.cfn.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var stack struct {
		Resources map[string]struct {
			Properties struct {
				SecurityGroupIngress []struct {
					IpProtocol       string
					FromPort, ToPort int
					CidrIp, CidrIpv6 string
				}
				Tags []struct{ Key, Value string }
			}
		}
	}
	var tree map[string]any
	err = yaml.Unmarshal(text, &tree)
	if err == nil {
		text, err = json.Marshal(tree)
	}
	if err == nil {
		err = json.Unmarshal(text, &stack)
	}
	if err != nil {
		t.Fatal(err)
	}
	came := 0
	for _, resource := range stack.Resources {
		var permissions []map[string]any
		for _, r := range resource.Properties.SecurityGroupIngress {
			one := map[string]any{"IpProtocol": r.IpProtocol, "FromPort": r.FromPort, "ToPort": r.ToPort, "IpRanges": []any{}, "Ipv6Ranges": []any{}}
			if r.CidrIp != "" {
				one["IpRanges"] = []any{map[string]string{"CidrIp": r.CidrIp}}
			} else {
				one["Ipv6Ranges"] = []any{map[string]string{"CidrIpv6": r.CidrIpv6}}
			}
			permissions = append(permissions, one)
		}
		groups, err := json.MarshalIndent(map[string]any{"SecurityGroups": []any{map[string]any{"GroupId": "sg-1", "IpPermissions": permissions}}}, "", "    ")
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range p.Plan.Hosts {
			sources := sourcesOf(fsys, host)
			if len(sources) == 0 || !slices.ContainsFunc(resource.Properties.Tags, func(tag struct{ Key, Value string }) bool { return strings.HasSuffix(tag.Value, "-"+host.Name) }) {
				continue
			}
			came++
			t.Run(host.Name, func(t *testing.T) {
				comesBackWith(t, draft.Options{Addresses: host.Addresses}, "", host, append(sources, inventory.Source{Name: "groups.json", Text: groups})...)
			})
		}
	}
	if came < 2 {
		t.Errorf("only %d groups came back", came)
	}
}
