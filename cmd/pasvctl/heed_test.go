//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// heed is what another value of an argument changes.
type heed struct {
	sizes, configs, refused map[string]bool // servers
	targets                 map[string]bool
	places, explained       bool
	elsewhere               string
}

// lines are the items of an argument's entry.
func (h heed) lines() (lines []string) {
	add := func(what string, names map[string]bool) {
		switch {
		case names[ownServer]:
			lines = append(lines, what)
		case len(names) > 0:
			lines = append(lines, what+": "+listed(names))
		}
	}
	add("Sizes the range", h.sizes)
	if h.places {
		lines = append(lines, "Places the range")
	}
	add("Server configs", h.configs)
	add("Targets", h.targets)
	add("Some values are refused", h.refused)
	if h.elsewhere != "" && h.elsewhere != readers {
		lines = append(lines, "Heeded by: "+h.elsewhere)
	} else if len(lines) == 0 && h.explained {
		lines = append(lines, "Heeded by: plan and explain")
	}
	return lines
}

func listed(names map[string]bool) string {
	if len(names) == len(sizing.Profiles()) {
		return "all servers"
	}
	return strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}

// values are arguments by path, as HCL.
type values map[string]string

// base is the spec that two values of an argument are tried in; its range is
// large enough for every server.
var base = values{
	"host.addresses": `["203.0.113.10"]`,
	"site.host":      `"edge1"`, "site.server": `"vsftpd"`, "site.port": "21",
	"site.concurrency.sessions": "40", "site.concurrency.sessions_per_address": "5",
}

// twoValues is two values of an argument, and what they need beside them.
type twoValues struct {
	a, b string
	more values
}

// alongside is what the arguments of a block need.
var alongside = map[string]values{
	"site.tls":               {"site.tls.certificate": `"/etc/ftp/a.pem"`, "site.tls.key": `"/etc/ftp/a.key"`},
	"site.truncated_uploads": {"site.tls.certificate": `"/etc/ftp/a.pem"`, "site.tls.key": `"/etc/ftp/a.key"`},
	"site.traffic":           {"site.traffic.transfers_per_second": "10"},
	"site.traffic.burst":     {"site.traffic.burst.sessions": "20", "site.traffic.burst.within": `"10s"`},
	"site.objective":         {"site.traffic.transfers_per_second": "10"},
	"profile":                {"site.server": `"own"`, "profile.hold": `"transfer"`},
	"gateway":                {"gateway.address": `"198.51.100.7"`, "gateway.sites": `["downloads"]`, "site.announce": `"198.51.100.7"`},
}

