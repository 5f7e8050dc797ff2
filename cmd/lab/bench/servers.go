package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

const (
	home     = "/home/shop"
	user     = "shop"
	password = "secret"
	// shadowHash is password in the format of shadow(5).
	shadowHash  = "$6$pasvctl$ntj4iJjpwr5LciZGs1xt8fWDAZha8NjlN234wN39IeL5grM8eb.IO52Vb/hUiQ841M4V21sQfZmyA6jFtfhNU0"
	certificate = "/etc/ssl/private/bench.pem" // and its key
)

// peers are the servers of Debian packages, by their folders.
var peers = []string{"vsftpd", "proftpd", "pure-ftpd"}

// server is one that has been started, alone in its control group.
type server struct {
	name    string
	address string // of its control port
	cmd     *exec.Cmd
	group   group
}

// Control ports; the passive ranges are disjoint and off the ephemeral ports.
const (
	vsftpdPort, proftpdPort, purePort = 2101, 2102, 2103
	libraryPort, embeddedPort         = 2104, 2105
)

// start runs a server until stop. ports is how many passive ports the embedded
// daemon holds; the others have 2,000 each.
// Clients find them on loopback, or behind the link.
func start(ctx context.Context, name string, ports int, delayed bool) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{name: name}
	here, there := "127.0.0.1", "127.0.0.1"
	if delayed {
		here, there = linkHere, linkThere
	}
	port := 0
	switch name {
	case "vsftpd":
		port = vsftpdPort
		err = os.WriteFile("/etc/bench-vsftpd.conf", []byte(vsftpdConf), 0o644)
		s.cmd = exec.Command("vsftpd", "/etc/bench-vsftpd.conf")
	case "proftpd":
		port = proftpdPort
		err = os.WriteFile("/etc/bench-proftpd.conf", fmt.Appendf(nil, proftpdConf, here, proftpdPort), 0o644)
		s.cmd = exec.Command("proftpd", "--nodaemon", "--config", "/etc/bench-proftpd.conf")
	case "pure-ftpd":
		port = purePort
		s.cmd = exec.Command("pure-ftpd", "-S", here+","+strconv.Itoa(purePort), "-l", "unix", "-E", "-H",
			"-A", "-p", "24000:25999", "-c", "500", "-C", "500", "-f", "none", "-k", "100")
	case "ftpserverlib":
		port = libraryPort
		s.cmd = exec.Command(self, "ftpserverlib", fmt.Sprintf("%s:%d", here, libraryPort), "26000", "27999")
	case "embedded":
		port = embeddedPort
		s.cmd = exec.Command(self, "embedded", fmt.Sprintf("%s:%d", here, embeddedPort), "28000", strconv.Itoa(28000+ports-1))
	default:
		return nil, fmt.Errorf("no server %q", name)
	}
	if err != nil {
		return nil, err
	}
	s.address = fmt.Sprintf("%s:%d", there, port)
	log, err := os.Create(filepath.Join("/var/log", name))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if s.group, err = newGroup(name); err != nil {
		return nil, err
	}
	if err := s.group.start(s.cmd); err != nil {
		return nil, err
	}
	if err := s.await(ctx); err != nil {
		s.stop()
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%s: %w: %s", name, err, said)
	}
	return s, nil
}

// await waits until somebody can log in.
func (s *server) await(ctx context.Context) error {
	var err error
	for range 100 {
		var c *session
		if c, err = login(s.address, ""); err == nil {
			c.close()
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return err
}

func (s *server) stop() {
	s.cmd.Process.Kill()
	s.group.kill()
	var failed *exec.ExitError
	if err := s.cmd.Wait(); err != nil && !errors.As(err, &failed) {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	s.group.remove()
}

var vsftpdConf = fmt.Sprintf(`listen=YES
listen_port=%d
background=NO
seccomp_sandbox=NO
anonymous_enable=NO
local_enable=YES
write_enable=YES
chroot_local_user=YES
allow_writeable_chroot=YES
xferlog_enable=NO
max_clients=0
max_per_ip=0
pasv_min_port=20000
pasv_max_port=21999
ssl_enable=YES
force_local_logins_ssl=NO
force_local_data_ssl=NO
require_ssl_reuse=NO
ssl_ciphers=HIGH
rsa_cert_file=%s
rsa_private_key_file=%s
`, vsftpdPort, certificate, certificate)

const proftpdConf = `ServerType standalone
DefaultAddress %s
Port %d
User proftpd
Group nogroup
AuthPAM off
AuthOrder mod_auth_unix.c
DefaultRoot ~
AllowOverwrite on
AllowStoreRestart on
UseReverseDNS off
TransferLog none
SystemLog none
WtmpLog off
MaxInstances 500
PassivePorts 22000 23999
ScoreboardFile /run/proftpd/scoreboard
`
