package generators

import (
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// TestFilesAgree is the promise of the project: every file of every example
// names the ports of the plan, and no others; so do the settings of aws that no example has. It reads them from the text, in
// each format's own notation.
func TestFilesAgree(t *testing.T) {
	specs, err := filepath.Glob("../examples/*/*" + spec.Extension)
	if err != nil || len(specs) == 0 {
		t.Fatal("no examples", err)
	}
	specs = append(specs, "testdata/aws-present/present"+spec.Extension, "testdata/servers/servers"+spec.Extension, "testdata/compose/compose"+spec.Extension, "testdata/kubernetes/kubernetes"+spec.Extension)
	checked := map[string]int{}
	for _, folder := range foldersOf(specs) {
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
		kinds := []string{"vars"}
		if own := filepath.Base(folder); own == "compose" || own == "kubernetes" {
			kinds = []string{own}
		}
		for _, k := range Kinds() {
			if k.Default {
				kinds = append(kinds, k.Name)
			}
		}
		files, diags := p.Files(kinds...)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, f := range files {
			if agrees(t, folder, p.Plan, f) {
				checked[formatOf(f.Path)]++
			}
		}
	}
	for name := range notations {
		if checked[name] == 0 {
			t.Errorf("no %s was looked at", name)
		}
	}
}

func foldersOf(files []string) []string {
	folders := map[string]bool{}
	for _, f := range files {
		folders[filepath.Dir(f)] = true
	}
	return slices.Sorted(maps.Keys(folders))
}

// notation is how a format writes a range of ports, as first and last, and
// whether it names control ports too.
type notation struct {
	ports   *regexp.Regexp
	control bool
}

var notations = map[string]notation{
	"nftables.nft":     {regexp.MustCompile(`(?m)^\t+(?:[0-9a-f.:]+ \. )?(\d+)(?:-(\d+))? (?:\. [0-9a-f.:]+ :|comment)`), true},
	"iptables.v4":      {regexp.MustCompile(`--dport (\d+)(?::(\d+))?`), true},
	"iptables.v6":      {regexp.MustCompile(`--dport (\d+)(?::(\d+))?`), true},
	"60-pasvctl.conf":  {regexp.MustCompile(`(?:ports = |,)(\d+)(?:-(\d+))?`), false},
	"pasvctl.tf":       {regexp.MustCompile(`first *= (\d+)[\s,]+last *= (\d+)`), true},
	"pasvctl.cfn.yaml": {regexp.MustCompile(`FromPort: (\d+)\s+ToPort: (\d+)`), true},
	"vsftpd.conf":      {regexp.MustCompile(`(?m)^pasv_min_port=(\d+)\npasv_max_port=(\d+)`), false},
	"proftpd.conf":     {regexp.MustCompile(`(?m)^PassivePorts (\d+) (\d+)`), false},
	"compose.yaml":     {regexp.MustCompile(`(?:published: "|:)(\d+)(?:-(\d+))?(?:"\s+host_ip|:[\d-]+/tcp)`), true},
	"kubernetes":       {regexp.MustCompile(`name: (?:ftp|pasv-\d+)\s+port: (\d+)(?:-(\d+))?`), true},
	"docker-user.v4":   {regexp.MustCompile(`--ctorigdstport (\d+)(?::(\d+))?`), true},
	"docker-user.v6":   {regexp.MustCompile(`--ctorigdstport (\d+)(?::(\d+))?`), true},
	"vars":             {regexp.MustCompile(`(?:control_port: |first: |"ports":\{"count":\d+,"first":)(\d+)(?:(?:\s+last: |,"last":)(\d+))?`), true},
	"sftpgo.env":       {regexp.MustCompile(`RANGE__START=(\d+)\s+\S+RANGE__END=(\d+)`), false},
	"PassivePortRange": {regexp.MustCompile(`(?m)^(\d+) (\d+)`), false},
}

// formatOf is a file's key in notations: its name, or "vars" for variables, which
// bear their host's.
func formatOf(file string) string {
	if strings.HasPrefix(file, "vars/") {
		return "vars"
	}
	if path.Base(path.Dir(file)) == "kubernetes" && path.Base(file) != "kustomization.yaml" {
		return "kubernetes"
	}
	return path.Base(file)
}

// agrees compares the ports that a file names with those of the sites it is
// for, and reports whether it knows the format.
func agrees(t *testing.T, example string, p *plan.Plan, f File) bool {
	n, known := notations[formatOf(f.Path)]
	if !known {
		return false
	}
	got := map[int]bool{}
	for _, m := range n.ports.FindAllSubmatch(f.Content, -1) {
		first, _ := strconv.Atoi(string(m[1]))
		last, err := strconv.Atoi(string(m[2]))
		if err != nil {
			last = first
		}
		for port := first; port <= last; port++ {
			got[port] = true
		}
	}
	want := map[int]bool{}
	for _, s := range sitesOf(p, f.Path) {
		if f4, f6 := len(s.Policy.Addresses4) > 0, len(s.Policy.Addresses6) > 0; path.Ext(f.Path) == ".v4" && !f4 || path.Ext(f.Path) == ".v6" && !f6 {
			continue
		}
		for port := s.DataPorts.First; ; port++ {
			want[int(port)] = true
			if port == s.DataPorts.Last {
				break
			}
		}
		if n.control {
			want[int(s.Port)] = true
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("%s: %s names %d ports, the plan has %d for it", example, f.Path, len(got), len(want))
	}
	return true
}

// sitesOf are the sites that a file is for, by its folder: a host or gateway,
// one site of a host, or all.
func sitesOf(p *plan.Plan, file string) []*plan.Site {
	folder, below, _ := strings.Cut(file, "/")
	if folder == "vars" {
		folder, below = strings.TrimSuffix(below, path.Ext(below)), ""
	}
	for _, h := range p.Hosts {
		if h.Name != folder {
			continue
		}
		for _, s := range h.Sites {
			if strings.HasPrefix(below, s.Name+"/") || below == "kubernetes/"+s.Name+".yaml" {
				return []*plan.Site{s}
			}
		}
		return h.Sites
	}
	for _, g := range p.Gateways {
		if g.Name == folder {
			return g.Sites
		}
	}
	return p.Sites
}
