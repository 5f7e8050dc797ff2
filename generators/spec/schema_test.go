package spec

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/pasvctl/pasvctl/generators/finding"
)

// values are arguments by path, "site.concurrency.sessions", as HCL.
type values map[string]string

// minimal is the least that a spec has.
var minimal = values{
	"host.addresses": `["203.0.113.10"]`,
	"site.host":      `"edge1"`, "site.server": `"vsftpd"`, "site.port": "21", "site.concurrency.sessions": "400",
}

// labels are the names of the blocks that the tests write.
var labels = map[string]string{"host": "edge1", "site": "downloads", "variable": "addresses"}

// beside is what an argument, or those of a block, must have beside them.
var beside = map[string]values{
	"site.tls":               {"site.tls.certificate": `"/etc/ftp.pem"`, "site.tls.key": `"/etc/ftp.key"`},
	"site.announce_to":       {"site.server": `"embedded"`},
	"site.truncated_uploads": {"site.tls.certificate": `"/etc/ftp.pem"`, "site.tls.key": `"/etc/ftp.key"`},
	"profile.pick":           {"profile.draws": "9"},
	"profile.draws":          {"profile.pick": `"random"`},
	"variable.type":          {"variable.default": `["203.0.113.10"]`},
	"variable.validation":    {"variable.default": `["203.0.113.10"]`, "variable.validation.condition": "true"},
	"variable.description":   {"variable.default": `["203.0.113.10"]`},
}

// companion is the argument that bounds another one.
var companion = map[string]string{
	"site.concurrency.sessions_per_address":         "site.concurrency.sessions",
	"site.traffic.transfers_per_second_per_address": "site.traffic.transfers_per_second",
	"site.traffic.connect_time_p99":                 "site.traffic.connect_time",
	"site.traffic.burst.sessions":                   "site.concurrency.sessions",
}

// with writes a spec with an argument, what it needs, and whatever else the
// blocks around it require.
func with(path string, more ...values) string {
	file := hclwrite.NewEmptyFile()
	set := func(all values) {
		for _, path := range namesOf(all) {
			words := strings.Split(path, ".")
			def, body := Language, file.Body()
			for i, kind := range words[:len(words)-1] {
				def = def.nested(kind)
				block := body.FirstMatchingBlock(kind, nil)
				if i == 0 && def.Label != "" {
					label := labels[kind]
					if label == "" {
						label = "own"
					}
					if block = body.FirstMatchingBlock(kind, []string{label}); block == nil {
						block = body.AppendNewBlock(kind, []string{label})
					}
				} else if block == nil {
					block = body.AppendNewBlock(kind, nil)
				}
				body = block.Body()
				for _, arg := range def.Arguments {
					if arg.Required != "" && body.GetAttribute(arg.Name) == nil {
						body.SetAttributeRaw(arg.Name, raw(arg.Example))
					}
				}
			}
			body.SetAttributeRaw(words[len(words)-1], raw(all[path]))
		}
	}
	set(minimal)
	for prefix, needs := range beside {
		if path == prefix || strings.HasPrefix(path, prefix+".") {
			set(needs)
		}
	}
	for _, all := range more {
		set(all)
	}
	return string(file.Bytes())
}

func raw(text string) hclwrite.Tokens {
	return hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(text)}}
}

func loadValues(path string, more ...values) (*Spec, hcl.Diagnostics) {
	return Load(fstest.MapFS{"x.pasv.hcl": {Data: []byte(with(path, more...))}, "vsftpd.conf": {}}, []string{"x.pasv.hcl"}, known())
}

// eachArgument visits all arguments of the language.
func eachArgument(visit func(path string, block *Block, arg Argument)) {
	var walk func(prefix string, block *Block)
	walk = func(prefix string, block *Block) {
		for _, arg := range block.Arguments {
			visit(prefix+arg.Name, block, arg)
		}
		for _, inner := range block.Blocks {
			walk(prefix+inner.Type+".", inner)
		}
	}
	walk("", Language)
}

