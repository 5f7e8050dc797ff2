//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/apply"
	"github.com/pasvctl/pasvctl/cmd/internal/diagnostics"
	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/presence"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// onHost is what the commands share that look at or change this machine.
type onHost struct {
	streams
	variables
	host, backend string
	asJSON        bool
}

func (h *onHost) flags(c *cobra.Command) {
	h.variables.register(c)
	c.Flags().StringVar(&h.host, "host", "", "this machine is the host `NAME` of the spec; not needed if the spec has one")
	_ = c.RegisterFlagCompletionFunc("host", h.completeHost)
}

func (h *onHost) jsonFlag(c *cobra.Command) {
	c.Flags().BoolVar(&h.asJSON, "json", false, "write the result as JSON")
}

// backendFlag adds --backend, with what is done with its rules.
func (h *onHost) backendFlag(c *cobra.Command, use string) {
	c.Flags().StringVar(&h.backend, "backend", kernel.NFT, use+" `BACKEND`: nft or iptables")
	_ = c.RegisterFlagCompletionFunc("backend", cobra.FixedCompletions([]string{kernel.NFT, kernel.IPTables}, cobra.ShellCompDirectiveNoFileComp))
}

// here loads the spec and finds the host that this machine is.
func (h *onHost) here(path string) (*project, *plan.Host, error) {
	p, err := h.valid(h.streams, path)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, host := range p.Plan.Hosts {
		if host.Name == h.host || h.host == "" && len(p.Plan.Hosts) == 1 {
			return p, host, nil
		}
		names = append(names, host.Name)
	}
	hint := "its hosts with sites are " + strings.Join(names, ", ")
	if h.host == "" {
		return nil, nil, usage("write --host NAME; "+hint, "the spec has %s, and this machine is one of them", sizing.Plural(len(names), "host"))
	}
	return nil, nil, failure(fmt.Errorf("the spec has no host %q with a site", h.host), hint)
}

// rules renders the host's rules and what is to be known of them.
func (h *onHost) rules(p *project, host *plan.Host) (apply.Applied, error) {
	r, err := h.render(p, host)
	if err != nil {
		return apply.Applied{}, err
	}
	a := apply.Applied{
		Host: host.Name, Spec: p.Plan.SpecName, Rules: r, Ranges: map[string]spec.PortRange{}, Control: map[string]int{},
		Path:  p.path(),
		Match: presence.Host{Interface: host.Interface, Addresses: host.Addresses, Floating: host.Floating},
	}
	for _, s := range host.Sites {
		a.Reserve = append(a.Reserve, s.DataPorts)
		a.Ranges[s.Name] = s.DataPorts
		a.Control[s.Name] = int(s.Port)
	}
	return a, nil
}

// target is the target that renders the rules of the chosen backend.
func (h *onHost) target() (string, error) {
	switch h.backend {
	case kernel.NFT:
		return "nftables", nil
	case kernel.IPTables:
		return "iptables", nil
	}
	return "", usage("the backends are nft and iptables", "there is no backend %q", h.backend)
}

func (h *onHost) render(p *project, host *plan.Host) (kernel.Rules, error) {
	target, err := h.target()
	if err != nil {
		return kernel.Rules{}, err
	}
	files, err := p.files(h.streams, p.source.Name, target)
	if err != nil {
		return kernel.Rules{}, err
	}
	r, err := kernel.RulesOf(files, host.Name, h.backend)
	if err != nil {
		return kernel.Rules{}, failure(err, "")
	}
	return r, nil
}

// present says what of the host this machine lacks. With refuse, rules that
// would match nothing at all are an error.
func (h *onHost) present(host presence.Host, refuse bool) error {
	faults, err := presence.Faults(host)
	if err != nil {
		return failure(err, "")
	}
	for _, f := range faults {
		if f.Severity == finding.Error && refuse {
			return failure(fmt.Errorf("%s; %s", diagnostics.Line(f), f.Evidence), f.Remedy)
		}
		fmt.Fprintf(h.err, "warning %s; %s\nhint: %s\n", diagnostics.Line(f), f.Evidence, f.Remedy)
	}
	return nil
}

// commandTime bounds every program that is run on this machine.
const commandTime = 2 * time.Minute

func execHere(ctx context.Context, stdin, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s", strings.Join(append([]string{program}, args...), " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// stateFolder is where the state of this machine's rules lies.
func stateFolder() string {
	return cmp.Or(os.Getenv("PASVCTL_STATE_DIR"), apply.DefaultFolder)
}

func thisMachine() *apply.Machine {
	return &apply.Machine{Folder: stateFolder(), Exec: execHere, Now: time.Now, Guard: startGuard, Drain: startDrain, Generation: kernel.Generation, Step: faultPoint}
}

// asRoot is an error unless the program may change the kernel's rules.
func asRoot(what string) error {
	if os.Geteuid() != 0 {
		return failure(fmt.Errorf("%s needs root", what), "run it with sudo")
	}
	return nil
}
