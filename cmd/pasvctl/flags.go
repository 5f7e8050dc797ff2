package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// byteCount is a flag's number of bytes: a whole number, or one of KiB, MiB or
// GiB with K, M or G behind it.
type byteCount int64

func (b *byteCount) Type() string { return "bytes" }

func (b *byteCount) String() string { return strconv.FormatInt(int64(*b), 10) }

func (b *byteCount) Set(text string) error {
	number, shift := text, 0
	for i, suffix := range "KMG" {
		if cut, ok := strings.CutSuffix(strings.ToUpper(text), string(suffix)); ok {
			number, shift = cut, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n<<shift>>shift != n {
		return errors.New("not a number of bytes")
	}
	*b = byteCount(n << shift)
	return nil
}

// flagError words what pflag says of a flag for people.
func flagError(c *cobra.Command, err error) error {
	hint := "see " + c.CommandPath() + " --help"
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		if unknown.GetSpecifiedShortnames() != "" {
			return usage(hint, "there is no flag -%s", unknown.GetSpecifiedName())
		}
		if before := c.Flags().Args(); c.HasSubCommands() && len(before) > 0 {
			return noCommand(c, before[0])
		}
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				names = append(names, f.Name)
			}
		})
		if near := nearest(unknown.GetSpecifiedName(), names); near != "" {
			hint = "did you mean --" + near + "?"
		}
		return usage(hint, "there is no flag --%s", unknown.GetSpecifiedName())
	}
	if lacking, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		flag := lacking.GetFlag()
		what, _ := pflag.UnquoteUsage(flag)
		return usage("write --"+flag.Name+" "+what, "--%s needs a value", flag.Name)
	}
	if bad, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return usage(hint, "%q is not a flag", bad.GetSpecifiedFlag())
	}
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return usage(hint, "%w", err)
	}
	flag, value := invalid.GetFlag(), invalid.GetValue()
	is := func(what string) error { return usage(hint, "--%s %q is not a %s", flag.Name, value, what) }
	switch flag.Value.Type() {
	case "bool", "boolfunc":
		return usage(fmt.Sprintf("write --%s alone, or leave it out", flag.Name), "--%s takes no value, and this is %q", flag.Name, value)
	case "duration":
		hint = "write a number with its unit, like 30s, 5m or 1h"
		if _, err := strconv.ParseFloat(value, 64); err == nil {
			hint = fmt.Sprintf("write %ss", value)
		}
		return is("duration")
	case "bytes":
		hint = "write a whole number of bytes, or of KiB, MiB or GiB like 10M"
		return is("number of bytes")
	case "int", "int64":
		return is("whole number")
	case "uint", "uint64":
		return is("whole number of 0 or more")
	case "float64":
		return is("number")
	}
	return usage(hint, "%w", err)
}

var (
	together  = regexp.MustCompile(`^if any flags in the group \[(.*)\] are set they must all be set; missing \[(.*)\]$`)
	exclusive = regexp.MustCompile(`^if any flags in the group \[.*\] are set none of the others can be; \[(.*)\] were all set$`)
)

// groupError words what cobra says of flags that exclude or need each other.
func groupError(err error) error {
	if err == nil {
		return nil
	}
	if m := exclusive.FindStringSubmatch(err.Error()); m != nil {
		set := strings.Fields(m[1])
		return usage("leave one of them out", "--%s cannot be given together", strings.Join(set, " and --"))
	}
	if m := together.FindStringSubmatch(err.Error()); m != nil {
		missing := strings.Fields(m[2])
		given := slices.DeleteFunc(strings.Fields(m[1]), func(name string) bool { return slices.Contains(missing, name) })
		return usage("give both, or neither", "--%s needs --%s", strings.Join(given, " and --"), strings.Join(missing, " and --"))
	}
	return err
}

// nearest is the name that is meant by one that is misspelt or cut; "" if none is
// near.
func nearest(name string, names []string) string {
	for _, whole := range names {
		if len(name) > 2 && strings.HasPrefix(whole, name) {
			return whole
		}
	}
	_, quoted, _ := strings.Cut(spec.DidYouMean(name, names), `"`)
	near, _, _ := strings.Cut(quoted, `"`)
	return near
}