// Every block and argument has a description, and every example decodes.
func TestEveryArgumentIsDescribed(t *testing.T) {
	n := 0
	eachArgument(func(path string, block *Block, arg Argument) {
		n++
		for what, text := range map[string]string{"description": arg.Doc, "block's description": block.Doc, "example": arg.Example, "type": string(arg.Type)} {
			if text == "" {
				t.Errorf("%s has no %s", path, what)
			}
		}
		if !strings.HasSuffix(arg.Doc, ".") || len(arg.Doc) > 260 || strings.Count(arg.Doc, ". ") > 1 {
			t.Errorf("%s: one or two sentences: %q", path, arg.Doc)
		}
		if (arg.Type == Whole || arg.Type == Number) && path != "site.port" && arg.Unit == "" {
			t.Errorf("%s has no unit", path)
		}
		if known := []bool{arg.Required != "", arg.Default != nil, arg.Otherwise != ""}; count(known) > 1 {
			t.Errorf("%s: is it required, or does it have a default?", path)
		}
		if _, diags := loadValues(path, values{path: arg.Example}); diags.HasErrors() {
			t.Errorf("%s = %s: %v\n%s", path, arg.Example, diags, with(path, values{path: arg.Example}))
		}
	})
	if n < 70 {
		t.Errorf("only %d arguments", n)
	}
}

func count(all []bool) (n int) {
	for _, is := range all {
		if is {
			n++
		}
	}
	return n
}

// Without a required argument a spec is refused, with a remedy.
func TestRequiredArguments(t *testing.T) {
	eachArgument(func(path string, _ *Block, arg Argument) {
		if arg.Required == "" {
			return
		}
		_, diags := loadValues(path, values{path: "null"})
		if strings.HasPrefix(path, "variable.") {
			// Its value is not read: the argument itself must be missing.
			text := strings.Replace(with(path, values{path: "null"}), arg.Name+" = null", "", 1)
			text = strings.Replace(text, arg.Name+"     = null", "", 1)
			_, diags = Load(fstest.MapFS{"x.pasv.hcl": {Data: []byte(text)}}, []string{"x.pasv.hcl"}, known())
		}
		if !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return finding.Of(d) == finding.MissingArgument }) {
			t.Errorf("%s is not missed: %v", path, diags)
		}
	})
}

// A default is what the decoder takes: written out it gives the same Spec.
func TestDefaults(t *testing.T) {
	eachArgument(func(path string, _ *Block, arg Argument) {
		if arg.Default == nil {
			return
		}
		written := fmt.Sprint(arg.Default)
		switch value := arg.Default.(type) {
		case string:
			written = strconv.Quote(value)
		case time.Duration:
			written = strconv.Quote(value.String())
		}
		needs := values{}
		if path == "profile.pick" {
			needs["profile.draws"] = "null"
		}
		is, diags := loadValues(path, needs, values{path: written})
		was, more := loadValues(path, needs, values{path: "null"})
		if diags.HasErrors() || more.HasErrors() || string(dump(t, is)) != string(dump(t, was)) {
			t.Errorf("%s = %s is not what it is without:\n%v %v\n%s\n%s", path, written, diags, more, dump(t, is), dump(t, was))
		}
		// Neither is it without the block around it, if that need not be.
		if at := strings.LastIndex(path, "."); !strings.Contains(path[:at], ".") || beside[path[:at]] != nil || path[:at] == "site.traffic" || path[:at] == "site.traffic.burst" {
			return
		}
		if without, diags := loadValues(""); diags.HasErrors() || string(dump(t, is)) != string(dump(t, without)) {
			t.Errorf("%s = %s is not what it is without its block", path, written)
		}
	})
}

