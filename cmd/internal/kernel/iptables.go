package kernel

import (
	"context"
	"fmt"
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

// tables are those that hold rules of ours.
var tables = []string{"filter", "nat"}

// hooks are the chains that jump to ours, and where to.
var hooks = []struct{ table, chain, to string }{{"filter", "INPUT", "PASVCTL"}, {"filter", "OUTPUT", "PASVCTL-OUT"}, {"nat", "PREROUTING", "PASVCTL"}}

const jumpArguments = " -m comment --comment pasvctl -j "

func (b *iptables) Plan(ctx context.Context, r Rules, expected Listing) (*Transaction, error) {
	t := &Transaction{Backend: IPTables, Expected: expected}
	files := map[string]string{}
	var l Listing
	var jumps []Jump
	for _, f := range families {
		live, err := b.save(ctx, f.command)
		if err != nil {
			return nil, err
		}
		t.Users = append(t.Users, live.users(f.command, nil)...)
		if files[f.command], err = live.transaction(f.command, r.Files[f.file]); err != nil {
			return nil, err
		}
		l, jumps = append(l, live.list(f.command)...), append(jumps, live.jumps(f.command)...)
	}
	sets, err := b.saveSets(ctx)
	if err != nil {
		return nil, err
	}
	t.Live = listed(append(l, listSets(sets)...), jumps)
	t.Load = func(ctx context.Context) error { return b.carryOut(ctx, r.Files["ipset"], files) }
	return t, nil
}

// carryOut makes the sets, then the rules of each family, then ends the sets that
// no rule matches any more.
func (b *iptables) carryOut(ctx context.Context, sets string, files map[string]string) error {
	if setLine.MatchString(sets) {
		if _, err := b.exec(ctx, sets, "ipset", "restore", "-exist"); err != nil {
			return err
		}
	}
	if err := b.restore(ctx, files); err != nil {
		return err
	}
	return b.destroySets(ctx, func(name string) bool {
		return strings.Contains(sets, "\ncreate "+name+" ") && !strings.Contains(sets, "\ndestroy "+name+"\n")
	})
}

var setLine = regexp.MustCompile(`(?m)^create `)

// restore loads a file for each family that has one.
func (b *iptables) restore(ctx context.Context, files map[string]string) error {
	for _, f := range families {
		if files[f.command] == "" {
			continue
		}
		if _, err := b.exec(ctx, files[f.command], f.command+"-restore", "-w", "--noflush"); err != nil {
			return err
		}
	}
	return nil
}

var ruleLine = regexp.MustCompile(`(?m)^-A `)

var chainLine = regexp.MustCompile(`(?m)^:(PASVCTL\S*) `)

// transaction adds to a rendered file our jump, if it is not there, and the end
// of the chains that only an older version had. Where the file has no rules,
// since the host has no address of the family, it leaves nothing of ours.
func (live family) transaction(command, text string) (string, error) {
	if !ruleLine.MatchString(text) {
		return live.back(command, family{}, nil)
	}
	declared := map[string]bool{}
	for _, m := range chainLine.FindAllStringSubmatch(text, -1) {
		declared[m[1]] = true
	}
	stays := func(chain string) bool { return declared[chain] }
	if users := live.users(command, stays); len(users) > 0 {
		return "", &BusyError{users}
	}
	var more []string
	for _, table := range tables {
		if !strings.Contains("\n"+text, "\n*"+table+"\n") {
			continue
		}
		for _, h := range hooks {
			if h.table == table {
				more = append(more, live[table].jumping(h.chain, h.to, declared[h.to])...)
			}
		}
		more = append(more, live[table].ending(stays)...)
	}
	i := strings.LastIndex(text, "COMMIT\n")
	if i < 0 {
		return "", fmt.Errorf("the rendered file for %s has no COMMIT", command)
	}
	return text[:i] + script(more...) + text[i:], nil
}

// jumping are the lines that make the jump from a chain to one of ours the only one,
// or end it if it is not wanted.
func (s saved) jumping(chain, to string, wanted bool) (lines []string) {
	jumps := slices.DeleteFunc(slices.Clone(s.jumps), func(j Jump) bool { return !strings.HasSuffix(j.Rule, " -j "+to) })
	if wanted && len(jumps) == 1 && jumps[0].Chain == chain {
		return nil // it stays where it is; of several, none is better than another
	}
	for _, j := range jumps {
		lines = append(lines, "-D"+strings.TrimPrefix(j.Rule, "-A"))
	}
	if wanted {
		lines = append(lines, "-I "+chain+jumpArguments+to)
	}
	return lines
}

// ending are the lines that end our chains but those that stay.
func (s saved) ending(stays func(chain string) bool) []string {
	gone := slices.DeleteFunc(slices.Clone(s.chains), stays)
	return slices.Concat(prefixed("-F ", gone), prefixed("-X ", gone))
}

func prefixed(prefix string, names []string) (all []string) {
	for _, n := range names {
		all = append(all, prefix+n)
	}
	return all
}

// family is what iptables-save or ip6tables-save prints, by table.
type family map[string]saved

// saved is one table: our chains with their rules, our jumps, and of others
// how many rules each chain has, and those that go to chains of ours.
type saved struct {
	chains, rules []string
	jumps         []Jump // Chain is the chain's name alone
	theirs        map[string]int
	users         []string
}

// save reads one family. If there is no program for it, nothing is ours.
func (b *iptables) save(ctx context.Context, command string) (family, error) {
	text, err := b.exec(ctx, "", command+"-save")
	if isMissing(err) {
		return family{}, nil
	}
	return parseSave(text), err
}

func parseSave(text string) family {
	all := family{}
	table := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "*") {
			table = line[1:]
			all[table] = saved{theirs: map[string]int{}}
			continue
		}
		s := all[table]
		f := strings.Fields(line)
		switch m := chainLine.FindStringSubmatch(line); {
		case m != nil:
			s.chains = append(s.chains, m[1])
		case len(f) < 2 || f[0] != "-A":
		case strings.HasPrefix(f[1], "PASVCTL"):
			s.rules = append(s.rules, line)
		case isJump(line):
			s.jumps = append(s.jumps, Jump{Chain: f[1], After: s.theirs[f[1]], Rule: line})
		default:
			s.theirs[f[1]]++
			if goesToOurs.MatchString(line) {
				s.users = append(s.users, line)
			}
		}
		all[table] = s
	}
	return all
}

