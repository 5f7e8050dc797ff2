package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// smallFiles is how many files of 1 KiB there are.
const smallFiles = 64

// sample is one round's outcome: how much a second, and the processor time of
// the server for each unit.
type sample struct {
	rate float64
	cpu  time.Duration
}

// measurement is a row of the table.
type measurement struct {
	name    string
	rate    string // the unit of the rate
	unit    string // that of the processor time
	servers []string
	ports   int // of the embedded daemon
	run     func(context.Context, *bench, *server) (sample, error)
	delayed bool // through the link
}

// bench is what the measurements share.
type bench struct {
	options
	source *os.File // in memory, of size bytes
}

var (
	everyServer = []string{"embedded", "vsftpd", "proftpd", "pure-ftpd", "ftpserverlib"}
	underTLS    = []string{"embedded", "vsftpd"}
)

var measurements = []measurement{
	{"1 GiB RETR", "MB/s", "ms CPU a GiB", everyServer, 32, largeRetr, false},
	{"1 GiB STOR", "MB/s", "ms CPU a GiB", everyServer, 32, largeStor, false},
	{"1 GiB STOR over old bytes", "MB/s", "ms CPU a GiB", everyServer, 32, largeResumed, false},
	// The newest version that vsftpd 3.0.3 has.
	{"1 GiB RETR, TLS 1.2", "MB/s", "ms CPU a GiB", underTLS, 32, largeTLS((*bench).secureRetr), false},
	{"1 GiB STOR, TLS 1.2", "MB/s", "ms CPU a GiB", underTLS, 32, largeTLS((*bench).secureStor), false},
	{"1 KiB RETR, 1 session", "/s", "ms CPU each", everyServer, 32, small(1, load{}), false},
	{"1 KiB RETR, 1 session, client awake", "/s", "ms CPU each", everyServer, 32, small(1, load{awake: true}), false},
	{"1 KiB RETR, 32 sessions", "/s", "ms CPU each", everyServer, 32, small(32, load{}), false},
	{"1 KiB STOR, 1 session", "/s", "ms CPU each", everyServer, 32, small(1, load{stores: true}), false},
	{"1 KiB STOR, 1 session, client awake", "/s", "ms CPU each", everyServer, 32, small(1, load{stores: true, awake: true}), false},
	{"1 KiB STOR, 32 sessions", "/s", "ms CPU each", everyServer, 32, small(32, load{stores: true}), false},
	{"1 GiB RETR, 1 ms away", "MB/s", "ms CPU a GiB", everyServer, 32, largeRetr, true},
	{"1 GiB STOR, 1 ms away", "MB/s", "ms CPU a GiB", everyServer, 32, largeStor, true},
	{"1 KiB RETR, 1 session, 1 ms away", "/s", "ms CPU each", everyServer, 32, small(1, load{}), true},
	{"1 KiB RETR, 32 sessions, 1 ms away", "/s", "ms CPU each", everyServer, 32, small(32, load{}), true},
	{"1 KiB STOR, 1 session, 1 ms away", "/s", "ms CPU each", everyServer, 32, small(1, load{stores: true}), true},
	{"1 KiB STOR, 32 sessions, 1 ms away", "/s", "ms CPU each", everyServer, 32, small(32, load{stores: true}), true},
}

// measureAll prints the tables.
func measureAll(ctx context.Context, o options) error {
	b := &bench{options: o}
	if err := useMemory(); err != nil {
		return err
	}
	if err := b.prepare(); err != nil {
		return err
	}
	defer b.source.Close()
	if err := startLink(ctx); err != nil {
		return fmt.Errorf("the link: %w", err)
	}
	if err := b.compare(ctx); err != nil {
		return err
	}
	for _, m := range holding {
		if !strings.Contains(m.name, o.only) {
			continue
		}
		result, err := m.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		fmt.Printf("- %s: %s\n", m.name, result)
	}
	return nil
}