// What is taken otherwise is what the description says.
func TestOtherwise(t *testing.T) {
	site := func(holds func(*Site) bool) func(*Spec) bool {
		return func(s *Spec) bool { return holds(s.Sites[0]) }
	}
	cases := map[string][]struct {
		more  values
		holds func(*Spec) bool
	}{
		"host.interface":      {{nil, func(s *Spec) bool { return s.Hosts[0].Interface == "" }}},
		"host.avoid_ports":    {{nil, func(s *Spec) bool { return len(s.Hosts[0].AvoidPorts) == 0 }}},
		"host.reserved_ports": {{nil, func(s *Spec) bool { return len(s.Hosts[0].ReservedPorts) == 0 }}},
		"site.base_config":    {{nil, site(func(s *Site) bool { return s.Base == nil })}},
		"site.addresses":      {{nil, site(func(s *Site) bool { return slices.Equal(s.Addresses, s.Host.Addresses) })}},
		"site.announce":       {{nil, site(func(s *Site) bool { return !s.Announce.IsValid() })}},
		"site.announce_to":    {{nil, site(func(s *Site) bool { return s.AnnounceTo == nil })}},
		"site.clients":        {{nil, site(func(s *Site) bool { return slices.Equal(s.Clients, everyone) })}},
		"site.gate": {
			{nil, site(func(s *Site) bool { return s.Gate })},
			{values{"site.foreign_data": "true"}, site(func(s *Site) bool { return !s.Gate })},
		},
		"host.firewall.output": {{nil, func(s *Spec) bool { return s.Hosts[0].Output == nil }}},
		"site.active_mode": {{nil, site(func(s *Site) bool {
			_, written := s.Ranges["active_mode"]
			return !s.ActiveMode && !written
		})}},
		"site.data_ports":   {{nil, site(func(s *Site) bool { return s.DataPorts.Count() == 0 })}},
		"site.idle_timeout": {{nil, site(func(s *Site) bool { return s.IdleTimeout == 0 })}},
		"site.data_timeout": {{nil, site(func(s *Site) bool { return s.DataTimeout == 0 })}},
		"site.truncated_uploads": {
			{nil, site(func(s *Site) bool { return s.TruncatedUploads == "" && !s.RefusesTruncated() })},
			{values{"site.tls.required": "true"}, site(func(s *Site) bool { return s.TruncatedUploads == "" && s.RefusesTruncated() })},
		},
		"site.tls.required": {
			{nil, site(func(s *Site) bool { return !s.TLS.Required })},
			{values{"site.tls.mode": `"implicit"`, "site.port": "990"}, site(func(s *Site) bool { return s.TLS.Required })},
		},
		"site.tls.certificate":                          {{values{"site.tls.mode": `"off"`}, site(func(s *Site) bool { return s.TLS.Certificate == "" })}},
		"site.tls.key":                                  {{values{"site.tls.mode": `"off"`}, site(func(s *Site) bool { return s.TLS.Key == "" })}},
		"site.concurrency.sessions_per_address":         {{nil, site(func(s *Site) bool { return s.SessionsPerAddress == s.Sessions })}},
		"site.traffic.transfers_per_second_per_address": {{nil, site(func(s *Site) bool { return s.Traffic.RatePerAddress == 0 })}},
		"site.traffic.connect_time_p99":                 {{nil, site(func(s *Site) bool { return s.Traffic.ConnectP99 == 0 })}},
		"site.objective.refused":                        {{nil, site(func(s *Site) bool { return s.Objective.Refused == 0 })}},
		"site.objective.squatted": {
			{nil, site(func(s *Site) bool { return s.Objective.Squatted == 1 })},
			{values{"site.server": `"embedded"`}, site(func(s *Site) bool { return s.Objective.Squatted == 0 })},
		},
		"gateway.control_ports":    {{nil, func(s *Spec) bool { return s.Gateways[0].ControlPorts == nil }}},
		"profile.title":            {{nil, func(s *Spec) bool { return s.Profiles[0].Title == "own" }}},
		"variable.type":            {{nil, func(s *Spec) bool { return true }}},
		"variable.default":         {{nil, func(s *Spec) bool { return true }}}, // TestLoad has variables that nothing sets
		"variable.description":     {{nil, func(s *Spec) bool { return true }}},
		"pasvctl.name":             {{nil, func(s *Spec) bool { return s.Name == "" }}},
		"pasvctl.required_version": {{nil, func(s *Spec) bool { return true }}},
	}
	eachArgument(func(path string, _ *Block, arg Argument) {
		if arg.Otherwise != "" && len(cases[path]) == 0 {
			t.Errorf("%s: who says that it is otherwise %s?", path, arg.Otherwise)
		}
		if arg.Otherwise == "" && arg.Default == nil && arg.Required == "" && !strings.Contains(arg.Limit, "required") {
			t.Errorf("%s: what if it is not set?", path)
		}
		for _, c := range cases[path] {
			more := values{}
			for p, v := range c.more {
				more[p] = v
			}
			more[path] = "null"
			if strings.HasPrefix(path, "variable.") {
				delete(more, path)
			}
			s, diags := loadValues(path, more)
			if diags.HasErrors() || !c.holds(s) {
				t.Errorf("%s is not otherwise %s: %v", path, arg.Otherwise, diags)
			}
		}
	})
}

