package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Block describes a kind of block. The decoders take from it which arguments
// and blocks there are, and each argument's type, bounds and default; the
// reference is made of it. What it does not describe, nothing can read.
type Block struct {
	Type  string // "" is the top level of a file
	Label string // what the label is; "" has none
	// LabelExample is a label.
	LabelExample string
	Doc          string
	// Most is how many of them the enclosing block takes; 0 is any number.
	Most int
	// Required is what to do if the block is missing; "" if it may be.
	Required  string
	Arguments []Argument
	Blocks    []*Block
	// Refused are arguments that people expect, and why there are none.
	Refused map[string]string
}

// Argument describes one argument of a block.
type Argument struct {
	Name string
	Type Type
	// Words are all values that a Word may have.
	Words []string
	// Least and Most are the bounds of a Whole, a Number and a Duration, of the
	// last in seconds. Above: Least itself is too small. Below: Most itself is
	// too large.
	Least, Most  float64
	Above, Below bool
	// Limit is a further bound, which other arguments set, in words.
	Limit string
	Unit  string // of a number, in words
	// Default is what the decoder takes if the argument is not set: an int, a
	// float64, a time.Duration, a bool or a string. Otherwise says in words what
	// is taken if that is not the same for all.
	Default   any
	Otherwise string
	// Required is what to do if the argument is missing; "" if it may be.
	Required string
	Example  string // a value, as HCL
	Doc      string
}

// Type is what an argument takes, in words.
type Type string

// The types of arguments.
const (
	Bool       Type = "true or false"
	Whole      Type = "whole number"
	Number     Type = "number"
	Duration   Type = "duration"
	Word       Type = "word"
	Text       Type = "string"
	Path       Type = "absolute path"
	Address    Type = "IP address"
	Addresses  Type = "list of IP addresses"
	Clients    Type = "IP address, or list of them"
	Networks   Type = "list of networks and IP addresses"
	Ports      Type = "range of ports"
	PortRanges Type = "list of ranges of ports"
	ByNetwork  Type = "map of networks to IP addresses"
	PortOf     Type = "map of names to ports"
	Names      Type = "list of names"
	Reference  Type = "reference"
	Source     Type = "file in the spec's folder"
	Texts      Type = "map of strings"
	TextLists  Type = "map of lists of strings"
	Any        Type = "any value"
)

// cty is the type that a value is converted to.
func (t Type) cty() cty.Type {
	switch t {
	case Bool:
		return cty.Bool
	case ByNetwork, PortOf:
		return cty.Map(cty.String)
	case Whole, Number:
		return cty.Number
	case Addresses, Clients, Networks, PortRanges, Names, Any:
		return cty.DynamicPseudoType // element by element, each with its own place
	case Texts:
		return cty.Map(cty.String)
	case TextLists:
		return cty.Map(cty.List(cty.String))
	}
	return cty.String
}

// argument finds an argument by its name, of which a decoder has no other way
// to read one.
func (d *Block) argument(name string) *Argument {
	for i := range d.Arguments {
		if d.Arguments[i].Name == name {
			return &d.Arguments[i]
		}
	}
	panic("block " + d.Type + " has no argument " + name)
}

func (d *Block) nested(kind string) *Block {
	if inner := d.find(kind); inner != nil {
		return inner
	}
	panic("block " + d.Type + " has no block " + kind)
}

// schema is the block's body for HCL. What is required is reported by the
// decoders, with a remedy.
func (d *Block) schema() *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, arg := range d.Arguments {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: arg.Name})
	}
	for _, inner := range d.Blocks {
		header := hcl.BlockHeaderSchema{Type: inner.Type}
		if inner.Label != "" {
			header.LabelNames = []string{"name"}
		}
		s.Blocks = append(s.Blocks, header)
	}
	return s
}

// Content reads a body by the block's schema. Diagnostics are in terms of what
// the block takes. mistaken is called for each argument and block that is there, but
// with a mistake: misspelt, or an argument written as a block.
func (d *Block) Content(body hcl.Body, mistaken func(name string, at hcl.Range)) (*hcl.BodyContent, hcl.Diagnostics) {
	content, diags := body.Content(d.schema())
	for _, diag := range diags {
		if name := d.explain(diag); name != "" && mistaken != nil {
			mistaken(name, *diag.Subject)
		}
	}
	return content, diags
}

