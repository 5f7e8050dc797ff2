package draft

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Options say what no file does.
type Options struct {
	Sessions    int          // cap of each server that states none; 0: it stays missing
	Addresses   []netip.Addr // of the machine, if its servers listen on all
	WithSecrets bool         // copy lines that look like secrets, too
}

// Draft is a spec with the configs beside it.
type Draft struct {
	Files    []File // the spec first
	Sites    []*Site
	Problems hcl.Diagnostics // that validate will report: a missing cap, a range too small
	// Placeholders are addresses for documentation in the place of hosts' own,
	// which no file states. Validate cannot know them.
	Placeholders []Placeholder
}

// Placeholder is an address that its owner has to replace.
type Placeholder struct {
	Host    string
	Address netip.Addr
}

// File is a file of the spec's folder.
type File struct {
	Path    string // slash-separated
	Content []byte
	Private bool // it may have passwords
}

// Site is a server in the spec.
type Site struct {
	Name      string
	Server    *inventory.Server
	DataPorts spec.PortRange // the pin; zero: the spec has none
	Sessions  int            // the cap in the spec; 0: none
	// Carries is how many sessions the pin carries if all want a port at once,
	// with spec.MaxSessions for any number; Needs the ports that Sessions need.
	// Both are 0 if they are not known.
	Carries, Needs int
	Firewall       []inventory.At // lines that open its control port
	LeftOut        []LeftOut

	host    *host
	opened  []netip.Addr // for which a firewall opens its control port, if it listens on all
	clients []client
	base    string // path of the base config; "" if there is none
	shared  bool   // other sites have the same one
	read    *spec.Site
}

// LeftOut is what a site's files state and its spec does not.
type LeftOut struct {
	At   inventory.At
	What string // an attribute of the spec, or what differs
	Why  string
}

// host is a host block.
type host struct {
	name      string
	addresses []netip.Addr
	guessed   bool // no file names an address
	iface     string
	sites     []*Site
}

// Name is the file of the spec.
const Name = "imported" + spec.Extension

// Of drafts a spec of the servers of an inventory, which has one.
func Of(inv *inventory.Inventory, o Options) (*Draft, error) {
	if len(inv.Servers) == 0 {
		if len(inv.Firewalls) > 0 {
			return nil, errors.New("a firewall alone gives no spec: it does not say which server runs behind it")
		}
		return nil, errors.New("no file states a server with a control port")
	}
	d := &Draft{}
	names := map[string]bool{}
	for _, s := range inv.Servers {
		site := &Site{Name: unique(names, s.Profile), Server: s, Sessions: cmp.Or(capOf(s), o.Sessions)}
		d.Sites = append(d.Sites, site)
	}
	hosts, err := place(d.Sites, inv, o)
	if err != nil {
		return nil, err
	}
	for _, h := range hosts {
		if h.guessed {
			d.Placeholders = append(d.Placeholders, Placeholder{h.name, h.addresses[0]})
		}
	}
	for _, s := range d.Sites {
		s.join(inv.Firewalls)
	}
	d.copies(o.WithSecrets)
	return d, d.write(inv, hosts)
}

// capOf is the cap that a line states; 0 if none does.
func capOf(s *inventory.Server) int {
	if s.Sessions.Written() {
		return s.Sessions.Value
	}
	return 0
}

// maxHosts is how many machines have a placeholder each.
const maxHosts = 250

// unique is a name that no other has.
func unique(names map[string]bool, name string) string {
	for n := 2; names[name]; n++ {
		name = fmt.Sprintf("%s-%d", strings.TrimRight(strings.TrimSuffix(name, fmt.Sprintf("-%d", n-1)), "-"), n)
	}
	names[name] = true
	return name
}

