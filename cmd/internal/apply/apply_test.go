package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/lab/kerneltest"
)

func TestApplyReplacesAndRollbackReturns(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		small, large := b.small(), b.large()
		out, err := b.Apply(t.Context(), small, Options{})
		b.must(err)
		if len(out.Changes) == 0 || !out.Deadline.IsZero() {
			t.Errorf("the first apply says %+v", out)
		}
		b.want(&small, withSmall)
		_, err = b.Apply(t.Context(), large, Options{})
		b.must(err)
		b.want(&large, withLarge)
		b.rollback()
		b.want(&small, withSmall)
		b.rollback()
		b.want(&large, withLarge)
	})
}

func TestTenAppliesTouchNobodyElse(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		before := b.snapshot()
		small, large := b.small(), b.large()
		for i := range 10 {
			_, err := b.Apply(t.Context(), []Applied{small, large}[i%2], Options{})
			b.must(err)
		}
		live, err := b.backend.Live(t.Context())
		b.must(err)
		for _, o := range live {
			if strings.HasPrefix(o.Name, "jump ") && len(o.Lines) != 1 {
				t.Errorf("%s after ten applies: %q", o.Name, o.Lines)
			}
		}
		if b.name == kernel.NFT {
			if theirs := withoutOurs(b.snapshot()); theirs != withoutOurs(before) {
				t.Errorf("their rules before\n%s\nafter\n%s", withoutOurs(before), theirs)
			}
		}
		b.must(b.Remove(t.Context()))
		b.want(nil, untouched)
		if after := b.snapshot(); after != before {
			t.Errorf("before\n%s\nafter\n%s", before, after)
		}
	})
}

// withoutOurs leaves out the table, chains, sets and jump of ours from a list
// of nft rules: what is left is other people's.
func withoutOurs(ruleset string) string {
	var kept strings.Builder
	skip := ""
	for line := range strings.Lines(ruleset) {
		indent := line[:len(line)-len(strings.TrimLeft(line, "\t"))]
		f := strings.Fields(line)
		switch {
		case skip != "":
			if strings.HasPrefix(line, skip) {
				skip = ""
			}
		case len(f) == 4 && f[0] == "table" && f[2] == "pasvctl", len(f) == 3 && strings.HasPrefix(f[1], "pasvctl"):
			skip = indent + "}"
		case strings.Contains(line, `comment "pasvctl"`), strings.TrimSpace(line) == "":
		default:
			kept.WriteString(line)
		}
	}
	return kept.String()
}

func TestForeignChangesAreRefused(t *testing.T) {
	b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
	small, large := b.small(), b.large()
	_, err := b.Apply(t.Context(), small, Options{})
	b.must(err)
	kerneltest.Run(t, b.Exec, "", "nft", "add", "rule", "inet", "pasvctl", "downloads_data", "tcp", "dport", "9", "accept")
	var foreign *ForeignError
	if _, err := b.Apply(t.Context(), large, Options{}); !errors.As(err, &foreign) || len(foreign.Changes) != 1 {
		t.Fatalf("rules that somebody changed: %v", err)
	}
	if b.holds(&large) {
		t.Error("the refused rules were loaded")
	}
	_, err = b.Apply(t.Context(), large, Options{Adopt: true})
	b.must(err)
	b.want(&large, withLarge)
}

func TestRulesLoadedByHandAreTakenOver(t *testing.T) {
	b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
	small := b.small()
	b.must(kerneltest.Load(t.Context(), b.backend, small.Rules))
	_, err := b.Apply(t.Context(), small, Options{})
	b.must(err)
	b.want(&small, withSmall)
}

func TestRulesThatDoNotLoadChangeNothing(t *testing.T) {
	each(t, func(t *testing.T, b *bench) {
		small, bad := b.small(), b.large()
		_, err := b.Apply(t.Context(), small, Options{})
		b.must(err)
		for name := range bad.Rules.Files {
			bad.Rules.Files[name] += "nonsense\n"
		}
		if _, err := b.Apply(t.Context(), bad, Options{}); err == nil {
			t.Fatal("nonsense was loaded")
		}
		b.want(&small, withSmall)
	})
}

func TestChangingTheBackendLeavesOneOfThem(t *testing.T) {
	b := newBench(t, "iptables", kernel.IPTables, kerneltest.PlainHost)
	first := b.small()
	_, err := b.Apply(t.Context(), first, Options{})
	b.must(err)
	second := Applied{Host: "edge1", Rules: kerneltest.Rules(t, kernel.NFT, kerneltest.PlainHost("")), Reserve: first.Reserve}
	_, err = b.Apply(t.Context(), second, Options{Confirm: time.Minute})
	b.must(err)
	b.want(nil, withSmall) // none of iptables
	b.expire(b.guarded[0])
	b.want(&first, withSmall)
	other, err := kernel.New(kernel.NFT, b.Exec)
	b.must(err)
	if live, err := other.Live(t.Context()); err != nil || len(live) != 0 {
		t.Errorf("the change that was taken back left %v, %v", live, err)
	}
}

func TestSecondApplyIsLockedOut(t *testing.T) {
	b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
	s, err := open(b.Folder, false)
	b.must(err)
	defer s.close()
	if _, err := b.Apply(t.Context(), b.small(), Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("an apply beside another: %v", err)
	}
}

// An apply reads the kernel when it prepares and when it keeps what stands
// there, and checks and loads one and the same file.
func TestAnApplyPreparesOnce(t *testing.T) {
	b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
	small := b.small()
	_, err := b.Apply(t.Context(), small, Options{})
	b.must(err)
	var ran, files []string
	run := b.Exec
	b.Exec = func(ctx context.Context, stdin, program string, args ...string) (string, error) {
		ran = append(ran, strings.Join(append([]string{program}, args...), " "))
		if stdin != "" {
			files = append(files, stdin)
		}
		return run(ctx, stdin, program, args...)
	}
	_, err = b.Apply(t.Context(), b.large(), Options{})
	b.must(err)
	want := []string{"nft -a list ruleset", "nft -c -f -", "nft -a list ruleset", "nft -f -"}
	if !slices.Equal(ran, want) || files[0] != files[1] {
		t.Errorf("it ran %q, want %q", ran, want)
	}
}
