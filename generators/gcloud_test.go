package generators

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// computeAPI is what Google's API description says of firewalls.
type computeAPI struct {
	Schemas map[string]computeSchema
	Methods map[string]struct {
		HTTPMethod string `json:"httpMethod"`
		Path       string
		Parameters map[string]struct{ Location, Pattern string }
	}
}

type computeSchema struct {
	Type, Format, Pattern string
	Ref                   string `json:"$ref"`
	Enum                  []string
	ReadOnly              bool
	Annotations           struct{ Required []string }
	Items                 *computeSchema
	Properties            map[string]computeSchema
}

var compute = sync.OnceValue(func() *computeAPI {
	text, err := os.ReadFile("testdata/compute-firewalls.json")
	if err != nil {
		panic(err)
	}
	api := &computeAPI{}
	if err := json.Unmarshal(text, api); err != nil {
		panic(err)
	}
	return api
})

// check compares a value with its schema, for a method such as "compute.firewalls.insert".
func (api *computeAPI) check(at string, s computeSchema, value any, method string) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, at+": "+fmt.Sprintf(format, args...)) }
	if s.Ref != "" {
		return api.check(at, api.Schemas[s.Ref], value, method)
	}
	switch v := value.(type) {
	case map[string]any:
		if s.Type != "object" {
			say("is an object, not %s", s.Type)
		}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			property, known := s.Properties[name]
			switch {
			case !known:
				say("there is no property %q", name)
			case property.ReadOnly:
				say("%s is set by the server", name)
			default:
				wrong = append(wrong, api.check(at+"."+name, property, v[name], method)...)
			}
		}
		for name, property := range s.Properties {
			if slices.Contains(property.Annotations.Required, method) && v[name] == nil {
				say("%s is missing", name)
			}
		}
	case []any:
		if s.Type != "array" {
			say("is an array, not %s", s.Type)
			break
		}
		for i, e := range v {
			wrong = append(wrong, api.check(fmt.Sprintf("%s[%d]", at, i), *s.Items, e, method)...)
		}
	case string:
		if s.Type != "string" || s.Pattern != "" && !regexp.MustCompile("^(?:"+s.Pattern+")$").MatchString(v) || s.Enum != nil && !slices.Contains(s.Enum, v) {
			say("%q is not %s %s %q", v, s.Type, s.Pattern, s.Enum)
		}
	case float64:
		if s.Type != "integer" || v != math.Trunc(v) || math.Abs(v) > math.MaxInt32 {
			say("%g is not %s", v, s.Type)
		}
	case bool:
		if s.Type != "boolean" {
			say("is a boolean, not %s", s.Type)
		}
	default:
		say("is null")
	}
	return wrong
}

// call finds the method of a request, and checks the parameters of its path and its body.
func (api *computeAPI) call(method, path string, body any) (name string, wrong []string) {
	for name, m := range api.Methods {
		words := regexp.QuoteMeta(m.Path)
		for parameter := range m.Parameters {
			words = strings.Replace(words, `\{`+parameter+`\}`, `(?P<`+parameter+`>[^/]+)`, 1)
		}
		match := regexp.MustCompile("^" + words + "$")
		found := match.FindStringSubmatch(path)
		if found == nil || m.HTTPMethod != method {
			continue
		}
		names := match.SubexpNames()
		for i, value := range found[1:] {
			if p := m.Parameters[names[i+1]].Pattern; !regexp.MustCompile("^(?:" + p + ")$").MatchString(value) {
				wrong = append(wrong, fmt.Sprintf("%s %q does not match %s", names[i+1], value, p))
			}
		}
		if body != nil {
			wrong = append(wrong, api.check("Firewall", api.Schemas["Firewall"], body, "compute.firewalls."+name)...)
		}
		return name, wrong
	}
	return "", []string{"there is no method for " + method + " " + path}
}

// checkFirewall is what the description says only in words: the bounds of a
// priority, CIDR, one family, tags or service accounts, ports.
func checkFirewall(f map[string]any) (wrong []string) {
	values := map[string]any{"name": f["name"], "network": f["network"], "description": f["description"], "direction": f["direction"], "priority": f["priority"],
		"source_ranges": f["sourceRanges"], "target_tags": f["targetTags"], "target_service_accounts": f["targetServiceAccounts"]}
	var allow []any
	allowed, _ := f["allowed"].([]any)
	for _, a := range allowed {
		one, _ := a.(map[string]any)
		allow = append(allow, map[string]any{"protocol": one["IPProtocol"], "ports": one["ports"]})
	}
	values["allow"] = allow
	for _, err := range cloudSchemas()["google_compute_firewall"].Check(values) {
		wrong = append(wrong, err.Error())
	}
	return wrong
}