var goesToOurs = regexp.MustCompile(` -[jg] (PASVCTL\S*)( |$)`)

func isJump(line string) bool {
	return (strings.HasSuffix(line, " -j PASVCTL") || strings.HasSuffix(line, " -j PASVCTL-OUT")) && strings.Contains(line, "--comment pasvctl ")
}

// users are rules of others that go to chains of ours but those that stay, as
// the commands that delete them.
func (live family) users(command string, stays func(chain string) bool) (rules []string) {
	for _, table := range tables {
		s := live[table]
		for _, line := range s.users {
			chain := goesToOurs.FindStringSubmatch(line)[1]
			if slices.Contains(s.chains, chain) && (stays == nil || !stays(chain)) {
				rules = append(rules, command+" -t "+table+" -D"+strings.TrimPrefix(line, "-A"))
			}
		}
	}
	return rules
}

func (b *iptables) Live(ctx context.Context) (Listing, error) {
	s, err := b.Save(ctx)
	if err != nil {
		return nil, err
	}
	return s.Listing()
}

// jumps are our rules in the chains of others.
func (live family) jumps(command string) (all []Jump) {
	for _, table := range tables {
		for _, j := range live[table].jumps {
			j.Chain = command + " " + table + " " + j.Chain
			all = append(all, j)
		}
	}
	return all
}

func (live family) list(command string) (l Listing) {
	for _, table := range tables {
		for _, c := range live[table].chains {
			o := Object{Name: "chain " + command + " " + table + " " + c, Ordered: true}
			for _, r := range live[table].rules {
				if strings.HasPrefix(r, "-A "+c+" ") {
					o.Lines = append(o.Lines, r)
				}
			}
			l = append(l, o)
		}
	}
	return l
}

func (b *iptables) Fill(ctx context.Context, r Rules) error {
	t, err := b.Plan(ctx, r, nil)
	if err != nil {
		return err
	}
	return t.Load(ctx)
}

// destroySets removes our sets but those that stay.
func (b *iptables) destroySets(ctx context.Context, stays func(name string) bool) error {
	sets, err := b.saveSets(ctx)
	if err != nil {
		return err
	}
	for _, s := range parseSets(sets) {
		if stays(s.name) {
			continue
		}
		if _, err := b.exec(ctx, "", "ipset", "destroy", s.name); err != nil {
			return err
		}
	}
	return nil
}

func (b *iptables) Remove(ctx context.Context) error {
	return b.PutBack(ctx, Snapshot{Backend: IPTables}, 0)
}