// trials are the arguments whose two values are not plain from their type.
var trials = map[string]twoValues{
	"host.addresses":                                {`["203.0.113.10"]`, `["203.0.113.11"]`, nil},
	"host.interface":                                {`"eth0"`, `"eth1"`, nil},
	"host.ephemeral_ports":                          {`"32768-60999"`, `"32768-61999"`, nil},
	"host.avoid_ports":                              {"[]", `["61000-61999"]`, nil},
	"host.reserved_ports":                           {"[]", `["50051"]`, nil},
	"host.firewall.into":                            {`"inet filter input"`, `"inet own input"`, nil},
	"host.firewall.output":                          {"null", `"inet filter output"`, values{"host.firewall.into": `"inet filter input"`, "site.active_mode": "true"}},
	"site.active_mode":                              {"null", "true", nil},
	"site.host":                                     {`"edge1"`, `"edge2"`, values{"host.addresses": `["203.0.113.10"]`}},
	"site.base_config":                              {"null", `"SERVER"`, nil},
	"site.addresses":                                {`["203.0.113.10"]`, `["203.0.113.11"]`, values{"host.addresses": `["203.0.113.10", "203.0.113.11"]`}},
	"site.port":                                     {"21", "2121", nil},
	"site.announce":                                 {`"198.51.100.7"`, `"198.51.100.8"`, nil},
	"site.announce_to":                              {`{}`, `{ "10.0.0.0/8" = "10.0.1.6" }`, nil},
	"site.clients":                                  {`["192.0.2.0/24"]`, `["198.51.100.0/24"]`, nil},
	"site.ipv6_client_prefix":                       {"56", "64", values{"host.addresses": `["203.0.113.10", "2001:db8::10"]`}},
	"site.data_ports":                               {`"20000-21999"`, `"22000-23999"`, nil},
	"site.idle_timeout":                             {`"60s"`, `"7200s"`, values{"site.traffic.transfers_per_second": "10", "site.traffic.abandoned": "0.0001"}},
	"site.data_timeout":                             {`"60s"`, `"7200s"`, nil},
	"site.concurrency.sessions":                     {"40", "60", nil},
	"site.concurrency.sessions_per_address":         {"5", "8", nil},
	"site.traffic.transfers_per_second":             {"10", "20", nil},
	"site.traffic.transfers_per_second_per_address": {"0.1", "4", nil},
	"site.traffic.connect_time":                     {`"50ms"`, `"400ms"`, nil},
	"site.traffic.connect_time_p99":                 {`"300ms"`, `"2s"`, nil},
	"site.traffic.transfer_time":                    {`"500ms"`, `"2s"`, nil},
	"site.traffic.abandoned":                        {"0", "0.001", nil},
	"site.traffic.client_ports":                     {"20", "28232", nil},
	"site.traffic.peak_factor":                      {"1", "2", nil},
	"site.traffic.parallel":                         {"1", "4", nil},
	"site.traffic.burst.sessions":                   {"10", "40", values{"site.traffic.burst.within": `"1s"`}},
	"site.traffic.burst.within":                     {`"1s"`, `"20s"`, nil},
	"site.traffic.burst.connections":                {"1", "20", nil},
	"site.objective.refused":                        {"0.00001", "0.01", nil},
	"site.objective.max_wait":                       {`"200ms"`, `"5s"`, nil},
	"site.objective.squatted":                       {"0", "9", nil},
	"site.tls.session_reuse":                        {`"required"`, `"preferred"`, values{"site.tls.required": "true"}},
	"site.tls.certificate":                          {`"/etc/ftp/a.pem"`, `"/etc/ftp/b.pem"`, nil},
	"site.tls.key":                                  {`"/etc/ftp/a.key"`, `"/etc/ftp/b.key"`, nil},
	"moved.from":                                    {"site.ftp", "site.files", values{"moved.to": "site.downloads"}},
	"moved.to":                                      {"site.downloads", "site.uploads", values{"moved.from": "site.ftp"}},
	"gateway.address":                               {`"198.51.100.7"`, `"198.51.100.8"`, nil},
	"gateway.sites":                                 {`["downloads"]`, `["downloads", "uploads"]`, nil},
	"gateway.control_ports":                         {"null", `{ downloads = 30000 }`, nil},
	"profile.title":                                 {`"One"`, `"Another"`, nil},
	"profile.pick":                                  {`"random"`, `"distinct"`, values{"profile.draws": "9"}},
	"profile.draws":                                 {"9", "5", values{"profile.pick": `"random"`}},
	"profile.scope":                                 {`"port"`, `"address_port"`, nil},
	"profile.abandoned_hold":                        {`"60s"`, `"600s"`, values{"site.traffic.transfers_per_second": "10", "site.traffic.abandoned": "0.001"}},
	"profile.race_window":                           {`"0s"`, `"1ms"`, values{"site.traffic.transfers_per_second": "10"}},
	"profile.port_rest":                             {`"0s"`, `"60s"`, values{"site.traffic.transfers_per_second": "10"}},
	"profile.ports_per_session":                     {"0", "9", nil},
	"profile.min_ports":                             {"1", "900", nil},
	"profile.fixed_ports":                           {"900", "901", nil},
	"profile.never_drawn":                           {"0", "3", nil},
	"profile.marks_sessions":                        {"false", "true", values{"site.tls.certificate": `"/etc/ftp/a.pem"`, "site.tls.key": `"/etc/ftp/a.key"`, "site.tls.required": "true"}},
	"profile.resumes_tls":                           {"false", "true", values{"site.tls.certificate": `"/etc/ftp/a.pem"`, "site.tls.key": `"/etc/ftp/a.key"`, "site.tls.required": "true"}},
	"profile.implicit_tls":                          {"false", "true", values{"site.tls.certificate": `"/etc/ftp/a.pem"`, "site.tls.key": `"/etc/ftp/a.key"`, "site.tls.mode": `"implicit"`, "site.port": "990"}},
}

// elsewhere are the arguments that are not tried, and who heeds them.
var elsewhere = map[string]string{
	"site.server":                       "everything",
	"pasvctl.default_targets":           "the default targets",
	"pasvctl.name":                      "the headers of all files",
	"pasvctl.required_version":          "every command, before anything else",
	"host.floating":                     "apply, diff and doctor",
	"expect.from":                       "verify",
	"expect.to":                         "verify",
	"expect.verdict":                    "verify",
	"variable.type":                     "every command",
	"variable.default":                  "every command",
	"variable.description":              readers,
	"variable.validation.condition":     "every command",
	"variable.validation.error_message": "every command",
	"profile.title":                     "plan, explain and generate",
}

