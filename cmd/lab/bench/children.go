package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net/netip"
	"os"
	"strconv"
	"time"

	ftpserver "github.com/fclairamb/ftpserverlib"
	"github.com/pasvctl/pasvctl/embeddedftpd"
	"github.com/spf13/afero"
)

func portArgs(args []string) (control netip.AddrPort, first, last uint16, err error) {
	if len(args) != 3 {
		return control, 0, 0, errors.New("want a control address and port, and a range")
	}
	if control, err = netip.ParseAddrPort(args[0]); err != nil {
		return control, 0, 0, err
	}
	for i, to := range []*uint16{&first, &last} {
		n, err := strconv.ParseUint(args[1+i], 10, 16)
		if err != nil {
			return control, 0, 0, err
		}
		*to = uint16(n)
	}
	return control, first, last, nil
}

// oneUser lets shop in.
type oneUser struct{}

func (oneUser) Authenticate(_ context.Context, name, pass string, _ int) (embeddedftpd.User, error) {
	if name != user || pass != password {
		return embeddedftpd.User{}, embeddedftpd.ErrLogin
	}
	return embeddedftpd.User{Name: name, Root: home}, nil
}

// serveEmbedded is the embedded daemon in a process of its own.
func serveEmbedded(ctx context.Context, args []string) error {
	control, first, last, err := portArgs(args)
	if err != nil {
		return err
	}
	s, err := embeddedftpd.New(ctx, embeddedftpd.Config{
		Listen:       []netip.AddrPort{control},
		PassiveFirst: first, PassiveLast: last,
		MaxSessions: 20_000, MaxWait: time.Second, Users: oneUser{},
		TLS: &embeddedftpd.TLS{Certificate: certificate, Key: certificate},
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		return err
	}
	return s.Serve(ctx)
}

// libraryDriver is ftpserverlib's driver over the same folder.
type libraryDriver struct{ settings ftpserver.Settings }

func (d *libraryDriver) GetSettings() (*ftpserver.Settings, error) { return &d.settings, nil }
func (d *libraryDriver) ClientConnected(ftpserver.ClientContext) (string, error) {
	return "ready", nil
}
func (d *libraryDriver) ClientDisconnected(ftpserver.ClientContext) {}
func (d *libraryDriver) AuthUser(_ ftpserver.ClientContext, name, pass string) (ftpserver.ClientDriver, error) {
	if name != user || pass != password {
		return nil, errors.New("wrong password")
	}
	return afero.NewBasePathFs(afero.NewOsFs(), home), nil
}
func (d *libraryDriver) GetTLSConfig() (*tls.Config, error) { return nil, errors.New("no TLS") }

// serveLibrary is ftpserverlib in a process of its own.
func serveLibrary(_ context.Context, args []string) error {
	control, first, last, err := portArgs(args)
	if err != nil {
		return err
	}
	d := &libraryDriver{ftpserver.Settings{
		ListenAddr:               control.String(),
		PassiveTransferPortRange: &ftpserver.PortRange{Start: int(first), End: int(last)},
	}}
	return ftpserver.NewFtpServer(d).ListenAndServe()
}

// writeCertificate makes the certificate of this run.
func writeCertificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"},
		DNSNames: []string{"bench"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	both := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	both = append(both, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...)
	return os.WriteFile(certificate, both, 0o600)
}
