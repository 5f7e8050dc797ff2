package main

import (
	"io"

	"github.com/spf13/cobra"
)

// shells are those that a completion script is written for.
var shells = map[string]func(*cobra.Command, io.Writer) error{
	"bash": func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
	"zsh":  (*cobra.Command).GenZshCompletion,
	"fish": func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
}

func newCompletion(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "print a completion script for a shell",
		Example: `  source <(pasvctl completion bash)
  pasvctl completion zsh > "${fpath[1]}/_pasvctl"
  pasvctl completion fish > ~/.config/fish/completions/pasvctl.fish`,
		Args:      exactly("SHELL"),
		ValidArgs: []string{"bash", "zsh", "fish"},
		RunE: func(c *cobra.Command, args []string) error {
			write, known := shells[args[0]]
			if !known {
				return usage("the shells are bash, zsh and fish", "there is no completion for %q", args[0])
			}
			return write(c.Root(), s.out)
		},
	}
}

// newHelp is `pasvctl help COMMAND`, which cobra's own lets end with 0 where
// there is no such command.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "help on a command",
		RunE: func(c *cobra.Command, args []string) error {
			of, rest, err := c.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return usage("see pasvctl --help", "there is no command %q", args[0])
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}
