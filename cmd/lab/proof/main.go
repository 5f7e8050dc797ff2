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

	"golang.org/x/sync/errgroup"

	"github.com/pasvctl/pasvctl/cmd/lab/realserver"
)

// The program's other selves.
const (
	insideMode = "inside" // in namespaces: a server and its load
	daemonMode = "daemon" // the bundled daemon
)

type options struct {
	out, servers string
	only         string
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
	results, undone := make([]Measured, len(all)), mixed(len(all))
	// Rows that were disturbed come again one at a time, with nothing beside them.
	jobs := max(1, o.jobs)
	for attempt := 0; len(undone) > 0; attempt++ {
		if attempt == attempts {
			return results, fmt.Errorf("disturbed %d times, the last one %s: measure on a machine with less to do", attempts, all[undone[0]])
		}
		var err error
		if undone, err = o.round(ctx, all, results, undone, jobs, uint64(attempt)); err != nil {
			return results, err
		}
		jobs = 1
	}
	return results, nil
}

// round measures the rows of undone, as many at a time as there are jobs, and
// returns those that were disturbed.
func (o options) round(ctx context.Context, all []Row, results []Measured, undone []int, jobs int, attempt uint64) (again []int, err error) {
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(jobs)
	var mu sync.Mutex // of again and of what is said
	for _, i := range undone {
		work.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			m, why, err := o.one(ctx, all[i], o.seed+uint64(i)+1000*attempt)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				return err
			case why != "":
				fmt.Fprintf(os.Stderr, "%s: %s, once more\n", all[i], why)
				again = append(again, i)
			default:
				results[i] = m
				fmt.Fprintln(os.Stderr, m.line())
			}
			return nil
		})
	}
	return again, work.Wait()
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
