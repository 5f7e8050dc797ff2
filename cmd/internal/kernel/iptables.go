package kernel

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// iptables is the backend of iptables, ip6tables and ipset.
type iptables struct{ exec Exec }

// families are the two halves of an iptables ruleset.
var families = []struct{ command, file string }{
	{"iptables", "iptables.v4"},
	{"ip6tables", "iptables.v6"},
}

// hooks are the tables that rules of ours stand in, and the chain of each that
// jumps to them.
var hooks = []struct{ table, chain string }{{"filter", "INPUT"}, {"nat", "PREROUTING"}}

const jumpArguments = " -m comment --comment pasvctl -j PASVCTL"

func (b *iptables) Check(ctx context.Context, r Rules) error {
	return scratch(func(exec Exec) error {
		// --test asks for the sets, and the kernel may not have them yet: so the
		// rules are tested where making the sets changes nothing.
		empty := &iptables{exec}
		if err := empty.sets(ctx, r); err != nil {
			return err
		}
		for _, f := range families {
			if _, err := exec(ctx, r.Files[f.file], f.command+"-restore", "--test", "--noflush"); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *iptables) sets(ctx context.Context, r Rules) error {
	if !setLine.MatchString(r.Files["ipset"]) {
		return nil
	}
	_, err := b.exec(ctx, r.Files["ipset"], "ipset", "restore", "-exist")
	return err
}

var setLine = regexp.MustCompile(`(?m)^create `)

func (b *iptables) Load(ctx context.Context, r Rules) error {
	if err := b.sets(ctx, r); err != nil {
		return err
	}
	for _, f := range families {
		if err := b.loadFamily(ctx, f.command, r.Files[f.file]); err != nil {
			return err
		}
	}
	return b.destroySets(ctx, r.Files["ipset"])
}

// loadFamily leaves nothing of ours, not even the jump, in a family that has no
// rules: the host has no address there.
func (b *iptables) loadFamily(ctx context.Context, command, text string) error {
	if !ruleLine.MatchString(text) {
		return b.removeFamily(ctx, command)
	}
	text, err := b.transaction(ctx, command, text)
	if err != nil {
		return err
	}
	_, err = b.exec(ctx, text, command+"-restore", "-w", "--noflush")
	return err
}

var ruleLine = regexp.MustCompile(`(?m)^-A `)

var chainLine = regexp.MustCompile(`(?m)^:(PASVCTL\S*) `)

// transaction adds to a rendered file our jump, if it is not there, and the end
// of the chains that only an older version had.
func (b *iptables) transaction(ctx context.Context, command, text string) (string, error) {
	all, err := b.save(ctx, command)
	if err != nil {
		return "", err
	}
	declared := map[string]bool{}
	for _, m := range chainLine.FindAllStringSubmatch(text, -1) {
		declared[m[1]] = true
	}
	var more []string
	for _, h := range hooks {
		if !strings.Contains("\n"+text, "\n*"+h.table+"\n") {
			continue
		}
		live := all[h.table]
		if !slices.ContainsFunc(live.rules, isJump) {
			more = append(more, "-I "+h.chain+jumpArguments)
		}
		stale := slices.DeleteFunc(slices.Clone(live.chains), func(c string) bool { return declared[c] })
		more = append(more, prefixed("-F ", stale)...)
		more = append(more, prefixed("-X ", stale)...)
	}
	i := strings.LastIndex(text, "COMMIT\n")
	if i < 0 {
		return "", fmt.Errorf("the rendered file for %s has no COMMIT", command)
	}
	if len(more) == 0 {
		return text, nil
	}
	return text[:i] + script(more...) + text[i:], nil
}

func prefixed(prefix string, names []string) (all []string) {
	for _, n := range names {
		all = append(all, prefix+n)
	}
	return all
}

// saved is our part of one table as iptables-save prints it.
type saved struct{ chains, rules []string }

// save reads our chains, their rules and our jumps from one family, by table.
func (b *iptables) save(ctx context.Context, command string) (map[string]saved, error) {
	text, err := b.exec(ctx, "", command+"-save")
	if err != nil {
		return nil, err
	}
	all := map[string]saved{}
	table := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		s := all[table]
		switch m := chainLine.FindStringSubmatch(line); {
		case strings.HasPrefix(line, "*"):
			table = line[1:]
			continue
		case m != nil:
			s.chains = append(s.chains, m[1])
		case strings.HasPrefix(line, "-A PASVCTL") || isJump(line):
			s.rules = append(s.rules, line)
		}
		all[table] = s
	}
	return all, nil
}

func isJump(line string) bool {
	return strings.HasPrefix(line, "-A ") && !strings.HasPrefix(line, "-A PASVCTL") &&
		strings.HasSuffix(line, " -j PASVCTL") && strings.Contains(line, "--comment pasvctl ")
}

func (b *iptables) Live(ctx context.Context) (Listing, error) {
	var l Listing
	for _, f := range families {
		all, err := b.save(ctx, f.command)
		if err != nil {
			return nil, err
		}
		for _, h := range hooks {
			l = append(l, listTable(f.command+" "+h.table+" ", all[h.table])...)
		}
	}
	sets, err := b.listSets(ctx)
	if err != nil {
		return nil, err
	}
	l = append(l, sets...)
	l.sort()
	return l, nil
}

func listTable(where string, s saved) (l Listing) {
	for _, c := range s.chains {
		o := Object{Name: "chain " + where + c, Ordered: true}
		for _, r := range s.rules {
			if strings.HasPrefix(r, "-A "+c+" ") {
				o.Lines = append(o.Lines, r)
			}
		}
		l.add(o)
	}
	for _, r := range s.rules {
		if isJump(r) {
			l.add(Object{Name: "jump in chain " + where + strings.Fields(r)[1], Lines: []string{r}})
		}
	}
	return l
}

// listSets reads our sets, without the members of those that time out: they
// are learnt.
func (b *iptables) listSets(ctx context.Context) (Listing, error) {
	text, err := b.exec(ctx, "", "ipset", "save")
	if errors.Is(err, exec.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var l Listing
	learnt := false
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 3 || !strings.HasPrefix(f[1], "pasvctl-") {
			continue
		}
		switch f[0] {
		case "create":
			learnt = slices.Contains(f, "timeout")
			l.add(Object{Name: "set " + f[1], Lines: []string{"is " + setType(f[2:])}})
		case "add":
			if !learnt && len(l) > 0 {
				o := &l[len(l)-1]
				o.Lines = append(o.Lines, f[2])
			}
		}
	}
	return l, nil
}

// setType leaves out what the kernel changes by itself: sizes and seeds.
func setType(words []string) string {
	var kept []string
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "hashsize", "bucketsize", "initval":
			i++
		default:
			kept = append(kept, words[i])
		}
	}
	return strings.Join(kept, " ")
}

