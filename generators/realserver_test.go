package generators

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/cmd/needs"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// The addresses inside the namespace: two of the server, three of clients.
var (
	serverAddresses = []string{"10.99.0.1", "fd00:99::1"}
	clientAddresses = []string{"10.99.0.11", "10.99.0.12", "10.99.0.13", "fd00:99::11"}
)

const (
	inside      = "PASVCTL_TEST_INSIDE"
	certificate = "/etc/ssl/private/pure-ftpd.pem" // one file with both, where Pure-FTPd looks
	oddPath     = `/etc/ssl/a "b" #c=d\e 'f'.pem`
	fileContent = "what the shop sells\n"
	// A password hash of "secret", in the format of shadow(5).
	shadowHash = "$6$pasvctl$ntj4iJjpwr5LciZGs1xt8fWDAZha8NjlN234wN39IeL5grM8eb.IO52Vb/hUiQ841M4V21sQfZmyA6jFtfhNU0"
)

// realServer is a server as its Debian package installs it and where its
// configuration goes.
type realServer struct {
	name, unpacked string
	target         Target
	install        func(file string) string // where a rendered file goes
	start          []string
}

var realServers = []realServer{
	{"vsftpd", "vsftpd", &vsftpd{}, func(file string) string { return "/etc/vsftpd.conf" },
		[]string{"vsftpd", "/etc/vsftpd.conf"}},
	{"proftpd", "proftpd", &proftpd{}, func(file string) string { return "/etc/proftpd/proftpd.conf" },
		[]string{"proftpd", "--nodaemon", "--config", "/etc/proftpd/proftpd.conf"}},
	{"pureftpd", "pure-ftpd", &pureftpd{}, func(file string) string {
		return "/etc/pure-ftpd/conf/" + filepath.Base(file)
	}, []string{"pure-ftpd-wrapper"}},
}

// inNamespaces runs the calling test once more in network, mount and process
// namespaces of its own, with the server's package laid over /etc and /usr:
// the rendered files go where they go on a real machine, unchanged, and
// nothing of it reaches the host. It tells whether this is that inner run.
func inNamespaces(t *testing.T, server realServer) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	needs.Root(t)
	unshare := needs.Tool(t, "unshare")
	needs.Tool(t, "ip")
	root, err := filepath.Abs(needs.Server(t, server.unpacked))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, unshare, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		"--propagation", "private", os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"="+root)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("inside the namespaces: %v\n%s", err, out)
	}
	return false
}

// serve installs a rendered plan over the unpacked server and starts it.
func (server realServer) serve(t *testing.T, p *plan.Plan) {
	t.Helper()
	layOver(t, os.Getenv(inside))
	for path, content := range mustFiles(t, server.target, p) {
		write(t, server.install(path), content, 0o644)
	}
	for _, address := range append(append([]string{}, serverAddresses...), clientAddresses...) {
		bits := "/32"
		if strings.Contains(address, ":") {
			bits = "/128"
		}
		run(t, "ip", "address", "add", address+bits, "dev", "lo")
	}
	run(t, "ip", "link", "set", "lo", "up")

	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), server.start[0], server.start[1:]...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			for _, name := range []string{log.Name(), "/var/log/proftpd/proftpd.log", "/var/log/proftpd/tls.log"} {
				said, _ := os.ReadFile(name)
				t.Logf("%s:\n%s", name, said)
			}
		}
	})
}

// layOver makes this mount namespace look like a machine with the server
// installed and one user, shop, in it.
func layOver(t *testing.T, root string) {
	t.Helper()
	const scratch = "/mnt" // a TempDir could not be removed while it is mounted
	run(t, "mount", "-t", "tmpfs", "tmpfs", scratch)
	for _, dir := range []string{"/etc", "/usr"} {
		upper, work := scratch+dir+".upper", scratch+dir+".work"
		run(t, "mkdir", upper, work)
		run(t, "mount", "-t", "overlay", "overlay", "-o",
			"lowerdir="+root+dir+":"+dir+",upperdir="+upper+",workdir="+work, dir)
	}
	for _, dir := range []string{"/run", "/var/log", "/home"} {
		run(t, "mount", "-t", "tmpfs", "tmpfs", dir)
	}
	run(t, "mkdir", "-p", "/run/vsftpd/empty", "/run/pure-ftpd", "/var/log/proftpd", "/var/log/pure-ftpd", "/home/shop")
	appendTo(t, "/etc/passwd", "shop:x:2000:2000::/home/shop:/bin/sh\nproftpd:x:2001:65534::/run:/bin/false\n")
	appendTo(t, "/etc/group", "shop:x:2000:\n")
	appendTo(t, "/etc/shadow", "shop:"+shadowHash+":19000:0:99999:7:::\n")
	write(t, "/home/shop/list.txt", fileContent, 0o644)
	run(t, "chown", "-R", "2000:2000", "/home/shop")
	writeCertificate(t)
}

func writeCertificate(t *testing.T) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ftp.test"}, DNSNames: []string{"ftp.test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	both := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	both = append(both, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	write(t, certificate, string(both), 0o600)
	write(t, oddPath, string(both), 0o600)
}

func trustedRoots(t *testing.T) *x509.CertPool {
	t.Helper()
	both, err := os.ReadFile(certificate)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(both) {
		t.Fatal("no certificate in " + certificate)
	}
	return roots
}

// await waits until something listens, at most 10 seconds.
func await(t *testing.T, address string) {
	t.Helper()
	for range 200 {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			conn.Close()
			time.Sleep(50 * time.Millisecond) // the server counts it until it has seen the close
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("nothing listens on %s", address)
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, string(old)+text, 0o640)
}

// realSite is a site of six sessions, three from one address, on twelve ports.
func realSite(server string, change func(*plan.Site)) *plan.Plan {
	host := handHost("edge1", serverAddresses...)
	return handPlan(handSite(host, "shop", server, 2121, spec.PortRange{First: 61000, Last: 61011}, change))
}
