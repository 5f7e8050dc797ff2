package generators

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"go4.org/netipx"

	"github.com/pasvctl/pasvctl/generators/plan"
)

// ways are entries of the flat list as text, "GROUP IPv4 21-21 192.0.2.0/24",
// sorted, each once: what the plan admits, or what a file does. GROUP is what the
// platform attaches to the host.
type ways map[string]bool

func (w ways) add(group, family string, first, last any, from string) {
	w[fmt.Sprintf("%s %s %v-%v %s", group, family, first, last, from)] = true
}

func (w ways) sorted() []string { return slices.Sorted(maps.Keys(w)) }

// waysOf is what the plan admits.
func waysOf(p *plan.Plan, group func(*plan.Host) string) []string {
	return waysWith(p, group, nil, false)
}

// waysWith is what the plan admits if some sites have sources in place of their
// clients, and what it lets out if the format has rules for that.
func waysWith(p *plan.Plan, group func(*plan.Host) string, sources map[string][]string, lets bool) []string {
	all := ways{}
	for _, host := range p.Hosts {
		for _, a := range host.Admissions() {
			for _, purpose := range a.For {
				active := lets && purpose.Site.Policy.Active.Count() > 0
				add := func(family, from string) {
					all.add(group(host), family, a.Ports.First, a.Ports.Last, from)
					if active {
						all.add("out:"+group(host), family, plan.ActiveTo.First, plan.ActiveTo.Last, from)
					}
				}
				if sources[purpose.Site.Name] == nil {
					add(a.Family(), a.From.String())
				}
				for _, id := range sources[purpose.Site.Name] {
					add(map[string]string{"pl": "PrefixList", "sg": "SecurityGroup"}[id[:2]], id)
				}
			}
		}
	}
	return all.sorted()
}

// familyOf is a network's address family.
func familyOf(network any) string {
	if strings.Contains(fmt.Sprint(network), ":") {
		return "IPv6"
	}
	return "IPv4"
}

// strs are the texts of a list of a module or of JSON.
func strs(list any) []string {
	var all []string
	elements, _ := list.([]any)
	for _, e := range elements {
		all = append(all, fmt.Sprint(e))
	}
	return all
}

// product adds all networks to all ports.
func (w ways) product(group string, ports, networks []string) {
	for _, p := range ports {
		first, last, isRange := strings.Cut(p, "-")
		if !isRange {
			last = first
		}
		for _, n := range networks {
			w.add(group, familyOf(n), first, last, n)
		}
	}
}

// waysOfGoogle is what firewall rules of Google's API admit.
func waysOfGoogle(rules []map[string]any) ways {
	all := ways{}
	for _, rule := range rules {
		allowed, _ := rule["allowed"].([]any)
		for _, a := range allowed {
			one := a.(map[string]any)
			if one["IPProtocol"] == "tcp" && rule["direction"] == "INGRESS" {
				all.product(strings.Join(append(strs(rule["targetTags"]), strs(rule["targetServiceAccounts"])...), "+"), strs(one["ports"]), strs(rule["sourceRanges"]))
			}
		}
	}
	return all
}

// merged is ways with the networks of one group, family and range merged, for
// platforms that take no networks which contain each other.
func merged(all []string) []string {
	sets := map[string]*netipx.IPSetBuilder{}
	for _, way := range all {
		f := strings.Fields(way)
		key := strings.Join(f[:3], " ")
		if sets[key] == nil {
			sets[key] = &netipx.IPSetBuilder{}
		}
		sets[key].AddPrefix(netip.MustParsePrefix(f[3]))
	}
	var joined []string
	for key, b := range sets {
		set, err := b.IPSet()
		if err != nil {
			panic(err)
		}
		joined = append(joined, fmt.Sprint(key, " ", set.Prefixes()))
	}
	slices.Sort(joined)
	return joined
}

// cloudFormat is a format of a cloud target: how its files are read back.
type cloudFormat struct {
	target, body string
	group        func(*plan.Host) string // what the file attaches to a host; nil if its rules name the sites' addresses
	merges       bool
	sources      map[string][]string // of aws: in place of a site's clients
	lets         bool                // it has rules for what active mode opens
	// read returns what the files admit, and what a schema or rule refuses of them.
	read func(files []File) (got ways, wrong []string)
}

