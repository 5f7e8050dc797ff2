package generators

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/cmd/lab/tfschema"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// providerModule is the stub provider, a module of its own.
var providerModule = filepath.Join("..", ".ci", "terraform-provider")

// cloudSchemas are the resources that the clouds' Terraform modules have.
var cloudSchemas = sync.OnceValue(func() map[string]*tfschema.Block {
	resources, _, err := tfschema.Load(os.DirFS(filepath.Join(providerModule, "schemas")))
	if err != nil {
		panic(err)
	}
	return resources
})

// tfCase is a module of a target, or a wrong one, with a text replaced.
type tfCase struct {
	name, target, body string
	plan               func() *plan.Plan
	old, new           string // "": the module as it is, which must be valid
}

// cloudPlan is awsPlan with names as a spec may have them, ranks, and networks
// that touch and contain each other.
func cloudPlan() *plan.Plan {
	edge := handHost("edge-1", "203.0.113.10", "2001:db8::10")
	edge2 := handHost("edge2", "203.0.113.20", "203.0.113.21")
	p := handPlan(
		handSite(edge, "downloads", "vsftpd", 21, spec.PortRange{First: 61000, Last: 61009}, nil),
		handSite(edge, "edi", "proftpd", 2121, spec.PortRange{First: 61010, Last: 61010}, func(s *plan.Site) {
			s.Clients = prefixes("192.0.2.0/25", "192.0.2.128/25", "198.51.100.7/32", "198.51.100.0/24", "2001:db8:1::/48")
			s.Rank = 1
		}),
		handSite(edge2, "one", "proftpd", 21, spec.PortRange{First: 61000, Last: 61009}, func(s *plan.Site) {
			s.Addresses = s.Addresses[:1]
		}),
		handSite(edge2, "two", "proftpd", 21, spec.PortRange{First: 61000, Last: 61009}, func(s *plan.Site) {
			s.Addresses = s.Addresses[1:]
		}),
	)
	for _, host := range p.Hosts {
		for i, site := range host.Sites {
			site.Rank = i + 1
		}
	}
	p.Hosts[0].Sites[1].Policy.Active = spec.PortRange{First: 20, Last: 20}
	p.SpecName = "edge"
	return p
}

// activePlan is awsPlan with active mode on sites of both hosts.
func activePlan() *plan.Plan {
	p := awsPlan()
	for _, s := range []*plan.Site{p.Sites[1], p.Sites[2], p.Sites[3]} {
		s.Policy.Active = spec.PortRange{First: 20, Last: 20}
	}
	return p
}

const azureBody = `
resource_group          = "ftp"
location                = "westeurope"
network_security_groups = { edge2 = "edge2-nsg" }
`

const gcpBody = `
network                 = "projects/transfer-4711/global/networks/prod"
project                 = "transfer-4711"
target_tags             = { edge-1 = "ftp" }
target_service_accounts = { edge2 = "ftp@transfer-4711.iam.gserviceaccount.com" }
`

