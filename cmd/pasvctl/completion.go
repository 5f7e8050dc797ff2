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
