package embeddedftpd

import (
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"os"
	"testing"
	"time"
)

// writeCertificate writes a new self-signed pair and returns the certificate.
func writeCertificate(t testing.TB, certificate, key string) string {
	t.Helper()
	cert, err := selfSigned([]netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: cert.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der},
	} {
		// A file that is replaced within the clock's grain would look unchanged.
		time.Sleep(10 * time.Millisecond)
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return string(cert.Certificate[0])
}

func TestSelfSigned(t *testing.T) {
	cert, err := selfSigned([]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.IPv4Unspecified(), {}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(cert.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	for _, name := range []string{"192.0.2.1", "localhost"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(leaf.IPAddresses) != 1 {
		t.Errorf("addresses %v", leaf.IPAddresses)
	}
}
