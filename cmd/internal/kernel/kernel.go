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
	"slices"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/generators"
)

// Exec runs a program with stdin as its input and returns what it printed. Its
// error has what the program wrote to standard error, and wraps
// exec.ErrNotFound if there is no such program.
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

// Expected lists what the rules leave in an empty kernel. Its error says what
// is wrong with them.
func (r Rules) Expected(ctx context.Context) (Listing, error) {
	n, err := packets.NewNamespace()
	if err != nil {
		return nil, err
	}
	defer n.Close()
	b, err := New(r.Backend, n.Exec)
	if err != nil {
		return nil, err
	}
	if err := b.Fill(ctx, r); err != nil {
		return nil, err
	}
	return b.Live(ctx)
}

// Backend is one way into the kernel.
type Backend interface {
	// Plan reads what is live and works out how to make r, of which
	// Rules.Expected is known, the rules in force. It changes nothing.
	Plan(ctx context.Context, r Rules, expected Listing) (*Transaction, error)
	// Fill loads r into a kernel that has no rules of ours.
	Fill(ctx context.Context, r Rules) error
	// Live lists our objects in the kernel.
	Live(ctx context.Context) (Listing, error)
	// Save keeps what is under our names, loaded by apply or not.
	Save(ctx context.Context) (Snapshot, error)
	// PutBack replaces our objects by those of a Snapshot that was taken so
	// long ago. What others have removed since then stays removed.
	PutBack(ctx context.Context, s Snapshot, age time.Duration) error
	// Learnt lists the clients that the gates know.
	Learnt(ctx context.Context) ([]Member, error)
	// Forget makes the gates forget all clients.
	Forget(ctx context.Context) error
	// Remove deletes our objects. It is not an error if there are none.
	Remove(ctx context.Context) error
}

// Transaction is a change of the live rules that has been worked out: in one
// step on nftables, and in one a table on iptables. It keeps what the kernel
// has learnt, adds our jump if it is missing, and removes what an older
// version left behind.
type Transaction struct {
	Backend        string
	Live, Expected Listing
	Users          []string // commands that delete rules of others that go to chains of ours

	// Load carries the change out. It may be repeated.
	Load func(context.Context) error
}

// Changes are what Load changes in the kernel.
func (t *Transaction) Changes() []Change { return Diff(t.Live, t.Expected) }

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

// script joins lines, each ended.
func script(lines ...string) string { return strings.Join(append(slices.Clip(lines), ""), "\n") }
