package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/generators"
)

func newVersion(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "print the version that generated files name",
		Example: "  pasvctl version",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintln(s.out, "pasvctl", generators.Version)
			return err
		},
	}
}
