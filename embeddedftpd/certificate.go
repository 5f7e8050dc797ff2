package embeddedftpd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// certificateSource gives the certificate, and reads its files again when they change.
type certificateSource struct {
	certificate, key string
	log              *slog.Logger
	every            time.Duration // between two looks at the files

	mu      sync.Mutex
	current *tls.Certificate
	looked  time.Time
	seen    string // versions when they were read
}

// newCertificateSource reads the pair, or makes one for the addresses.
func newCertificateSource(c *TLS, addresses []netip.Addr, log *slog.Logger) (*certificateSource, error) {
	s := &certificateSource{certificate: c.Certificate, key: c.Key, log: log, every: time.Second}
	if c.Certificate == "" && c.Key == "" {
		cert, err := selfSigned(addresses, time.Now())
		if err != nil {
			return nil, err
		}
		s.current = cert
		log.Warn("the TLS certificate is self-signed and new at every start", "sha256", fmt.Sprintf("%x", sha256.Sum256(cert.Certificate[0])))
		return s, nil
	}
	if c.Certificate == "" || c.Key == "" {
		return nil, errors.New("TLS: a certificate needs its key, and a key its certificate")
	}
	s.looked = time.Now()
	s.seen = s.versions()
	return s, s.load()
}

func (s *certificateSource) load() error {
	cert, err := tls.LoadX509KeyPair(s.certificate, s.key)
	if err != nil {
		return fmt.Errorf("TLS certificate %s with key %s: %w", s.certificate, s.key, err)
	}
	s.current = &cert
	return nil
}

// versions changes when a file is replaced or written.
func (s *certificateSource) versions() (v string) {
	for _, name := range []string{s.certificate, s.key} {
		if info, err := os.Stat(name); err == nil {
			v += fmt.Sprintln(info.ModTime().UnixNano(), info.Size())
		}
	}
	return v
}

// get is tls.Config.GetCertificate.
func (s *certificateSource) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.certificate == "" || time.Since(s.looked) < s.every {
		return s.current, nil
	}
	s.looked = time.Now()
	now := s.versions()
	if now == s.seen {
		return s.current, nil
	}
	// Seen only once it loads: between the writing of the two files they do not
	// fit each other, and the next look tries again.
	if err := s.load(); err != nil {
		s.log.Error("reloading the certificate failed, keeping the previous one", "certificate", s.certificate, "error", err)
		return s.current, nil
	}
	s.seen = now
	s.log.Info("certificate reloaded", "certificate", s.certificate)
	return s.current, nil
}

// selfSigned makes a certificate for the addresses, valid for a year.
func selfSigned(addresses []netip.Addr, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "pasvctl FTP server"},
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    now.AddDate(1, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"},
	}
	for _, a := range addresses {
		if a.IsValid() && !a.IsUnspecified() {
			template.IPAddresses = append(template.IPAddresses, net.IP(a.AsSlice()))
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
