// Command proof measures vsftpd, ProFTPD, Pure-FTPd and the bundled daemon on
// ranges of known size, and writes what they refused beside what the model
// says, as the table generators/sizing/PROOF.md. It ends with 1 where the
// criterion does not hold: the model inside the measured 95 % interval in at
// least nine rows of ten, on the safe side in the others, and no planned range
// that refuses more than its objective.
//
// It takes some minutes, needs root, and is run by "make proof". The tests of
// this package hold the table that is kept to the model of the day.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/pasvctl/pasvctl/cmd/realserver"
)

// The program's other selves.
const (
	insideMode = "inside" // in namespaces: a server and its load
	daemonMode = "daemon" // the bundled daemon
)

type options struct {
	out, servers string
	only, resume string
	seconds      float64
	jobs         int
	seed         uint64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "proof:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case insideMode:
			return inside(ctx, os.Stdin, os.Stdout)
		case daemonMode:
			return daemon(ctx, os.Stdin)
		}
	}
	var o options
	f := flag.NewFlagSet("proof", flag.ExitOnError)
	f.StringVar(&o.out, "o", "generators/sizing/PROOF.md", "write the table to `FILE`")
	f.StringVar(&o.servers, "servers", ".ci/cache/servers", "the unpacked servers are in `DIR`")
	f.StringVar(&o.only, "only", "", "measure only the rows that contain `TEXT`, and write them to standard output")
	f.StringVar(&o.resume, "resume", "", "take over the rows of an interrupted run from `FILE`, its standard error")
	f.Float64Var(&o.seconds, "seconds", 16, "measure each row for `N` seconds")
	f.IntVar(&o.jobs, "jobs", 2, "measure `N` rows at a time")
	f.Uint64Var(&o.seed, "seed", 1, "start the random numbers from `N`")
	if err := f.Parse(args); err != nil {
		return err
	}
	return o.prove(ctx)
}

func (o options) prove(ctx context.Context) error {
	all, err := rows()
	if err != nil {
		return err
	}
	var picked []Row
	for _, r := range all {
		if strings.Contains(r.String(), o.only) {
			picked = append(picked, r)
		}
	}
	measured, err := o.measure(ctx, picked)
	if err != nil {
		return err
	}
	if o.only != "" {
		return writeRows(os.Stdout, measured)
	}
	if err := writeFile(o.out, func(w io.Writer) error { return writeTable(w, measured, o.seconds) }); err != nil {
		return err
	}
	return judge(measured)
}

func writeFile(path string, write func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// measure measures the rows, some at a time, and says on standard error what
// has come out.
func (o options) measure(ctx context.Context, all []Row) ([]Measured, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]Measured, len(all))
	if err := o.takeOver(all, results); err != nil {
		return nil, err
	}
	var undone []int
	for _, i := range mixed(len(all)) {
		if results[i].Asked == 0 {
			undone = append(undone, i)
		}
	}
	var mu sync.Mutex // of undone, of results and of what is said
	pop := func() (i int, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if len(undone) == 0 || ctx.Err() != nil {
			return 0, false
		}
		i, undone = undone[0], undone[1:]
		return i, true
	}
	// A disturbed row goes to the end, where it has other rows beside it.
	disturbances := make([]int, len(all))
	measure := func(i int) error {
		m, why, err := o.one(ctx, all[i], o.seed+uint64(i)+1000*uint64(disturbances[i]))
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		if why == "" {
			results[i] = m
			fmt.Fprintln(os.Stderr, m.line())
			return nil
		}
		if disturbances[i]++; disturbances[i] == attempts {
			return fmt.Errorf("%s: %s, %d times: measure on a machine with less to do", all[i], why, attempts)
		}
		fmt.Fprintf(os.Stderr, "%s: %s, once more\n", all[i], why)
		undone = append(undone, i)
		return nil
	}
	var working sync.WaitGroup
	for range max(1, o.jobs) {
		working.Go(func() {
			for i, ok := pop(); ok; i, ok = pop() {
				if err := measure(i); err != nil {
					cancel(err)
				}
			}
		})
	}
	working.Wait()
	return results, context.Cause(ctx)
}

// mixed is the order of measuring: rows from both ends of the table in turn,
// for those beside each other load the machine alike.
func mixed(rows int) []int {
	var order []int
	for i := range (rows + 1) / 2 {
		if order = append(order, i); rows-1-i > i {
			order = append(order, rows-1-i)
		}
	}
	return order
}

// takeOver fills in the rows that an interrupted run has measured.
func (o options) takeOver(all []Row, results []Measured) error {
	if o.resume == "" {
		return nil
	}
	text, err := os.ReadFile(o.resume)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		m, err := parseRow(strings.TrimSpace(line))
		if err != nil {
			return fmt.Errorf("%w: %s", err, line)
		}
		for i, r := range all {
			if m.server == r.Server && m.Rate == r.Rate && m.ports == r.ports() {
				m.Row, m.server, m.ports = r, "", ""
				results[i] = m
			}
		}
	}
	return nil
}

// attempts bounds the repetitions of a disturbed row.
const attempts = 20

// one measures a row. It says what disturbed it, if anything did: what it came
// to has no part in that.
func (o options) one(ctx context.Context, r Row, seed uint64) (m Measured, disturbance string, err error) {
	j := job{Row: r, First: firstPort, Seed: seed, Seconds: o.seconds}
	if r.Planned {
		p, err := r.plan()
		if err != nil {
			return m, "", err
		}
		j.First = int(p.Plan.Sites[0].DataPorts.First)
	}
	if server, known := realserver.Lookup(r.Server); known {
		root, err := filepath.Abs(filepath.Join(o.servers, server.Unpacked))
		if err != nil {
			return m, "", err
		}
		j.Unpacked = root
		if j.Files, err = r.files(); err != nil {
			return m, "", err
		}
	}
	report, err := j.measure(ctx)
	if err != nil {
		return m, "", err
	}
	return newMeasured(r, report), disturbed(report), nil
}
