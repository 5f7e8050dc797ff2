package draft

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pasvctl/pasvctl/generators/inventory"
)

// FuzzOf drafts specs of any config and firewall: what it writes is valid, except
// where it says so.
func FuzzOf(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/real.txtar")
	if err != nil {
		f.Fatal(err)
	}
	last := archive.Files[len(archive.Files)-2].Data
	for _, file := range archive.Files[:len(archive.Files)-1] {
		f.Add(file.Data, last)
		last = file.Data
	}
	for _, text := range []string{
		"listen=YES\npasv_min_port=2000\npasv_max_port=3000\nlisten_port=2100\nmax_clients=100001\n",
		"listen=YES\npasv_min_port=1\nmax_clients=70000\nmax_per_ip=80000\nidle_session_timeout=99999999\n",
		"listen=YES\nssl_enable=YES\nrsa_cert_file=/a ${b}.pem\npasv_address=%{x}\nlisten_address=127.0.0.1\n",
		"listen_ipv6=YES\nlisten_address6=fe80::1%eth0\npasv_address=0.0.0.0\nimplicit_ssl=YES\nssl_enable=YES\n",
		"ServerName x\nPort 21\n<VirtualHost 192.0.2.1>\nPort 21\n</VirtualHost>\n<VirtualHost 192.0.2.1>\nPort 22\nPassivePorts 21 22\n</VirtualHost>\n",
		"pure-ftpd -w -Y3 -I 0 -S 0,2121 -c 100000 -C 200000 -p 1:65535",
		"SFTPGO_FTPD__BINDINGS__0__PORT=21\nSFTPGO_COMMON__IDLE_TIMEOUT=7\nSFTPGO_FTPD__BINDINGS__0__TLS_MODE=2\nSFTPGO_FTPD__BINDINGS__1__PORT=22\n",
	} {
		f.Add([]byte(text), []byte("services:\n  a:\n    ports: [\"21:21\"]\n"))
	}
	f.Fuzz(func(t *testing.T, config, firewall []byte) {
		if len(config)+len(firewall) > 10_000 {
			return
		}
		inv, err := inventory.Read(inventory.Source{Name: "config", Text: config})
		if err != nil {
			return
		}
		both, err := inventory.Read(inventory.Source{Name: "config", Text: config}, inventory.Source{Name: "firewall", Text: firewall})
		if err == nil {
			inv = both
		}
		if d, err := Of(inv, Options{}); err == nil {
			sound(t, "draft", d)
		}
	})
}