const readers = "readers of the spec"

// write writes a spec of these values.
func (v values) write() string {
	file := hclwrite.NewEmptyFile()
	for _, path := range slices.Sorted(maps.Keys(v)) {
		words := strings.Split(path, ".")
		body := file.Body()
		for i, kind := range words[:len(words)-1] {
			var labels []string
			if label := map[string]string{"host": "edge1", "site": "downloads", "profile": "own", "gateway": "nat1", "variable": "x", "expect": "x"}[kind]; i == 0 && label != "" {
				labels = []string{label}
			}
			block := body.FirstMatchingBlock(kind, labels)
			if block == nil {
				block = body.AppendNewBlock(kind, labels)
			}
			body = block.Body()
		}
		body.SetAttributeRaw(words[len(words)-1], hclwrite.Tokens{{Type: hclsyntax.TokenIdent, Bytes: []byte(v[path])}})
	}
	return string(file.Bytes())
}

// beside are blocks that two values need whatever they are.
const beside = `
host "edge2" { addresses = ["203.0.113.99"] }
site "uploads" {
  host       = "edge1"
  server     = "apache"
  port       = 2100
  announce   = "198.51.100.9"
  data_ports = "24000-24999"
  concurrency { sessions = 20 }
}
target "template" {
  source = "x.tmpl"
  output = "x"
}
`

// formerSites is a lock of sites that a moved block may name.
const formerSites = `
site "files" {
  host       = "edge1"
  data_ports = "63000-64999"
  ports      = 2000
}
site "ftp" {
  host       = "edge1"
  data_ports = "21000-22999"
  ports      = 2000
}
`

// outcome is what a spec makes, or why it makes nothing.
type outcome struct {
	refused   string
	ports     int
	data      string
	targets   map[string]string // files without comments
	daemon    string
	explained string
}

// tried plans the spec, and renders it if files are asked for.
func tried(t *testing.T, v values, files bool) (o outcome) {
	text := v.write() + beside
	text += "target \"systemd\" {}\ntarget \"vars\" {}\ntarget \"compose\" {}\ntarget \"kubernetes\" {}\npasvctl { default_targets = true }\n"
	fsys := fstest.MapFS{
		"x.pasv.hcl": {Data: []byte(text)}, plan.LockFile: {Data: []byte(formerSites)}, "x.tmpl": {Data: []byte("{{ toPrettyJson . }}")},
		"vsftpd": {Data: []byte("dirmessage_enable=YES\n")}, "proftpd": {Data: []byte("ServerIdent off\n")},
		"pureftpd/FortunesFile": {Data: []byte("/etc/fortunes\n")},
	}
	p, diags := generators.Load(fsys, []string{"x.pasv.hcl"}, generators.Options{})
	if diags.HasErrors() {
		return outcome{refused: diags.Error()}
	}
	site := p.Plan.Sites[slices.IndexFunc(p.Plan.Sites, func(s *plan.Site) bool { return s.Name == "downloads" })]
	o = outcome{ports: site.Sizing.Ports, data: site.DataPorts.String(), targets: map[string]string{}}
	if !files {
		if _, own := v["profile.hold"]; own {
			derivation, _ := json.Marshal(explain.Site(site, false))
			o.explained = string(derivation)
		}
		return o
	}
	made, diags := p.Files()
	if diags.HasErrors() {
		return outcome{refused: diags.Error()}
	}
	for _, f := range made {
		var text strings.Builder
		for line := range strings.Lines(string(f.Content)) {
			if !strings.HasPrefix(strings.TrimSpace(line), "#") {
				text.WriteString(line)
			}
		}
		o.targets[f.Target] += f.Path + "\n" + text.String()
	}
	d := &server{streams: streams{err: io.Discard}, logs: "text"}
	cfg, err := d.config(site, nil)
	if err != nil {
		t.Error(err)
	}
	tls, _ := json.Marshal(cfg.TLS)
	cfg.Log, cfg.TLS = nil, nil
	o.daemon = fmt.Sprintf("%+v %s", cfg, tls)
	return o
}

// pairs are the two values of an argument, or all words.
func pairs(path string, arg spec.Argument) []twoValues {
	if t, has := trials[path]; has {
		return []twoValues{t}
	}
	switch arg.Type {
	case spec.Bool:
		return []twoValues{{"false", "true", nil}}
	case spec.Word:
		var all []twoValues
		for _, word := range arg.Words[1:] {
			all = append(all, twoValues{fmt.Sprintf("%q", arg.Words[0]), fmt.Sprintf("%q", word), nil})
		}
		return all
	}
	return nil
}

