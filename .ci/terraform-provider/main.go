// Command terraform-provider serves the schemas of ../schemas, so that Terraform
// checks, plans and applies a rendering without a registry and without the real
// provider. It is that provider whose name it is called by: terraform-provider-aws
// is hashicorp/aws. It refuses what the rules refuse, and manages nothing: a line
// of the file STUB_LOG says what would have been done.
package main

import (
	"context"
	"crypto/rand"
	"embed"
	"fmt"
	"io/fs"
	"log"
	"maps"
	"math/big"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"

	"github.com/pasvctl/pasvctl/.ci/terraform-provider/tfschema"
)

//go:embed schemas/*.json
var files embed.FS

var (
	rules     = map[string]*tfschema.Block{}
	resources = map[string]*tfprotov6.Schema{}
)

func main() {
	name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(os.Args[0]), "terraform-provider-"), ".exe")
	address, err := load(name)
	if err != nil {
		log.Fatal(err)
	}
	err = tf6server.Serve("registry.terraform.io/"+address, func() tfprotov6.ProviderServer { return provider{} })
	if err != nil {
		log.Fatal(err)
	}
}

// load reads the schemas of one provider, and returns its address.
func load(name string) (address string, err error) {
	folder, err := fs.Sub(files, "schemas")
	if err != nil {
		return "", err
	}
	all, of, err := tfschema.Load(folder)
	if err != nil {
		return "", err
	}
	for kind, schema := range all {
		if path.Base(of[kind]) != name {
			continue
		}
		block, err := served(schema)
		if err != nil {
			return "", fmt.Errorf("%s: %w", kind, err)
		}
		address, rules[kind], resources[kind] = of[kind], schema, &tfprotov6.Schema{Block: block}
	}
	if address == "" {
		return "", fmt.Errorf("there are no schemas of a provider %q", name)
	}
	return address, nil
}

// served is a schema as Terraform asks for it.
func served(schema *tfschema.Block) (*tfprotov6.SchemaBlock, error) {
	block := &tfprotov6.SchemaBlock{}
	for _, name := range slices.Sorted(maps.Keys(schema.Attributes)) {
		a := schema.Attributes[name]
		kind, err := tftypes.ParseJSONType(a.Type)
		if err != nil {
			return nil, err
		}
		block.Attributes = append(block.Attributes, &tfprotov6.SchemaAttribute{
			Name: name, Type: kind, Required: a.Required, Optional: a.Optional, Computed: a.Computed,
		})
	}
	for _, name := range slices.Sorted(maps.Keys(schema.Blocks)) {
		inner, err := served(schema.Blocks[name])
		if err != nil {
			return nil, err
		}
		nested := &tfprotov6.SchemaNestedBlock{TypeName: name, Block: inner, Nesting: map[string]tfprotov6.SchemaNestedBlockNestingMode{
			"single": tfprotov6.SchemaNestedBlockNestingModeSingle,
			"list":   tfprotov6.SchemaNestedBlockNestingModeList,
			"set":    tfprotov6.SchemaNestedBlockNestingModeSet,
		}[schema.Blocks[name].Nesting]}
		if schema.Blocks[name].Required && nested.Nesting != tfprotov6.SchemaNestedBlockNestingModeSingle {
			nested.MinItems = 1
		}
		block.BlockTypes = append(block.BlockTypes, nested)
	}
	return block, nil
}

// provider answers what terraform validate, plan and apply ask. Everything
// else is a nil method and ends the process.
type provider struct{ tfprotov6.ProviderServer }

func (provider) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	return &tfprotov6.GetProviderSchemaResponse{Provider: &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{}}, ResourceSchemas: resources}, nil
}

func (provider) GetMetadata(context.Context, *tfprotov6.GetMetadataRequest) (*tfprotov6.GetMetadataResponse, error) {
	r := &tfprotov6.GetMetadataResponse{}
	for name := range resources {
		r.Resources = append(r.Resources, tfprotov6.ResourceMetadata{TypeName: name})
	}
	return r, nil
}

func (provider) GetResourceIdentitySchemas(context.Context, *tfprotov6.GetResourceIdentitySchemasRequest) (*tfprotov6.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov6.GetResourceIdentitySchemasResponse{}, nil
}

func (provider) ValidateProviderConfig(_ context.Context, req *tfprotov6.ValidateProviderConfigRequest) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{PreparedConfig: req.Config}, nil
}

func (provider) ConfigureProvider(context.Context, *tfprotov6.ConfigureProviderRequest) (*tfprotov6.ConfigureProviderResponse, error) {
	return &tfprotov6.ConfigureProviderResponse{}, nil
}

func (provider) ValidateResourceConfig(_ context.Context, req *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	r := &tfprotov6.ValidateResourceConfigResponse{}
	config, err := req.Config.Unmarshal(resources[req.TypeName].ValueType())
	if err != nil {
		return nil, err
	}
	values, err := plain(config)
	if err != nil {
		return nil, err
	}
	fields, _ := values.(map[string]any)
	for name, block := range rules[req.TypeName].Blocks {
		if block.Nesting == "single" && fields[name] != nil {
			fields[name] = []any{fields[name]}
		}
	}
	for _, wrong := range rules[req.TypeName].Check(fields) {
		r.Diagnostics = append(r.Diagnostics, &tfprotov6.Diagnostic{Severity: tfprotov6.DiagnosticSeverityError, Summary: "Refused " + req.TypeName, Detail: wrong.Error()})
	}
	return r, nil
}