var cloudFormats = map[string]cloudFormat{
	"aws terraform": {"aws", "rules_per_group = 1000", func(h *plan.Host) string { return "aws_security_group[" + h.Name + "]" }, false, nil, true, module(waysOfAWS)},
	"aws cloudformation": {"aws", "rules_per_group = 1000\nformat = \"cloudformation\"", func(h *plan.Host) string { return "pasvctl-" + h.Name }, false, nil, false,
		waysOfCloudFormation},
	"aws cli":      {"aws", "rules_per_group = 1000\nformat = \"cli\"", func(h *plan.Host) string { return h.Name }, false, nil, false, waysOfAWSCLI},
	"azure":        {"azure", "", func(h *plan.Host) string { return cloudName(azureName, "", h.Name) }, true, nil, false, module(waysOfAzure)},
	"gcp":          {"gcp", "", func(h *plan.Host) string { return "pasvctl-" + h.Name }, false, nil, false, module(waysOfGCP)},
	"digitalocean": {"digitalocean", "", func(h *plan.Host) string { return "pasvctl-" + h.Name }, false, nil, false, module(waysOfDigitalOcean)},
	"hetzner":      {"hetzner", "", func(h *plan.Host) string { return "pasvctl-" + h.Name }, false, nil, false, module(waysOfHetzner)},
	"openstack": {"openstack", "rules_per_project = 10000", func(h *plan.Host) string { return "openstack_networking_secgroup_v2[" + h.Name + "]" }, false, nil, false,
		module(waysOfOpenStack)},
	"firewalld":        {"firewalld", "", nil, true, nil, false, waysOfFirewalld},
	"ufw":              {"ufw", "", nil, true, nil, false, waysOfUFW},
	"windows_firewall": {"windows_firewall", "", nil, true, nil, false, waysOfWindows},
	"gcloud": {"gcp", `format = "gcloud"`, func(h *plan.Host) string { return "pasvctl-" + h.Name }, false, nil, false, func(files []File) (ways, []string) {
		rules, wrong := readGcloud(string(files[0].Content))
		return waysOfGoogle(rules), wrong
	}},
}

// module reads a Terraform module, holds it against the schemas, and asks each
// resource what it admits.
func module(of func(tfResource, ways)) func([]File) (ways, []string) {
	return func(files []File) (ways, []string) {
		resources, err := readModule(string(files[0].Content))
		if err != nil {
			return nil, []string{err.Error()}
		}
		all := ways{}
		for _, r := range resources {
			of(r, all)
		}
		return all, checkModule(resources)
	}
}

func waysOfAWS(r tfResource, all ways) {
	out := map[string]string{"aws_vpc_security_group_egress_rule": "out:", "aws_vpc_security_group_ingress_rule": ""}
	if _, rule := out[r.Type]; !rule || r.Values["ip_protocol"] != "tcp" {
		return
	}
	for name, family := range map[string]string{"cidr_ipv4": "IPv4", "cidr_ipv6": "IPv6", "prefix_list_id": "PrefixList", "referenced_security_group_id": "SecurityGroup"} {
		if from := r.Values[name]; from != nil {
			all.add(out[r.Type]+fmt.Sprint(r.Values["security_group_id"]), family, r.Values["from_port"], r.Values["to_port"], fmt.Sprint(from))
		}
	}
}

