// Command compare measures embeddedftpd beside vsftpd, ProFTPD and Pure-FTPd:
// throughput, small files a second, and the server's processor time for them.
// The servers are the Debian packages that .ci/servers unpacks, each in network,
// mount and process namespaces of its own, on tmpfs, with one load client.
//
//	go run ./embeddedftpd/compare -seconds 5 -rounds 3
//
// It needs root, and a machine with nothing else to do. It is not a test: its
// figures are only as good as the machine is quiet, so servers take turns within
// each round and the medians are shown.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// result is one server's figure for one workload in one round.
type result struct {
	Server, Workload string
	Rate             float64 // MB/s, or transfers a second
	CPU              float64 // of the server: ms a GiB, or ms a transfer
}

var (
	packages = flag.String("servers", ".ci/cache/servers", "folder of the unpacked servers")
	seconds  = flag.Int("seconds", 5, "length of a measurement")
	rounds   = flag.Int("rounds", 3, "rounds; the medians are shown")
	only     = flag.String("only", "", "this server alone")
	inside   = flag.String("inside", "", "measure this server, here (used by the command itself, in a namespace)")
	daemon   = flag.Bool("daemon", false, "be the embedded server (used by the command itself)")
)

func main() {
	flag.Parse()
	var err error
	switch {
	case *daemon:
		err = serveEmbedded()
	case *inside != "":
		err = measure(*inside)
	default:
		err = compare()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

// compare runs every server in its namespaces, round by round.
func compare() error {
	root, err := filepath.Abs(*packages)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	all := map[string][]result{}
	for round := range *rounds {
		for _, s := range servers {
			if *only != "" && s.name != *only {
				continue
			}
			fmt.Fprintf(os.Stderr, "round %d: %s\n", round+1, s.name)
			cmd := exec.Command("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
				self, "-inside", s.name, "-servers", root, "-seconds", fmt.Sprint(*seconds))
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			var got []result
			if err := json.Unmarshal(out, &got); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			for _, r := range got {
				key := r.Server + "/" + r.Workload
				all[key] = append(all[key], r)
			}
		}
	}
	table(all)
	return nil
}

// table prints medians, workloads down and servers across.
func table(all map[string][]result) {
	fmt.Print("| |")
	for _, s := range servers {
		fmt.Printf(" %s |", s.name)
	}
	fmt.Println("\n| --- |" + strings.Repeat(" --- |", len(servers)))
	for _, w := range workloads {
		fmt.Printf("| %s |", w.name)
		for _, s := range servers {
			rs := all[s.name+"/"+w.name]
			if len(rs) == 0 {
				fmt.Print(" |")
				continue
			}
			median := func(by func(result) float64) float64 {
				values := make([]float64, len(rs))
				for i, r := range rs {
					values[i] = by(r)
				}
				slices.Sort(values)
				return values[len(values)/2]
			}
			fmt.Printf(" %.0f (%.3g) |", median(func(r result) float64 { return r.Rate }), median(func(r result) float64 { return r.CPU }))
		}
		fmt.Println()
	}
}

// measure starts a server in this namespace and runs every workload on it.
func measure(name string) error {
	i := slices.IndexFunc(servers, func(s server) bool { return s.name == name })
	if i < 0 {
		return fmt.Errorf("no server %q", name)
	}
	stop, err := servers[i].start()
	if err != nil {
		return err
	}
	defer stop()
	var results []result
	for _, w := range workloads {
		before, err := processorTime()
		if err != nil {
			return err
		}
		began := time.Now()
		n, err := w.run(time.Duration(*seconds) * time.Second)
		took := time.Since(began)
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
		after, err := processorTime()
		if err != nil {
			return err
		}
		count := float64(n)
		r := result{Server: name, Workload: w.name, Rate: count / took.Seconds()}
		r.CPU = float64((after - before).Milliseconds()) / count
		if w.bytes {
			r.Rate /= 1e6
			r.CPU *= 1 << 30
		}
		results = append(results, r)
	}
	return json.NewEncoder(os.Stdout).Encode(results)
}
