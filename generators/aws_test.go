package generators

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// awsPlan has two hosts, names that need care, and two sites on different
// addresses that want the same rule.
func awsPlan() *plan.Plan {
	edge := handHost("edge-1.example", "203.0.113.10", "2001:db8::10")
	edge2 := handHost("edge2", "203.0.113.20", "203.0.113.21")
	p := handPlan(
		handSite(edge, "downloads", "vsftpd", 21, spec.PortRange{First: 61000, Last: 61009}, nil),
		handSite(edge, "edi", "proftpd", 2121, spec.PortRange{First: 61010, Last: 61010}, func(s *plan.Site) {
			s.Clients = prefixes("192.0.2.0/25", "198.51.100.7/32")
		}),
		handSite(edge2, "one", "proftpd", 21, spec.PortRange{First: 61000, Last: 61009}, func(s *plan.Site) {
			s.Addresses = s.Addresses[:1]
		}),
		handSite(edge2, "two", "proftpd", 21, spec.PortRange{First: 61000, Last: 61009}, func(s *plan.Site) {
			s.Addresses = s.Addresses[1:]
		}),
	)
	p.SpecName = "edge"
	return p
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// awsWant is what awsPlan opens: host, family, ports and client, which every
// format must say alike.
var awsWant = []string{
	"edge-1.example IPv4 0.0.0.0/0 21-21", "edge-1.example IPv4 0.0.0.0/0 61000-61009",
	"edge-1.example IPv4 192.0.2.0/25 2121-2121", "edge-1.example IPv4 192.0.2.0/25 61010-61010",
	"edge-1.example IPv4 198.51.100.7/32 2121-2121", "edge-1.example IPv4 198.51.100.7/32 61010-61010",
	"edge-1.example IPv6 ::/0 21-21", "edge-1.example IPv6 ::/0 61000-61009",
	"edge2 IPv4 0.0.0.0/0 21-21", "edge2 IPv4 0.0.0.0/0 61000-61009",
}

// awsSources admits a prefix list and a group to a site of awsPlan.
const awsSources = `sources = { edi = ["pl-0a1b2c3d", "sg-0e4f5a6b"] }`

func TestAWSCLI(t *testing.T) {
	files := mustFiles(t, handTarget(t, "aws", `format = "cli"`), awsPlan())
	var got []string
	for _, host := range []string{"edge-1.example", "edge2"} {
		var permissions []struct {
			IpProtocol       string
			FromPort, ToPort int
			IpRanges         []struct{ CidrIp, Description string }
			Ipv6Ranges       []struct{ CidrIpv6, Description string }
		}
		path := "aws/" + host + ".ip-permissions.json"
		if err := json.Unmarshal([]byte(files[path]), &permissions); err != nil {
			t.Fatal(path, err)
		}
		for _, p := range permissions {
			for _, r := range p.IpRanges {
				got = append(got, fmt.Sprintf("%s IPv4 %s %d-%d", host, r.CidrIp, p.FromPort, p.ToPort))
			}
			for _, r := range p.Ipv6Ranges {
				got = append(got, fmt.Sprintf("%s IPv6 %s %d-%d", host, r.CidrIpv6, p.FromPort, p.ToPort))
			}
			if p.IpProtocol != "tcp" {
				t.Errorf("protocol %q", p.IpProtocol)
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, awsWant) {
		t.Errorf("got  %q\nwant %q", got, awsWant)
	}
}

// The AWS command line checks names and types of what it would send.
func TestAWSCLIIsReadByTheTool(t *testing.T) {
	tool := needs.Tool(t, "aws")
	files := mustFiles(t, handTarget(t, "aws", "format = \"cli\"\n"+awsSources), awsPlan())
	for path, content := range files {
		file := filepath.Join(t.TempDir(), filepath.Base(path))
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(tool, "ec2", "authorize-security-group-ingress", "--group-id", "sg-1",
			"--ip-permissions", "file://"+file, "--generate-cli-skeleton", "output")
		cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=none", "AWS_SECRET_ACCESS_KEY=none",
			"AWS_DEFAULT_REGION=eu-central-1", "AWS_EC2_METADATA_DISABLED=true")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", path, err, out)
		}
	}
}

func TestAWSCloudFormation(t *testing.T) {
	text := mustFiles(t, handTarget(t, "aws", "format = \"cloudformation\"\nvpc_id = \"vpc-0abc\""), awsPlan())["aws/pasvctl.cfn.yaml"]
	var raw map[string]any
	if err := yaml.Unmarshal([]byte(text), &raw); err != nil {
		t.Fatal(err, text)
	}
	if _, asks := raw["Parameters"]; asks {
		t.Error("asks for the VPC although vpc_id is set")
	}
	var got []string
	for _, resource := range raw["Resources"].(map[string]any) {
		properties := resource.(map[string]any)["Properties"].(map[string]any)
		if properties["VpcId"] != "vpc-0abc" {
			t.Errorf("VPC %v", properties["VpcId"])
		}
		host := strings.TrimPrefix(properties["Tags"].([]any)[0].(map[string]any)["Value"].(string), "pasvctl-")
		for _, item := range properties["SecurityGroupIngress"].([]any) {
			rule := item.(map[string]any)
			family, from := "IPv4", rule["CidrIp"]
			if from == nil {
				family, from = "IPv6", rule["CidrIpv6"]
			}
			got = append(got, fmt.Sprintf("%s %s %s %d-%d", host, family, from, rule["FromPort"], rule["ToPort"]))
			if rule["IpProtocol"] != "tcp" {
				t.Errorf("protocol %v", rule["IpProtocol"])
			}
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, awsWant) {
		t.Errorf("got  %q\nwant %q", got, awsWant)
	}
}

func TestAWSCloudFormationPassesCfnLint(t *testing.T) {
	t.Parallel()
	lint := needs.Tool(t, "cfn-lint")
	for _, body := range []string{`format = "cloudformation"`, "format = \"cloudformation\"\nvpc_id = \"vpc-0abc1234\"",
		"format = \"cloudformation\"\ntags = { Name = \"ftp\", \"cost centre\" = \"4711\" }\n" + awsSources,
		"format = \"cloudformation\"\nsecurity_groups = { edge2 = \"sg-0a1b2c3d\" }\n" + awsSources,
		"format = \"cloudformation\"\nsecurity_groups = { \"edge-1.example\" = \"sg-0e4f5a6b\", edge2 = \"sg-0a1b2c3d\" }"} {
		text := mustFiles(t, handTarget(t, "aws", body), awsPlan())["aws/pasvctl.cfn.yaml"]
		file := filepath.Join(t.TempDir(), "pasvctl.cfn.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(lint, file).CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, text)
		}
	}
}

func TestAWSNamesTheSitesThatShareARule(t *testing.T) {
	group := (&aws{}).group(awsPlan().Hosts[1])
	var got []string
	for _, rule := range group.Rules {
		got = append(got, rule.Key+": "+rule.Description)
	}
	want := []string{
		"edge2/one/control/0.0.0.0/0: one control; two control",
		"edge2/one/data/0.0.0.0/0: one data; two data",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestAWSTextIsWhatEC2Takes(t *testing.T) {
	if got := awsText("Müller's \"<5>\"\n%"); got != "M-ller-s --5----" {
		t.Errorf("got %q", got)
	}
	if got := awsText(strings.Repeat("é", 300)); len(got) != 255 || !strings.HasSuffix(got, "-...") {
		t.Errorf("got %d: %q", len(got), got)
	}
}

func TestAWSLogicalIDsStayApart(t *testing.T) {
	seen := map[string]string{}
	for _, host := range []string{"edge1", "edge-1", "edge.1", "edge_1", "Edge1", "1edge"} {
		id := logicalID(host)
		if other, twice := seen[id]; twice {
			t.Errorf("%q and %q are both %s", host, other, id)
		}
		seen[id] = host
	}
}

func quotedIDs(n int) string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("%q", fmt.Sprint("pl-", i))
	}
	return strings.Join(ids, ", ")
}

func TestAWSDiagnostics(t *testing.T) {
	wide := func(n int) *plan.Plan {
		host := handHost("edge1", "203.0.113.10")
		var clients []netip.Prefix
		for i := range n {
			clients = append(clients, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 24))
		}
		return handPlan(handSite(host, "a", "vsftpd", 21, spec.PortRange{First: 61000, Last: 61009}, func(s *plan.Site) { s.Clients = clients }))
	}
	strangers := awsPlan()
	two := strangers.Hosts[1].Sites[1]
	two.Policy.Clients4 = prefixes("192.0.2.0/24")
	cases := []struct {
		name, body string
		plan       *plan.Plan
		want       []string
		files      int
	}{
		{"not a VPC", `vpc_id = "sg-12"`, wide(1), []string{"error: invalid-setting at spec"}, 0},
		{"a VPC for cli", "format = \"cli\"\nvpc_id = \"vpc-0abc\"", wide(1), []string{"warning: no-effect at spec"}, 1},
		{"60 rules", ``, wide(30), nil, 1},
		{"62 rules", ``, wide(31), []string{"error: security-group-full at clients"}, 0},
		{"62 rules, quota raised", `rules_per_group = 62`, wide(31), nil, 1},
		{"60 rules with sources", `sources = { a = [` + quotedIDs(30) + `] }`, wide(1), nil, 1},
		{"62 rules with sources", `sources = { a = [` + quotedIDs(31) + `] }`, wide(1), []string{"error: security-group-full at spec"}, 0},
		{"one group for two hosts", `security_groups = { "edge-1.example" = "sg-1", edge2 = "sg-1" }`, awsPlan(), []string{"error: invalid-setting at spec"}, 0},
		{"a group of no host", `security_groups = { edge3 = "sg-1" }`, awsPlan(), []string{"error: invalid-setting at spec"}, 0},
		{"no group", `security_groups = { edge2 = "vpc-1" }`, awsPlan(), []string{"error: invalid-setting at spec"}, 0},
		{"groups for cli", "format = \"cli\"\nsecurity_groups = { edge2 = \"sg-1\" }", awsPlan(), []string{"warning: no-effect at spec"}, 2},
		{"a VPC and tags of no new group", "vpc_id = \"vpc-0abc\"\ntags = { a = \"b\" }\nsecurity_groups = { edge1 = \"sg-1\" }", wide(1),
			[]string{"warning: no-effect at spec", "warning: no-effect at spec"}, 1},
		{"sources of no site", `sources = { x = ["sg-1"] }`, awsPlan(), []string{"error: invalid-setting at spec"}, 0},
		{"no sources", `sources = { edi = [] }`, awsPlan(), []string{"error: invalid-setting at spec"}, 0},
		{"networks as sources", `sources = { edi = ["10.0.0.0/8"] }`, awsPlan(), []string{"error: invalid-setting at spec"}, 0},
		{"a source twice", `sources = { edi = ["sg-1", "sg-1"] }`, awsPlan(), []string{"error: invalid-setting at spec"}, 0},
		{"tags of AWS's own", `tags = { "aws:x" = "y" }`, awsPlan(), []string{"error: invalid-setting at spec"}, 0},
		{"a tag with a quote", `tags = { x = "a'b" }`, awsPlan(), []string{"error: invalid-setting at spec"}, 0},
		{"50 tags", `tags = { for i in [` + quotedIDs(50) + `] : i => "x" }`, wide(1), []string{"error: invalid-setting at spec"}, 0},
		{"one port, one clientele by sources", `sources = { one = ["sg-1"], two = ["sg-1"] }`, strangers, nil, 1},
		{"one port, two clienteles", ``, strangers, []string{"warning: security-group-shared at clients"}, 1},
	}
	touching := wide(1)
	touching.Sites[0].Clients = nil
	for i := range 31 {
		touching.Sites[0].Clients = append(touching.Sites[0].Clients, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}), 24))
	}
	if _, diags := handTarget(t, "aws", "").Files(touching); len(diags) != 1 || !strings.Contains(diags[0].Detail, "contain each other, its networks of IPv4 are 1. Name fewer") {
		t.Errorf("31 networks that touch: %v", diags)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			files, diags := handTarget(t, "aws", c.body).Files(c.plan)
			if !slices.Equal(said(diags), c.want) || len(files) != c.files {
				t.Errorf("got %q and %d files", said(diags), len(files))
			}
		})
	}
}
