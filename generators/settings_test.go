package generators

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The struct that a target decodes has the settings that its kind describes,
// with the same defaults.
func TestSettingsAreDescribed(t *testing.T) {
	for _, k := range Kinds() {
		fields := map[string]reflect.Value{}
		required := map[string]bool{}
		value := reflect.ValueOf(k.New()).Elem()
		for i := range value.NumField() {
			name, option, tagged := strings.Cut(value.Type().Field(i).Tag.Get("hcl"), ",")
			if name != "" && (!tagged || option == "optional") {
				fields[name], required[name] = value.Field(i), !tagged
			}
		}
		for _, setting := range k.Settings {
			field, has := fields[setting.Name]
			if !has {
				t.Errorf("target %s describes %s, and decodes no such setting", k.Name, setting.Name)
				continue
			}
			if setting.Default != nil && field.Interface() != setting.Default || setting.Default == nil && !field.IsZero() {
				t.Errorf("target %s has %v for %s, and describes %v", k.Name, field, setting.Name, setting.Default)
			}
			if required[setting.Name] != (setting.Required != "") {
				t.Errorf("target %s: is %s required?", k.Name, setting.Name)
			}
			delete(fields, setting.Name)
		}
		for name := range fields {
			t.Errorf("target %s does not describe its setting %s", k.Name, name)
		}
	}
}

// A setting's example renders, and gives something else than its default.
func TestSettingsExamples(t *testing.T) {
	for _, k := range Kinds() {
		made := func(set string) map[string]string {
			body := ""
			for _, setting := range k.Settings {
				if setting.Name == set || setting.Required != "" {
					body += "  " + setting.Name + " = " + setting.Example + "\n"
				}
			}
			p, diags := loadText("x.pasv.hcl", strings.NewReplacer("vsftpd", "embedded", "site \"a\"", "site \"downloads\"").Replace(oneSite)+"target \""+k.Name+"\" {\n"+body+"}\n", "motd.tmpl", "{{ .Header }}\n")
			files, more := p.Files()
			if diags.HasErrors() || more.HasErrors() {
				t.Fatalf("target %s:\n%s%v %v", k.Name, body, diags, more)
			}
			byPath := map[string]string{}
			for _, f := range files {
				byPath[f.Path] = string(f.Content)
			}
			return byPath
		}
		plain := made("")
		for _, setting := range k.Settings {
			// A quota only says when there are too many rules: TestAWSDiagnostics, TestCloudDiagnostics, TestKubernetesDiagnostics.
			if setting.Required == "" && !strings.HasPrefix(setting.Name, "rules_per_") && setting.Name != "balancer" && setting.Name != "replicas" && maps.Equal(made(setting.Name), plain) {
				t.Errorf("target %s: %s = %s changes nothing", k.Name, setting.Name, setting.Example)
			}
		}
	}
}

// What is wrong with a setting is reported at it, with what is right.
func TestWrongSettings(t *testing.T) {
	for body, want := range map[string]string{
		`target "aws" { format = "cloudformatoin" }`:                `target "aws": format is "cloudformatoin", but it must be "cli", "cloudformation" or "terraform". Did you mean "cloudformation"?`,
		`target "aws" { rules_per_group = 0 }`:                      `target "aws": rules_per_group is 0, but it must be a whole number from 1 to 1,000. Write rules_per_group = 100, for example.`,
		`target "aws" { rules_per_group = 1001 }`:                   `target "aws": rules_per_group is 1,001, but it must be a whole number from 1 to 1,000. Write rules_per_group = 100, for example.`,
		`target "aws" { formt = "cli" }`:                            `An argument named "formt" is not expected here. Did you mean "format"? A target "aws" block takes the arguments format, vpc_id, rules_per_group, security_groups, sources and tags.`,
		`target "nftables" { table = "x" }`:                         `An argument named "table" is not expected here. A target "nftables" block takes nothing.`,
		`target "aws" { tags = ["a"] }`:                             `target "aws": tags must be a map, and this is a list. Write it like { Team = "transfer" }.`,
		`target "aws" { tags = { a = null } }`:                      `target "aws": tags has a null. Remove it, or write a string there.`,
		`target "aws" { tags = { a = "\u0007" } }`:                  `target "aws": tags contains the control character U+0007. Write it without control characters and line breaks.`,
		"target \"systemd\" {\n  user = \"a\\u0007\"\n}":            `target "systemd": user contains the control character U+0007. Write it without control characters and line breaks.`,
		"target \"template\" {\n  source = \"a.tmpl\"\n}":           `target "template": there is no file "a.tmpl". Write its path from the folder of the spec.|target "template": output is not set. Name the file to write, like output = "motd".`,
		"target \"sysctl\" {}\npasvctl { default_targets = \"x\" }": `pasvctl: default_targets must be true or false, and this is a string. Write it like true.`,
	} {
		_, diags := loadText("x.pasv.hcl", oneSite+body)
		var got []string
		for _, d := range diags {
			got = append(got, d.Detail)
		}
		if wanted := strings.Split(want, "|"); !sameSet(got, wanted) {
			t.Errorf("%s:\n%s\nwant\n%s", body, strings.Join(got, "\n"), strings.Join(wanted, "\n"))
		}
	}
}

func sameSet(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

// The first target block turns the default targets off, and default_targets
// keeps them, each once.
func TestDefaultTargets(t *testing.T) {
	var defaults []string
	for _, k := range Kinds() {
		if k.Default {
			defaults = append(defaults, k.Name)
		}
	}
	without := func(names ...string) []string {
		return slices.DeleteFunc(slices.Clone(defaults), func(name string) bool { return slices.Contains(names, name) })
	}
	for _, c := range []struct {
		body             string
		targets, leftOut []string
	}{
		{"", defaults, nil},
		{`target "systemd" {}`, []string{"systemd"}, defaults},
		{"target \"systemd\" {}\ntarget \"sysctl\" {}", []string{"systemd", "sysctl"}, without("sysctl")},
		{"target \"systemd\" {}\ntarget \"sysctl\" {}\npasvctl { default_targets = true }", append(slices.Clone(defaults), "systemd"), nil},
		{"target \"systemd\" {}\npasvctl { default_targets = false }", []string{"systemd"}, defaults},
		{"pasvctl { default_targets = true }", defaults, nil},
	} {
		p, diags := loadText("x.pasv.hcl", oneSite+c.body)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		var got []string
		for _, target := range p.targets {
			got = append(got, target.kind)
		}
		if !sameSet(got, slices.Clone(c.targets)) || !slices.Equal(p.LeftOut, c.leftOut) {
			t.Errorf("%s: targets %v, left out %v", c.body, got, p.LeftOut)
		}
	}
}

const oneSite = `host "edge1" { addresses = ["203.0.113.10"] }
site "a" {
  host   = "edge1"
  server = "vsftpd"
  port   = 21
  concurrency { sessions = 20 }
}
`
