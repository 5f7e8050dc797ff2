package generators

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// manyNetworks is a site with n networks of each family that do not touch.
func manyNetworks(n int) *plan.Plan {
	host := handHost("edge1", "203.0.113.10", "2001:db8::10")
	var clients []netip.Prefix
	for i := range n {
		clients = append(clients,
			netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i / 100), byte(i % 100), 0}), 25),
			netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, 0x0d, 0xb8, byte(i / 100), byte(i % 100), 15: 0x11, 14: 0x22, 13: 0x33, 12: 0x44, 11: 0x55, 10: 0x66, 9: 0x77}), 128))
	}
	return handPlan(handSite(host, "a", "vsftpd", 21, spec.PortRange{First: 61000, Last: 61009}, func(s *plan.Site) { s.Clients, s.Rank = clients, 1 }))
}

// manySites is a host with n sites.
func manySites(n int) *plan.Plan {
	host := handHost("edge1", "203.0.113.10", "2001:db8::10")
	host.Ranges[""] = attrRanges("host")["host"]
	var sites []*plan.Site
	for i := range n {
		first := uint16(20000 + 10*i)
		sites = append(sites, handSite(host, fmt.Sprintf("s%04d", i), "vsftpd", uint16(2000+i), spec.PortRange{First: first, Last: first + 9}, func(s *plan.Site) { s.Rank = i + 1 }))
	}
	return handPlan(sites...)
}

func TestCloudDiagnostics(t *testing.T) {
	two := func() *plan.Plan { return cloudPlan() }
	ranked := func(rank int) func() *plan.Plan {
		return func() *plan.Plan {
			p := cloudPlan()
			p.Hosts[0].Sites[0].Rank = rank
			return p
		}
	}
	networks := func(n int) func() *plan.Plan { return func() *plan.Plan { return manyNetworks(n) } }
	sites := func(n int) func() *plan.Plan { return func() *plan.Plan { return manySites(n) } }
	const invalid, limit = "error: invalid-setting at spec", "error: platform-limit at "
	cases := []struct {
		target, name, body string
		plan               func() *plan.Plan
		want               []string
		detail             string
	}{
		{"azure", "a group of no host", `network_security_groups = { edge3 = "a" }`, two, []string{invalid}, `Did you mean`},
		{"azure", "one group for two hosts", `network_security_groups = { edge-1 = "a", edge2 = "A" }`, two, []string{invalid}, "Name one for each"},
		{"azure", "no name of a group", `network_security_groups = { edge2 = "-a" }`, two, []string{invalid}, "1 to 80"},
		{"azure", "no name of a resource group", `resource_group = "a."`, two, []string{invalid}, "1 to 90"},
		{"azure", "no region", `location = "west_europe"`, two, []string{invalid}, "westeurope"},
		{"azure", "a region for no new group", "location = \"westeurope\"\nnetwork_security_groups = { edge-1 = \"a\", edge2 = \"b\" }", two, []string{"warning: no-effect at spec"}, "Remove location"},
		{"azure", "the last priority", `priority = 4093`, two, nil, ""},
		{"azure", "no priority left", `priority = 4094`, two, []string{limit + "spec"}, "4,093 or less"},
		{"azure", "a rank too high", ``, ranked(1998), []string{limit + "nowhere"}, "101 or less"},
		{"azure", "a rank far too high", ``, ranked(3000), []string{limit + "nowhere"}, "Spread the sites"},
		{"azure", "1,000 rules", ``, sites(500), nil, ""},
		{"azure", "1,002 rules", ``, sites(501), []string{limit + "host"}, "500 sites with both"},
		{"azure", "4,000 networks", ``, networks(4000), nil, ""},
		{"azure", "4,001 networks", ``, networks(4001), []string{limit + "clients", limit + "clients"}, "4,001 networks of IPv4, and a rule of Azure takes 4,000"},

		{"gcp", "a tag of no host", `target_tags = { edge3 = "a" }`, two, []string{invalid}, "no sites here"},
		{"gcp", "one tag for two hosts", `target_tags = { edge-1 = "a", edge2 = "a" }`, two, []string{invalid}, "Name one for each"},
		{"gcp", "the other host's tag", `target_tags = { edge-1 = "pasvctl-edge2" }`, two, []string{invalid}, "Name one for each"},
		{"gcp", "no tag", `target_tags = { edge2 = "A" }`, two, []string{invalid}, "1 to 63"},
		{"gcp", "no service account", `target_service_accounts = { edge2 = "ftp" }`, two, []string{invalid}, "gserviceaccount"},
		{"gcp", "a tag and an account", "target_tags = { edge2 = \"a\" }\ntarget_service_accounts = { edge2 = \"a@b\" }", two, []string{invalid}, "goes by one of them"},
		{"gcp", "no network", `network = "Prod"`, two, []string{invalid}, "projects/"},
		{"gcp", "no project", `project = "x"`, two, []string{invalid}, "id of a project"},
		{"gcp", "rules enough", `rules_per_project = 6`, two, nil, ""},
		{"gcp", "a rule too many", `rules_per_project = 5`, two, []string{limit + "spec"}, "needs 6 firewall rules"},
		{"gcp", "5,000 networks", ``, networks(5000), nil, ""},
		{"gcp", "5,001 networks", ``, networks(5001), []string{limit + "clients", limit + "clients"}, "takes 5,000"},
		{"gcp", "3,000 networks for gcloud", `format = "gcloud"`, networks(3000), nil, ""},
		{"gcp", "4,000 networks for gcloud", `format = "gcloud"`, networks(4000), []string{limit + "spec"}, `Use the format "terraform"`},

		{"digitalocean", "a tag of no host", `tags = { edge3 = "a" }`, two, []string{invalid}, "no sites here"},
		{"digitalocean", "no tag", `tags = { edge2 = "a b" }`, two, []string{invalid}, "1 to 255"},
		{"digitalocean", "23 sites", ``, sites(23), nil, ""},
		{"digitalocean", "24 sites", ``, sites(24), []string{limit + "host"}, "needs 48 inbound rules, two for each site, and a firewall of DigitalOcean takes 47 besides its outbound rules: 23 sites"},
		{"digitalocean", "25 sites", `outbound = "none"`, sites(25), nil, ""},

		{"hetzner", "a selector of no host", `label_selectors = { edge3 = "a" }`, two, []string{invalid}, "no sites here"},
		{"hetzner", "no selector", `label_selectors = { edge2 = "=" }`, two, []string{invalid}, "role=ftp"},
		{"hetzner", "500 sources", ``, networks(125), nil, ""},
		{"hetzner", "504 sources", ``, networks(126), []string{limit + "clients"}, "takes 50 with 500"},
		{"hetzner", "25 sites", ``, sites(25), nil, ""},
		{"hetzner", "26 sites", ``, sites(26), []string{limit + "clients"}, "needs 52 rules"},

		{"openstack", "a group of no host", `security_groups = { edge3 = "a" }`, two, []string{invalid}, "no sites here"},
		{"openstack", "no id", `security_groups = { edge2 = "ftp" }`, two, []string{invalid}, "8f1ffb2c"},
		{"openstack", "100 rules", `rules_per_project = 98`, networks(24), nil, ""},
		{"openstack", "102 rules", ``, networks(25), []string{limit + "nowhere"}, "rules_per_project = 102"},
	}
	for _, c := range cases {
		t.Run(c.target+"/"+c.name, func(t *testing.T) {
			files, diags := handTarget(t, c.target, c.body).Files(c.plan())
			if !slices.Equal(said(diags), c.want) || (len(files) == 1) == diags.HasErrors() {
				t.Errorf("got %q and %d files", said(diags), len(files))
			}
			if len(diags) > 0 && !strings.Contains(diags[0].Detail, c.detail) {
				t.Errorf("says %s", diags[0].Detail)
			}
		})
	}
}

