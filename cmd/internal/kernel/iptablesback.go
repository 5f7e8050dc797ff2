package kernel

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func (b *iptables) Save(ctx context.Context) (Snapshot, error) {
	s := Snapshot{Backend: IPTables, Text: map[string]string{}}
	for _, f := range families {
		live, err := b.save(ctx, f.command)
		if err != nil {
			return s, err
		}
		s.Jumps = append(s.Jumps, live.jumps(f.command)...)
		for _, table := range tables {
			t := live[table]
			if len(t.chains) > 0 {
				lines := []string{"*" + table}
				for _, c := range t.chains {
					lines = append(lines, ":"+c+" - [0:0]")
				}
				s.Text[f.command] += script(append(append(lines, t.rules...), "COMMIT")...)
			}
		}
	}
	text, err := b.saveSets(ctx)
	if err != nil {
		return s, err
	}
	if text != "" {
		s.Text["ipset"] = withoutBeyond(text, maxLearnt)
	}
	return s, nil
}

func (b *iptables) PutBack(ctx context.Context, s Snapshot, age time.Duration) error {
	files := map[string]string{}
	for _, f := range families {
		live, err := b.save(ctx, f.command)
		if err != nil {
			return err
		}
		if files[f.command], err = live.back(f.command, parseSave(s.Text[f.command]), s.Jumps); err != nil {
			return err
		}
	}
	was := parseSets(s.Text["ipset"])
	if err := b.putSetsBack(ctx, was, age); err != nil {
		return err
	}
	if err := b.restore(ctx, files); err != nil {
		return err
	}
	return b.destroySets(ctx, func(name string) bool {
		return slices.ContainsFunc(was, func(s ipset) bool { return s.name == name })
	})
}

// back is a file that leads from the live chains and jumps to those that were
// there once; "" if there is nothing to do.
func (live family) back(command string, was family, jumps []Jump) (string, error) {
	var text string
	for _, table := range tables {
		now, then := live[table], was[table]
		stays := func(chain string) bool { return slices.Contains(then.chains, chain) }
		if users := (family{table: now}).users(command, stays); len(users) > 0 {
			return "", &BusyError{users}
		}
		where := command + " " + table + " "
		wanted := slices.DeleteFunc(slices.Clone(jumps), func(j Jump) bool { return !strings.HasPrefix(j.Chain, where) })
		var lines []string
		for _, j := range now.jumps {
			lines = append(lines, "-D"+strings.TrimPrefix(j.Rule, "-A"))
		}
		for _, c := range then.chains {
			lines = append(lines, ":"+c+" - [0:0]")
		}
		lines = slices.Concat(lines, then.rules, now.ending(stays))
		for n, j := range wanted {
			chain := strings.TrimPrefix(j.Chain, where)
			at := min(j.After, now.theirs[chain]) + 1
			for _, before := range wanted[:n] { // already there again
				if before.Chain == j.Chain {
					at++
				}
			}
			lines = append(lines, fmt.Sprintf("-I %s %d%s", chain, at, strings.TrimPrefix(j.Rule, "-A "+chain)))
		}
		if len(lines) > 0 {
			text += script(slices.Concat([]string{"*" + table}, lines, []string{"COMMIT"})...)
		}
	}
	return text, nil
}

// ipset is one of our sets as `ipset save` prints it.
type ipset struct {
	name    string
	is      string   // type and options, without what the kernel changes alone
	create  string   // what makes it
	members []string // "192.0.2.7", "192.0.2.7 timeout 118"
}

// learns reports whether the kernel adds the set's members while rules work.
func (s ipset) learns() bool { return strings.Contains(s.is, " timeout ") }

func (b *iptables) saveSets(ctx context.Context) (string, error) {
	text, err := b.exec(ctx, "", "ipset", "save")
	if isMissing(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var ours strings.Builder
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 2 && strings.HasPrefix(f[1], "pasvctl-") {
			ours.WriteString(line)
		}
	}
	return ours.String(), nil
}

// withoutBeyond leaves out the learnt members that do not fit into so many bytes.
func withoutBeyond(text string, bytes int) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "add ") && strings.Contains(line, " timeout ") {
			if bytes -= len(line); bytes < 0 {
				continue
			}
		}
		kept.WriteString(line)
	}
	return kept.String()
}

func parseSets(text string) (all []ipset) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		switch {
		case len(f) < 3:
		case f[0] == "create":
			create := strings.Join(f[2:], " ")
			all = append(all, ipset{name: f[1], is: sizes.ReplaceAllString(create, ""), create: create})
		case f[0] == "add" && len(all) > 0:
			s := &all[len(all)-1]
			s.members = append(s.members, strings.Join(f[2:], " "))
		}
	}
	return all
}

// sizes, and seeds, are what the kernel changes alone.
var sizes = regexp.MustCompile(` (hashsize|bucketsize|initval) \S+`)

// listSets lists our sets, without the members of those that learn.
func listSets(text string) (l Listing) {
	for _, s := range parseSets(text) {
		o := Object{Name: "set " + s.name, Lines: []string{"is " + s.is}}
		if !s.learns() {
			o.Lines = append(o.Lines, s.members...)
		}
		l = append(l, o)
	}
	return l
}

// spare is a set in which another's old members are put together.
const spare = "pasvctl-spare"

var memberTimeout = regexp.MustCompile(` timeout (\d+)$`)

// putSetsBack makes sets what they were. A set that learns stays as it is where
// it is still there.
func (b *iptables) putSetsBack(ctx context.Context, was []ipset, age time.Duration) error {
	text, err := b.saveSets(ctx)
	if err != nil {
		return err
	}
	live := map[string]ipset{}
	for _, s := range parseSets(text) {
		live[s.name] = s
	}
	var lines []string
	for _, s := range was {
		now, there := live[s.name]
		if there && now.is == s.is && s.learns() {
			continue
		}
		name := s.name
		if there {
			name = spare
		}
		lines = append(lines, "create "+name+" "+s.create, "flush "+name)
		for _, m := range s.members {
			if older, left := grown(m, age); left {
				lines = append(lines, "add "+name+" "+older)
			}
		}
		if there {
			lines = append(lines, "swap "+spare+" "+s.name, "destroy "+spare)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	_, err = b.exec(ctx, script(lines...), "ipset", "restore", "-exist")
	return err
}

// grown is a member as it is when it has become older, unless its time is over.
// A timeout of 0 never ends.
func grown(member string, age time.Duration) (string, bool) {
	m := memberTimeout.FindStringSubmatch(member)
	if m == nil || m[1] == "0" {
		return member, true
	}
	seconds, err := strconv.Atoi(m[1])
	left := seconds - int(age/time.Second)
	if err != nil || left <= 0 {
		return "", false
	}
	return memberTimeout.ReplaceAllString(member, fmt.Sprintf(" timeout %d", left)), true
}
