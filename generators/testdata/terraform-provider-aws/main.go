// Command terraform-provider-aws serves the schemas of the resources that the
// Terraform rendering uses, written down from the real provider's reference
// (hashicorp/aws 5), so that terraform validate checks the rendering without a
// registry. It manages nothing: only its schemas are ever asked for.
package main

import (
	"context"
	"log"

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

// provider answers what terraform validate asks. Everything else is a nil
// method and ends the process.
type provider struct{ tfprotov6.ProviderServer }

func (provider) GetProviderSchema(context.Context, *tfprotov6.GetProviderSchemaRequest) (*tfprotov6.GetProviderSchemaResponse, error) {
	return &tfprotov6.GetProviderSchemaResponse{
		Provider: &tfprotov6.Schema{Block: &tfprotov6.SchemaBlock{}},
		ResourceSchemas: map[string]*tfprotov6.Schema{
			"aws_security_group": resource(
				required("name_prefix", tftypes.String), optional("description", tftypes.String),
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
		},
	}, nil
}

func (provider) GetMetadata(context.Context, *tfprotov6.GetMetadataRequest) (*tfprotov6.GetMetadataResponse, error) {
	return &tfprotov6.GetMetadataResponse{Resources: []tfprotov6.ResourceMetadata{
		{TypeName: "aws_security_group"}, {TypeName: "aws_vpc_security_group_ingress_rule"},
	}}, nil
}

func (provider) GetResourceIdentitySchemas(context.Context, *tfprotov6.GetResourceIdentitySchemasRequest) (*tfprotov6.GetResourceIdentitySchemasResponse, error) {
	return &tfprotov6.GetResourceIdentitySchemasResponse{}, nil
}

func (provider) ValidateProviderConfig(_ context.Context, req *tfprotov6.ValidateProviderConfigRequest) (*tfprotov6.ValidateProviderConfigResponse, error) {
	return &tfprotov6.ValidateProviderConfigResponse{PreparedConfig: req.Config}, nil
}

func (provider) ValidateResourceConfig(context.Context, *tfprotov6.ValidateResourceConfigRequest) (*tfprotov6.ValidateResourceConfigResponse, error) {
	return &tfprotov6.ValidateResourceConfigResponse{}, nil
}

func (provider) StopProvider(context.Context, *tfprotov6.StopProviderRequest) (*tfprotov6.StopProviderResponse, error) {
	return &tfprotov6.StopProviderResponse{}, nil
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
