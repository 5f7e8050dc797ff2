// Package kernel puts a host's rendered firewall rules into the kernel, reads
// them back, compares, and takes them out again, through the programs nft,
// iptables and ipset: the documented interfaces.
//
// It touches nothing but objects of ours: the table inet pasvctl; in the table
// of a chain that we are jumped to from, what is named pasvctl or pasvctl_…;
// the chains PASVCTL… and sets pasvctl-… of iptables; and the jumps that carry
// our comment. It decides nothing: when to apply and when to go back is
// package apply's to say.
package kernel

import (
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators"
)

// Exec runs a program with stdin as its input and returns what it printed. Its
// error has what the program wrote to standard error, and wraps
// exec.ErrNotFound where there is no such program.
type Exec func(ctx context.Context, stdin, program string, args ...string) (string, error)

// Names of the backends.
const (
	NFT      = "nft"
	IPTables = "iptables"
)

// Rules are the rendered files of one host for one backend, by base name.
type Rules struct {
	Backend string            `json:"backend"`
	Files   map[string]string `json:"files"`
}

// files are what each backend loads, in order.
var files = map[string][]string{
	NFT:      {"nftables.nft", "nftables.jump.nft"},
	IPTables: {"ipset", "iptables.v4", "iptables.v6"},
}

// RulesOf picks a host's rules from the rendered files.
func RulesOf(all []generators.File, host, backend string) (Rules, error) {
	names, known := files[backend]
	if !known {
		return Rules{}, fmt.Errorf("the backends are %s and %s, not %q", NFT, IPTables, backend)
	}
	r := Rules{Backend: backend, Files: map[string]string{}}
	for _, f := range all {
		for _, name := range names {
			if f.Path == path.Join(host, name) {
				r.Files[name] = string(f.Content)
			}
		}
	}
	if len(r.Files) == 0 {
		return Rules{}, fmt.Errorf("there are no %s rules for host %q", backend, host)
	}
	return r, nil
}

// Backend is one way into the kernel.
type Backend interface {
	// Check reports what is wrong with the rules without loading them.
	Check(ctx context.Context, r Rules) error
	// Load makes r the rules in force, in one transaction on nftables and in
	// one a table on iptables. It may be repeated, keeps what the kernel has
	// learnt, adds our jump where it is missing, and removes what an older
	// version left behind.
	Load(ctx context.Context, r Rules) error
	// Live lists our objects in the kernel.
	Live(ctx context.Context) (Listing, error)
	// Expected lists what Load(r) would leave in an empty kernel.
	Expected(ctx context.Context, r Rules) (Listing, error)
	// Learnt lists the clients that the gates know.
	Learnt(ctx context.Context) ([]Member, error)
	// Forget makes the gates forget all clients.
	Forget(ctx context.Context) error
	// Remove deletes our objects. It is no error that there are none.
	Remove(ctx context.Context) error
}

// New returns a backend by name.
func New(name string, exec Exec) (Backend, error) {
	switch name {
	case NFT:
		return &nft{exec}, nil
	case IPTables:
		return &iptables{exec}, nil
	default:
		return nil, fmt.Errorf("the backends are %s and %s, not %q", NFT, IPTables, name)
	}
}

// scratch runs f in an empty network of its own.
func scratch(f func(Exec) error) error {
	n, err := packets.NewNamespace()
	if err != nil {
		return err
	}
	defer n.Close()
	return f(func(_ context.Context, stdin, program string, args ...string) (string, error) {
		return n.Run(stdin, program, args...)
	})
}

// script joins lines, each ended.
func script(lines ...string) string { return strings.Join(lines, "\n") + "\n" }
