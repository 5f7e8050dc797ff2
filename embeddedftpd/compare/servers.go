package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pasvctl/pasvctl/embeddedftpd"
)

// Where every server listens, and its user's folder.
const (
	address = "127.0.0.1:21"
	home    = "/home/shop"
	first   = 61000
	last    = 61999
	// Certificate and key in one file, where Pure-FTPd looks for them.
	certificate = "/etc/ssl/private/pure-ftpd.pem"
	// A password hash of "secret", in the format of shadow(5).
	shadow = "$6$pasvctl$ntj4iJjpwr5LciZGs1xt8fWDAZha8NjlN234wN39IeL5grM8eb.IO52Vb/hUiQ841M4V21sQfZmyA6jFtfhNU0"
)

// server is one that is measured: its package, its files and its command.
type server struct {
	name, unpacked string
	files          map[string]string
	command        []string
}

var servers = []server{
	{name: "embeddedftpd"},
	{name: "vsftpd", unpacked: "vsftpd", command: []string{"vsftpd", "/etc/vsftpd.conf"}, files: map[string]string{
		"/etc/vsftpd.conf": fmt.Sprintf("listen=YES\nbackground=NO\nanonymous_enable=NO\nlocal_enable=YES\nwrite_enable=YES\n"+
			"pam_service_name=vsftpd\nchroot_local_user=YES\nallow_writeable_chroot=YES\nseccomp_sandbox=NO\nxferlog_enable=NO\n"+
			"max_per_ip=0\nssl_enable=YES\nforce_local_logins_ssl=NO\nforce_local_data_ssl=NO\nssl_ciphers=HIGH\n"+
			"rsa_cert_file="+certificate+"\nrsa_private_key_file="+certificate+"\npasv_min_port=%d\npasv_max_port=%d\nsecure_chroot_dir=/run/vsftpd/empty\n", first, last),
	}},
	{name: "ProFTPD", unpacked: "proftpd", command: []string{"proftpd", "--nodaemon", "--config", "/etc/proftpd/proftpd.conf"}, files: map[string]string{
		"/etc/proftpd/proftpd.conf": fmt.Sprintf("LoadModule mod_tls.c\nTLSEngine on\nTLSRSACertificateFile "+certificate+"\nTLSRSACertificateKeyFile "+certificate+"\n"+
			"TLSProtocol TLSv1.2 TLSv1.3\nServerType standalone\nPort 21\nUseIPv6 off\nUser proftpd\nGroup nogroup\nDefaultRoot ~\n"+
			"AllowOverwrite on\nMaxInstances 100\nPassivePorts %d %d\nSystemLog none\nWtmpLog off\nTransferLog none\nUseReverseDNS off\n"+
			"<Limit ALL>\nAllowAll\n</Limit>\n", first, last),
	}},
	{name: "Pure-FTPd", unpacked: "pure-ftpd", command: []string{"pure-ftpd", "-l", "unix", "-A", "-E", "-H", "-Y", "1", "-c", "100", "-C", "100",
		"-p", fmt.Sprintf("%d:%d", first, last), "-S", "127.0.0.1,21"}},
}

// start lays the server's package over this namespace, starts it and waits
// until it answers.
func (s server) start() (stop func(), err error) {
	if err := s.prepare(); err != nil {
		return nil, err
	}
	args := s.command
	if s.unpacked == "" {
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		args = []string{self, "-daemon"}
	}
	cmd := exec.Command(args[0], args[1:]...)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	for range 100 {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return stop, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return nil, fmt.Errorf("%s does not answer", s.name)
}

// prepare makes this mount namespace look like a machine with the server
// installed and one user, shop.
func (s server) prepare() error {
	script := "set -e\nip link set lo up\nmount -t tmpfs tmpfs /mnt\n"
	for _, dir := range []string{"/etc", "/usr"} {
		lower := dir
		if s.unpacked != "" {
			lower = filepath.Join(*packages, s.unpacked) + dir + ":" + dir
		}
		script += fmt.Sprintf("mkdir /mnt%[1]s.upper /mnt%[1]s.work\nmount -t overlay overlay -o lowerdir=%[2]s,upperdir=/mnt%[1]s.upper,workdir=/mnt%[1]s.work %[1]s\n", dir, lower)
	}
	script += "for d in /run /var/log /home; do mount -t tmpfs -o size=6g tmpfs $d; done\n" +
		"mkdir -p /run/vsftpd/empty /run/pure-ftpd /run/proftpd /var/log/proftpd /var/log/pure-ftpd " + home + "\n" +
		"printf 'shop:x:2000:2000::" + home + ":/bin/sh\\nproftpd:x:2001:65534::/run:/bin/false\\n' >> /etc/passwd\n" +
		"echo shop:x:2000: >> /etc/group\necho 'shop:" + shadow + ":19000:0:99999:7:::' >> /etc/shadow\n" +
		"mkdir -p -m 755 /etc/ssl/private\nopenssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 1 -keyout /run/key -out /run/cert 2>/dev/null\n" +
		"cat /run/key /run/cert > " + certificate + "\n" +
		"head -c 1024 /dev/urandom > " + home + "/small\nhead -c 256M /dev/urandom > " + home + "/large\nchown -R 2000:2000 " + home + "\n"
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	for path, text := range s.files {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// shop is the one user; the password is the same for all servers.
type shop struct{}

func (shop) Authenticate(_ context.Context, name, password string) (embeddedftpd.User, error) {
	if name != "shop" || password != "secret" {
		return embeddedftpd.User{}, embeddedftpd.ErrLogin
	}
	return embeddedftpd.User{Name: name, Root: home}, nil
}

func serveEmbedded() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s, err := embeddedftpd.New(ctx, embeddedftpd.Config{
		Listen: []netip.AddrPort{netip.MustParseAddrPort(address)}, PassiveFirst: first, PassiveLast: last,
		Users: shop{}, TLS: &embeddedftpd.TLS{Certificate: certificate, Key: certificate}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	return s.Serve(ctx)
}

// processorTime is what all processes of this namespace but this one have used.
func processorTime() (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	var total time.Duration
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // has ended; its parent counts it
		}
		// The name in parentheses may hold spaces: fields count from behind it.
		_, rest, _ := strings.Cut(string(text), ") ")
		fields := strings.Fields(rest)
		if len(fields) < 15 || path == fmt.Sprintf("/proc/%d/stat", os.Getpid()) {
			continue
		}
		for _, field := range fields[11:15] {
			n, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, err
			}
			total += time.Duration(n) * tick
		}
	}
	return total, nil
}