var tfCases = []tfCase{
	{"two hosts", "aws", ``, awsPlan, "", ""},
	{"in a VPC", "aws", `vpc_id = "vpc-0abc"`, awsPlan, "", ""},
	{"tags", "aws", `tags = { Name = "ftp", "cost centre" = "4711" }`, awsPlan, "", ""},
	{"a group that is there", "aws", `security_groups = { edge2 = "sg-1" }`, awsPlan, "", ""},
	{"only groups that are there", "aws", `security_groups = { "edge-1.example" = "sg-1", edge2 = "sg-2" }`, awsPlan, "", ""},
	{"sources", "aws", awsSources, awsPlan, "", ""},
	{"no IPv6", "aws", ``, func() *plan.Plan {
		return handPlan(handSite(handHost("edge1", "203.0.113.10"), "a", "vsftpd", 21, spec.PortRange{First: 61000, Last: 61009}, nil))
	}, "", ""},
	{"active mode", "aws", ``, activePlan, "", ""},
	{"active mode to sources", "aws", awsSources, activePlan, "", ""},
	{"active mode of a group that is there", "aws", `security_groups = { edge2 = "sg-1" }`, activePlan, "", ""},
	{"active mode to nobody", "aws", ``, activePlan, "  cidr_ipv4                    = each.value.family == \"IPv4\" ? each.value.to : null\n", ""},
	{"a wrong source", "aws", awsSources, awsPlan, "prefix_list_id  ", "prefix_list_ids "},
	{"a wrong attribute", "aws", ``, awsPlan, "cidr_ipv6  ", "cidr_block "},
	{"a missing attribute", "aws", ``, awsPlan, "  ip_protocol       = \"tcp\"\n", ""},
	{"two sources", "aws", ``, awsPlan, "  cidr_ipv6         = each.value.from", "  cidr_ipv6         = each.value.from\n  prefix_list_id = \"pl-1\""},
	{"no source", "aws", ``, awsPlan, "  cidr_ipv4         = each.value.from\n", ""},
	{"host bits", "aws", ``, awsPlan, `from = "192.0.2.0/25"`, `from = "192.0.2.1/25"`},

	{"as it asks", "azure", ``, cloudPlan, "", ""},
	{"as it is told", "azure", azureBody, cloudPlan, "", ""},
	{"only groups that are there", "azure", `network_security_groups = { edge-1 = "a", edge2 = "b" }`, cloudPlan, "", ""},
	{"a priority of 99", "azure", ``, cloudPlan, "priority    = 200", "priority    = 99"},
	{"a protocol in lower case", "azure", ``, cloudPlan, `"Tcp"`, `"tcp"`},
	{"a wrong direction", "azure", ``, cloudPlan, `"Inbound"`, `"In"`},
	{"both forms of a source", "azure", ``, cloudPlan, "  access                      = \"Allow\"", "  access                      = \"Allow\"\n  source_address_prefix = \"*\""},
	{"no ports", "azure", ``, cloudPlan, "  destination_port_ranges     = each.value.ports\n", ""},
	{"a reversed range", "azure", ``, cloudPlan, "61000-61009", "61009-61000"},
	{"families mixed", "azure", ``, cloudPlan, "        \"0.0.0.0/0\",\n", "        \"0.0.0.0/0\",\n        \"::/0\",\n"},
	{"networks that overlap", "azure", ``, cloudPlan, "        \"192.0.2.0/25\",\n", "        \"192.0.2.0/24\",\n        \"192.0.2.0/25\",\n"},
	{"a long description", "azure", ``, cloudPlan, "FTP control and data ports of edi for IPv4", "FTP" + strings.Repeat(" ports", 30)},
	{"a slash in a name", "azure", ``, cloudPlan, `"pasvctl-edge-1--edi-v4"`, `"pasvctl/edi"`},

	{"as it asks", "gcp", ``, cloudPlan, "", ""},
	{"as it is told", "gcp", gcpBody, cloudPlan, "", ""},
	{"a name in capitals", "gcp", ``, cloudPlan, `"pasvctl-edge-1--edi-v4"`, `"Pasvctl-edi"`},
	{"a name of 64", "gcp", ``, cloudPlan, `"pasvctl-edge-1--edi-v4"`, `"` + strings.Repeat("x", 64) + `"`},
	{"a wrong direction", "gcp", ``, cloudPlan, `"INGRESS"`, `"ingress"`},
	{"a priority of 65536", "gcp", ``, cloudPlan, "priority      = 1000", "priority      = 65536"},
	{"tags and accounts", "gcp", gcpBody, cloudPlan, "tags        = null", "tags        = [\"ftp\"]"},
	{"families mixed", "gcp", ``, cloudPlan, "        \"0.0.0.0/0\",\n", "        \"0.0.0.0/0\",\n        \"::/0\",\n"},
	{"allow as an attribute", "gcp", ``, cloudPlan, "  allow {", "  allow = {"},
	{"neither allow nor deny", "gcp", ``, cloudPlan, "\n  allow {\n    protocol = \"tcp\"\n    ports    = each.value.ports\n  }\n", ""},
	{"no network", "gcp", `network = "prod"`, cloudPlan, "  network       = \"prod\"\n", ""},
	{"a misspelt argument", "gcp", ``, cloudPlan, "  source_ranges", "  source_range "},

	{"as it asks", "digitalocean", ``, cloudPlan, "", ""},
	{"as it is told", "digitalocean", "tags = { edge-1 = \"ftp\" }\noutbound = \"none\"", cloudPlan, "", ""},
	{"a wrong protocol", "digitalocean", ``, cloudPlan, `"tcp"`, `"TCP"`},
	{"no sources", "digitalocean", ``, cloudPlan, "    source_addresses = [\n      \"0.0.0.0/0\",\n      \"::/0\",\n    ]\n", ""},
	{"active mode only", "digitalocean", `outbound = "none"`, cloudPlan, "", ""},
	{"ports of IPv6", "digitalocean", ``, cloudPlan, `port_range = "61000-61009"`, `port_range = "61000:61009"`},

	{"as it asks", "hetzner", ``, cloudPlan, "", ""},
	{"as it is told", "hetzner", `label_selectors = { edge2 = "role=ftp" }`, cloudPlan, "", ""},
	{"a wrong direction", "hetzner", ``, cloudPlan, `direction   = "in"`, `direction   = "ingress"`},
	{"host bits", "hetzner", ``, cloudPlan, `"192.0.2.0/25"`, `"192.0.2.1/25"`},
	{"a server and a selector", "hetzner", `label_selectors = { edge2 = "role=ftp" }`, cloudPlan, "  apply_to {", "  apply_to {\n    server = 1"},

	{"as it asks", "openstack", ``, cloudPlan, "", ""},
	{"as it is told", "openstack", `security_groups = { edge2 = "8f1ffb2c-0d61-4a4b-9a34-8e2f1c0b7a55" }`, cloudPlan, "", ""},
	{"a wrong family", "openstack", ``, cloudPlan, `family = "IPv4"`, `family = "inet"`},
	{"a range of one end", "openstack", ``, cloudPlan, "  port_range_max    = each.value.last\n", ""},
	{"a reversed range", "openstack", ``, cloudPlan, "first = 61000", "first = 61010"},
}

