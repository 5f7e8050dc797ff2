package main

import "github.com/spf13/cobra"

// onLinux are the commands that look at, change or serve this machine.
var onLinux = []func(streams) *cobra.Command{
	newServe, newVerify, newUser, newDiff, newApply, newConfirm, newRollback, newGuard, newDrain, newDoctor,
}