func (b *iptables) Expected(ctx context.Context, r Rules) (l Listing, err error) {
	err = scratch(func(exec Exec) error {
		empty := &iptables{exec}
		if err := empty.Load(ctx, r); err != nil {
			return err
		}
		l, err = empty.Live(ctx)
		return err
	})
	return l, err
}

// destroySets removes our sets but for those that the ipset file creates.
func (b *iptables) destroySets(ctx context.Context, keep string) error {
	sets, err := b.listSets(ctx)
	if err != nil {
		return err
	}
	for _, s := range sets {
		name := strings.TrimPrefix(s.Name, "set ")
		if strings.Contains(keep, "\ncreate "+name+" ") && !strings.Contains(keep, "\ndestroy "+name+"\n") {
			continue
		}
		if _, err := b.exec(ctx, "", "ipset", "destroy", name); err != nil {
			return err
		}
	}
	return nil
}

func (b *iptables) Remove(ctx context.Context) error {
	for _, f := range families {
		if err := b.removeFamily(ctx, f.command); err != nil {
			return err
		}
	}
	return b.destroySets(ctx, "")
}

// removeFamily deletes our chains and jumps of one family. Where there is no
// program for it, there are none.
func (b *iptables) removeFamily(ctx context.Context, command string) error {
	all, err := b.save(ctx, command)
	if errors.Is(err, exec.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, h := range hooks {
		if err := b.removeFrom(ctx, command, h.table, all[h.table]); err != nil {
			return err
		}
	}
	return nil
}

func (b *iptables) removeFrom(ctx context.Context, command, table string, s saved) error {
	lines := []string{"*" + table}
	for _, r := range s.rules {
		if isJump(r) {
			lines = append(lines, "-D"+strings.TrimPrefix(r, "-A"))
		}
	}
	lines = slices.Concat(lines, prefixed("-F ", s.chains), prefixed("-X ", s.chains), []string{"COMMIT"})
	if len(lines) == 2 {
		return nil
	}
	_, err := b.exec(ctx, script(lines...), command+"-restore", "-w", "--noflush")
	return err
}