// place gives each site a host. Two servers that listen on the same port of the
// same addresses are on two machines, and so are two of a kind of which a
// machine has one.
func place(sites []*Site, inv *inventory.Inventory, o Options) ([]*host, error) {
	var hosts []*host
	for _, s := range sites {
		i := slices.IndexFunc(hosts, func(h *host) bool { return h.takes(s) })
		if i < 0 {
			name := "ftp"
			if len(hosts) > 0 {
				name = fmt.Sprintf("ftp-%d", len(hosts)+1)
			}
			hosts = append(hosts, &host{name: name})
			i = len(hosts) - 1
		}
		s.host = hosts[i]
		hosts[i].sites = append(hosts[i].sites, s)
	}
	if len(hosts) > maxHosts {
		return nil, fmt.Errorf("the files are of more than %d machines", maxHosts)
	}
	taken := map[netip.Addr]*host{}
	for n, h := range hosts {
		for _, s := range h.sites {
			h.add(s.Server.Addresses.Value...)
			s.opened = s.destinations(inv.Firewalls)
			h.add(s.opened...)
		}
		if n == 0 {
			h.add(o.Addresses...)
		}
		if len(h.addresses) == 0 {
			h.guessed = true
			h.add(netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + n)}))
			if !slices.ContainsFunc(h.sites, func(s *Site) bool { return s.Server.IPv4 }) {
				h.addresses = []netip.Addr{netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", 1+n))}
			}
		}
		for _, a := range h.addresses {
			if other := taken[a]; other != nil && !a.IsLoopback() {
				return nil, fmt.Errorf("%s and %s are two machines, since they need the same port or there is one of them on a machine, but both listen on %s: import them one at a time",
					other.sites[0].Server.At, h.sites[0].Server.At, a)
			}
			taken[a] = h
		}
	}
	return hosts, nil
}

func (h *host) add(addresses ...netip.Addr) {
	for _, a := range addresses {
		if spec.Possible(a) && !slices.Contains(h.addresses, a) {
			h.addresses = append(h.addresses, a)
		}
	}
}

// takes reports whether a site can be on a host.
func (h *host) takes(s *Site) bool {
	return !slices.ContainsFunc(h.sites, func(o *Site) bool {
		a, b := s.Server, o.Server
		if a.Profile == "pureftpd" && b.Profile == "pureftpd" {
			return true
		}
		return a.Port.Value == b.Port.Value && a.Meets(b)
	})
}

// copies are the configs beside the spec, each once.
func (d *Draft) copies(withSecrets bool) {
	d.Files = []File{{Path: Name}}
	done := map[*spec.Base]string{}
	taken := map[string]bool{Name: true, plan.LockFile: true}
	for _, s := range d.Sites {
		base := s.Server.Base
		if base == nil || len(base.Files) == 0 {
			continue
		}
		s.shared = slices.ContainsFunc(d.Sites, func(o *Site) bool { return o != s && o.Server.Base == base })
		if at, ok := done[base]; ok {
			s.base = at
			continue
		}
		files := base.Files
		if !withSecrets {
			files = inventory.WithoutSecrets(base).Files
		}
		folder := ""
		if base.Folder {
			folder = unique(taken, "pure-ftpd")
		} else if slices.ContainsFunc(files, func(f spec.BaseFile) bool { return taken[f.Name] || strings.HasSuffix(f.Name, spec.Extension) }) {
			folder = unique(taken, s.Name)
		}
		for _, f := range files {
			at := path.Join(folder, f.Name)
			taken[at] = true
			d.Files = append(d.Files, File{at, f.Text, true})
		}
		s.base = folder
		if !base.Folder {
			s.base = path.Join(folder, files[0].Name)
		}
		done[base] = s.base
	}
}

// carries asks what the pins carry, and what the caps need.
func (s *Site) carries() {
	profile, ok := sizing.Lookup(s.Server.Profile)
	if !ok || s.read == nil {
		return
	}
	w := s.read.Workload
	if w.Sessions = s.Sessions; s.Sessions > 0 {
		if r, err := sizing.Size(profile, w); err == nil {
			s.Needs = r.Ports
		}
	}
	if s.DataPorts.Count() > 0 {
		if w.SessionsPerAddress = 0; s.Server.SessionsPerAddress.Written() {
			w.SessionsPerAddress = s.Server.SessionsPerAddress.Value
		}
		s.Carries, _ = sizing.NewCapacity(profile, w, spec.MaxSessions).Sessions(s.DataPorts.Count())
	}
}
