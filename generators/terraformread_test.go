package generators

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// tfResource is an instance of a resource of a Terraform module, with its values
// as package tfschema takes them.
type tfResource struct {
	Type, Key string // Key: of for_each
	Values    map[string]any
}

// tfModule reads a module as Terraform does: locals in the order of what they
// refer to, then resources, one instance for each key of for_each. What only
// applying makes known is a text that names it.
type tfModule struct {
	locals, kinds map[string]cty.Value
	resources     []tfResource
}

var tfFunctions = map[string]function.Function{
	"merge": stdlib.MergeFunc,
	"toset": function.New(&function.Spec{
		Params: []function.Parameter{{Name: "v", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Set(cty.String)),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return convert.Convert(args[0], cty.Set(cty.String))
		},
	}),
}

func readModule(text string) ([]tfResource, error) {
	file, diags := hclsyntax.ParseConfig([]byte(text), "pasvctl.tf", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	m := &tfModule{locals: map[string]cty.Value{}, kinds: map[string]cty.Value{}}
	variables := map[string]cty.Value{}
	type item struct {
		name  string
		expr  hcl.Expression // of a local
		block *hclsyntax.Block
	}
	var pending []item
	for _, block := range file.Body.(*hclsyntax.Body).Blocks {
		switch block.Type {
		case "variable":
			variables[block.Labels[0]] = cty.StringVal("given")
		case "locals":
			for name, attribute := range block.Body.Attributes {
				pending = append(pending, item{name: name, expr: attribute.Expr})
			}
		case "resource":
			pending = append(pending, item{block: block})
		case "output":
			pending = append(pending, item{name: "output " + block.Labels[0], expr: block.Body.Attributes["value"].Expr})
			if err := waits(block, file.Body.(*hclsyntax.Body)); err != nil {
				return nil, err
			}
		case "terraform":
		default:
			return nil, fmt.Errorf("block %q", block.Type)
		}
	}
	for len(pending) > 0 {
		before := len(pending)
		var problem error
		pending = slices.DeleteFunc(pending, func(i item) bool {
			ctx := &hcl.EvalContext{Functions: tfFunctions, Variables: map[string]cty.Value{
				"local": cty.ObjectVal(m.locals), "var": cty.ObjectVal(variables),
			}}
			maps.Copy(ctx.Variables, m.kinds)
			if i.block != nil {
				err := m.resource(ctx, i.block)
				if err != nil {
					problem = err
				}
				return err == nil
			}
			value, diags := i.expr.Value(ctx)
			if diags.HasErrors() {
				problem = diags
				return false
			}
			m.locals[i.name] = value
			return true
		})
		if len(pending) == before {
			return nil, problem
		}
	}
	return m.resources, nil
}

// waits checks that an output, which others attach, waits for all rules.
func waits(output *hclsyntax.Block, module *hclsyntax.Body) error {
	named := map[string]bool{}
	if on := output.Body.Attributes["depends_on"]; on != nil {
		for _, v := range on.Expr.Variables() {
			named[v.RootName()+"."+v[1].(hcl.TraverseAttr).Name] = true
		}
	}
	for _, block := range module.Blocks {
		if block.Type == "resource" && strings.Contains(block.Labels[0], "_rule") && !named[strings.Join(block.Labels, ".")] {
			return fmt.Errorf("output %q does not wait for %s", output.Labels[0], strings.Join(block.Labels, "."))
		}
	}
	return nil
}

// resource evaluates a resource block, or returns an error if something that it
// refers to is not evaluated yet.
func (m *tfModule) resource(ctx *hcl.EvalContext, block *hclsyntax.Block) error {
	kind, name := block.Labels[0], block.Labels[1]
	keys := map[string]cty.Value{"": cty.NilVal}
	each, repeated := block.Body.Attributes["for_each"]
	if repeated {
		over, diags := each.Expr.Value(ctx)
		if diags.HasErrors() {
			return diags
		}
		keys = map[string]cty.Value{}
		for it := over.ElementIterator(); it.Next(); {
			key, value := it.Element()
			if over.Type().IsSetType() {
				key = value
			}
			keys[key.AsString()] = value
		}
	}
	var made []tfResource
	instances := map[string]cty.Value{}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		inner := ctx
		if repeated {
			inner = ctx.NewChild()
			inner.Variables = map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(key), "value": keys[key]})}
		}
		values, attributes, err := bodyOf(inner, block.Body)
		if err != nil {
			return err
		}
		attributes["id"] = cty.StringVal(fmt.Sprintf("%s[%s]", kind, key))
		instances[key] = cty.ObjectVal(attributes)
		made = append(made, tfResource{kind, key, values})
	}
	all := map[string]cty.Value{}
	if old, has := m.kinds[kind]; has {
		all = old.AsValueMap()
	}
	all[name] = instances[""]
	if repeated {
		all[name] = cty.ObjectVal(instances)
	}
	m.kinds[kind] = cty.ObjectVal(all)
	m.resources = append(m.resources, made...)
	return nil
}

