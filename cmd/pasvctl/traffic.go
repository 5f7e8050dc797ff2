package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// trafficFlags are the arguments of a traffic block as flags, and how many
// sessions one address may have.
type trafficFlags struct {
	perAddress int
	bursts     []string
	set        *pflag.FlagSet // that has the flags of the arguments, by flagOf
}

func flagOf(argument string) string { return strings.ReplaceAll(argument, "_", "-") }

func (t *trafficFlags) register(c *cobra.Command) {
	t.set = c.Flags()
	t.set.IntVar(&t.perAddress, "sessions-per-address", 0, "at most `N` sessions share a client address (default all)")
	for _, a := range spec.TrafficBlock.Arguments {
		t.set.Var(&argumentFlag{a, ""}, flagOf(a.Name), usageOf(a))
	}
	t.set.StringArrayVar(&t.bursts, spec.BurstBlock.Type, nil, "sessions that start together, a `BURST` like "+exampleBurst+" with connections=4 as a third part if each asks for more than one data connection; repeatable")
}

const exampleBurst = "sessions=300,within=10s"

// argumentFlag is a flag with the text of an argument, which spec.ReadTraffic reads.
type argumentFlag struct {
	argument spec.Argument
	text     string
}

func (f *argumentFlag) String() string { return f.text }

func (f *argumentFlag) Set(text string) error {
	f.text = text
	return nil
}

func (f *argumentFlag) Type() string {
	switch f.argument.Type {
	case spec.Duration:
		return "TIME"
	case spec.Whole:
		return "N"
	}
	return "NUMBER"
}

// usageOf is the first sentence of what an argument means, with its default.
func usageOf(a spec.Argument) string {
	text, _, _ := strings.Cut(a.Doc, ". ")
	text = strings.ToLower(text[:1]) + strings.TrimSuffix(text[1:], ".")
	if a.Default != nil {
		text += fmt.Sprintf(" (default %v)", a.Default)
	}
	return text
}

// given reports whether a flag sets anything of the traffic.
func (t *trafficFlags) given() bool {
	given := len(t.bursts) > 0
	for _, a := range spec.TrafficBlock.Arguments {
		given = given || t.set.Changed(flagOf(a.Name))
	}
	return given
}

// traffic reads the flags; nil if none is given.
func (t *trafficFlags) traffic() (*sizing.Traffic, error) {
	if t.set.Changed("sessions-per-address") && (t.perAddress < 1 || t.perAddress > spec.MaxSessions) {
		return nil, usage(fmt.Sprintf("write --sessions-per-address 1 to %d", spec.MaxSessions), "--sessions-per-address %d is out of range", t.perAddress)
	}
	if !t.given() {
		return nil, nil
	}
	arguments, bursts := map[string]string{}, []map[string]string{}
	for _, a := range spec.TrafficBlock.Arguments {
		if t.set.Changed(flagOf(a.Name)) {
			arguments[a.Name] = t.set.Lookup(flagOf(a.Name)).Value.String()
		}
	}
	for _, text := range t.bursts {
		burst, err := burstOf(text)
		if err != nil {
			return nil, err
		}
		bursts = append(bursts, burst)
	}
	traffic, diags := spec.ReadTraffic(arguments, bursts, t.perAddress)
	if diags.HasErrors() {
		return nil, usage("the flags are named as the arguments of a traffic block: see pasvctl help spec.site.traffic",
			"%s", strings.TrimSuffix(strings.TrimPrefix(diags[0].Detail, spec.TrafficBlock.Type+": "), "."))
	}
	return traffic, nil
}

// burstOf reads sessions=300,within=10s,connections=4.
func burstOf(text string) (map[string]string, error) {
	burst := map[string]string{}
	for _, part := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		known := false
		for _, a := range spec.BurstBlock.Arguments {
			known = known || a.Name == name
		}
		if _, twice := burst[name]; !ok || !known || twice {
			return nil, usage("write --burst "+exampleBurst, "invalid part %q of --burst %q", part, text)
		}
		burst[name] = value
	}
	return burst, nil
}