// prepare writes the files that the servers serve.
func (b *bench) prepare() error {
	if err := writeCertificate(); err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("source", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	b.source = os.NewFile(uintptr(fd), "source")
	for _, f := range []string{filepath.Join(home, "large"), ""} {
		to := b.source
		if f != "" {
			if to, err = os.Create(f); err != nil {
				return err
			}
		}
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = byte(i * 7)
		}
		for left := b.size; left > 0; {
			n, err := to.Write(block[:min(left, int64(len(block)))])
			if err != nil {
				return err
			}
			left -= int64(n)
		}
		if f != "" {
			if err := to.Close(); err != nil {
				return err
			}
		}
	}
	for i := range smallFiles {
		if err := os.WriteFile(filepath.Join(home, "small", fmt.Sprint(i)), payload, 0o644); err != nil {
			return err
		}
	}
	old := filepath.Join(home, "old")
	return commands([][]string{{"dd", "if=/dev/zero", "of=" + old, "bs=1M", "iflag=count_bytes", fmt.Sprintf("count=%d", b.size)},
		{"chown", "-R", "2000:2000", home}})
}

// compare runs every measurement, in each round every server in turn, and
// prints a table with the embedded daemon's ratio to the best of the others.
func (b *bench) compare(ctx context.Context) error {
	fmt.Printf("| | embedded | vsftpd | ProFTPD | Pure-FTPd | ftpserverlib | rate: × best other | CPU: × best other |\n| --- |%s\n",
		strings.Repeat(" --- |", 7))
	for _, m := range measurements {
		if !strings.Contains(m.name, b.only) {
			continue
		}
		samples := map[string][]sample{}
		for round := range b.rounds {
			for i := range m.servers {
				name := m.servers[(i+round)%len(m.servers)]
				one, err := b.once(ctx, m, name)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", m.name, name, err)
				}
				samples[name] = append(samples[name], one)
				fmt.Fprintf(os.Stderr, "%s: round %d: %s: %.0f %s, %.3f %s\n", m.name, round+1, name, one.rate, m.rate,
					float64(one.cpu.Microseconds())/1000, m.unit)
			}
		}
		fmt.Println(row(m, samples))
	}
	return nil
}

// once starts a server for one measurement and stops it again.
func (b *bench) once(ctx context.Context, m measurement, name string) (sample, error) {
	s, err := start(ctx, name, m.ports, m.delayed)
	if err != nil {
		return sample{}, err
	}
	defer s.stop()
	return m.run(ctx, b, s)
}

func row(m measurement, samples map[string][]sample) string {
	cells := []string{m.name + " " + m.rate + " (" + m.unit + ")"}
	var rate, cpu float64 // of the best peer
	for _, name := range everyServer {
		all := samples[name]
		if len(all) == 0 {
			cells = append(cells, "")
			continue
		}
		r, c := median(all)
		digits := 0
		if c < 10 {
			digits = 3
		}
		cells = append(cells, fmt.Sprintf("%.0f (%.*f)", r, digits, c))
		if name == "embedded" {
			continue
		}
		rate = max(rate, r)
		if cpu == 0 || c < cpu {
			cpu = c
		}
	}
	r, c := median(samples["embedded"])
	cells = append(cells, fmt.Sprintf("%.2f", r/rate), fmt.Sprintf("%.2f", c/cpu))
	return "| " + strings.Join(cells, " | ") + " |"
}

// median gives those of the rates and of the processor times in milliseconds.
func median(all []sample) (rate, cpu float64) {
	var rates, cpus []float64
	for _, s := range all {
		rates, cpus = append(rates, s.rate), append(cpus, s.cpu.Seconds()*1000)
	}
	slices.Sort(rates)
	slices.Sort(cpus)
	return rates[len(all)/2], cpus[len(all)/2]
}

// large measures transfers of the large file, one after the other for a period,
// after one that does not count: the first writes memory that nobody has used yet.
func (b *bench) large(s *server, transfer func() (time.Duration, error)) (sample, error) {
	if _, err := transfer(); err != nil {
		return sample{}, err
	}
	before, err := s.group.cpu()
	if err != nil {
		return sample{}, err
	}
	var took time.Duration
	n := 0
	for ; took < b.period; n++ {
		one, err := transfer()
		if err != nil {
			return sample{}, err
		}
		took += one
	}
	after, err := s.group.cpu()
	bytes := float64(n) * float64(b.size)
	return sample{bytes / 1e6 / took.Seconds(), time.Duration(float64(after-before) * (1 << 30) / bytes)}, err
}

func largeRetr(_ context.Context, b *bench, s *server) (sample, error) {
	c, err := login(s.address, "")
	if err != nil {
		return sample{}, err
	}
	defer c.close()
	return b.large(s, func() (time.Duration, error) { return c.retrieve("large", b.size) })
}

