package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/atomicfile"
	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/cmd/internal/outdir"
	"github.com/pasvctl/pasvctl/cmd/internal/source"
	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

type generator struct {
	streams
	variables
	dir     string
	targets []string
	check   bool
	asJSON  bool
}

func newGenerate(s streams) *cobra.Command {
	g := &generator{streams: s}
	c := &cobra.Command{
		Use:   "generate FILE|FOLDER -o DIR",
		Short: "write the firewall rules and server configs of a spec",
		Long: `generate renders the targets of a spec into DIR and prints each path with its state:
created, updated or unchanged. It writes nothing unless everything renders, replaces each
file as a whole, and does not touch files that are equal. It reports files of an earlier
run that this spec no longer makes as stale and keeps them, because they may be in use;
DIR/` + generators.ListFile + ` lists what earlier runs wrote. --target limits it to files of those targets. Several
specs may share DIR if each has a name: pasvctl { name = "edge" }.

It keeps the ranges in ` + plan.LockFile + ` beside the spec. Commit it, and the list with
the files. It names each site that is new, gone, moved, resized or renamed since the lock
was written.

With --check nothing is written. It prints what would change as a diff that git apply and
patch read, without files that may hold passwords and with at most ` + sizing.Count(maxDiff) + ` lines a file.
A difference ends with exit code 2.`,
		Example: "  pasvctl generate examples/quickstart -o out\n  pasvctl generate examples/quickstart -o out --check --target nftables",
		Args:    exactly("FILE"),
		RunE:    func(_ *cobra.Command, args []string) error { return g.run(args[0]) },
	}
	g.register(c)
	c.Flags().StringVarP(&g.dir, "output", "o", "", "write into `DIR`")
	g.targetFlag(c)
	c.Flags().BoolVar(&g.check, "check", false, "write nothing, exit 2 if a file differs, is missing or is stale")
	c.Flags().BoolVar(&g.asJSON, "json", false, "write the list of paths as JSON")
	_ = c.MarkFlagDirname("output")
	return c
}

func (g *generator) run(path string) error {
	if g.dir == "" {
		return usage("write -o DIR", "the output folder is missing")
	}
	if err := g.knownTargets(path); err != nil {
		return err
	}
	info, err := os.Stat(g.dir)
	if err == nil && !info.IsDir() || errors.Is(err, syscall.ENOTDIR) {
		return failure(fmt.Errorf("%s is not a folder", g.dir), "choose another one with -o")
	}
	p, err := g.valid(g.streams, path)
	if err != nil {
		return err
	}
	made, err := p.files(g.streams, path, g.targets...)
	if err != nil {
		return err
	}
	if err := g.keepsSources(p, made); err != nil {
		return err
	}
	g.tellRanges(p.Plan.Sites)
	g.tellLeftOut(p.LeftOut)
	g.tellUnused(p, made)
	g.tellMoves(p)
	tellStarts(g.err, p.Plan.Sites)
	if g.check {
		return g.compare(p, made)
	}
	return g.write(p, made)
}

// keepsSources refuses an output that would take the place of what the spec is
// read from, or join it: a user's template may name any output, and -o any
// folder.
func (g *generator) keepsSources(p *project, files []generators.File) error {
	sources := []string{p.source.Path(plan.LockFile)}
	for name := range p.Spec.Files {
		if slices.Contains(p.varFiles, name) {
			sources = append(sources, name)
		} else {
			sources = append(sources, p.source.Path(name))
		}
	}
	slices.Sort(sources)
	for _, f := range files {
		to := filepath.Join(g.dir, filepath.FromSlash(f.Path))
		joins := strings.HasSuffix(to, spec.Extension) && sameFolder(filepath.Dir(to), p.source.Dir)
		if joins || slices.ContainsFunc(sources, func(from string) bool {
			return filepath.Base(from) == filepath.Base(to) && sameFolder(filepath.Dir(from), filepath.Dir(to))
		}) {
			return failure(fmt.Errorf("%s is part of the spec, and an output would replace it", to),
				"write into another folder with -o, or change the output of the target \"template\"")
		}
	}
	return nil
}

func sameFolder(a, b string) bool {
	one, err1 := os.Stat(a)
	two, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(one, two)
}

// maxTold is how many sites are named on the way; plan shows them all.
const maxTold = 20

// tellRanges says what the files will agree on, and why.
func (g *generator) tellRanges(sites []*plan.Site) {
	for i, s := range sites {
		if i == maxTold {
			fmt.Fprintf(g.err, "… and %s more: see pasvctl plan\n", sizing.Count(len(sites)-i))
			return
		}
		fmt.Fprintf(g.err, "%s: passive ports %s (%s): %s\n", s.Name, s.DataPorts, sizing.Count(s.DataPorts.Count()), s.Sizing.Why())
		if !s.Pinned && s.Spare() > 0 {
			fmt.Fprintf(g.err, "%s: %s\n", s.Name, kept(s))
		}
		if !generators.Configures(s.Server) && !s.Profile.HoldsRange {
			fmt.Fprintf(g.err, "%s: no target writes a config for %s: set its passive ports to %s\n", s.Name, s.Profile.Title, s.DataPorts)
		}
	}
}

