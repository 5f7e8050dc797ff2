package generators

import (
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pasvctl/pasvctl/generators/audit"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// present are the files of one host that are read on it: its servers' configs,
// iptables with its ipsets, and sysctl.
func present(files []File, host string) (sources []inventory.Source) {
	fsys := fstest.MapFS{}
	var names []string
	for _, f := range files {
		if !strings.HasPrefix(f.Path, host+"/") {
			continue
		}
		fsys[f.Path] = &fstest.MapFile{Data: f.Content}
		name := f.Path
		if conf, _, folder := strings.Cut(f.Path, "/pure-ftpd/conf/"); folder {
			name = conf + "/pure-ftpd/conf"
		}
		switch base := path.Base(name); {
		case slices.Contains(names, name):
		case base == "vsftpd.conf" || base == "proftpd.conf" || base == "conf" || strings.HasSuffix(base, ".env"),
			base == "ipset" && strings.Contains(string(f.Content), "\nadd "), strings.HasPrefix(base, "iptables."), base == "60-pasvctl.conf":
			names = append(names, name)
		}
	}
	for _, name := range names {
		sources = append(sources, inventory.Source{FS: fsys, Name: name})
	}
	return sources
}

// clean checks that a host's files, without traffic and foreign_data in the spec,
// have no finding above a note.
func clean(t *testing.T, p *Project, terms audit.Terms) (servers int) {
	t.Helper()
	files, diags := p.Files("iptables", "sysctl", "vsftpd", "proftpd", "pureftpd", "sftpgo")
	if diags.HasErrors() {
		return 0 // a server or a cloud cannot do it
	}
	for _, h := range p.Plan.Hosts {
		if judgedOtherwise(h) {
			continue
		}
		inv, err := inventory.Read(present(files, h.Name)...)
		if err != nil {
			t.Fatal(err)
		}
		servers += len(inv.Servers)
		for _, f := range audit.Judge(inv, terms) {
			if f.Severity != finding.Note {
				t.Errorf("%s %s [%s] %s", f.Evidence, f.Severity, f.Rule.ID, f.Detail)
			}
		}
	}
	return servers
}

// judgedOtherwise reports whether a host has a site that is judged by what its
// config does not state.
func judgedOtherwise(h *plan.Host) bool {
	return slices.ContainsFunc(h.Sites, func(s *plan.Site) bool { return s.Traffic != nil || s.ForeignData })
}

func TestGeneratedConfigsHaveNoFinding(t *testing.T) {
	servers := 0
	for _, folder := range append(exampleFolders(t), "testdata/servers") {
		names, err := filepath.Glob(folder + "/*" + spec.Extension)
		if err != nil {
			t.Fatal(err)
		}
		for i := range names {
			names[i] = filepath.Base(names[i])
		}
		p, diags := Load(os.DirFS(folder), names, Options{})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		t.Run(filepath.ToSlash(folder), func(t *testing.T) { servers += clean(t, p, audit.Terms{}) })
	}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := newRandomSpec(r)
		for i := range s.sites {
			s.sites[i].text = withoutTraffic(s.sites[i].text)
		}
		if len(s.sites) == 0 {
			continue
		}
		servers += clean(t, s.load(t, r, nil), audit.Terms{})
	}
	if servers < 50 {
		t.Errorf("only %d servers", servers)
	}
}

// withoutTraffic takes out the block that a config does not state.
func withoutTraffic(site string) string {
	before, rest, found := strings.Cut(site, "  traffic {")
	if !found {
		return site
	}
	_, after, _ := strings.Cut(rest, "  }\n")
	return before + after
}
