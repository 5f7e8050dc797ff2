//go:build !linux

package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// onLinux are, on this system, commands that say where they work.
var onLinux = []func(streams) *cobra.Command{
	needsLinux("serve"), needsLinux("verify"), needsLinux("user"), needsLinux("diff"), needsLinux("apply"),
	needsLinux("confirm"), needsLinux("rollback"), needsLinux("doctor"),
}

// needsLinux is a command that only says where it works.
func needsLinux(name string) func(streams) *cobra.Command {
	return func(streams) *cobra.Command {
		return &cobra.Command{
			Use:                name,
			Short:              "(on Linux only)",
			DisableFlagParsing: true,
			RunE: func(*cobra.Command, []string) error {
				return failure(fmt.Errorf("%s needs a Linux kernel, and this system is %s", name, runtime.GOOS), "run it on the Linux host that the spec describes")
			},
		}
	}
}
