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

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/cmd/lab/realserver"
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
)

// realServer is a server as its Debian package installs it, and what renders
// its configuration.
type realServer struct {
	realserver.Server
	name    string
	target  Target
	prepare func(t *testing.T) // what else the machine has; may be nil
}

var realServers = []realServer{
	realServerOf("vsftpd", &vsftpd{}), realServerOf("proftpd", &proftpd{}), realServerOf("pureftpd", &pureftpd{}), realServerOf("pyftpdlib", &pyftpdlib{}),
}

func realServerOf(name string, target Target) realServer {
	server, known := realserver.Lookup(name)
	if !known {
		panic("no such server: " + name)
	}
	return realServer{Server: server, name: name, target: target}
}

// inNamespaces runs the calling test once more in network, mount and process
// namespaces of its own, with the server's package laid over /etc and /usr:
// the rendered files go where they go on a real machine, unchanged, and
// nothing of it reaches the host. It reports whether this is that inner run.
func inNamespaces(t *testing.T, server realServer) bool {
	t.Helper()
	if os.Getenv(inside) != "" {
		return true
	}
	needs.Root(t)
	needs.Tool(t, "unshare")
	needs.Tool(t, "ip")
	root, err := filepath.Abs(needs.Server(t, server.Unpacked))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := realserver.Isolated(ctx, os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v")
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
	if err := realserver.LayOver(os.Getenv(inside)); err != nil {
		t.Fatal(err)
	}
	write(t, realserver.Home+"/list.txt", fileContent, 0o644)
	writeCertificate(t)
	if server.prepare != nil {
		server.prepare(t)
	}
	for path, content := range mustFiles(t, server.target, p) {
		if err := server.Install(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	for _, address := range append(append([]string{}, serverAddresses...), clientAddresses...) {
		bits := "/32"
		if strings.Contains(address, ":") {
			bits = "/128"
		}
		run(t, "ip", "address", "add", address+bits, "dev", "lo")
	}

	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd, err := server.Start(t.Context(), log)
	if err != nil {
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

// realSite is a site of six sessions, three from one address, on twelve ports.
func realSite(server string, change func(*plan.Site)) *plan.Plan {
	host := handHost("edge1", serverAddresses...)
	return handPlan(handSite(host, "shop", server, 2121, spec.PortRange{First: 61000, Last: 61011}, change))
}
