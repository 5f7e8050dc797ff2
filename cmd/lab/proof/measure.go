package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/pasvctl/pasvctl/cmd/internal/ftpload"
	"github.com/pasvctl/pasvctl/cmd/lab/realserver"
	"github.com/pasvctl/pasvctl/embeddedftpd"
)

// job is a row as it is handed to the process that measures it.
type job struct {
	Row      Row
	First    int               // of the range
	Files    map[string][]byte // the server's configuration
	Unpacked string            // the server's package
	Seconds  float64
	Seed     uint64
}

const control = "127.0.0.1:2121"

// measure runs a job in namespaces of its own.
func (j job) measure(ctx context.Context) (*ftpload.Report, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(j)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(j.Seconds+120)*time.Second)
	defer cancel()
	var out, said bytes.Buffer
	// The machine's other work comes after the server's and the client's.
	cmd := realserver.Isolated(ctx, "chrt", "--rr", "1", self, insideMode)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", j.Row, err, said.Bytes())
	}
	r := &ftpload.Report{}
	return r, json.Unmarshal(out.Bytes(), r)
}

// inside is what measure runs: it starts the server and puts the load on it.
func inside(ctx context.Context, in io.Reader, out io.Writer) error {
	var j job
	if err := json.NewDecoder(in).Decode(&j); err != nil {
		return err
	}
	for _, port := range j.Row.squatted(j.First) {
		squatter, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return err
		}
		defer squatter.Close()
	}
	dir, err := j.start(ctx)
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for i := range j.Row.sessions() {
		text := bytes.Repeat(fmt.Appendf(nil, "what belongs to session %d\n", i), 40)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("f%d", i)), text, 0o644); err != nil {
			return err
		}
	}
	if err := await(ctx); err != nil {
		return err
	}
	r, err := ftpload.Run(ctx, j.load(), nil)
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(r)
}

func (j job) load() ftpload.Config {
	c := ftpload.Config{
		Addr: control, User: realserver.User, Password: realserver.Password,
		Sessions: j.Row.sessions(), Op: ftpload.Retrieve, Path: "f%d",
		Rate: j.Row.Rate, Together: j.Row.Burst.Within, Connections: j.Row.Burst.Connections,
		ConnectDelay: ftpload.Delay{Shape: ftpload.Exponential, Mean: connect},
		Relogin:      j.Row.oneEach(),
		Duration:     time.Duration(j.Seconds * float64(time.Second)),
		Timeout:      20 * time.Second,
		FirstPort:    uint16(j.First), LastPort: uint16(j.First + j.Row.Ports - 1),
		Seed: j.Seed,
	}
	if j.Row.Server == "embedded" {
		c.User = "anonymous"
		if j.Row.Burst.Sessions == 0 { // where requests wait the shape of the holds counts
			c.ConnectDelay.Shape = cmp.Or(j.Row.Shape, ftpload.Constant)
		}
	}
	return c
}

// start starts the server and returns its files' folder.
func (j job) start(ctx context.Context) (dir string, err error) {
	log, err := os.CreateTemp("", "proof-server")
	if err != nil {
		return "", err
	}
	defer os.Remove(log.Name())
	if j.Row.Server == "embedded" {
		return j.startDaemon(ctx, log)
	}
	server, known := realserver.Lookup(j.Row.Server)
	if !known {
		return "", errors.New("no such server: " + j.Row.Server)
	}
	if err := realserver.LayOver(j.Unpacked); err != nil {
		return "", err
	}
	for path, content := range j.Files {
		if err := server.Install(path, content); err != nil {
			return "", err
		}
	}
	_, err = server.Start(ctx, log)
	return realserver.Home, err
}

// startDaemon runs the bundled daemon in a process of its own, as the others.
func (j job) startDaemon(ctx context.Context, log io.Writer) (dir string, err error) {
	if out, err := exec.CommandContext(ctx, "ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	if dir, err = os.MkdirTemp("", "proof-files"); err != nil {
		return "", err
	}
	text, err := json.Marshal(embeddedftpd.Config{
		Listen:       []netip.AddrPort{netip.MustParseAddrPort(control)},
		PassiveFirst: uint16(j.First), PassiveLast: uint16(j.First + j.Row.Ports - 1),
		MaxSessions: capOn(j.Row.Server), MaxWait: maxWait, AnonymousRoot: dir,
	})
	if err != nil {
		return "", err
	}
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, self, daemonMode)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(text), log, log
	return dir, cmd.Start()
}

// daemon is what startDaemon runs.
func daemon(ctx context.Context, in io.Reader) error {
	var c embeddedftpd.Config
	if err := json.NewDecoder(in).Decode(&c); err != nil {
		return err
	}
	c.Log = slog.New(slog.DiscardHandler)
	d, err := embeddedftpd.New(ctx, c)
	if err != nil {
		return err
	}
	return d.Serve(ctx)
}

// await waits until the server listens, at most 20 seconds.
func await(ctx context.Context) error {
	var err error
	for range 200 {
		var c net.Conn
		if c, err = (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", control); err == nil {
			return c.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}
