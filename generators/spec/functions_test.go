package spec

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// evaluate computes an expression as a local's value would be.
func evaluate(t *testing.T, expr string) (cty.Value, hcl.Diagnostics) {
	t.Helper()
	parsed, diags := hclsyntax.ParseExpression([]byte(expr), "x", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatalf("%s: %s", expr, diags)
	}
	return parsed.Value(&hcl.EvalContext{Functions: Functions()})
}

// functionCases are written after the documentation of Terraform's functions
// of the same names: an expression and its value as JSON.
var functionCases = []struct{ expr, want string }{
	{`abs(-12.5)`, `12.5`},
	{`ceil(5.1)`, `6`},
	{`floor(-5.1)`, `-6`},
	{`log(16, 2)`, `4`},
	{`max(5, 12, 9)`, `12`},
	{`max([5, 12, 9]...)`, `12`},
	{`min(5, 12, 9)`, `5`},
	{`parseint("ff", 16)`, `255`},
	{`pow(3, 2)`, `9`},
	{`signum(-13)`, `-1`},
	{`sum([10, 13, 6, 4.5])`, `33.5`},
	{`sum([])`, `0`},
	{`sum(toset(["1", "2"]))`, `3`},
	{`chomp("hello\n")`, `"hello"`},
	{`lower("HELLO ЁЛКА")`, `"hello ёлка"`},
	{`upper("hello")`, `"HELLO"`},
	{`title("hello world")`, `"Hello World"`},
	{`regex("[a-z]+", "53453453.345345aaabbbccc23454")`, `"aaabbbccc"`},
	{`regexall("[a-z]+", "1234abcd5678efgh9")`, `["abcd","efgh"]`},
	{`sort(["e", "d", "a", "x"])`, `["a","d","e","x"]`},
	{`split(",", "foo,bar,baz")`, `["foo","bar","baz"]`},
	{`strrev("hello ☃")`, `"☃ olleh"`},
	{`substr("hello world", 1, 4)`, `"ello"`},
	{`trim("?!hello?!", "!?")`, `"hello"`},
	{`trimprefix("helloworld", "hello")`, `"world"`},
	{`trimsuffix("helloworld", "world")`, `"hello"`},
	{`trimspace("  hello\n\n")`, `"hello"`},
	{`startswith("hello world", "hello")`, `true`},
	{`endswith("hello world", "hello")`, `false`},
	{`strcontains("hello world", "wor")`, `true`},
	{`format("There are %d lights, %05.1f%%", 4, 2.25)`, `"There are 4 lights, 002.2%"`},
	{`format("%#v", {a = 1})`, `"{\"a\":1}"`},
	{`formatlist("%s:%d", ["a", "b"], 21)`, `["a:21","b:21"]`},
	{`indent(2, "a\nb")`, `"a\n  b"`},
	{`join("-", ["foo", "bar"], ["baz"])`, `"foo-bar-baz"`},
	{`join("-", [])`, `""`},
	{`replace("1 + 2 + 3", "+", "-")`, `"1 - 2 - 3"`},
	{`replace("hello world", "/w.*d/", "everybody")`, `"hello everybody"`},
	{`replace("a.b", ".", "/")`, `"a/b"`},
	{`replace("a/b", "/", "-")`, `"a-b"`},
	{`alltrue([true, false])`, `false`},
	{`alltrue([])`, `true`},
	{`anytrue([true, false])`, `true`},
	{`anytrue([])`, `false`},
	{`anytrue([null])`, `false`},
	{`chunklist(["a", "b", "c"], 2)`, `[["a","b"],["c"]]`},
	{`coalesce(null, "b")`, `"b"`},
	{`coalescelist([], ["c"])`, `["c"]`},
	{`compact(["a", "", null, "b"])`, `["a","b"]`},
	{`concat(["a"], ["b", "c"])`, `["a","b","c"]`},
	{`contains(["a", "b"], "a")`, `true`},
	{`distinct(["a", "b", "a", "c", "b"])`, `["a","b","c"]`},
	{`distinct([])`, `[]`},
	{`element(["a", "b", "c"], 4)`, `"b"`},
	{`flatten([["a", "b"], [], ["c"]])`, `["a","b","c"]`},
	{`index(["a", "b", "c"], "b")`, `1`},
	{`keys({b = 2, a = 1})`, `["a","b"]`},
	{`length(["a", "b"])`, `2`},
	{`length({a = 1})`, `1`},
	{`length("hä👾")`, `3`},
	{`lookup({a = "x"}, "b", "what?")`, `"what?"`},
	{`merge({a = 1, b = 2}, {b = 3})`, `{"a":1,"b":3}`},
	{`one([])`, `null`},
	{`one(["a"])`, `"a"`},
	{`one(toset(["a"]))`, `"a"`},
	{`range(3)`, `[0,1,2]`},
	{`range(1, 8, 2)`, `[1,3,5,7]`},
	{`reverse([1, 2, 3])`, `[3,2,1]`},
	{`setintersection(["a", "b"], ["b", "c"])`, `["b"]`},
	{`setproduct(["a", "b"], [1, 2])`, `[["a",1],["a",2],["b",1],["b",2]]`},
	{`setsubtract(["a", "b", "c"], ["a", "c"])`, `["b"]`},
	{`setunion(["a", "b"], ["b", "c"])`, `["a","b","c"]`},
	{`setsymmetricdifference(["a", "b"], ["b", "c"])`, `["a","c"]`},
	{`slice(["a", "b", "c", "d"], 1, 3)`, `["b","c"]`},
	{`values({b = 2, a = 1})`, `[1,2]`},
	{`zipmap(["a", "b"], [1, 2])`, `{"a":1,"b":2}`},
	{`base64encode("Hello World")`, `"SGVsbG8gV29ybGQ="`},
	{`base64decode("SGVsbG8gV29ybGQ=")`, `"Hello World"`},
	{`csvdecode("a,b\n1,2\n3,4\n")`, `[{"a":"1","b":"2"},{"a":"3","b":"4"}]`},
	{`jsonencode({hello = ["world", 1, true, null]})`, `"{\"hello\":[\"world\",1,true,null]}"`},
	{`jsondecode("{\"hello\": [1]}").hello[0]`, `1`},
	{`urlencode("Hello World!")`, `"Hello+World%21"`},
	{`cidrhost("10.12.112.0/20", 16)`, `"10.12.112.16"`},
	{`cidrhost("10.12.112.0/20", -1)`, `"10.12.127.255"`},
	{`cidrhost("fd00:fd12:3456:7890:00a2::/72", 34)`, `"fd00:fd12:3456:7890::22"`},
	{`cidrnetmask("172.16.0.0/12")`, `"255.240.0.0"`},
	{`cidrsubnet("172.16.0.0/12", 4, 2)`, `"172.18.0.0/16"`},
	{`cidrsubnet("fd00:fd12:3456:7890::/56", 16, 162)`, `"fd00:fd12:3456:7800:a200::/72"`},
	{`cidrsubnets("10.1.0.0/16", 4, 4, 8, 4)`, `["10.1.0.0/20","10.1.16.0/20","10.1.32.0/24","10.1.48.0/20"]`},
	{`cidrsubnets("10.1.0.0/16")`, `[]`},
	{`can(regex("^a", "b"))`, `false`},
	{`try({a = 1}.b, "fallback")`, `"fallback"`},
	{`tobool("true")`, `true`},
	{`tonumber("1.5")`, `1.5`},
	{`tostring(12)`, `"12"`},
	{`tolist(["a", 1])`, `["a","1"]`},
	{`tomap({a = 1, b = "x"})`, `{"a":"1","b":"x"}`},
	{`toset(["b", "a", "b"])`, `["a","b"]`},
}