var (
	named      = regexp.MustCompile(`^(?:An argument named|Blocks of type) "(.+)" (?:is|are) not expected here\.`)
	suggestion = regexp.MustCompile(` Did you mean "(.+)"\?$`)
	aboutLabel = regexp.MustCompile(`^(Missing name|Extraneous label) for (\w+)$`)
)

// explain says of a diagnostic of HCL what the block takes, and returns the
// name of the argument or block that is meant; "" if none is plain.
func (d *Block) explain(diag *hcl.Diagnostic) (meant string) {
	if m := aboutLabel.FindStringSubmatch(diag.Summary); m != nil {
		switch inner := d.nested(m[2]); {
		case inner.Label == "":
			diag.Detail = fmt.Sprintf("The %s block takes no name. Write %s {.", inner.Type, inner.Type)
			return inner.Type
		case m[1] == "Missing name":
			diag.Detail = fmt.Sprintf("The %s block has no %s. Write %s %q {.", inner.Type, inner.Label, inner.Type, inner.LabelExample)
		default:
			diag.Detail = fmt.Sprintf("The %s block takes one %s. Remove the others.", inner.Type, inner.Label)
		}
		return ""
	}
	m := named.FindStringSubmatch(diag.Detail)
	if m == nil {
		return ""
	}
	if near := suggestion.FindStringSubmatch(diag.Detail); near != nil {
		meant = near[1]
	}
	switch inner := d.find(m[1]); {
	case inner != nil:
		diag.Detail = fmt.Sprintf("%s is a block, which has no equals sign. Write\n\n%s", inner.Type, inner.example())
		return inner.Type
	case slices.ContainsFunc(d.Arguments, func(a Argument) bool { return a.Name == m[1] }):
		diag.Detail = fmt.Sprintf("%s is an argument. Write %s = %s, for example.", m[1], m[1], d.argument(m[1]).Example)
		return m[1]
	}
	if why := d.Refused[m[1]]; why != "" {
		diag.Detail = why
		return ""
	}
	diag.Detail += " " + d.takes()
	return meant
}

// example writes the block with the arguments that it needs, or the first.
func (d *Block) example() string {
	text := "  " + d.Type + " {\n"
	for _, arg := range d.Arguments {
		if arg.Required != "" || arg.Type == Path {
			text += fmt.Sprintf("    %s = %s\n", arg.Name, arg.Example)
		}
	}
	if strings.HasSuffix(text, "{\n") && len(d.Arguments) > 0 {
		text += fmt.Sprintf("    %s = %s\n", d.Arguments[0].Name, d.Arguments[0].Example)
	}
	return text + "  }"
}

// find is the block of this type that the block takes; nil if there is none.
// Nothing is in a block that there is not.
func (d *Block) find(kind string) *Block {
	if d == nil {
		return nil
	}
	for _, inner := range d.Blocks {
		if inner.Type == kind {
			return inner
		}
	}
	return nil
}

// takes lists the arguments and blocks of the block in a sentence.
func (d *Block) takes() string {
	var arguments, blocks, parts []string
	for _, arg := range d.Arguments {
		arguments = append(arguments, arg.Name)
	}
	for _, inner := range d.Blocks {
		blocks = append(blocks, inner.Type)
	}
	if n := len(arguments); n > 0 {
		parts = append(parts, plural(n, "argument")+" "+List(arguments, "and"))
	}
	if n := len(blocks); n > 0 {
		parts = append(parts, plural(n, "block")+" "+List(blocks, "and"))
	}
	subject := "A " + d.Type + " block"
	if d.Type == "" {
		subject = "A spec"
	}
	if len(parts) == 0 {
		return subject + " takes nothing."
	}
	return fmt.Sprintf("%s takes the %s.", subject, strings.Join(parts, " and the "))
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

// List writes words as a, b and c.
func List(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// words writes the values of a Word's type as strings.
func words[T ~string](values ...T) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}
