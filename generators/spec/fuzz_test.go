package spec

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad loads arbitrary text as a spec: it must not panic or run on and on,
// must say the same twice, and what it returns must keep the promises of the
// model. Formatting must keep the meaning and settle at once.
func FuzzLoad(f *testing.F) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		f.Fatalf("no testdata: %v", err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, Extension) {
				f.Add(file.Data)
			}
		}
	}
	f.Add([]byte(dynamicFleet(3)))
	f.Fuzz(func(t *testing.T, src []byte) {
		watchdog := time.AfterFunc(patience, func() { panic("the load has not ended") })
		defer watchdog.Stop()
		load := func(src []byte) (*Spec, []string, bool) {
			s, diags := Load(fstest.MapFS{"x.pasv.hcl": {Data: src}}, []string{"x.pasv.hcl"}, known())
			checkSubjects(t, s, diags)
			lines := make([]string, len(diags))
			for i, d := range diags {
				lines[i] = diagnosticLine(d)
			}
			return s, lines, diags.HasErrors()
		}
		s, lines, failed := load(src)
		if _, diags := parse("x.pasv.hcl", src); diags.HasErrors() && !failed {
			t.Errorf("a syntax error is not reported: %s", diags)
		}
		checkPromises(t, s, failed)
		if _, again, _ := load(src); strings.Join(lines, "\n") != strings.Join(again, "\n") {
			t.Errorf("the second load says\n%s\nafter\n%s", strings.Join(again, "\n"), strings.Join(lines, "\n"))
		}
		formatted, diags := Format("x.pasv.hcl", src)
		if diags.HasErrors() {
			return
		}
		if again, diags := Format("x.pasv.hcl", formatted); diags.HasErrors() || !bytes.Equal(again, formatted) {
			t.Errorf("the layout does not settle: %q, then %q", formatted, again)
		}
		if f, _, nowFails := load(formatted); !failed && (nowFails || !bytes.Equal(dump(t, s), dump(t, f))) {
			t.Error("the layout changes the meaning")
		}
	})
}

// checkPromises holds a Spec to what its model says, whether or not parts of
// the source were wrong.
func checkPromises(t *testing.T, s *Spec, failed bool) {
	t.Helper()
	for _, h := range s.Hosts {
		if !validName.MatchString(h.Name) || len(h.Addresses) == 0 || h.EphemeralPorts.Count() == 0 {
			t.Errorf("host %+v", h)
		}
	}
	for _, x := range s.Sites {
		switch {
		case !validName.MatchString(x.Name), x.Host == nil, len(x.Addresses) == 0, len(x.Clients) == 0, x.Port == 0,
			x.SessionsPerAddress < 1, x.Sessions < x.SessionsPerAddress, x.Ranges.Of("port") == nil,
			x.TLS.Mode != TLSOff && (x.TLS.Certificate == "" || x.TLS.Key == ""),
			x.Announce.IsValid() && !x.Announce.Is4(),
			x.Traffic != nil && x.Traffic.Rate <= 0:
			t.Errorf("site %+v", x)
		}
		for _, prefix := range x.Clients {
			if prefix != prefix.Masked() {
				t.Errorf("site %s: client %s", x.Name, prefix)
			}
		}
	}
	for _, g := range s.Gateways {
		if !g.Address.IsValid() || len(g.Sites) == 0 {
			t.Errorf("gateway %+v", g)
		}
	}
	present := Renames(s.Moved)
	for _, m := range s.Moved {
		named := func(name string) bool {
			return slices.ContainsFunc(s.Sites, func(x *Site) bool { return x.Name == name })
		}
		if !failed && (named(m.From) || !named(present[m.From])) {
			t.Errorf("moved %s to %s, now %s", m.From, m.To, present[m.From])
		}
	}
	if !failed && len(s.Sites) == 0 {
		t.Error("a spec without a site and without an error")
	}
}