// Bounds are taken, and what is just outside is refused.
func TestBounds(t *testing.T) {
	try := func(path, value string, want bool) {
		more := values{path: value}
		if other := companion[path]; other != "" {
			more[other] = value
		}
		_, diags := loadValues(path, more)
		if diags.HasErrors() == want {
			t.Errorf("%s = %s: %v", path, value, diags)
		}
		if !want && !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return finding.Of(d) == finding.ValueOutOfRange }) {
			t.Errorf("%s = %s is not out of range: %v", path, value, diags)
		}
	}
	eachArgument(func(path string, _ *Block, arg Argument) {
		switch arg.Type {
		case Whole:
			try(path, strconv.Itoa(int(arg.Least)), true)
			try(path, strconv.Itoa(int(arg.Most)), true)
			try(path, strconv.Itoa(int(arg.Least)-1), false)
			try(path, strconv.Itoa(int(arg.Most)+1), false)
			try(path, fmt.Sprint(arg.Least+0.5), false)
		case Number:
			digits := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
			try(path, digits(arg.Least), !arg.Above)
			try(path, digits(arg.Most), !arg.Below)
			try(path, digits(arg.Least+arg.Most/1e9), true)
			try(path, digits(math.Nextafter(arg.Most, 0)), true)
			try(path, digits(arg.Least-arg.Most/1e15), false)
			try(path, digits(arg.Most*(1+1e-15)), false)
		case Duration:
			text := func(seconds float64, more time.Duration) string {
				return strconv.Quote((time.Duration(seconds*float64(time.Second)) + more).String())
			}
			try(path, text(arg.Least, 0), true)
			try(path, text(arg.Most, 0), true)
			try(path, text(arg.Least, -1), false)
			try(path, text(arg.Most, 1), false)
		case Word:
			for _, word := range arg.Words {
				// What else a word needs is not this test's.
				s, diags := loadValues(path, values{path: strconv.Quote(word)})
				if slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return finding.Of(d) == finding.InvalidChoice }) || s == nil {
					t.Errorf("%s = %q: %v", path, word, diags)
				}
			}
			_, diags := loadValues(path, values{path: `"` + arg.Words[0] + `x"`})
			if !slices.ContainsFunc(diags, func(d *hcl.Diagnostic) bool { return finding.Of(d) == finding.InvalidChoice }) {
				t.Errorf("%s takes any word: %v", path, diags)
			}
		}
	})
}

