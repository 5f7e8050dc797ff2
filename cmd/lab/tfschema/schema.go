// Package tfschema holds the resources of a Terraform configuration against their
// provider's schema, and against what else the provider or its platform refuses.
// The schemas are facts taken from published bindings; the rules beside them are
// written by hand, each with its source. A test of the generators applies them to
// what its own reader makes of a module, and the stub provider in
// .ci/terraform-provider to what Terraform sends it.
//
// It is for tests, reads trusted files, and knows no configuration language.
package tfschema

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
)

// Block is a resource's schema, or a nested block's.
type Block struct {
	Attributes map[string]Attribute `json:"attributes"`
	Blocks     map[string]*Block    `json:"blocks"`
	Nesting    string               `json:"nesting"` // of a nested block: single, list or set
	Required   bool                 `json:"required"`

	Rules []Rule `json:"-"`
}

// Attribute is an argument or a computed value.
type Attribute struct {
	Type     json.RawMessage `json:"type"` // as Terraform writes types: "string", ["set", "string"]
	Required bool            `json:"required"`
	Optional bool            `json:"optional"`
	Computed bool            `json:"computed"`
}

// Rule is something that a provider or its platform refuses.
type Rule struct {
	Source string `json:"source"` // who says so
	// In is the nested block that the rule is for; "" is the resource.
	In string `json:"in"`

	// Of one attribute, or of each element of it:
	Attribute string   `json:"attribute"`
	Words     []string `json:"words"`
	Pattern   string   `json:"pattern"` // must match the whole
	Length    int      `json:"length"`  // most characters
	Items     int      `json:"items"`   // most elements
	Least     *float64 `json:"least"`
	Most      *float64 `json:"most"`
	// Holds is what the value is: "ports" (N or N-M, ascending), "networks"
	// (CIDR without host bits), "one family", "no overlap".
	Holds []string `json:"holds"`

	// Of several:
	ExactlyOne []string `json:"exactly_one"`
	AtMostOne  []string `json:"at_most_one"`
	Together   []string `json:"together"` // all or none
	Ascending  []string `json:"ascending"`

	// Replaced and Computed are not refusals: what cannot change in place, and
	// what the provider computes if it is not set.
	Replaced []string `json:"replaced"`
	Computed []string `json:"computed"`
}

// Load reads the schemas of a folder, one file for each provider, and rules.json.
// The key is the resource's type. provider has the address of each one's provider.
func Load(folder fs.FS) (resources map[string]*Block, provider map[string]string, err error) {
	names, err := fs.Glob(folder, "*.json")
	if err != nil {
		return nil, nil, err
	}
	resources, provider = map[string]*Block{}, map[string]string{}
	for _, name := range names {
		if name == "rules.json" {
			continue
		}
		var file struct {
			Provider, From string
			Resources      map[string]*Block
		}
		if err := read(folder, name, &file); err != nil {
			return nil, nil, err
		}
		for kind, schema := range file.Resources {
			resources[kind], provider[kind] = schema, file.Provider
		}
	}
	var rules map[string][]Rule
	if err := read(folder, "rules.json", &rules); err != nil {
		return nil, nil, err
	}
	for kind, of := range rules {
		if err := place(resources[kind], of); err != nil {
			return nil, nil, fmt.Errorf("rules of %s: %w", kind, err)
		}
	}
	return resources, provider, nil
}

func read(folder fs.FS, name string, into any) error {
	text, err := fs.ReadFile(folder, name)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path.Base(name), err)
	}
	return nil
}

// place gives a schema its rules, which name only what is there.
func place(schema *Block, rules []Rule) error {
	if schema == nil {
		return fmt.Errorf("there is no such resource")
	}
	for _, rule := range rules {
		block := schema
		if rule.In != "" {
			if block = schema.Blocks[rule.In]; block == nil {
				return fmt.Errorf("there is no block %q", rule.In)
			}
		}
		names := slices.Concat(rule.ExactlyOne, rule.AtMostOne, rule.Together, rule.Ascending, rule.Replaced, rule.Computed)
		if rule.Attribute != "" {
			names = append(names, rule.Attribute)
		}
		if len(names) == 0 || rule.Source == "" {
			return fmt.Errorf("a rule names no attribute or no source: %+v", rule)
		}
		for _, name := range names {
			if _, has := block.Attributes[name]; !has && block.Blocks[name] == nil {
				return fmt.Errorf("there is no attribute %q", name)
			}
		}
		for _, name := range rule.Computed {
			attribute := block.Attributes[name]
			attribute.Computed = true
			block.Attributes[name] = attribute
		}
		block.Rules = append(block.Rules, rule)
	}
	return nil
}

// Replaced are the attributes that cannot change in place.
func (b *Block) Replaced() (all []string) {
	for _, rule := range b.Rules {
		all = append(all, rule.Replaced...)
	}
	return all
}

// Unknown is a value that only applying the configuration makes known.
type Unknown struct{}

// Check reports what is wrong with a resource or block. Its values are strings,
// float64s, bools, slices and maps of them, Unknown, or nil if they are not set;
// nested blocks are a slice of maps.
func (b *Block) Check(values map[string]any) (wrong []error) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	for _, name := range slices.Sorted(maps.Keys(values)) {
		attribute, known := b.Attributes[name]
		switch {
		case b.Blocks[name] != nil:
			inner, ok := values[name].([]any)
			if !ok && values[name] != nil {
				say("%s is a block", name)
			}
			for _, one := range inner {
				fields, ok := one.(map[string]any)
				if !ok {
					say("%s is not a block", name)
					continue
				}
				for _, err := range b.Blocks[name].Check(fields) {
					say("%s: %w", name, err)
				}
			}
		case !known:
			say("there is no argument %q", name)
		case values[name] != nil && !attribute.Required && !attribute.Optional:
			say("%s is computed, and cannot be set", name)
		case values[name] != nil && !fits(attribute.Type, values[name]):
			say("%s is not %s", name, attribute.Type)
		}
	}
	for name, attribute := range b.Attributes {
		if attribute.Required && values[name] == nil {
			say("%s is missing", name)
		}
	}
	for name, block := range b.Blocks {
		if inner, isList := values[name].([]any); block.Required && (values[name] == nil || isList && len(inner) == 0) {
			say("block %s is missing", name)
		}
	}
	for _, rule := range b.Rules {
		for _, err := range rule.check(values) {
			say("%w", err)
		}
	}
	return wrong
}

// fits reports whether Terraform takes a value for a type. It converts numbers
// and booleans to strings, and strings that are numbers back.
func fits(kind json.RawMessage, value any) bool {
	if _, unknown := value.(Unknown); unknown {
		return true
	}
	var name string
	if json.Unmarshal(kind, &name) == nil {
		switch v := value.(type) {
		case string:
			return name == "string" || name == "number" && json.Valid([]byte(v))
		case float64:
			return name != "bool"
		case bool:
			return name != "number"
		}
		return false
	}
	var of [2]string
	if json.Unmarshal(kind, &of) != nil {
		return false
	}
	element, _ := json.Marshal(of[1])
	each := func(v any) bool { return v != nil && fits(element, v) }
	switch v := value.(type) {
	case []any:
		return of[0] != "map" && !slices.ContainsFunc(v, func(e any) bool { return !each(e) })
	case map[string]any:
		for _, e := range v {
			if !each(e) {
				return false
			}
		}
		return of[0] == "map"
	}
	return false
}
