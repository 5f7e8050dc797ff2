package tfschema

import (
	"strings"
	"testing"
	"testing/fstest"
)

const schemas = `{"provider": "hashicorp/x", "resources": {"x_rule": {
	"attributes": {
		"name": {"type": "string", "required": true}, "size": {"type": "number", "optional": true}, "id": {"type": "string", "computed": true},
		"on": {"type": "bool", "optional": true}, "from": {"type": ["set", "string"], "optional": true}, "to": {"type": ["map", "string"], "optional": true},
		"low": {"type": "number", "optional": true}, "high": {"type": "number", "optional": true}},
	"blocks": {"port": {"nesting": "set", "required": true, "attributes": {"range": {"type": "string", "required": true}}}}}}}`

const rules = `{"x_rule": [
	{"source": "s", "attribute": "name", "pattern": "[a-z]+", "length": 5},
	{"source": "s", "attribute": "size", "least": 1, "most": 9},
	{"source": "s", "attribute": "from", "items": 3, "holds": ["networks", "one family", "no overlap"]},
	{"source": "s", "exactly_one": ["from", "to"]},
	{"source": "s", "at_most_one": ["size", "on"]},
	{"source": "s", "together": ["low", "high"]},
	{"source": "s", "ascending": ["low", "high"]},
	{"source": "s", "in": "port", "attribute": "range", "holds": ["ports"]},
	{"source": "s", "attribute": "on", "replaced": ["name"]}]}`

func load(t *testing.T, rules string) (map[string]*Block, error) {
	t.Helper()
	resources, _, err := Load(fstest.MapFS{"x.json": {Data: []byte(schemas)}, "rules.json": {Data: []byte(rules)}})
	return resources, err
}

// One change of a sound resource, and what is said of it.
func TestCheck(t *testing.T) {
	resources, err := load(t, rules)
	if err != nil {
		t.Fatal(err)
	}
	list := func(all ...any) []any { return all }
	for want, change := range map[string]map[string]any{
		"":                                    {},
		`no argument "nmae"`:                  {"nmae": "a"},
		"name is missing":                     {"name": nil},
		"name is not":                         {"name": list("a")},
		`"A" does not match`:                  {"name": "A"},
		"6 characters":                        {"name": "abcdef"},
		"id is computed":                      {"id": "x"},
		"10 is out of bounds":                 {"size": 10.0},
		"1.5 is not a whole number":           {"size": 1.5},
		"size is not":                         {"size": "many"},
		"on is not":                           {"on": 1.0},
		"from is not":                         {"from": "10.0.0.0/8"},
		"to is not":                           {"from": nil, "to": list("a")},
		"more than 3":                         {"from": list("10.0.0.0/8", "11.0.0.0/8", "12.0.0.0/8", "13.0.0.0/8")},
		"without host bits":                   {"from": list("10.0.0.1/8")},
		"two address families":                {"from": list("10.0.0.0/8", "::/0")},
		"overlap":                             {"from": list("10.0.0.0/8", "10.1.0.0/16")},
		"exactly one of from, to must be set": {"from": nil},
		"and 2 are":                           {"to": map[string]any{"a": "b"}},
		"at most one of size, on":             {"size": 1.0, "on": true},
		"low, high go together":               {"low": 1.0},
		"low is above high":                   {"low": 2.0, "high": 1.0},
		"block port is missing":               {"port": list()},
		"port is a block":                     {"port": map[string]any{"range": "1"}},
		"range is missing":                    {"port": list(map[string]any{})},
		`"2-1" is not a port`:                 {"port": list(map[string]any{"range": "2-1"})},
		`"65536" is not a port`:               {"port": list(map[string]any{"range": "65536"})},
	} {
		values := map[string]any{"name": "abc", "from": list("10.0.0.0/8"), "port": list(map[string]any{"range": "21"}, map[string]any{"range": "61000-61009"})}
		for name, value := range change {
			values[name] = value
		}
		wrong := resources["x_rule"].Check(values)
		switch {
		case want == "" && len(wrong) > 0:
			t.Errorf("sound: %v", wrong)
		case want != "" && (len(wrong) != 1 || !strings.Contains(wrong[0].Error(), want)):
			t.Errorf("%s: %v", want, wrong)
		}
	}
	if wrong := resources["x_rule"].Check(map[string]any{"name": Unknown{}, "from": Unknown{}, "to": Unknown{}, "low": Unknown{}, "high": 1.0, "port": []any{map[string]any{"range": Unknown{}}}}); len(wrong) > 0 {
		t.Errorf("what is unknown is refused: %v", wrong)
	}
	if all := resources["x_rule"].Replaced(); len(all) != 1 || all[0] != "name" {
		t.Errorf("replaced are %q", all)
	}
}

// A rule for what is not there would never refuse anything.
func TestRulesNameWhatIsThere(t *testing.T) {
	for _, wrong := range []string{
		`{"y_rule": []}`, `{"x_rule": [{"source": "s", "attribute": "nmae"}]}`, `{"x_rule": [{"source": "s"}]}`,
		`{"x_rule": [{"attribute": "name"}]}`, `{"x_rule": [{"source": "s", "in": "prt", "attribute": "range"}]}`,
		`{"x_rule": [{"source": "s", "exactly_one": ["from", "tu"]}]}`,
	} {
		if _, err := load(t, wrong); err == nil {
			t.Errorf("%s is read", wrong)
		}
	}
}
