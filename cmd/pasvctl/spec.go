package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/diagnostics"
	"github.com/pasvctl/pasvctl/cmd/internal/source"
	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

const (
	// variablePrefix starts the environment variables that set a spec's.
	variablePrefix = "PASVCTL_VAR_"
	// maxShown is how many diagnostics a person is shown.
	maxShown = 50
)

// maxEvaluation bounds the time that a spec's expressions and a user's template
// take: a loop within loops may never end. A test shortens it.
var maxEvaluation = 30 * time.Second

// watch ends the program if what it does takes longer. Nothing is written by then.
func watch(what string) (done func()) {
	timer := time.AfterFunc(maxEvaluation, func() {
		os.Exit(report(os.Stderr, failure(fmt.Errorf("%s takes longer than %v", what, maxEvaluation), "shorten its loops, or split the spec"), true))
	})
	return func() { timer.Stop() }
}

// variables are the flags that set a spec's variables.
type variables struct {
	values, files []string
}

func (v *variables) register(c *cobra.Command) {
	c.Flags().StringArrayVar(&v.values, "var", nil, "set a variable of the spec, `NAME=VALUE`; repeatable")
	c.Flags().StringArrayVar(&v.files, "var-file", nil, "read variables of the spec from `FILE`; repeatable")
	_ = c.RegisterFlagCompletionFunc("var", cobra.NoFileCompletions)
	c.ValidArgsFunction = completeSpec
}

// project is a loaded spec and where it came from.
type project struct {
	*generators.Project
	source   *source.Source
	varFiles []string
	diags    hcl.Diagnostics
}

// load reads and plans the spec at path. A spec with mistakes is no error
// here: project.diags has them.
func (v *variables) load(path string) (*project, error) {
	o, err := v.options()
	if err != nil {
		return nil, err
	}
	s, err := source.Open(path)
	if err != nil {
		return nil, failure(err, specHint(err))
	}
	if all, err := source.List(s.Dir); err == nil {
		o.Partial = len(all) > len(s.Names)
	}
	return v.loaded(s, o), nil
}

// loaded reads and plans an opened spec, and closes it.
func (v *variables) loaded(s *source.Source, o generators.Options) *project {
	defer s.Close()
	loaded, diags := generators.Load(s.FS, s.Names, o)
	return &project{Project: loaded, source: s, varFiles: v.files, diags: diags}
}

// specHint says what a spec's path leads to, where it leads nowhere.
func specHint(err error) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "name a file that ends in " + spec.Extension + ", or a folder of them"
	}
	return ""
}

// options gathers the variables of the command line and the environment.
func (v *variables) options() (generators.Options, error) {
	o := generators.Options{Vars: map[string]string{}, Env: map[string]string{}, Watch: watch}
	for _, entry := range os.Environ() {
		if name, value, ok := strings.Cut(entry, "="); ok && strings.HasPrefix(name, variablePrefix) {
			o.Env[strings.TrimPrefix(name, variablePrefix)] = value
		}
	}
	for _, entry := range v.values {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || name == "" {
			return o, usage("write --var NAME=VALUE", "--var %q has no name and value", entry)
		}
		o.Vars[name] = value
	}
	for _, path := range v.files {
		text, err := source.Read(path)
		if err != nil {
			return o, failure(err, "")
		}
		o.VarFiles = append(o.VarFiles, spec.VarFile{Name: path, Src: text})
	}
	return o, nil
}

// valid loads the spec at path, shows all diagnostics on stderr, and returns
// an error where one of them is.
func (v *variables) valid(s streams, path string) (*project, error) {
	p, err := v.load(path)
	if err != nil {
		return nil, err
	}
	if err := p.show(s, p.diags); err != nil {
		return nil, err
	}
	return p, p.invalid(path, p.diags)
}

// show writes diagnostics for people on stderr.
func (p *project) show(s streams, diags hcl.Diagnostics) error {
	return showFindings(s.err, p.report("", finding.From(diags)), maxShown)
}

func (p *project) report(command string, found []finding.Finding) diagnostics.Report {
	return diagnostics.Report{Command: command, Findings: found, Files: p.Spec.Files, Dir: p.source.Dir, Elsewhere: p.varFiles}
}

// invalid is the error that ends a command whose spec has mistakes.
func (p *project) invalid(path string, diags hcl.Diagnostics) error {
	failures := p.report("", finding.From(diags)).Count(finding.Error)
	if failures == 0 {
		return nil
	}
	return failure(fmt.Errorf("%s has %s", path, sizing.Plural(failures, "error")), "")
}

// files renders targets, or all that the spec names, shows what is wrong with
// them, and returns an error if something is.
func (p *project) files(s streams, path string, targets ...string) ([]generators.File, error) {
	files, diags := p.Files(targets...)
	if err := p.show(s, diags); err != nil {
		return nil, err
	}
	return files, p.invalid(path, diags)
}

// completeSpec completes a spec's path as the first argument.
func completeSpec(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"hcl"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeSite completes the name of a site of the spec that is args[0].
func (v *variables) completeSite(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return v.complete(args, func(s *spec.Spec) (names []string) {
		for _, site := range s.Sites {
			names = append(names, site.Name)
		}
		return names
	})
}

// completeHost completes the name of a host of the spec that is args[0].
func (v *variables) completeHost(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	return v.complete(args, func(s *spec.Spec) (names []string) {
		for _, host := range s.Hosts {
			names = append(names, host.Name)
		}
		return names
	})
}

// complete completes names of the spec that is args[0].
func (v *variables) complete(args []string, names func(*spec.Spec) []string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	p, err := v.load(args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return names(p.Spec), cobra.ShellCompDirectiveNoFileComp
}