// gcloudRules reads the script as a shell does: the requests that its rules make
// of the API.
func gcloudRules(script string) (rules []map[string]any, err error) {
	network := "given"
	for _, line := range strings.Split(strings.ReplaceAll(script, "\\\n", ""), "\n") {
		words, err := shellWords(line)
		if err != nil {
			return nil, err
		}
		for _, word := range words {
			if value, is := strings.CutPrefix(word, "--network="); is && value != "$NETWORK" {
				network = value
			}
		}
		if len(words) < 2 || words[0] != "rule" || words[1] == "" {
			continue
		}
		rule := map[string]any{"name": words[1], "direction": "INGRESS"}
		for _, word := range words[2:] {
			flag, value, _ := strings.Cut(word, "=")
			list := []any{}
			for _, v := range strings.Split(value, ",") {
				list = append(list, v)
			}
			switch flag {
			case "--priority":
				n, err := strconv.Atoi(value)
				if err != nil {
					return nil, err
				}
				rule["priority"] = float64(n)
			case "--allow":
				var allowed []any
				for _, v := range list {
					protocol, ports, _ := strings.Cut(v.(string), ":")
					allowed = append(allowed, map[string]any{"IPProtocol": protocol, "ports": []any{ports}})
				}
				rule["allowed"] = allowed
			case "--description":
				rule["description"] = value
			case "--source-ranges":
				rule["sourceRanges"] = list
			case "--target-tags":
				rule["targetTags"] = list
			case "--target-service-accounts":
				rule["targetServiceAccounts"] = list
			default:
				return nil, fmt.Errorf("there is no flag %s", flag)
			}
		}
		rules = append(rules, rule)
	}
	for _, rule := range rules {
		rule["network"] = network
	}
	return rules, nil
}

// shellWords splits a line at blanks, with quotes as a POSIX shell has them; what
// a backslash escapes between double quotes the scripts do not have.
func shellWords(line string) (words []string, err error) {
	word, in, quote := "", false, rune(0)
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, in = c, true
		case quote == 0 && (c == ' ' || c == '\t'):
			if in {
				words = append(words, word)
			}
			word, in = "", false
		case quote == 0 && c == '#' && !in:
			return words, nil
		default:
			word, in = word+string(c), true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote is open: %s", line)
	}
	if in {
		words = append(words, word)
	}
	return words, nil
}

// readGcloud reads a script, and holds what it asks for against the API.
func readGcloud(script string) (rules []map[string]any, wrong []string) {
	rules, err := gcloudRules(script)
	if err != nil {
		return nil, []string{err.Error()}
	}
	names := map[any]bool{}
	for _, rule := range rules {
		if _, problems := compute().call("POST", "projects/transfer-4711/global/firewalls", rule); problems != nil {
			wrong = append(wrong, problems...)
		}
		wrong = append(wrong, checkFirewall(rule)...)
		if names[rule["name"]] {
			wrong = append(wrong, fmt.Sprintf("two rules %v", rule["name"]))
		}
		names[rule["name"]] = true
	}
	return rules, wrong
}

func gcloudScript(t *testing.T, body string, p *plan.Plan) string {
	t.Helper()
	return mustFiles(t, handTarget(t, "gcp", "format = \"gcloud\"\n"+body), p)["gcp/pasvctl.sh"]
}

func TestGcloudScript(t *testing.T) {
	for _, body := range []string{"", gcpBody} {
		rules, wrong := readGcloud(gcloudScript(t, body, cloudPlan()))
		if len(rules) != 6 || len(wrong) > 0 {
			t.Errorf("%d rules: %q", len(rules), wrong)
		}
	}
	good := gcloudScript(t, "", cloudPlan())
	for old, changed := range map[string]string{
		"--priority=1000":               "--priority=65536",
		"rule 'pasvctl-edge-1--edi-v4'": "rule 'Pasvctl-edi'",
		"'pasvctl-edge-1--edi-v4'":      "'pasvctl-edge-1--edi-v6'",
		"'tcp:2121'":                    "'tpc:2121'",
		"'tcp:61000-61009'":             "'tcp:61009-61000'",
		"--source-ranges='0.0.0.0/0'":   "--source-ranges='0.0.0.0/0','::/0'",
		"'192.0.2.0/25'":                "'192.0.2.1/25'",
		"--target-tags":                 "--target-tag",
		"--target-tags='pasvctl-edge2'": "--target-tags='a' --target-service-accounts='a@b'",
		"--description='":               "--description=",
	} {
		mutant := strings.Replace(good, old, changed, 1)
		if _, wrong := readGcloud(mutant); mutant == good || len(wrong) == 0 {
			t.Errorf("%s for %s is taken", changed, old)
		}
	}
}