func largeStor(_ context.Context, b *bench, s *server) (sample, error) {
	c, err := login(s.address, "")
	if err != nil {
		return sample{}, err
	}
	defer c.close()
	defer os.Remove(filepath.Join(home, "stored"))
	one, err := b.large(s, func() (time.Duration, error) { return c.store("stored", int(b.source.Fd()), b.size) })
	if err != nil {
		return one, err
	}
	return one, b.stored()
}

// resumeAt is a whole page: a client that resumes elsewhere has each page of a
// splice stored in two.
const resumeAt = 4096

// largeResumed is largeStor where the file need not be given its memory.
func largeResumed(_ context.Context, b *bench, s *server) (sample, error) {
	c, err := login(s.address, "")
	if err != nil {
		return sample{}, err
	}
	defer c.close()
	old, err := os.OpenFile(filepath.Join(home, "old"), os.O_RDWR, 0)
	if err != nil {
		return sample{}, err
	}
	defer old.Close()
	got, want := make([]byte, resumeAt), make([]byte, resumeAt)
	if _, err := old.WriteAt(got, b.size-resumeAt); err != nil {
		return sample{}, err
	}
	one, err := b.large(s, func() (time.Duration, error) {
		if _, err := c.do(fmt.Sprintf("REST %d", resumeAt), "350"); err != nil {
			return 0, err
		}
		return c.store("old", int(b.source.Fd()), b.size-resumeAt)
	})
	if err == nil {
		_, err = old.ReadAt(got, b.size-resumeAt)
	}
	if err == nil {
		_, err = b.source.ReadAt(want, b.size-2*resumeAt)
	}
	if err == nil && !bytes.Equal(got, want) {
		err = errors.New("the end of the file is not what was sent")
	}
	return one, err
}

// stored reports whether the whole file has arrived.
func (b *bench) stored() error {
	info, err := os.Stat(filepath.Join(home, "stored"))
	if err == nil && info.Size() != b.size {
		err = fmt.Errorf("%d bytes were stored, want %d", info.Size(), b.size)
	}
	return err
}

func largeTLS(transfer func(*bench, *secureSession) (time.Duration, error)) func(context.Context, *bench, *server) (sample, error) {
	return func(_ context.Context, b *bench, s *server) (sample, error) {
		c, err := secureLogin(s.address, tls.VersionTLS12)
		if err != nil {
			return sample{}, err
		}
		defer c.close()
		one, err := b.large(s, func() (time.Duration, error) { return transfer(b, c) })
		fmt.Fprintf(os.Stderr, "%s: %s, resumed: %v\n", s.name, tls.CipherSuiteName(c.state.CipherSuite), c.state.DidResume)
		return one, err
	}
}

func (b *bench) secureRetr(c *secureSession) (time.Duration, error) {
	return c.retrieve("large", b.size)
}

func (b *bench) secureStor(c *secureSession) (time.Duration, error) {
	defer os.Remove(filepath.Join(home, "stored"))
	took, err := c.store("stored", b.source, b.size)
	if err != nil {
		return 0, err
	}
	return took, b.stored()
}

// small measures transfers of 1 KiB, logged in once.
func small(sessions int, l load) func(context.Context, *bench, *server) (sample, error) {
	return func(ctx context.Context, b *bench, s *server) (sample, error) {
		c, err := gather(s.address, sessions, l, func(int) string { return "" })
		if err != nil {
			return sample{}, err
		}
		defer c.close()
		if _, err := c.run(ctx, b.period/6); err != nil {
			return sample{}, err
		}
		c.done, c.refused = 0, 0
		before, err := s.group.cpu()
		if err != nil {
			return sample{}, err
		}
		took, err := c.run(ctx, b.period)
		if err != nil {
			return sample{}, err
		}
		after, err := s.group.cpu()
		if c.done == 0 {
			return sample{}, fmt.Errorf("no transfer: %s", c.refusal)
		}
		if c.refused > 0 {
			fmt.Fprintf(os.Stderr, "%s: %d refused: %s\n", s.name, c.refused, c.refusal)
		}
		return sample{float64(c.done) / took.Seconds(), (after - before) / time.Duration(c.done)}, err
	}
}
