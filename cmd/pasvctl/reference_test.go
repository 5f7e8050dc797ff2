//go:build linux

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/mitchellh/go-wordwrap"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/serverconf"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
	"github.com/pasvctl/pasvctl/templates"
)

var update = flag.Bool("update", false, "rewrite generators/spec/REFERENCE.md")

const referenceFile = repository + "/generators/spec/REFERENCE.md"

// TestReference regenerates the reference from the tables of the language, of
// the targets and of the servers, and from what is heeded, and compares it.
func TestReference(t *testing.T) {
	t.Parallel()
	made := reference(t)
	if *update {
		if err := os.WriteFile(referenceFile, []byte(made), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	kept, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	if made != string(kept) {
		t.Errorf("REFERENCE.md is not what the tables make; run go test ./cmd/pasvctl -run TestReference -update\n%s", firstDifference(string(kept), made))
	}
	for i, line := range strings.Split(made, "\n") {
		if len([]rune(line)) > 80 {
			t.Errorf("line %d is wider than 80 columns: %s", i+1, line)
		}
	}
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return fmt.Sprintf("line %d\n- %s\n+ %s", i+1, x[i], y[i])
		}
	}
	return fmt.Sprintf("%d lines, and %d", len(x), len(y))
}

// document is the reference while it is written.
type document struct{ strings.Builder }

func (d *document) heading(level int, name string) {
	fmt.Fprintf(d, "\n%s %s\n\n", strings.Repeat("#", level), name)
}

func (d *document) paragraph(text string) { d.WriteString(wordwrap.WrapString(text, 80) + "\n\n") }

func (d *document) item(text string) {
	d.WriteString("- " + strings.ReplaceAll(wordwrap.WrapString(text, 78), "\n", "\n  ") + "\n")
}

func (d *document) code(text string) {
	d.WriteString("    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ") + "\n\n")
}

func reference(t *testing.T) string {
	d := &document{}
	d.WriteString("# The spec\n\n")
	for _, paragraph := range preamble {
		d.paragraph(paragraph)
	}
	var overview strings.Builder
	outline(&overview, "", spec.Language)
	d.code(overview.String())
	all := heeded(t)
	for _, block := range spec.Language.Blocks {
		d.block("", block, all)
	}
	for _, kind := range generators.Kinds() {
		if len(kind.Settings) > 0 {
			d.block("target.", &spec.Block{
				Type: kind.Name, Doc: fmt.Sprintf("Settings of `target %q`.", kind.Name), Arguments: kind.Settings,
			}, nil)
		}
	}
	d.targets()
	d.servers()
	d.functions()
	d.template(t)
	d.environment(t)
	d.heading(2, "limits")
	for _, limit := range limits {
		d.item(limit)
	}
	return regexp.MustCompile(`\n{3,}`).ReplaceAllString(d.String(), "\n\n")
}

var preamble = []string{
	"A spec is one file with the ending .pasv.hcl, or all of them in one folder. Blocks and arguments are written in HCL; " +
		"variables, locals, functions, `for` and `dynamic` blocks work as in Terraform.",
	"`pasvctl help spec.site.announce` prints the entry of one argument, `pasvctl help spec.site` that of a block. Other topics are " +
		"`spec.targets`, `spec.servers`, `spec.functions`, `spec.template`, `spec.environment` and `spec.limits`.",
	"A duration is a string with a unit, like \"120ms\", \"2s\" or \"5m\"; a range of ports is a string like \"20000-20199\", or \"21\" for one port. " +
		"An argument that is null counts as not set.",
	"\"Sizes the range\" names the servers on which another value makes the range of data ports larger or smaller. \"Server configs\" and " +
		"\"Targets\" name the outputs that another value changes, with the range pinned; \"embedded\" is the daemon that `pasvctl serve` runs. " +
		"\"Some values are refused\" names the servers on which a value is an error that is none on others. All are found by rendering with two values. \"Directives\" are those that the argument sets in a server's config, whatever a " +
		"base_config says.",
}

// outline lists the blocks with their arguments.
func outline(out *strings.Builder, indent string, block *spec.Block) {
	for _, inner := range block.Blocks {
		title := inner.Type
		if inner.Label != "" {
			title += " \"" + strings.ToUpper(inner.Label) + "\""
		}
		names := make([]string, len(inner.Arguments))
		for i, arg := range inner.Arguments {
			names[i] = arg.Name
		}
		first := fmt.Sprintf("%-18s", indent+title)
		text := strings.Split(wordwrap.WrapString(strings.Join(names, ", "), 56), "\n")
		for _, line := range text {
			out.WriteString(strings.TrimRight(first+line, " ") + "\n")
			first = strings.Repeat(" ", 18)
		}
		outline(out, indent+"  ", inner)
	}
}

