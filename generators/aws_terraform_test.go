package generators

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func TestAWSTerraform(t *testing.T) {
	text := mustFiles(t, handTarget(t, "aws", `vpc_id = "vpc-0abc"`), awsPlan())["aws/pasvctl.tf"]
	file, diags := hclsyntax.ParseConfig([]byte(text), "pasvctl.tf", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags, text)
	}
	var got []string
	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		if block.Type == "variable" {
			t.Error("asks for the VPC although vpc_id is set")
		}
		if block.Type != "locals" {
			continue
		}
		for family, title := range map[string]string{"ipv4": "IPv4", "ipv6": "IPv6"} {
			rules, diags := block.Body.Attributes[family].Expr.Value(nil)
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			for _, rule := range rules.AsValueMap() {
				first, _ := rule.GetAttr("first").AsBigFloat().Int64()
				last, _ := rule.GetAttr("last").AsBigFloat().Int64()
				got = append(got, fmt.Sprintf("%s %s %s %d-%d",
					rule.GetAttr("host").AsString(), title, rule.GetAttr("from").AsString(), first, last))
			}
		}
		hosts, _ := block.Body.Attributes["hosts"].Expr.Value(nil)
		if got := hosts.GoString(); got != `cty.TupleVal([]cty.Value{cty.StringVal("edge-1.example"), cty.StringVal("edge2")})` {
			t.Errorf("hosts %s", got)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, awsWant) {
		t.Errorf("got  %q\nwant %q", got, awsWant)
	}
}

// A present group whose name or description differs, as 0.1.0 wrote them, is
// replaced once. The network interface has a group with all its rules at every
// moment, and a second run changes nothing.
func TestAWSTerraformReplacesAGroupWithoutAGap(t *testing.T) {
	terraform, provider := needs.Tool(t, "terraform"), buildProvider(t)
	dir := t.TempDir()
	done := filepath.Join(dir, "done")
	t.Setenv("STUB_LOG", done)
	apply := func(module string) []string {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(dir, "pasvctl"), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"pasvctl/pasvctl.tf": module, "done": "", "main.tf": `module "ftp" {
  source = "./pasvctl"
}
resource "aws_network_interface" "edge1" {
  subnet_id       = "subnet-1"
  security_groups = [module.ftp.security_group_ids["edge1"]]
}
`} {
			if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, args := range [][]string{{"get"}, {"apply", "-auto-approve", "-no-color"}} {
			if out, err := runTerraform(terraform, provider, dir, args...); err != nil {
				t.Fatalf("terraform %s: %v: %s", args[0], err, out)
			}
		}
		text, err := os.ReadFile(done)
		if err != nil {
			t.Fatal(err)
		}
		var steps []string
		for line := range strings.Lines(string(text)) {
			steps = append(steps, strings.Join(strings.Fields(line)[:2], " "))
		}
		return steps
	}
	host := handHost("edge1", "203.0.113.10", "2001:db8::10")
	site := handSite(host, "a", "vsftpd", 21, spec.PortRange{First: 61000, Last: 61009}, nil)
	module := mustFiles(t, handTarget(t, "aws", `vpc_id = "vpc-0abc"`), handPlan(site))["aws/pasvctl.tf"]
	before := strings.NewReplacer(`name_prefix = "pasvctl-${each.key}-"`, `name = "pasvctl-${each.key}"`, awsDescription, "another",
		"create_before_destroy = true", "", "depends_on = [\n    aws_vpc_security_group_ingress_rule.ipv4,\n    aws_vpc_security_group_ingress_rule.ipv6,\n  ]", "").Replace(module)
	apply(before)
	const group, rule = "aws_security_group", "aws_vpc_security_group_ingress_rule"
	want := []string{
		"create " + group, "create " + rule, "create " + rule, "create " + rule, "create " + rule, "update aws_network_interface",
		"destroy " + rule, "destroy " + rule, "destroy " + rule, "destroy " + rule, "destroy " + group,
	}
	if got := apply(module); !slices.Equal(got, want) {
		t.Errorf("the replacement is\n%s", strings.Join(got, "\n"))
	}
	if got := apply(module); len(got) > 0 {
		t.Errorf("a second run is\n%s", strings.Join(got, "\n"))
	}
}

// The rules of a group that is there already are added to it, and no group is made.
func TestAWSTerraformAddsToAPresentGroup(t *testing.T) {
	terraform, provider := needs.Tool(t, "terraform"), buildProvider(t)
	dir := t.TempDir()
	log := filepath.Join(dir, "done")
	t.Setenv("STUB_LOG", log)
	text := mustFiles(t, handTarget(t, "aws", awsSources+"\nsecurity_groups = { \"edge-1.example\" = \"sg-1\", edge2 = \"sg-2\" }"), awsPlan())["aws/pasvctl.tf"]
	if err := os.WriteFile(filepath.Join(dir, "pasvctl.tf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := runTerraform(terraform, provider, dir, "apply", "-auto-approve", "-no-color"); err != nil || !strings.Contains(string(out), `"edge2" = "sg-2"`) {
		t.Fatalf("%v: %s", err, out)
	}
	done, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	// downloads: control and data in both families; edi, with two sources; edge2, IPv4.
	if made := strings.Count(string(done), "create aws_vpc_security_group_ingress_rule "); made != 4+4+2 || made != strings.Count(string(done), "\n") {
		t.Errorf("made %d rules:\n%s", made, done)
	}
}