// heeded tries two values of every argument on every server.
func heeded(t *testing.T) map[string]heed {
	all := map[string]heed{}
	var lock sync.Mutex
	var work sync.WaitGroup
	free := make(chan bool, runtime.GOMAXPROCS(0))
	var walk func(prefix string, block *spec.Block)
	walk = func(prefix string, block *spec.Block) {
		for _, arg := range block.Arguments {
			path := prefix + arg.Name
			if elsewhere[path] != "" {
				all[path] = heed{elsewhere: elsewhere[path]}
				continue
			}
			work.Go(func() {
				free <- true
				defer func() { <-free }()
				h := heedOf(t, path, arg)
				lock.Lock()
				all[path] = h
				lock.Unlock()
			})
		}
		for _, inner := range block.Blocks {
			walk(prefix+inner.Type+".", inner)
		}
	}
	walk("", spec.Language)
	work.Wait()
	for _, path := range slices.Sorted(maps.Keys(all)) {
		if h := all[path]; len(h.lines()) == 0 && h.elsewhere != readers {
			t.Errorf("nothing heeds %s", path)
		}
	}
	return all
}

func heedOf(t *testing.T, path string, arg spec.Argument) heed {
	h := heed{sizes: map[string]bool{}, configs: map[string]bool{}, refused: map[string]bool{}, targets: map[string]bool{}}
	for _, p := range sizing.Profiles() {
		if !onServers(path) && p.Name != "vsftpd" {
			continue
		}
		for _, two := range pairs(path, arg) {
			v := maps.Clone(base)
			v["site.server"] = fmt.Sprintf("%q", p.Name)
			if p.FixedPorts > 0 {
				v["site.data_ports"] = `"8192-8200"` // AWS Transfer Family has no other
			}
			for prefix, more := range alongside {
				if path == prefix || strings.HasPrefix(path, prefix+".") {
					maps.Copy(v, more)
				}
			}
			maps.Copy(v, two.more)
			if path != "site.data_ports" || p.FixedPorts == 0 {
				h.compare(t, p, path, v, two)
			}
		}
	}
	return h
}

// ownServer stands for the server that a profile block describes.
const ownServer = "own"

// onServers reports whether an argument is tried on every server.
func onServers(path string) bool {
	return strings.HasPrefix(path, "site.") || strings.HasPrefix(path, "host.")
}

// compare notes what differs between the outcomes of two values.
func (h *heed) compare(t *testing.T, p sizing.Profile, path string, v values, two twoValues) {
	var free, pinned [2]outcome
	name := p.Name
	if strings.HasPrefix(path, "profile.") {
		name = ownServer
	}
	for i, value := range []string{two.a, two.b} {
		v := maps.Clone(v)
		v[path] = strings.ReplaceAll(value, "SERVER", p.Name)
		free[i] = tried(t, v, false)
		switch {
		case path == "profile.fixed_ports":
			v["site.data_ports"] = map[string]string{"900": `"20000-20899"`, "901": `"20000-20900"`}[value]
		case v["site.data_ports"] == "":
			v["site.data_ports"] = `"20000-21999"`
		}
		if generators.Configures(p.Name) || p.Name == embedded {
			pinned[i] = tried(t, v, true)
		}
	}
	switch {
	case free[0].refused != "" && free[1].refused != "":
		if pinned[0].refused != "" || pinned[1].refused != "" {
			t.Errorf("%s on %s: %s", path, p.Name, free[0].refused)
		}
	case free[0].refused != "" || free[1].refused != "" || (pinned[0].refused == "") != (pinned[1].refused == ""):
		h.refused[name] = true
	case free[0].ports != free[1].ports:
		h.sizes[name] = true
	case free[0].data != free[1].data:
		h.places = true
	}
	h.explained = h.explained || free[0].explained != free[1].explained
	if pinned[0].refused != "" || pinned[1].refused != "" {
		return
	}
	for _, kind := range generators.Kinds() {
		if pinned[0].targets[kind.Name] == pinned[1].targets[kind.Name] {
			continue
		}
		if generators.Configures(kind.Name) && onServers(path) {
			h.configs[kind.Name] = true
		} else {
			h.targets[kind.Name] = true
		}
	}
	if p.Name == embedded && pinned[0].daemon != pinned[1].daemon {
		h.configs[embedded] = true
	}
}