// block writes the entries of a block, of its arguments and of the blocks in it.
func (d *document) block(prefix string, block *spec.Block, all map[string]heed) {
	path := prefix + block.Type
	d.heading(2, path)
	d.paragraph(block.Doc)
	if block.Required != "" {
		d.item("required")
	}
	if block.Most > 1 {
		d.item(fmt.Sprintf("at most %d of them", block.Most))
	}
	for _, arg := range block.Arguments {
		d.argument(path+"."+arg.Name, arg, all[path+"."+arg.Name])
	}
	for _, inner := range block.Blocks {
		d.block(path+".", inner, all)
	}
}

func (d *document) argument(path string, arg spec.Argument, h heed) {
	d.heading(3, path)
	d.paragraph(arg.Doc)
	d.code(arg.Name + " = " + arg.Example)
	kind := string(arg.Type)
	if len(arg.Words) > 0 {
		kind = "one of " + strings.Join(quoted(arg.Words), ", ")
	}
	if arg.Unit != "" {
		kind += ", " + arg.Unit
	}
	if arg.Most > 0 {
		kind += ", " + arg.Bounds()
	}
	if arg.Limit != "" {
		kind += ", " + arg.Limit
	}
	d.item(kind)
	switch value := arg.Default.(type) {
	case nil:
		if arg.Otherwise != "" {
			d.item("default: " + arg.Otherwise)
		}
	case string:
		d.item("default: " + strconv.Quote(value))
	case fmt.Stringer:
		d.item("default: " + strconv.Quote(strings.Replace(value.String(), "m0s", "m", 1)))
	default:
		d.item("default: " + fmt.Sprint(value))
	}
	if arg.Required != "" {
		d.item("required")
	}
	for _, line := range h.lines() {
		d.item(line)
	}
	d.directives(strings.TrimPrefix(path, "site."))
}

// otherDirectives are those of the servers whose configs no base_config names.
var otherDirectives = map[string]map[string][]string{
	"addresses":                        {"sftpgo": {"SFTPGO_FTPD__BINDINGS__0__ADDRESS"}, "pyftpdlib": {"FTPServer"}},
	"port":                             {"sftpgo": {"SFTPGO_FTPD__BINDINGS__0__PORT"}, "pyftpdlib": {"FTPServer"}},
	"announce":                         {"sftpgo": {"SFTPGO_FTPD__BINDINGS__0__FORCE_PASSIVE_IP"}, "pyftpdlib": {"masquerade_address"}},
	"announce_to":                      {"sftpgo": {"SFTPGO_FTPD__BINDINGS__0__PASSIVE_IP_OVERRIDES"}},
	"foreign_data":                     {"sftpgo": {"SFTPGO_FTPD__BINDINGS__0__PASSIVE_CONNECTIONS_SECURITY"}, "pyftpdlib": {"permit_foreign_addresses"}},
	"active_mode":                      {"proftpd": {"<Limit EPRT PORT>"}, "pureftpd": {"none, it cannot be turned off"}, "sftpgo": {"SFTPGO_FTPD__DISABLE_ACTIVE_MODE"}, "pyftpdlib": {"proto_cmds"}, "embedded": {"--active"}},
	"data_ports":                       {"sftpgo": {"SFTPGO_FTPD__PASSIVE_PORT_RANGE__START", "SFTPGO_FTPD__PASSIVE_PORT_RANGE__END"}, "pyftpdlib": {"passive_ports"}},
	"concurrency.sessions":             {"sftpgo": {"SFTPGO_COMMON__MAX_TOTAL_CONNECTIONS"}, "pyftpdlib": {"max_cons"}},
	"concurrency.sessions_per_address": {"sftpgo": {"SFTPGO_COMMON__MAX_PER_HOST_CONNECTIONS"}, "pyftpdlib": {"max_cons_per_ip"}},
	"idle_timeout":                     {"sftpgo": {"SFTPGO_COMMON__IDLE_TIMEOUT"}, "pyftpdlib": {"FTPHandler.timeout"}},
	"data_timeout":                     {"pyftpdlib": {"DTPHandler.timeout"}},
	"tls.mode":                         {"sftpgo": {"SFTPGO_FTPD__BINDINGS__0__TLS_MODE"}, "pyftpdlib": {"TLS_FTPHandler"}},
	"tls.required":                     {"sftpgo": {"SFTPGO_FTPD__BINDINGS__0__TLS_MODE"}, "pyftpdlib": {"tls_control_required", "tls_data_required"}},
	"tls.certificate":                  {"sftpgo": {"SFTPGO_FTPD__BINDINGS__0__CERTIFICATE_FILE"}, "pyftpdlib": {"certfile"}},
	"tls.key":                          {"sftpgo": {"SFTPGO_FTPD__BINDINGS__0__CERTIFICATE_KEY_FILE"}, "pyftpdlib": {"keyfile"}},
}

