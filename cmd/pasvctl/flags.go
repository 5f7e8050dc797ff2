package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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

// flagError words what pflag says of a flag's value for people.
func flagError(c *cobra.Command, err error) error {
	hint := "see " + c.CommandPath() + " --help"
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return usage(hint, "%w", err)
	}
	flag, value := invalid.GetFlag(), invalid.GetValue()
	is := func(what string) error { return usage(hint, "--%s %q is not a %s", flag.Name, value, what) }
	switch flag.Value.Type() {
	case "duration":
		hint = "write a number with its unit, like 30s, 5m or 1h"
		if _, err := strconv.ParseFloat(value, 64); err == nil {
			hint = fmt.Sprintf("write %ss", value)
		}
		return is("duration")
	case "bytes":
		hint = "write a whole number of bytes, or of KiB, MiB or GiB like 10M"
		return is("number of bytes")
	case "int", "int64", "uint", "uint64":
		return is("whole number")
	case "float64":
		return is("number")
	}
	return usage(hint, "%w", err)
}
