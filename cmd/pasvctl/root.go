package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/generators"
)

// streams are where a command reads and writes. Results go to out; progress,
// diagnostics and errors go to err.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// commands are the subcommands that work on every system; a new command is a
// file and a line here, or in onLinux.
var commands = []func(streams) *cobra.Command{
	newValidate, newFmt, newPlan, newReport, newCapacity, newAudit, newExplain, newSimulate, newGenerate, newImport, newLoad, newReady, newCompletion,
	newMan, newVersion,
}

const bugHint = "this is a bug in pasvctl: please report it, with the spec, at https://github.com/pasvctl/pasvctl/issues " +
	"(PASVCTL_DEBUG=1 prints where it happened)"

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, s streams) int {
	s.err = folded{s.err}
	return execute(ctx, newRoot(s), args, s)
}

// execute runs root. A user's mistake is never a panic, but a bug may be: then
// the program still ends with a message and a code, not with a stack trace.
func execute(ctx context.Context, root *cobra.Command, args []string, s streams) (code int) {
	started := false
	markStart(root, &started)
	defer func() {
		if bug := recover(); bug != nil {
			if os.Getenv("PASVCTL_DEBUG") != "" {
				s.err.Write(debug.Stack())
			}
			code = report(s.err, failure(fmt.Errorf("internal error: %v", bug), bugHint), true)
		}
	}()
	root.SetArgs(args)
	out := &checked{Writer: s.out}
	root.SetOut(out)
	err := groupError(root.ExecuteContext(ctx))
	if out.err != nil {
		err = failure(out.err, "")
	}
	return report(s.err, err, started)
}

// checked remembers that a write failed: cobra does not look at the errors of
// its help, and takes that of the version for wrong usage.
type checked struct {
	io.Writer
	err error
}

func (c *checked) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// markStart notes when a command's own code begins: errors before that come
// from reading the command line.
func markStart(c *cobra.Command, started *bool) {
	if body := c.RunE; body != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			*started = true
			return body(c, args)
		}
	}
	for _, sub := range c.Commands() {
		markStart(sub, started)
	}
}

func newRoot(s streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "pasvctl",
		Short: "compute the passive ports FTP sites need, and render rules and configs that agree on them",
		Long: `pasvctl reads an HCL spec of FTP sites and concurrency targets, computes for each
site the smallest passive port range that is safe, and renders firewall rules and
server configs that agree on it to the port.

Every command reads a *.pasv.hcl file or a folder of them. Results go to stdout,
progress and diagnostics to stderr.

exit codes: 0 done; 1 failed; 2 a check found a difference; 64 wrong usage`,
		Example: "  pasvctl plan examples/quickstart\n  pasvctl generate examples/quickstart -o out",
		Args: func(root *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return noCommand(root, args[0])
		},
		RunE: func(root *cobra.Command, _ []string) error {
			root.SetOut(s.err)
			if err := root.Help(); err != nil {
				return err
			}
			return silent(exitUsage)
		},
		Version:       generators.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("pasvctl {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.SetIn(s.in)
	root.SetErr(s.err)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(newHelp(s))
	paged(root)
	for _, command := range slices.Concat(commands, onLinux) {
		root.AddCommand(command(s))
	}
	return root
}

// noCommand is the error of a command line that names no command of c.
func noCommand(c *cobra.Command, name string) error {
	var names []string
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			names = append(names, sub.Name())
		}
	}
	hint := "see " + c.CommandPath() + " --help"
	if near := nearest(name, names); near != "" {
		hint = "did you mean " + c.CommandPath() + " " + near + "?"
	}
	_, whole, _ := strings.Cut(c.CommandPath()+" "+name, " ")
	return usage(hint, "there is no command %q", whole)
}

// exactly demands the named positional arguments.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		hint := "see " + c.CommandPath() + " --help"
		if len(args) < len(names) {
			return usage(hint, "%s is missing", names[len(args)])
		}
		if len(args) > len(names) {
			return usage(hint, "unexpected argument %q", args[len(names)])
		}
		return nil
	}
}

// interruptible is a context that SIGINT and SIGTERM end, for commands that
// have something to finish or to take back.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
}