// module renders the case.
func (c tfCase) module(t *testing.T) string {
	t.Helper()
	for path, text := range mustFiles(t, handTarget(t, c.target, c.body), c.plan()) {
		if !strings.HasSuffix(path, ".tf") {
			continue
		}
		mutant := strings.Replace(text, c.old, c.new, 1)
		if c.old != "" && mutant == text {
			t.Fatalf("there is no %q in\n%s", c.old, text)
		}
		return mutant
	}
	t.Fatal("no module")
	return ""
}

// Our own reader holds every module against the schemas and rules, and refuses
// the wrong ones: also where there is no Terraform.
func TestTerraformModules(t *testing.T) {
	refused := 0
	for _, c := range tfCases {
		t.Run(c.target+"/"+c.name, func(t *testing.T) {
			resources, err := readModule(c.module(t))
			wrong := checkModule(resources)
			if err != nil {
				wrong = append(wrong, err.Error())
			}
			if valid := len(wrong) == 0; valid != (c.old == "") {
				t.Errorf("refused for %q", wrong)
			}
			if c.old != "" {
				refused++
			}
		})
	}
	if refused < 10 {
		t.Errorf("only %d wrong modules", refused)
	}
}

// Terraform itself formats, validates and plans the same modules, with a provider
// that serves the same schemas and rules. Validating alone does not look into
// for_each; planning validates first.
func TestTerraformReadsTheModules(t *testing.T) {
	t.Parallel()
	terraform := needs.Tool(t, "terraform")
	provider := buildProvider(t)
	for _, c := range tfCases {
		t.Run(c.target+"/"+c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "pasvctl.tf"), []byte(c.module(t)), 0o600); err != nil {
				t.Fatal(err)
			}
			valid := c.old == ""
			if out, err := runTerraform(terraform, provider, dir, "fmt", "-check", "-diff"); err != nil && valid {
				t.Errorf("terraform fmt: %v: %s", err, out)
			}
			if out, err := runTerraform(terraform, provider, dir, "plan", "-input=false", "-lock=false", "-no-color"); (err == nil) != valid {
				t.Errorf("terraform plan: %v: %s", err, out)
			}
		})
	}
}

// Twins are what Terraform's validate does not see.
func TestTwinsAreRefused(t *testing.T) {
	for name, c := range map[string]tfCase{
		"a priority": {target: "azure", plan: cloudPlan, old: "priority    = 201", new: "priority    = 200"},
		"a name":     {target: "gcp", plan: cloudPlan, old: "edge-1--edi-v6", new: "edge-1--edi-v4"},
		"a way in":   {target: "openstack", plan: cloudPlan, old: `family = "IPv4", first = 61010, last = 61010, from = "192.0.2.128/25"`, new: `family = "IPv4", first = 61010, last = 61010, from = "192.0.2.0/25"`},
		"a rule":     {target: "aws", plan: awsPlan, old: `from = "198.51.100.7/32", first = 2121`, new: `from = "192.0.2.0/25", first = 2121`},
	} {
		resources, err := readModule(c.module(t))
		if err != nil {
			t.Fatal(err)
		}
		if wrong := checkModule(resources); len(wrong) != 1 || !strings.Contains(wrong[0], "have the same") {
			t.Errorf("%s twice: %q", name, wrong)
		}
	}
}

func runTerraform(terraform, provider, dir string, args ...string) ([]byte, error) {
	cmd := exec.Command(terraform, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+provider, "CHECKPOINT_DISABLE=1",
		"TF_VAR_vpc_id=vpc-1", "TF_VAR_resource_group_name=ftp", "TF_VAR_location=westeurope", "TF_VAR_network=prod")
	return cmd.CombinedOutput()
}

// buildProvider builds the stub provider, and returns the configuration that makes
// Terraform take it for every provider that it has schemas of.
func buildProvider(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	program := filepath.Join(dir, "terraform-provider")
	build := exec.Command(needs.Tool(t, "go"), "build", "-o", program, ".")
	build.Dir = providerModule
	build.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, providers, err := tfschema.Load(os.DirFS(filepath.Join(providerModule, "schemas")))
	if err != nil {
		t.Fatal(err)
	}
	text, made := "", map[string]bool{}
	for _, address := range providers {
		if made[address] {
			continue
		}
		made[address] = true
		if err := os.Link(program, filepath.Join(dir, "terraform-provider-"+filepath.Base(address))); err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf("    %q = %q\n", address, dir)
	}
	config := filepath.Join(dir, "terraformrc")
	text = "provider_installation {\n  dev_overrides {\n" + text + "  }\n}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}
