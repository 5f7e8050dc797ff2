package inventory

import (
	"bytes"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// fuzz gives a reader any text. What it makes of it must be in order, and lines
// are those of the file.
func fuzz(f *testing.F, tells func([]byte) int, read func(*input) error) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files[:len(archive.Files)-1] {
			if tells(file.Data) > 0 {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.IndexByte(text, 0) >= 0 {
			return // Read refuses it
		}
		tells(text)
		in := &input{
			Inventory: &Inventory{}, text: text, read: map[string]bool{},
			source: Source{FS: fstest.MapFS{"x/file": {Data: text}, "x/y/a": {Data: text}}, Name: "x/file"},
		}
		if read(in) == nil {
			in.resolve()
			inOrder(t, in.Inventory, bytes.Count(text, []byte("\n"))+1)
		}
	})
}

func inOrder(t *testing.T, inv *Inventory, lines int) {
	at := func(a At) {
		if a.Line < 0 || a.Line > lines || a.File == "" {
			t.Errorf("%+v is not a line of a file", a)
		}
	}
	for _, s := range inv.Servers {
		at(s.At)
		if r := s.DataPorts.Value; r.First > r.Last {
			t.Errorf("the data ports are %+v", r)
		}
		for _, a := range s.Addresses.Value {
			if !a.IsValid() || a.IsUnspecified() {
				t.Errorf("it listens on %v", a)
			}
		}
		if s.Sessions.Value < 0 || s.SessionsPerAddress.Value < 0 || s.IdleTimeout.Value < 0 || s.DataTimeout.Value < 0 {
			t.Errorf("a figure is below 0: %+v", s)
		}
	}
	for _, f := range inv.Firewalls {
		at(f.At)
		for _, o := range f.Openings {
			at(o.At)
			if o.Ports.First > o.Ports.Last || o.Ports.Last == 0 {
				t.Errorf("an opening of %+v", o.Ports)
			}
			for _, n := range append(o.Sources, o.Destinations...) {
				if n != n.Masked() || !n.IsValid() {
					t.Errorf("the network %v", n)
				}
			}
		}
	}
	for _, u := range inv.Unread {
		at(u.At)
		if u.What == "" || u.Why == "" {
			t.Errorf("a line without a reason: %+v", u)
		}
	}
	for _, s := range inv.Secrets {
		at(s.At)
	}
}

func FuzzVsftpd(f *testing.F)  { fuzz(f, tellsVsftpd, readVsftpd) }
func FuzzProftpd(f *testing.F) { fuzz(f, tellsProftpd, readProftpd) }
func FuzzPureftpd(f *testing.F) {
	fuzz(f, tellsPureftpd, readPureftpdFile)
}
func FuzzPureftpdCommand(f *testing.F) {
	fuzz(f, func(text []byte) int { return matches(pureftpdCommand, text) }, func(in *input) error {
		if !pureftpdCommand.Match(in.text) {
			return nil
		}
		return readPureftpdCommand(in)
	})
}
func FuzzSftpgo(f *testing.F)   { fuzz(f, tellsSftpgo, readSftpgo) }
func FuzzNftables(f *testing.F) { fuzz(f, tellsNftables, readNftables) }
func FuzzIptables(f *testing.F) { fuzz(f, tellsIptables, readIptables) }
func FuzzIpset(f *testing.F) {
	fuzz(f, func(text []byte) int { return matches(ipsetLine, text) }, readIpset)
}
func FuzzSecurityGroups(f *testing.F) { fuzz(f, tellsSecurityGroups, readSecurityGroups) }
func FuzzSysctl(f *testing.F)         { fuzz(f, tellsSysctl, readSysctl) }
func FuzzListeners(f *testing.F)      { fuzz(f, tellsListeners, readListeners) }
func FuzzCompose(f *testing.F)        { fuzz(f, tellsCompose, readCompose) }

// FuzzSecrets: what is copied without secrets has none, and as many lines.
func FuzzSecrets(f *testing.F) {
	f.Add([]byte("SQLConnectInfo ftp@db user pw\nPort 21\n"))
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nMIIC\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("LDAPBindDN cn=x \\\n  hunter2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		bare := WithoutSecrets(&spec.Base{Files: []spec.BaseFile{{Name: "a", Text: text}}}).Files[0].Text
		for i, what := range secretLines(bare) {
			t.Errorf("line %d is a secret still: %s", i+1, what)
		}
		if before, after := bytes.Count(text, []byte("\n")), bytes.Count(bare, []byte("\n")); after < before || after > before+1 {
			t.Errorf("%d line ends became %d", before, after)
		}
	})
}