func TestFunctions(t *testing.T) {
	untested := Functions()
	for _, c := range functionCases {
		val, diags := evaluate(t, c.expr)
		if diags.HasErrors() {
			t.Errorf("%s: %s", c.expr, diags)
			continue
		}
		got, err := ctyjson.Marshal(val, val.Type())
		if err != nil || string(got) != c.want {
			t.Errorf("%s is %s %v, want %s", c.expr, got, err, c.want)
		}
		name, _, _ := strings.Cut(c.expr, "(")
		delete(untested, name)
	}
	if len(untested) > 0 {
		t.Errorf("functions without a case: %v", namesOf(untested))
	}
}

// TestFunctionErrors gives functions what they cannot take.
func TestFunctionErrors(t *testing.T) {
	for expr, want := range map[string]string{
		`sum([1, "x"])`:                       `element 1 is "x", not a number`,
		`sum([null])`:                         `element 0 is null`,
		`sum([[]])`:                           `element 0 is a list, not a number`,
		`sum("1")`:                            `a list, set or tuple is required`,
		`sum({a = 1})`:                        `a list, set or tuple is required`,
		`alltrue(["true"])`:                   `element 0 is a string, not true or false`,
		`one([1, 2])`:                         `the list has 2 elements`,
		`index(["a"], "b")`:                   `does not contain the value`,
		`index({}, "b")`:                      `a list or tuple is required`,
		`length(5)`:                           `a string, list, set, tuple, map or object is required`,
		`base64decode("%")`:                   `this is not Base64`,
		`base64decode("/w==")`:                `not UTF-8`,
		`cidrhost("10.0.0.0", 1)`:             `is not a prefix`,
		`cidrhost("10.0.0.0/24", 256)`:        `256`,
		`cidrhost("10.0.0.0/24", 1.5)`:        `a whole number is required`,
		`cidrnetmask("2001:db8::/32")`:        `no netmask`,
		`cidrsubnet("10.0.0.0/24", 9, 0)`:     `insufficient address space`,
		`cidrsubnet("10.0.0.0/24", -1, 0)`:    `from 0 to 128`,
		`cidrsubnet("10.0.0.0/24", 1, 2)`:     `does not accommodate`,
		`cidrsubnets("10.0.0.0/31", 1, 1, 1)`: `no room for a subnet of 1 more bits`,
		`cidrsubnets("10.0.0.0/31", 2)`:       `no room`,
		`format("%s")`:                        `not enough arguments`,
		`tonumber("x")`:                       `cannot convert`,
		`regex("(", "x")`:                     `missing closing`,
		`csvdecode("a,b\n1\n")`:               `wrong number of fields`,
		`jsondecode("{")`:                     `EOF`,
		`replace("a", "/(/", "")`:             `missing closing`,
		`file("/etc/passwd")`:                 `no function named "file"`,
		`timestamp()`:                         `no function named "timestamp"`,
	} {
		_, diags := evaluate(t, expr)
		if !diags.HasErrors() || !strings.Contains(strings.ToLower(diags.Error()), strings.ToLower(want)) {
			t.Errorf("%s: got %v, want %q", expr, diags, want)
		}
	}
}

// TestFunctionsOfUnknowns calls every function with unknown and null
// arguments, which is what a value that failed elsewhere looks like. None may
// panic.
func TestFunctionsOfUnknowns(t *testing.T) {
	ctx := &hcl.EvalContext{Functions: Functions(), Variables: map[string]cty.Value{
		"any": cty.DynamicVal, "text": cty.UnknownVal(cty.String), "list": cty.UnknownVal(cty.List(cty.String)),
		"nothing": cty.NullVal(cty.DynamicPseudoType), "partly": cty.TupleVal([]cty.Value{cty.DynamicVal, cty.StringVal("a")}),
		"number": cty.UnknownVal(cty.Number), "marked": cty.StringVal("x").Mark("secret"),
	}}
	for name := range ctx.Functions {
		for arg := range ctx.Variables {
			for n := range 5 {
				expr := name + "(" + strings.Repeat(arg+", ", n) + ")"
				parsed, diags := hclsyntax.ParseExpression([]byte(expr), "x", hcl.InitialPos)
				if diags.HasErrors() {
					t.Fatal(diags)
				}
				parsed.Value(ctx)
			}
		}
	}
}