// gcloud itself runs the script against a local server, which holds each request
// against Google's description of the API: first it creates the rules, and after
// the range has moved it changes them.
func TestGcloudRunsTheScript(t *testing.T) {
	t.Parallel()
	gcloud := needs.Tool(t, "gcloud")
	needs.Tool(t, "sh")
	var lock sync.Mutex
	rules, calls, wrong := map[string]map[string]any{}, map[string]int{}, []string{}
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		defer lock.Unlock()
		text, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		path := strings.TrimPrefix(r.URL.Path, "/compute/v1/")
		name := filepath.Base(path)
		w.Header().Set("Content-Type", "application/json")
		answer := func(code int, value any) {
			w.WriteHeader(code)
			json.NewEncoder(w).Encode(value)
		}
		operation := map[string]any{"kind": "compute#operation", "name": "op", "status": "DONE", "operationType": "insert",
			"selfLink": server.URL + "/compute/v1/projects/transfer-4711/global/operations/op"}
		if strings.Contains(path, "/operations/") {
			answer(200, operation)
			return
		}
		var body map[string]any
		if len(text) > 0 && json.Unmarshal(text, &body) != nil {
			wrong = append(wrong, "no JSON: "+string(text))
		}
		var value any
		if body != nil {
			value = body
		}
		method, problems := compute().call(r.Method, path, value)
		wrong = append(wrong, problems...)
		calls[method]++
		switch method {
		case "insert":
			name = fmt.Sprint(body["name"])
			rules[name] = body
		case "patch":
			maps.Copy(rules[name], body)
		default:
			if rules[name] == nil {
				answer(404, map[string]any{"error": map[string]any{"code": 404, "message": "not found"}})
				return
			}
			answer(200, rules[name])
			return
		}
		operation["targetLink"] = server.URL + "/compute/v1/projects/transfer-4711/global/firewalls/" + name
		answer(200, operation)
	}))
	defer server.Close()
	home := t.TempDir()
	run := func(p *plan.Plan) {
		t.Helper()
		cmd := exec.Command("sh")
		cmd.Stdin = strings.NewReader(gcloudScript(t, `network = "prod"`, p))
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(gcloud)+string(os.PathListSeparator)+os.Getenv("PATH"), "CLOUDSDK_CONFIG="+home, "HOME="+home,
			"CLOUDSDK_AUTH_DISABLE_CREDENTIALS=true", "CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=true",
			"CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=true", "CLOUDSDK_CORE_PROJECT=transfer-4711",
			"CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE="+server.URL+"/compute/v1/")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		lock.Lock()
		defer lock.Unlock()
		if len(wrong) > 0 {
			t.Errorf("Google's API would refuse %q", wrong)
		}
		var made []map[string]any
		for _, name := range slices.Sorted(maps.Keys(rules)) {
			made = append(made, rules[name])
			if problems := checkFirewall(rules[name]); len(problems) > 0 {
				t.Errorf("%s: %q", name, problems)
			}
		}
		if got, want := waysOfGoogle(made).sorted(), waysOf(p, func(h *plan.Host) string { return "pasvctl-" + h.Name }); !slices.Equal(got, want) {
			t.Errorf("Google has %q, want %q", got, want)
		}
	}
	at := func(first uint16) *plan.Plan {
		host := handHost("edge1", "203.0.113.10", "2001:db8::10")
		return handPlan(handSite(host, "edi", "proftpd", 2121, spec.PortRange{First: first, Last: first + 9}, func(s *plan.Site) {
			s.Clients = prefixes("192.0.2.0/25", "192.0.2.128/25", "2001:db8:1::/48")
		}))
	}
	run(at(61000))
	run(at(62000))
	if calls["insert"] != 2 || calls["patch"] != 2 {
		t.Errorf("calls %v", calls)
	}
}
