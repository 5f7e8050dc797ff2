// Command terraform-provider-aws serves the resources that the Terraform
// rendering uses, with schemas written down from the real provider's reference
// (hashicorp/aws 5), so that Terraform checks and plans the rendering without a
// registry. It manages nothing: a line of the file TF_AWS_LOG says what would
// have been done to AWS.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log"
	"os"

	"github.com/hashicorp/terraform-plugin-go/tfprotov6"
	"github.com/hashicorp/terraform-plugin-go/tfprotov6/tf6server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

func main() {
	err := tf6server.Serve("registry.terraform.io/hashicorp/aws", func() tfprotov6.ProviderServer { return provider{} })
	if err != nil {
		log.Fatal(err)
	}
}

// provider answers what terraform validate, plan and apply ask. Everything
// else is a nil method and ends the process.
type provider struct{ tfprotov6.ProviderServer }

var texts = tftypes.List{ElementType: tftypes.String}

var resources = map[string]*tfprotov6.Schema{
	"aws_security_group": resource(
		either("name", tftypes.String), optional("name_prefix", tftypes.String), optional("description", tftypes.String),
		optional("vpc_id", tftypes.String), optional("tags", tftypes.Map{ElementType: tftypes.String}),
		computed("id", tftypes.String), computed("arn", tftypes.String),
	),
	"aws_vpc_security_group_ingress_rule": resource(
		required("security_group_id", tftypes.String), required("ip_protocol", tftypes.String),
		optional("from_port", tftypes.Number), optional("to_port", tftypes.Number),
		optional("cidr_ipv4", tftypes.String), optional("cidr_ipv6", tftypes.String),
		optional("prefix_list_id", tftypes.String), optional("referenced_security_group_id", tftypes.String),
		optional("description", tftypes.String), optional("tags", tftypes.Map{ElementType: tftypes.String}),
		computed("id", tftypes.String), computed("security_group_rule_id", tftypes.String),
	),
	"aws_network_interface": resource(
		required("subnet_id", tftypes.String), optional("security_groups", texts), computed("id", tftypes.String),
	),
}

// replaced are the attributes that AWS cannot change in place.
var replaced = map[string][]string{
	"aws_security_group":                  {"name", "name_prefix", "description", "vpc_id"},
	"aws_vpc_security_group_ingress_rule": {"security_group_id"},
	"aws_network_interface":               {"subnet_id"},
}

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

func (provider) ValidateResourceConfig(context.Context, *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	return &tfprotov6.ValidateResourceConfigResponse{}, nil
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
		for _, name := range replaced[req.TypeName] {
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
			planned[name] = tftypes.NewValue(tftypes.String, name+"-"+rand.Text())
		}
	}
	if r.NewState, err = dynamic(of, planned); err != nil {
		return nil, err
	}
	return r, note("create", req.TypeName, planned)
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
	f, err := os.OpenFile(os.Getenv("TF_AWS_LOG"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintln(f, what, resource, id)
	return err
}

func resource(attributes ...*tfprotov6.SchemaAttribute) *tfprotov6.Schema {
	return &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{Attributes: attributes}}
}

func required(name string, t tftypes.Type) *tfprotov6.SchemaAttribute {
	return &tfprotov6.SchemaAttribute{Name: name, Type: t, Required: true}
}

func optional(name string, t tftypes.Type) *tfprotov6.SchemaAttribute {
	return &tfprotov6.SchemaAttribute{Name: name, Type: t, Optional: true}
}

func computed(name string, t tftypes.Type) *tfprotov6.SchemaAttribute {
	return &tfprotov6.SchemaAttribute{Name: name, Type: t, Computed: true}
}

func either(name string, t tftypes.Type) *tfprotov6.SchemaAttribute {
	return &tfprotov6.SchemaAttribute{Name: name, Type: t, Optional: true, Computed: true}
}