func waysOfCloudFormation(files []File) (ways, []string) {
	var doc struct {
		Resources map[string]struct {
			Type       string         `yaml:"Type"`
			Properties map[string]any `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(files[0].Content, &doc); err != nil {
		return nil, []string{err.Error()}
	}
	all := ways{}
	var wrong []string
	rule := func(group string, r map[string]any) {
		if r["IpProtocol"] != "tcp" {
			wrong = append(wrong, fmt.Sprintf("protocol %v", r["IpProtocol"]))
		}
		for name, family := range map[string]string{"CidrIp": "IPv4", "CidrIpv6": "IPv6", "SourcePrefixListId": "PrefixList", "SourceSecurityGroupId": "SecurityGroup"} {
			if from := r[name]; from != nil {
				all.add(group, family, r["FromPort"], r["ToPort"], fmt.Sprint(from))
			}
		}
	}
	for _, r := range doc.Resources {
		if r.Type == "AWS::EC2::SecurityGroupIngress" {
			rule(fmt.Sprint(r.Properties["GroupId"]), r.Properties)
			continue
		}
		tags, _ := r.Properties["Tags"].([]any)
		group := fmt.Sprint(tags[0].(map[string]any)["Value"])
		ingress, _ := r.Properties["SecurityGroupIngress"].([]any)
		for _, one := range ingress {
			rule(group, one.(map[string]any))
		}
	}
	return all, wrong
}

func waysOfAWSCLI(files []File) (ways, []string) {
	all := ways{}
	var wrong []string
	for _, f := range files {
		var permissions []struct {
			IpProtocol       string
			FromPort, ToPort int
			IpRanges         []struct{ CidrIp string }
			Ipv6Ranges       []struct{ CidrIpv6 string }
			PrefixListIds    []struct{ PrefixListId string }
			UserIdGroupPairs []struct{ GroupId string }
		}
		if err := json.Unmarshal(f.Content, &permissions); err != nil {
			wrong = append(wrong, err.Error())
		}
		group := strings.TrimSuffix(strings.TrimPrefix(f.Path, "aws/"), ".ip-permissions.json")
		for _, p := range permissions {
			if p.IpProtocol != "tcp" {
				wrong = append(wrong, "protocol "+p.IpProtocol)
			}
			for _, r := range p.IpRanges {
				all.add(group, "IPv4", p.FromPort, p.ToPort, r.CidrIp)
			}
			for _, r := range p.Ipv6Ranges {
				all.add(group, "IPv6", p.FromPort, p.ToPort, r.CidrIpv6)
			}
			for _, r := range p.PrefixListIds {
				all.add(group, "PrefixList", p.FromPort, p.ToPort, r.PrefixListId)
			}
			for _, r := range p.UserIdGroupPairs {
				all.add(group, "SecurityGroup", p.FromPort, p.ToPort, r.GroupId)
			}
		}
	}
	return all, wrong
}

func waysOfAzure(r tfResource, all ways) {
	v := r.Values
	if r.Type == "azurerm_network_security_rule" && v["direction"] == "Inbound" && v["access"] == "Allow" && v["protocol"] == "Tcp" &&
		v["source_port_range"] == "*" && v["destination_address_prefix"] == "*" {
		all.product(fmt.Sprint(v["network_security_group_name"]), strs(v["destination_port_ranges"]), strs(v["source_address_prefixes"]))
	}
}

func waysOfGCP(r tfResource, all ways) {
	allow, _ := r.Values["allow"].([]any)
	for _, a := range allow {
		one := a.(map[string]any)
		if one["protocol"] == "tcp" && r.Values["direction"] == "INGRESS" {
			all.product(strings.Join(append(strs(r.Values["target_tags"]), strs(r.Values["target_service_accounts"])...), "+"), strs(one["ports"]), strs(r.Values["source_ranges"]))
		}
	}
}

func waysOfDigitalOcean(r tfResource, all ways) {
	tags := strings.Join(strs(r.Values["tags"]), "+")
	rules, _ := r.Values["inbound_rule"].([]any)
	for _, one := range rules {
		rule := one.(map[string]any)
		if rule["protocol"] == "tcp" {
			all.product(tags, []string{fmt.Sprint(rule["port_range"])}, strs(rule["source_addresses"]))
		}
	}
	rules, _ = r.Values["outbound_rule"].([]any)
	for _, one := range rules {
		rule := one.(map[string]any)
		if rule["protocol"] == "tcp" && rule["port_range"] != "1-65535" { // not everything
			all.product("out:"+tags, []string{fmt.Sprint(rule["port_range"])}, strs(rule["destination_addresses"]))
		}
	}
}

func waysOfHetzner(r tfResource, all ways) {
	group := fmt.Sprint(r.Values["name"])
	if to, _ := r.Values["apply_to"].([]any); len(to) > 0 {
		group = fmt.Sprint(to[0].(map[string]any)["label_selector"])
	}
	rules, _ := r.Values["rule"].([]any)
	for _, one := range rules {
		rule := one.(map[string]any)
		if rule["protocol"] == "tcp" && rule["direction"] == "in" {
			all.product(group, []string{fmt.Sprint(rule["port"])}, strs(rule["source_ips"]))
		}
	}
}

func waysOfOpenStack(r tfResource, all ways) {
	if v := r.Values; r.Type == "openstack_networking_secgroup_rule_v2" && v["direction"] == "ingress" && v["protocol"] == "tcp" {
		all.add(fmt.Sprint(v["security_group_id"]), fmt.Sprint(v["ethertype"]), v["port_range_min"], v["port_range_max"], fmt.Sprint(v["remote_ip_prefix"]))
	}
}

// disagreement says how what a target's files admit differs from the plan, or
// what a schema or rule refuses of them; "" if nothing does.
func (c cloudFormat) disagreement(p *plan.Plan, files []File) string {
	got, wrong := c.read(files)
	if len(wrong) > 0 {
		return "refused: " + strings.Join(wrong, "; ")
	}
	has, want := got.sorted(), waysAt(p)
	if c.group != nil {
		want = waysWith(p, c.group, c.sources, c.lets)
	}
	if c.merges {
		has, want = merged(has), merged(want)
	}
	for _, way := range has {
		if !slices.Contains(want, way) {
			return "the plan does not admit " + way
		}
	}
	for _, way := range want {
		if !slices.Contains(has, way) {
			return "the files do not admit " + way
		}
	}
	return ""
}

// cloudsAgree compares all formats with a plan, and counts in compared those that
// the platform does not refuse for its limits.
func cloudsAgree(t *testing.T, p *plan.Plan, compared map[string]int) {
	t.Helper()
	for name, c := range cloudFormats {
		files, diags := handTarget(t, c.target, c.body).Files(p)
		if diags.HasErrors() {
			continue
		}
		compared[name]++
		if problem := c.disagreement(p, files); problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
	}
}

var (
	nftForward = regexp.MustCompile(`(?m)^\t(\S+) \. (\d+(?:-\d+)?) comment "[^"]*" : (\S+),$`)
	nftShifted = regexp.MustCompile(`(?m)^\t\tip6? daddr (\S+) tcp dport (\d+) dnat ip6? to (\S+) comment "[^"]*"$`)
	iptForward = regexp.MustCompile(`(?m)^-A PASVCTL -d (\S+) -p tcp -m tcp --dport (\d+(?::\d+)?) -m comment --comment "[^"]*" -j DNAT --to-destination (\S+)$`)
)

// gatewayDisagreement compares what a gateway's files forward with the plan.
func gatewayDisagreement(p *plan.Plan, files []File) string {
	for _, g := range p.Gateways {
		var want []string
		for _, f := range g.Forwards {
			to := f.To.String()
			if f.ToPorts != f.Ports {
				to = netip.AddrPortFrom(f.To, f.ToPorts.First).String()
			}
			want = append(want, fmt.Sprintf("%s %s %s", g.Address, f.Ports, to))
		}
		slices.Sort(want)
		read := 0
		for _, f := range files {
			form := map[string]*regexp.Regexp{"nftables.nft": nftForward, "iptables.v4": iptForward, "iptables.v6": iptForward}[path.Base(f.Path)]
			if path.Dir(f.Path) != g.Name || form == nil {
				continue
			}
			read++
			var got []string
			for _, m := range append(form.FindAllStringSubmatch(string(f.Content), -1), nftShifted.FindAllStringSubmatch(string(f.Content), -1)...) {
				got = append(got, fmt.Sprintf("%s %s %s", m[1], strings.Replace(m[2], ":", "-", 1), m[3]))
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				return fmt.Sprintf("%s forwards %q, the plan %q", f.Path, got, want)
			}
		}
		if read != 2 {
			return fmt.Sprintf("gateway %s has %d files", g.Name, read)
		}
	}
	return ""
}