// tellLeftOut names the default targets that the spec's target blocks turn off.
func (g *generator) tellLeftOut(targets []string) {
	if len(targets) > 0 && len(g.targets) == 0 {
		fmt.Fprintf(g.err, "left out: %s: target blocks turn the default targets off, pasvctl { default_targets = true } keeps them\n", strings.Join(targets, ", "))
	}
}

// tellMoves is loud, because what pasvctl does not write must follow. Without a
// lock all sites are new, and tellRanges has named them.
func (g *generator) tellMoves(p *project) {
	if !p.locked() {
		return
	}
	told, follow := 0, false
	for _, kind := range []plan.Kind{plan.MovedSite, plan.ResizedSite, plan.GoneSite, plan.RenamedSite, plan.NewSite} {
		for _, m := range p.Moves {
			if m.Kind() != kind {
				continue
			}
			follow = follow || kind != plan.RenamedSite
			if told++; told <= maxTold {
				fmt.Fprintf(g.err, "%s: %s\n", m, m.Why)
			}
		}
	}
	if told > maxTold {
		fmt.Fprintf(g.err, "… and %s more changes: see pasvctl generate --check --json\n", sizing.Count(told-maxTold))
	}
	if follow {
		fmt.Fprintln(g.err, "Firewalls and NAT devices that pasvctl does not write must follow.")
	}
	restore := "restore " + plan.LockFile + " from version control, "
	if g.check {
		restore = ""
	}
	hintRenames(g.err, p.Moves, restore)
}

// hintRenames shows the moved blocks that may be missing, and what comes before
// them.
func hintRenames(w io.Writer, moves []plan.Move, first string) {
	for _, m := range plan.LikelyRenames(moves) {
		block := strings.ReplaceAll(strings.TrimSpace(spec.MovedBlock(m.Was, m.Site)), "\n", "\n  ")
		fmt.Fprintf(w, "hint: if site %q is site %q under another name, %sadd this to the spec, and it keeps its ports:\n\n  %s\n\n", m.Site, m.Was, first, block)
	}
}

// outputs is what the output folder should hold, and what it holds besides.
type outputs struct {
	files    []outdir.File   // the list of them is the last
	stale    []outdir.Change // of earlier runs
	unlisted bool            // there was no list
	entered  bool            // the list lacked one of the files
}

// outputs reads the list of what earlier runs wrote.
func (g *generator) outputs(p *project, made []generators.File) (o outputs, err error) {
	at := filepath.Join(g.dir, generators.ListFile)
	text, err := source.Read(at)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return o, failure(err, "")
	}
	o.unlisted = err != nil
	list, err := generators.ParseFileList(text)
	if err != nil {
		return o, failure(fmt.Errorf("%s: %w", at, err), "restore it, or delete it if no file in "+g.dir+" is stale")
	}
	name := p.Plan.SpecName
	o.entered = list.Enter(name, made)
	for _, path := range list.Past(name, made, g.targets) {
		info, err := os.Lstat(filepath.Join(g.dir, filepath.FromSlash(path)))
		if err == nil && !info.Mode().IsRegular() || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			delete(list, path) // somebody has deleted it
		} else {
			o.stale = append(o.stale, outdir.Change{Path: path, State: outdir.Stale})
		}
	}
	for _, f := range made {
		o.files = append(o.files, outdir.File{Path: f.Path, Content: f.Content, Private: f.Private})
	}
	o.files = append(o.files, outdir.File{Path: generators.ListFile, Content: list.Bytes()})
	return o, nil
}

func (g *generator) compare(p *project, made []generators.File) error {
	o, err := g.outputs(p, made)
	if err != nil {
		return err
	}
	if !o.entered { // a stale file that was deleted may stay in the list
		o.files = o.files[:len(o.files)-1]
	}
	changes, err := outdir.Compare(g.dir, o.files)
	if err != nil {
		return failure(err, "")
	}
	lock, err := outdir.Compare(p.source.Dir, lockFile(p))
	if err != nil {
		return failure(err, "")
	}
	d := &fileDiffs{}
	d.add(g.dir, o.files, byPath(append(changes, o.stale...)))
	d.add(p.source.Dir, lockFile(p), lock)
	if g.asJSON {
		err = g.writeJSON(p, d.changes)
	} else {
		err = g.list(d.changes, map[outdir.State]string{outdir.Created: "missing", outdir.Updated: "differs", outdir.Stale: "stale"})
		if err == nil {
			err = d.write(g.out)
		}
	}
	if err != nil {
		return err
	}
	if n := len(d.changes); n > 0 {
		fmt.Fprintf(g.err, "%s: run pasvctl generate without --check\n", sizing.Plural(n, "difference"))
		return silent(exitDifference)
	}
	return nil
}