// The servers' templates write each of them.
func TestOtherDirectives(t *testing.T) {
	for server, name := range map[string]string{"sftpgo": "sftpgo.env.tmpl", "pyftpdlib": "ftpserver.py.tmpl"} {
		template, err := os.ReadFile(filepath.Join("../../templates", server, name))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(template), "{{ $i }}", "0")
		for attr, of := range otherDirectives {
			for _, name := range of[server] {
				for part := range strings.SplitSeq(name, ".") {
					if !strings.Contains(text, part) {
						t.Errorf("%s: %s has no %s", attr, server, part)
					}
				}
			}
		}
	}
}

// directives lists what an argument of a site sets in the servers' configs.
func (d *document) directives(attr string) {
	var all []string
	of := serverconf.Directives(attr)
	for server, names := range otherDirectives[attr] {
		of[server] = names
	}
	for _, server := range slices.Sorted(maps.Keys(of)) {
		all = append(all, server+" "+strings.Join(of[server], ", "))
	}
	if len(all) > 0 {
		d.item("Directives: " + strings.Join(all, "; "))
	}
}

func quoted(words []string) []string {
	all := make([]string, len(words))
	for i, word := range words {
		all[i] = strconv.Quote(word)
	}
	return all
}

func (d *document) targets() {
	d.heading(2, "targets")
	var defaults, others []string
	for _, kind := range generators.Kinds() {
		if kind.Default {
			defaults = append(defaults, kind.Name)
		} else {
			others = append(others, kind.Name)
		}
	}
	d.paragraph("Rendered by default: " + strings.Join(defaults, ", ") + ". Rendered only with a target block: " + strings.Join(others, ", ") +
		". The first target block turns the defaults off, and `generate` says which it left out; `pasvctl { default_targets = true }` keeps them.")
}

func (d *document) servers() {
	d.heading(2, "servers")
	d.paragraph("What site.server may name, besides a profile block. generators/sizing/SERVERS.md says where each trait comes from.")
	for _, p := range sizing.Profiles() {
		by := "set its range by hand"
		if generators.Configures(p.Name) {
			by = "its config is rendered"
		} else if p.Name == embedded {
			by = "`pasvctl serve` runs it"
		}
		d.item(fmt.Sprintf("%s: %s; %s", p.Name, p.Title, by))
	}
}

func (d *document) functions() {
	d.heading(2, "functions")
	d.paragraph("Of a spec, as in Terraform; those that read files, the clock or random numbers are left out.")
	d.code(wordwrap.WrapString(strings.Join(slices.Sorted(maps.Keys(spec.Functions())), ", "), 76))
}

// template lists what a template sees, with the values of an example.
func (d *document) template(t *testing.T) {
	d.heading(2, "template")
	d.paragraph("A `target \"template\"` renders a Go text/template (https://pkg.go.dev/text/template) over the plan. This one lists the sites:")
	const example = "{{ range .Sites }}{{ .Name }} {{ .DataPorts.First }}-{{ .DataPorts.Last }}\n{{ end }}"
	d.code(example)
	if got := rendered(t, example); got != "downloads 61000-61046\n" {
		t.Errorf("the example of a template gives %q", got)
	}
	d.paragraph("Its data, with the values of an example. Names stay, and are only added to. What a spec leaves out is \"\", 0 or an empty list. Times are in seconds; Binding is the bound that sets the size of the range.")
	var data any
	if err := json.Unmarshal([]byte(rendered(t, "{{ toJson . }}")), &data); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	fields(&lines, "", data)
	d.code(lines.String())
	d.paragraph("Beside text/template's own there are sprig's functions (https://masterminds.github.io/sprig/) that give the same on every run and machine, " +
		"and an escaper for each format, which quotes what the format needs and refuses what it cannot hold: " + strings.Join(escapers, ", ") + ".")
	own := templates.Functions()
	for _, name := range escapers {
		if own[name] == nil {
			t.Errorf("there is no escaper %s", name)
		}
		delete(own, name)
	}
	d.code(wordwrap.WrapString(strings.Join(slices.Sorted(maps.Keys(own)), ", "), 76))
}

