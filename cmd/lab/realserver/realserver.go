// Package realserver runs vsftpd, ProFTPD, Pure-FTPd and pyftpdlib with rendered
// configurations, as their Debian packages install them, in namespaces that
// end with them: the files go where they go on a real machine, unchanged, and
// nothing of it reaches the host.
//
// It is for tests and measurements on Linux, as root. Where the unpacked
// packages lie is package needs' to say.
package realserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// The one account of the namespaces: User's home is Home.
const (
	User     = "shop"
	Password = "secret"
	Home     = "/home/shop"
	// The hash is a cheap one: a load client logs in some hundred times a second.
	passwordHash = "$1$pasvctl$iEQ2Fl3OtpS2ZRGj.X9qD0"
)

// Server is a server as its package installs it.
type Server struct {
	Name     string                   // of its profile
	Unpacked string                   // the name of its package's folder
	install  func(file string) string // by its path in the site's folder
	start    []string
}

var all = []Server{
	{"vsftpd", "vsftpd", func(file string) string {
		if file == "vsftpd.conf" {
			return "/etc/vsftpd.conf"
		}
		return "/etc/vsftpd/" + file // per-user files
	},
		[]string{"vsftpd", "/etc/vsftpd.conf"}},
	{"proftpd", "proftpd", func(file string) string { return "/etc/proftpd/" + file },
		[]string{"proftpd", "--nodaemon", "--config", "/etc/proftpd/proftpd.conf"}},
	{"pureftpd", "pure-ftpd", func(file string) string {
		if filepath.Base(file) == "pure-ftpd.conf" {
			return "/etc/pure-ftpd/site.conf" // the package has a pure-ftpd.conf of its own
		}
		return "/etc/pure-ftpd/conf/" + filepath.Base(file)
	},
		[]string{"sh", "-c", "if [ -e /etc/pure-ftpd/site.conf ]; then exec pure-ftpd /etc/pure-ftpd/site.conf; fi; exec pure-ftpd-wrapper"}},
	{"pyftpdlib", "pyftpdlib", func(file string) string { return "/etc/pyftpdlib/" + file },
		[]string{"/usr/bin/python3", "/etc/pyftpdlib/ftpserver.py"}},
}

// Lookup finds a server by the name of its profile.
func Lookup(name string) (Server, bool) {
	i := slices.IndexFunc(all, func(s Server) bool { return s.Name == name })
	if i < 0 {
		return Server{}, false
	}
	return all[i], true
}

// Isolated is a command that runs in network, mount and process namespaces of
// its own. When it ends, every process that it started does.
func Isolated(ctx context.Context, command ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "unshare", append([]string{
		"--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "private"}, command...)...)
}

// LayOver makes this mount namespace, which must be the caller's own, look like
// a machine with the unpacked package installed and one account on it.
func LayOver(unpacked string) error {
	const scratch = "/mnt"
	steps := [][]string{{"mount", "-t", "tmpfs", "tmpfs", scratch}}
	for _, dir := range []string{"/etc", "/usr"} {
		upper, work := scratch+dir+".upper", scratch+dir+".work"
		steps = append(steps, []string{"mkdir", upper, work},
			[]string{"mount", "-t", "overlay", "overlay", "-o", "lowerdir=" + unpacked + dir + ":" + dir + ",upperdir=" + upper + ",workdir=" + work, dir})
	}
	for _, dir := range []string{"/run", "/var/log", "/home"} {
		steps = append(steps, []string{"mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", dir})
	}
	steps = append(steps, []string{"mkdir", "-p", "/run/vsftpd/empty", "/run/pure-ftpd", "/var/log/proftpd", "/var/log/pure-ftpd", Home},
		[]string{"ip", "link", "set", "lo", "up"})
	for _, step := range steps {
		if out, err := exec.Command(step[0], step[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(step, " "), err, out)
		}
	}
	return errors.Join(
		extend("/etc/passwd", User+":x:2000:2000::"+Home+":/bin/sh\nproftpd:x:2001:65534::/run:/bin/false\n"),
		extend("/etc/group", User+":x:2000:\n"),
		extend("/etc/shadow", User+":"+passwordHash+":19000:0:99999:7:::\n"),
		os.Chown(Home, 2000, 2000),
	)
}

func extend(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(old, text...), 0o640)
}

// Install puts a rendered file, HOST/SITE/… in the output folder, where the
// server looks for it.
func (s Server) Install(path string, content []byte) error {
	if parts := strings.SplitN(path, "/", 3); len(parts) == 3 {
		path = parts[2]
	}
	to := s.install(path)
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o644)
}

// Start starts the server that has been laid over and installed. What it says
// goes to log.
func (s Server) Start(ctx context.Context, log io.Writer) (*exec.Cmd, error) {
	cmd := exec.CommandContext(ctx, s.start[0], s.start[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	return cmd, cmd.Start()
}