// Names that meet when they are joined, or are too long, stay apart, whatever
// other sites there are.
func TestCloudNames(t *testing.T) {
	seen := map[string]string{}
	long := strings.Repeat("x", 24)
	for _, names := range [][]string{
		{"a", "b-c"}, {"a-b", "c"}, {"a--b", "c"}, {"a", "b--c"}, {"a--b--c", "d"}, {"a--b", "c--d"}, {"a", "b--c--d"},
		{long, long}, {long, "y--" + long[3:]}, {"x--" + long[3:], long}, {"a"}, {"a--b"}, {"a-b"},
	} {
		for _, suffix := range []string{"-v4", "-v6"} {
			name := cloudName(gcpName, suffix, names...)
			if len(name) > gcpName || !gcpLabel.MatchString(name) || !azureGroup.MatchString(name) || !strings.HasSuffix(name, suffix) {
				t.Errorf("%q are %s, of %d characters", names, name, len(name))
			}
			if other, twice := seen[name]; twice {
				t.Errorf("%q and %s are both %s", names, other, name)
			}
			seen[name] = fmt.Sprintf("%q", names)
		}
	}
}

func TestWidest(t *testing.T) {
	got := fmt.Sprint(widest(prefixes("10.0.0.0/8", "10.0.0.0/24", "10.255.0.0/16", "11.0.0.0/24", "11.0.1.0/24", "::/0", "2001:db8::/32")))
	if want := "[10.0.0.0/8 11.0.0.0/24 11.0.1.0/24 ::/0]"; got != want {
		t.Errorf("got %s", got)
	}
}

// A site that is added, removed or renamed changes no other's priority, through
// the lock.
func TestAzurePrioritiesStay(t *testing.T) {
	text := func(sites ...string) map[string]string {
		spec := "host \"edge1\" {\n  addresses = [\"203.0.113.10\", \"2001:db8::10\"]\n}\ntarget \"azure\" {}\n"
		for i, site := range sites {
			spec += fmt.Sprintf("site %q {\n  host = \"edge1\"\n  server = \"proftpd\"\n  port = %d\n  concurrency {\n    sessions = 10\n  }\n}\n", site, 2100+i)
		}
		return map[string]string{"a.pasv.hcl": spec}
	}
	var lock []byte
	at := map[string]any{}
	for _, sites := range [][]string{{"m", "t"}, {"a", "m", "t"}, {"a", "m", "t", "z"}, {"a", "t", "z"}, {"b", "a", "t", "z"}} {
		p := loadTexts(t, text(sites...), lock)
		files, diags := p.Files()
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		resources, err := readModule(string(files[0].Content))
		if err != nil {
			t.Fatal(err)
		}
		if wrong := checkModule(resources); len(wrong) > 0 {
			t.Errorf("%q: %q", sites, wrong)
		}
		for _, r := range resources {
			if was := at[r.Key]; was != nil && was != r.Values["priority"] {
				t.Errorf("%q: %s went from %v to %v", sites, r.Key, was, r.Values["priority"])
			}
			at[r.Key] = r.Values["priority"]
		}
		lock = p.Lock.Bytes()
	}
	if len(at) < 10 {
		t.Errorf("only %d rules were compared", len(at))
	}
	if p := loadTexts(t, map[string]string{"a.pasv.hcl": strings.Replace(text("a")["a.pasv.hcl"], "azure", "gcp", 1)}, lock); strings.Contains(string(p.Lock.Bytes()), "rank") {
		t.Error("a spec without azure has ranks in its lock")
	}
}