var escapers = []string{"comment", "hcl", "json", "proftpd", "shell", "vsftpd", "word", "yaml"}

func rendered(t *testing.T, template string) string {
	t.Helper()
	fsys := fstest.MapFS{"x.tmpl": {Data: []byte(template)}, "x.pasv.hcl": {Data: []byte(`pasvctl { name = "edge" }
host "edge1" {
  addresses      = ["203.0.113.10"]
  interface      = "eth0"
  avoid_ports    = ["50000-50099"]
  reserved_ports = ["40000-40009"]
}
site "downloads" {
  host     = "edge1"
  server   = "vsftpd"
  port     = 21
  announce = "198.51.100.7"
  concurrency {
    sessions             = 10
    sessions_per_address = 5
  }
  tls {
    certificate = "/etc/ssl/certs/ftp.pem"
    key         = "/etc/ssl/private/ftp.key"
  }
}
gateway "nat1" {
  address = "198.51.100.7"
  sites   = ["downloads"]
}
target "template" {
  source = "x.tmpl"
  output = "x"
}
`)}}
	p, diags := generators.Load(fsys, []string{"x.pasv.hcl"}, generators.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	files, diags := p.Files("template")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return string(files[0].Content)
}

// fields lists the names in a template's data with their values.
func fields(out *strings.Builder, path string, value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			fields(out, path+"."+name, value[name])
		}
	case []any:
		if len(value) > 0 {
			if _, dict := value[0].(map[string]any); dict {
				if path == ".Hosts[].Sites" {
					fmt.Fprintf(out, "%-34s as .Sites\n", path)
					return
				}
				fields(out, path+"[]", value[0])
				return
			}
		}
		fmt.Fprintf(out, "%-34s %v\n", path, value)
	default:
		text, _ := json.Marshal(value)
		switch path {
		case ".Version", ".Header":
			text = []byte("text")
		case ".Sites[].Refused":
			text = []byte("share, 0 to 1")
		}
		fmt.Fprintf(out, "%-34s %s\n", path, text)
	}
}

// environment lists the variables that the program reads.
func (d *document) environment(t *testing.T) {
	d.heading(2, "environment")
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		d.item(name + ": " + environment[name])
	}
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]bool{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`PASVCTL_[A-Z_]+`).FindAllString(string(text), -1) {
			read[name] = true
		}
	}
	for name := range read {
		if environment[name] == "" && environment[name+"NAME"] == "" && !private[name] {
			t.Errorf("the reference does not say what %s is", name)
		}
	}
	for name := range environment {
		if strings.HasPrefix(name, "PASVCTL_") && !read[strings.TrimSuffix(name, "NAME")] {
			t.Errorf("nothing reads %s", name)
		}
	}
}

var environment = map[string]string{
	"PASVCTL_VAR_NAME":  "sets the variable NAME of the spec, unless --var or --var-file does.",
	"PASVCTL_PASSWORD":  "password of `pasvctl load`, unless --password-file names one.",
	"PASVCTL_STATE_DIR": "folder where `apply`, `confirm` and `rollback` keep their state.",
	"PASVCTL_DEBUG":     "if set, an internal error prints where it happened.",
	"NO_COLOR":          "if set, no output has colours.",
	"COLUMNS":           "columns of text that does not go to a terminal, 40 or more; 80 without it.",
}

// private variables are the program's messages to itself.
var private = map[string]bool{"PASVCTL_HANDOVER_FD": true, "PASVCTL_USER_NAMESPACE": true}

var limits = []string{
	"A file of a spec, a file of variables and a template have at most 1 MiB each, and what a template writes 16 MiB.",
	"Brackets, blocks and templates nest at most 64 levels deep, and an expression chains at most 1,000 operators.",
	fmt.Sprintf("Evaluating a spec and rendering its files may take %.0f s each. Then", maxEvaluation.Seconds()) + " pasvctl ends with exit code 1, and has written nothing.",
	"Memory is not guarded: loops over long ranges in a spec or a template can use much of it, and a template that puts a dict " +
		"into itself and prints it overflows the stack. Run specs and templates that you do not trust under a limit of memory.",
}