func bodyOf(ctx *hcl.EvalContext, body *hclsyntax.Body) (values map[string]any, attributes map[string]cty.Value, err error) {
	values, attributes = map[string]any{}, map[string]cty.Value{}
	for name, attribute := range body.Attributes {
		if name == "for_each" || name == "depends_on" {
			continue
		}
		value, diags := attribute.Expr.Value(ctx)
		if diags.HasErrors() {
			return nil, nil, diags
		}
		values[name], attributes[name] = plainValue(value), value
	}
	for _, block := range body.Blocks {
		if block.Type == "lifecycle" {
			continue
		}
		inner, _, err := bodyOf(ctx, block.Body)
		if err != nil {
			return nil, nil, err
		}
		list, _ := values[block.Type].([]any)
		values[block.Type] = append(list, inner)
	}
	return values, attributes, nil
}

func plainValue(v cty.Value) any {
	ty := v.Type()
	switch {
	case v.IsNull():
		return nil
	case ty == cty.String:
		return v.AsString()
	case ty == cty.Bool:
		return v.True()
	case ty == cty.Number:
		number, _ := v.AsBigFloat().Float64()
		return number
	case ty.IsObjectType() || ty.IsMapType():
		all := map[string]any{}
		for name, element := range v.AsValueMap() {
			all[name] = plainValue(element)
		}
		return all
	}
	all := []any{}
	for _, element := range v.AsValueSlice() {
		all = append(all, plainValue(element))
	}
	return all
}

// unique are attributes that no two resources of a type may share: a cloud
// refuses the second. Nobody else checks it offline.
var unique = map[string][][]string{
	"azurerm_network_security_group":        {{"name"}},
	"azurerm_network_security_rule":         {{"network_security_group_name", "direction", "priority"}, {"network_security_group_name", "name"}},
	"google_compute_firewall":               {{"name"}},
	"aws_vpc_security_group_ingress_rule":   {{"security_group_id", "from_port", "to_port", "cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"}},
	"aws_vpc_security_group_egress_rule":    {{"security_group_id", "from_port", "to_port", "cidr_ipv4", "cidr_ipv6", "prefix_list_id", "referenced_security_group_id"}},
	"digitalocean_firewall":                 {{"name"}},
	"hcloud_firewall":                       {{"name"}},
	"openstack_networking_secgroup_v2":      {{"name"}},
	"openstack_networking_secgroup_rule_v2": {{"security_group_id", "ethertype", "port_range_min", "port_range_max", "remote_ip_prefix"}},
}

// checkModule holds a module's resources against their schemas, the rules beside
// these, and against each other.
func checkModule(resources []tfResource) (wrong []string) {
	seen := map[string]string{}
	for _, r := range resources {
		schema := cloudSchemas()[r.Type]
		if schema == nil {
			wrong = append(wrong, "there is no schema of "+r.Type)
			continue
		}
		for _, err := range schema.Check(r.Values) {
			wrong = append(wrong, fmt.Sprintf("%s %q: %v", r.Type, r.Key, err))
		}
		for _, names := range unique[r.Type] {
			at := r.Type + " " + strings.Join(names, ", ") + ":"
			for _, name := range names {
				at += fmt.Sprintf(" %v", r.Values[name])
			}
			if other, twice := seen[at]; twice {
				wrong = append(wrong, fmt.Sprintf("%q and %q have the same %s", other, r.Key, at))
			}
			seen[at] = r.Key
		}
	}
	return wrong
}
