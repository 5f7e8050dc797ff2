package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/generators"
)

func newVersion(s streams) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "print the version that generated files name",
		Example: "  pasvctl version",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			if asJSON {
				return envelope.Write(s.out, "version", map[string]string{
					"pasvctl": generators.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
				})
			}
			_, err := fmt.Fprintln(s.out, "pasvctl", generators.Version)
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}