// Limits in words hold too.
func TestLimits(t *testing.T) {
	long := strings.Repeat("a", 255)
	for path, c := range map[string]struct{ taken, refused []string }{
		"host.interface":       {[]string{`"eth0"`, `"` + long[:15] + `"`, `"br-0.1_x"`}, []string{`"` + long[:16] + `"`, `"a b"`, `""`}},
		"host.ephemeral_ports": {[]string{`"1-65535"`, `"21"`}, []string{`"0-10"`, `"1-65536"`, `"20-10"`}},
		"host.avoid_ports":     {[]string{`["1-65535"]`}, []string{`["0-10"]`, `["1-65536"]`, `["20-10"]`}},
		"host.reserved_ports":  {[]string{`["1-65535"]`}, []string{`["0-10"]`, `["1-65536"]`, `["20-10"]`}},
		"host.firewall.into":   {[]string{`"inet filter input"`, `"ip filter input"`}, []string{`"arp filter input"`, `"inet filter"`, `"inet filter drop"`, `"inet pasvctl x"`}},
		"host.firewall.output": {[]string{`"inet filter output"`, `"inet filter out"`}, []string{`"inet filter input"`, `"ip filter output"`, `"inet other output"`, `"inet filter"`, `"inet filter pasvctl_x"`}},
		"site.addresses":       {[]string{`["203.0.113.10"]`}, []string{`["203.0.113.11"]`, `[]`}},
		"site.announce":        {[]string{`"198.51.100.7"`, `"nat.example.com"`}, []string{`"2001:db8::1"`, `"nat"`, `"nat.example.7"`, `"nat_1.example.com"`}},
		"site.announce_to": {[]string{`{ "10.0.0.0/8" = "10.0.1.5", "10.1.0.0/16" = "10.1.0.1" }`, `{ "127.0.0.0/8" = "127.0.0.1" }`, `{}`}, []string{`{ "10.0.0.0/8" = "127.0.0.1" }`, `{ "10.0.0.0/8" = "169.254.1.1" }`, `{ "2001:db8::/32" = "10.0.1.5" }`, `{ "10.0.0.0/8" = "2001:db8::1" }`,
			`{ "10.0.0.1/8" = "10.0.1.5" }`, `{ "10.0.0.0/8" = null }`, `{ "x" = "10.0.1.5" }`, `["10.0.0.0/8"]`, `{ for i in range(65) : "10.0.${i}.0/24" => "10.0.1.5" }`}},
		"site.data_ports":                               {[]string{`"1024-2023"`, `"61000-65535"`}, []string{`"1023-2023"`, `"61000-65536"`, `"61999-61000"`}},
		"site.idle_timeout":                             {[]string{`"90s"`}, []string{`"1500ms"`}},
		"site.data_timeout":                             {[]string{`"90s"`}, []string{`"1500ms"`}},
		"site.concurrency.sessions_per_address":         {[]string{"400"}, []string{"401"}},
		"site.traffic.transfers_per_second_per_address": {[]string{"40"}, []string{"40.1"}},
		"site.traffic.connect_time_p99":                 {[]string{`"200ms"`, `"2980ms"`}, []string{`"199ms"`, `"2981ms"`}},
		"site.traffic.burst.sessions":                   {[]string{"400"}, []string{"401"}},
		"site.tls.certificate":                          {[]string{`"/` + long[:254] + `"`}, []string{`"/` + long + `"`, `"ftp.pem"`, `"/a b"`}},
		"site.tls.key":                                  {[]string{`"/` + long[:254] + `"`}, []string{`"/` + long + `"`, `"ftp.key"`, `"/a b"`}},
		"moved.from":                                    {[]string{"site.ftp", `site["ftp"]`, `site["Old Name"]`}, []string{"site.downloads", `"ftp"`, `"site.ftp"`, "host.ftp", "site", "site.ftp.data", "site[0]", `site["f${1}"]`, "site[*]", `site["a\nb"]`, `{ a = site.ftp }`, "null"}},
		"moved.to":                                      {[]string{"site.downloads", `site["downloads"]`}, []string{"site.ftp", "site.others", `"downloads"`, "null"}},
		"gateway.control_ports":                         {[]string{`{ downloads = 1 }`, `{ downloads = 65535 }`, `{}`}, []string{`{ downloads = 0 }`, `{ downloads = 65536 }`, `{ uploads = 1 }`, `{ downloads = 1.5 }`}},
		"profile.draws":                                 {[]string{"1"}, []string{"null"}},
		"profile.fixed_ports":                           {[]string{"0", "1"}, nil},
		"expect.to":                                     {[]string{"site.downloads.data", "site.downloads.control", `"edge1:22"`}, []string{"site.downloads", `"edge1"`, `"edge1:0"`}},
	} {
		for i, all := range [][]string{c.taken, c.refused} {
			for _, value := range all {
				if _, diags := loadValues(path, values{path: value}); diags.HasErrors() != (i == 1) {
					t.Errorf("%s = %s: %v", path, value, diags)
				}
			}
		}
		limited[path] = true
	}
	for _, c := range []struct {
		path string
		more values
	}{
		{"profile.fixed_ports", values{"profile.fixed_ports": "3", "profile.min_ports": "4"}},
		{"site.traffic.parallel", values{"site.traffic.parallel": "5", "site.concurrency.sessions_per_address": "4"}},
	} {
		if _, diags := loadValues(c.path, c.more); !diags.HasErrors() {
			t.Errorf("%v is taken", c.more)
		}
		limited[c.path] = true
	}
	eachArgument(func(path string, _ *Block, arg Argument) {
		if arg.Limit != "" && !limited[path] {
			t.Errorf("%s: does anything keep it to %s?", path, arg.Limit)
		}
	})
}