func (g *generator) write(p *project, made []generators.File) error {
	var o outputs
	pending, err := outdir.Stage(g.dir, func() (_ []outdir.File, err error) {
		o, err = g.outputs(p, made)
		return o.files, err
	})
	if errors.As(err, new(*exitError)) {
		return err
	}
	if err != nil {
		return failure(err, writeHint(err))
	}
	changes := byPath(append(pending.Changes, o.stale...))
	for i := range changes {
		changes[i].Path = filepath.Join(g.dir, filepath.FromSlash(changes[i].Path))
	}
	lock, err := g.writeLock(p)
	if err != nil {
		pending.Discard()
		if errors.Is(err, errLockChanged) {
			return failure(err, "run it again")
		}
		return failure(err, "the lock is written beside the spec: make that folder writable")
	}
	if err := pending.Commit(); err != nil {
		return failure(err, "")
	}
	changes = append(changes, lock)
	if g.asJSON {
		return g.writeJSON(p, changes)
	}
	if err := g.list(changes, nil); err != nil {
		return err
	}
	g.summarize(changes)
	if o.unlisted && slices.ContainsFunc(pending.Changes, func(c outdir.Change) bool { return c.State != outdir.Created }) {
		fmt.Fprintf(g.err, "%s had no %s: cannot tell which files an earlier version wrote there\n", g.dir, generators.ListFile)
	}
	return nil
}

func (g *generator) writeJSON(p *project, changes []outdir.Change) error {
	return envelope.Write(g.out, "generate", map[string]any{"files": orNone(changes), "moves": orNone(p.Moves)})
}

// orNone is the list as JSON has it: never null.
func orNone[T any](list []T) []T { return append([]T{}, list...) }

// writeLock writes the lock if it says something new, and if no other run, of
// another spec in the folder, has written it since this one read it.
func (g *generator) writeLock(p *project) (outdir.Change, error) {
	if !sameFolder(g.dir, p.source.Dir) { // else it is held as the output folder
		release, err := outdir.Hold(p.source.Dir)
		if err != nil {
			return outdir.Change{}, err
		}
		defer release()
	}
	file := lockFile(p)
	changes, err := outdir.Compare(p.source.Dir, file)
	if err != nil {
		return outdir.Change{}, err
	}
	change := outdir.Change{Path: p.source.Path(plan.LockFile), State: changes[0].State}
	if change.State == outdir.Unchanged {
		return change, nil
	}
	if err := unchanged(p); err != nil {
		return outdir.Change{}, err
	}
	return change, atomicfile.Write(p.source.Dir, plan.LockFile, file[0].Content, 0o644)
}

// unchanged reports whether the lock is still the one that the plan was made with.
func unchanged(p *project) error {
	var was []byte
	if file := p.Spec.Files[plan.LockFile]; file != nil {
		was = file.Bytes
	}
	is, err := source.Read(p.source.Path(plan.LockFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Equal(is, was) {
		return errLockChanged
	}
	return nil
}

var errLockChanged = errors.New(plan.LockFile + " was changed by another process in the meantime")

func lockFile(p *project) []outdir.File {
	return []outdir.File{{Path: plan.LockFile, Content: p.Lock.Bytes()}}
}

func byPath(changes []outdir.Change) []outdir.Change {
	slices.SortFunc(changes, func(a, b outdir.Change) int { return strings.Compare(a.Path, b.Path) })
	return changes
}

func (g *generator) list(changes []outdir.Change, words map[outdir.State]string) error {
	for _, c := range changes {
		word := string(c.State)
		if other, ok := words[c.State]; ok {
			word = other
		}
		if _, err := fmt.Fprintf(g.out, "%-9s  %s\n", word, c.Path); err != nil {
			return err
		}
	}
	return nil
}

func (g *generator) summarize(changes []outdir.Change) {
	count := map[outdir.State]int{}
	for _, c := range changes {
		count[c.State]++
	}
	fmt.Fprintf(g.err, "%s created, %s updated, %s unchanged\n",
		sizing.Plural(count[outdir.Created], "file"), sizing.Count(count[outdir.Updated]), sizing.Count(count[outdir.Unchanged]))
	if n := count[outdir.Stale]; n > 0 {
		fmt.Fprintf(g.err, "%s stale: this spec no longer makes them; undeploy and delete them\n", sizing.Plural(n, "file"))
	}
}

func writeHint(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return "choose a writable folder with -o"
	}
	return ""
}