// plain is a value as tfschema takes it.
func plain(v tftypes.Value) (any, error) {
	switch {
	case !v.IsKnown():
		return tfschema.Unknown{}, nil
	case v.IsNull():
		return nil, nil
	case v.Type().Is(tftypes.String):
		var text string
		err := v.As(&text)
		return text, err
	case v.Type().Is(tftypes.Bool):
		var truth bool
		err := v.As(&truth)
		return truth, err
	case v.Type().Is(tftypes.Number):
		var number big.Float
		err := v.As(&number)
		float, _ := number.Float64()
		return float, err
	case v.Type().Is(tftypes.Object{}), v.Type().Is(tftypes.Map{}):
		var fields map[string]tftypes.Value
		if err := v.As(&fields); err != nil {
			return nil, err
		}
		all := map[string]any{}
		for name, field := range fields {
			value, err := plain(field)
			if err != nil {
				return nil, err
			}
			all[name] = value
		}
		return all, nil
	}
	var elements []tftypes.Value
	if err := v.As(&elements); err != nil {
		return nil, err
	}
	all := make([]any, len(elements))
	for i, element := range elements {
		value, err := plain(element)
		if err != nil {
			return nil, err
		}
		all[i] = value
	}
	return all, nil
}

func (provider) UpgradeResourceState(_ context.Context, req *tfprotov6.UpgradeResourceStateRequest) (*tfprotov6.UpgradeResourceStateResponse, error) {
	of := resources[req.TypeName].ValueType()
	state, err := req.RawState.Unmarshal(of)
	if err != nil {
		return nil, err
	}
	upgraded, err := tfprotov6.NewDynamicValue(of, state)
	return &tfprotov6.UpgradeResourceStateResponse{UpgradedState: &upgraded}, err
}

func (provider) ReadResource(_ context.Context, req *tfprotov6.ReadResourceRequest) (*tfprotov6.ReadResourceResponse, error) {
	return &tfprotov6.ReadResourceResponse{NewState: req.CurrentState}, nil
}

func (provider) StopProvider(context.Context, *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	return &tfprotov6.StopProviderResponse{}, nil
}

func (provider) PlanResourceChange(_ context.Context, req *tfprotov6.PlanResourceChangeRequest) (*tfprotov6.PlanResourceChangeResponse, error) {
	r := &tfprotov6.PlanResourceChangeResponse{PlannedState: req.ProposedNewState}
	of := resources[req.TypeName].ValueType()
	prior, err := attributes(req.PriorState, of)
	if err != nil {
		return nil, err
	}
	planned, err := attributes(req.ProposedNewState, of)
	if err != nil || planned == nil {
		return r, err
	}
	if prior == nil {
		for _, a := range resources[req.TypeName].Block.Attributes {
			if a.Computed && planned[a.Name].IsNull() {
				planned[a.Name] = tftypes.NewValue(a.Type, tftypes.UnknownValue)
			}
		}
	} else {
		for _, name := range rules[req.TypeName].Replaced() {
			if !prior[name].Equal(planned[name]) {
				r.RequiresReplace = append(r.RequiresReplace, tftypes.NewAttributePath().WithAttributeName(name))
			}
		}
	}
	r.PlannedState, err = dynamic(of, planned)
	return r, err
}

func (provider) ApplyResourceChange(_ context.Context, req *tfprotov6.ApplyResourceChangeRequest) (*tfprotov6.ApplyResourceChangeResponse, error) {
	r := &tfprotov6.ApplyResourceChangeResponse{NewState: req.PlannedState}
	of := resources[req.TypeName].ValueType()
	prior, err := attributes(req.PriorState, of)
	if err != nil {
		return nil, err
	}
	planned, err := attributes(req.PlannedState, of)
	if err != nil {
		return nil, err
	}
	switch {
	case planned == nil:
		return r, note("destroy", req.TypeName, prior)
	case prior != nil:
		return r, note("update", req.TypeName, planned)
	}
	for name, v := range planned {
		if !v.IsKnown() {
			planned[name] = made(name, v.Type())
		}
	}
	if r.NewState, err = dynamic(of, planned); err != nil {
		return nil, err
	}
	return r, note("create", req.TypeName, planned)
}

// made is a value that the provider computes.
func made(name string, of tftypes.Type) tftypes.Value {
	if of.Is(tftypes.String) {
		return tftypes.NewValue(of, name+"-"+rand.Text())
	}
	return tftypes.NewValue(of, nil)
}

// attributes are those of a state; nil where there is no resource.
func attributes(state *tfprotov6.DynamicValue, of tftypes.Type) (map[string]tftypes.Value, error) {
	v, err := state.Unmarshal(of)
	if err != nil || v.IsNull() {
		return nil, err
	}
	var all map[string]tftypes.Value
	return all, v.As(&all)
}

func dynamic(of tftypes.Type, all map[string]tftypes.Value) (*tfprotov6.DynamicValue, error) {
	v, err := tfprotov6.NewDynamicValue(of, tftypes.NewValue(of, all))
	return &v, err
}

// note writes "create TYPE ID".
func note(what, resource string, all map[string]tftypes.Value) error {
	var id string
	if err := all["id"].As(&id); err != nil {
		return err
	}
	f, err := os.OpenFile(os.Getenv("STUB_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, what, resource, id)
	return err
}