var limited = map[string]bool{}

// A block comes as often as its description says.
func TestBlocksAsOftenAsDescribed(t *testing.T) {
	var walk func(prefix string, block *Block)
	walk = func(prefix string, block *Block) {
		for _, inner := range block.Blocks {
			path := prefix + inner.Type
			if inner.Most > 0 {
				arg := inner.Arguments[0]
				text := with(path, values{path + "." + arg.Name: arg.Example})
				at := strings.Index(text, inner.Type+" {")
				end := at + strings.Index(text[at:], "}") + 1
				for n, want := range map[int]bool{inner.Most: true, inner.Most + 1: false} {
					many := text[:at] + strings.Repeat(text[at:end]+"\n", n) + text[end:]
					_, diags := Load(fstest.MapFS{"x.pasv.hcl": {Data: []byte(many)}}, []string{"x.pasv.hcl"}, known())
					if diags.HasErrors() == want {
						t.Errorf("%d of %s: %v\n%s", n, path, diags, many)
					}
				}
			}
			walk(path+".", inner)
		}
	}
	walk("", Language)
}

// No decision of this package rests on the name of a server or of a target:
// profiles and kinds say what it must know. Only the tables and tests, which
// show users what they may write, name some.
func TestNamesNoServerOrTarget(t *testing.T) {
	names := regexp.MustCompile(`(?i)\b(apache|aws|azure|embedded|filezilla|iptables|ipset|iis|nftables|proftpd|pureftpd|pure-ftpd|sftpgo|sysctl|systemd|vsftpd)\b`)
	paths, err := filepath.Glob("*.go")
	if err != nil || len(paths) == 0 {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if field, ok := n.(*ast.KeyValueExpr); ok {
				if key, ok := field.Key.(*ast.Ident); ok && slices.Contains([]string{"Doc", "Example", "LabelExample", "Required", "Otherwise"}, key.Name) {
					return false
				}
			}
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING && names.MatchString(text.Value) {
				t.Errorf("%s names %s", path, text.Value)
			}
			return true
		})
	}
}
