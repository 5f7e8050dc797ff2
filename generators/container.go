package generators

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// container is how a site's server runs in a container, for compose and
// Kubernetes.
type container struct {
	serverSite
	Image    string // "" if the spec names none
	Control  uint16 // control port in the container; outside it is the site's
	Command  []string
	Env      [][2]string
	Own      bool     // pasvctl's image
	Health   string   // where its /ready answers, ADDR:PORT
	Folders  []string // of the certificate and its key, if the image reads them
	Low      bool     // it binds a port below 1024 on the host
	Files    int      // that it may have open
	Reserved string   // ports that its kernel gives to nobody else; "" if they are the host's
}

// What pasvctl's image has.
const (
	imageUser   = 65532
	imageFolder = "/etc/pasvctl" // the spec, its lock and the users files
	imageFiles  = "/srv/ftp"     // the users' files
)

// An imageKind is an image whose variables are known.
type imageKind struct {
	name       string // in the setting environment
	repository string
	server     string // the profile of the server in it
	control    uint16 // it listens there in a network of its own
	// fill adds what the image reads. Ports are those in the container.
	fill func(*container) hcl.Diagnostics
}

// The images' documentation and start scripts: pasvctl's own,
// github.com/fauria/docker-vsftpd (run-vsftpd.sh), github.com/stilliard/docker-pure-ftpd
// (run.sh, Dockerfile), docs.sftpgo.com (environment variables).
var imageKinds = []imageKind{
	{"pasvctl", "pasvctl", "embedded", 2121, nil},
	{"fauria", "fauria/vsftpd", "vsftpd", 21, (*container).fauria},
	{"stilliard", "stilliard/pure-ftpd", "pureftpd", 21, (*container).stilliard},
	{"sftpgo", "drakkan/sftpgo", "sftpgo", 2121, (*container).sftpgo},
	{"none", "", "", 0, nil},
}

// imageSettings are the settings of compose and kubernetes that say what runs.
var imageSettings = []spec.Argument{
	{Name: "images", Type: spec.Texts, Otherwise: "pasvctl's own for the bundled daemon", Limit: "images by the sites' names", Example: `{ downloads = "registry.example.net/pasvctl:1" }`,
		Doc: "Image that runs a site."},
	{Name: "environment", Type: spec.Texts, Otherwise: "by the image's name", Limit: "fauria, none, pasvctl, sftpgo or stilliard, by the sites' names", Example: `{ downloads = "none" }`,
		Doc: "Whose variables a site's image reads: those of fauria/vsftpd, stilliard/pure-ftpd, drakkan/sftpgo or pasvctl's own image, or none."},
}

// imageChoice is what imageSettings are decoded into.
type imageChoice struct {
	placed
	images, environment map[string]string
}

var imageName = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9._:/@-]{0,254}$`)

// containers are the sites' containers, by host. Host: they are in their host's
// own network.
func (c imageChoice) containers(p *plan.Plan, host bool) (map[*plan.Host][]container, hcl.Diagnostics) {
	diags := c.unfit(p)
	all := map[*plan.Host][]container{}
	for _, h := range p.Hosts {
		for i, site := range h.Sites {
			made, more := c.container(newServerSite(p, site), h.Sites, host, i)
			diags = append(diags, more...)
			all[h] = append(all[h], made)
		}
	}
	return all, diags
}

// unfit finds names of sites that there are not, and texts that are no images.
func (c imageChoice) unfit(p *plan.Plan) (diags hcl.Diagnostics) {
	sites := siteNames(p)
	for _, name := range slices.Sorted(maps.Keys(c.images)) {
		if !slices.Contains(sites, name) {
			diags = append(diags, c.wrong("images", "images names site %q, which is not in the spec. %s", name, choices(name, sites)))
		} else if !imageName.MatchString(c.images[name]) {
			diags = append(diags, c.wrong("images", "%q is not the name of an image, such as \"registry.example.net/ftp/pasvctl:1.0\".", c.images[name]))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.environment)) {
		if !slices.Contains(sites, name) {
			diags = append(diags, c.wrong("environment", "environment names site %q, which is not in the spec. %s", name, choices(name, sites)))
		}
	}
	return diags
}

// kind is the image's kind: the one of the environment setting, or of its name.
func (c imageChoice) kind(site *plan.Site) (imageKind, hcl.Diagnostics) {
	image, named := c.images[site.Name]
	if !named && site.Server == "embedded" {
		image = "pasvctl"
	}
	repository := strings.TrimPrefix(strings.TrimPrefix(image, "docker.io/"), "ghcr.io/")
	repository, _, _ = strings.Cut(repository, "@")
	if at := strings.LastIndex(repository, ":"); at > strings.LastIndex(repository, "/") {
		repository = repository[:at]
	}
	asked, given := c.environment[site.Name]
	var names []string
	for _, kind := range imageKinds {
		names = append(names, kind.name)
		if given && kind.name != asked || !given && kind.repository != repository && path.Base(repository) != kind.repository {
			continue
		}
		if kind.server != "" && kind.server != site.Server {
			setting := "environment"
			if !given {
				setting = "images"
			}
			return kind, hcl.Diagnostics{c.wrong(setting, "Site %q runs %s, and the image of %q runs %s. Name another image, or set server = %q.",
				site.Name, site.Server, kind.name, kind.server, kind.server)}
		}
		return kind, nil
	}
	if given {
		return imageKind{}, hcl.Diagnostics{c.wrong("environment", "environment of site %q is %q, whose variables are unknown. %s", site.Name, asked, choices(asked, names))}
	}
	return imageKinds[len(imageKinds)-1], nil
}

// container is the container of a site, which is sites[index] of its host.
func (c imageChoice) container(s serverSite, sites []*plan.Site, host bool, index int) (container, hcl.Diagnostics) {
	kind, diags := c.kind(s.Site)
	if diags.HasErrors() {
		return container{}, diags
	}
	made := container{serverSite: s, Image: c.images[s.Site.Name], Control: s.Site.Port, Own: kind.name == "pasvctl"}
	if !host {
		if kind.control > 0 {
			made.Control = outside(kind.control, s.Data)
		}
		made.Reserved = s.Data.String()
		if made.Announce == "" {
			at := slices.IndexFunc(s.Addresses, func(a string) bool { return !strings.Contains(a, ":") })
			switch only := len(s.Site.Policy.Addresses4); {
			case only == 1:
				made.Announce = s.Addresses[at]
			case only > 1:
				diags = append(diags, finding.AnnounceMissing.Error(s.Site.Ranges.Of("addresses"),
					"Site %q has %d IPv4 addresses, and in its container the server sees none of them, so its reply to PASV would name an address that clients cannot reach. Write announce = %q, or another of them.",
					s.Site.Name, only, s.Addresses[at]))
			}
		}
	}
	made.Low = host && made.Control < 1024
	if made.Own {
		made.own(sites, host, index)
		diags = append(diags, made.certificate()...)
	} else if kind.fill != nil {
		diags = append(diags, kind.fill(&made)...)
	}
	return made, diags
}

// outside is the port, or the next one outside of a range.
func outside(port uint16, r spec.PortRange) uint16 {
	switch {
	case !r.Contains(port):
		return port
	case r.Last < 65535:
		return r.Last + 1
	}
	return r.First - 1
}

// own fills the container of pasvctl's image.
func (c *container) own(sites []*plan.Site, host bool, index int) {
	if c.Image == "" {
		c.Image = "pasvctl:" + Version
	}
	c.Health = fmt.Sprintf("127.0.0.1:%d", c.healthPort(sites, host, index))
	c.Command = []string{"serve", imageFolder, "--site", c.Site.Name, "--users", imageFolder + "/" + c.Site.Name + ".users", "--metrics", c.Health}
	if !host {
		listen := fmt.Sprintf("0.0.0.0:%d", c.Control)
		if !c.IPv4Only {
			listen = fmt.Sprintf(":%d", c.Control)
		}
		c.Command = append(c.Command, "--listen", listen)
		if c.Announce != "" && c.Site.Announced() == "" {
			c.Command = append(c.Command, "--announce", c.Announce)
		}
	}
	c.Files = 7*c.Site.Sessions + 2*(c.Data.Count()+1) + 1024
	c.Reserved = "" // it binds them all at start
}

// healthPort is where the daemon tells its health: from 9121 on, a port that no site
// in its network binds, and another one for each of its host's sites if they share
// the host's. It is 9121 if all ports above 1023 are bound.
func (c *container) healthPort(sites []*plan.Site, host bool, index int) int {
	bound := func(port uint16) bool { return c.Data.Contains(port) || port == c.Control }
	if host {
		bound = func(port uint16) bool {
			return slices.ContainsFunc(sites, func(s *plan.Site) bool { return s.DataPorts.Contains(port) || s.Port == port })
		}
	} else {
		index = 0
	}
	const first, count = 9121, 65536 - 1024
	for i := range count {
		port := 1024 + (first-1024+i)%count
		if bound(uint16(port)) {
			continue
		}
		if index == 0 {
			return port
		}
		index--
	}
	return first
}

// unable reports arguments of the site that the image has no variable for.
func (c *container) unable(image string, attrs ...string) (diags hcl.Diagnostics) {
	for _, attr := range attrs {
		at, written := c.Site.Ranges[attr]
		if !written {
			continue
		}
		diags = append(diags, finding.ServerUnable.Error(&at, "Site %q: the image %s has no variable for %s. Remove it, or give the image a config of yours and set environment = { %s = \"none\" } in the target's block.",
			c.Site.Name, image, attr, c.Site.Name))
	}
	return diags
}

// fauria is vsftpd with variables for the range and the address only. Its start
// script appends them to the config, where the last line counts.
func (c *container) fauria() hcl.Diagnostics {
	lines := []string{
		fmt.Sprintf("max_clients=%d", c.Site.Sessions), fmt.Sprintf("max_per_ip=%d", c.Site.SessionsPerAddress),
		fmt.Sprintf("idle_session_timeout=%d", c.Idle), fmt.Sprintf("data_connection_timeout=%d", c.Stall), "port_enable=NO",
	}
	if !c.IPv4Only {
		lines = append(lines, "listen=NO", "listen_ipv6=YES")
	}
	c.Command = []string{"/bin/sh", "-c", "printf '%s\\n' " + strings.Join(lines, " ") + " >>/etc/vsftpd/vsftpd.conf && exec /usr/sbin/run-vsftpd.sh"}
	c.Env = append(c.Env, [2]string{"PASV_MIN_PORT", fmt.Sprint(c.Data.First)}, [2]string{"PASV_MAX_PORT", fmt.Sprint(c.Data.Last)},
		[2]string{"LISTEN_PORT", fmt.Sprint(c.Control)}, [2]string{"PASV_PROMISCUOUS", map[bool]string{true: "YES", false: "NO"}[c.Site.ForeignData]})
	if c.Announce != "" {
		c.Env = append(c.Env, [2]string{"PASV_ADDRESS", c.Announce})
		if spec.HostName(c.Announce) {
			c.Env = append(c.Env, [2]string{"PASV_ADDR_RESOLVE", "YES"})
		}
	}
	diags := c.unable("fauria/vsftpd", "tls")
	if c.Announce != "" && !c.IPv4Only {
		diags = append(diags, announceOnIPv6(c.serverSite))
	}
	return diags
}

// stilliard is Pure-FTPd with variables for its most common flags; ADDED_FLAGS
// takes the others.
func (c *container) stilliard() hcl.Diagnostics {
	flags := fmt.Sprintf("-I %d --tls=%d", c.Idle/60, c.pureTLS())
	if c.Control != 21 {
		flags += fmt.Sprintf(" -S ,%d", c.Control)
	}
	if c.IPv4Only {
		flags += " -4"
	}
	c.Env = append(c.Env, [2]string{"FTP_PASSIVE_PORTS", fmt.Sprintf("%d:%d", c.Data.First, c.Data.Last)},
		[2]string{"FTP_MAX_CLIENTS", fmt.Sprint(c.Site.Sessions)}, [2]string{"FTP_MAX_CONNECTIONS", fmt.Sprint(c.Site.SessionsPerAddress)},
		[2]string{"ADDED_FLAGS", flags})
	if c.Announce != "" {
		c.Env = append(c.Env, [2]string{"PUBLICHOST", c.Announce})
	}
	return slices.Concat(c.certificate(), c.pureLimits(), c.takesTruncated("Pure-FTPd"))
}

// sftpgo has the variables of the target sftpgo, with the addresses and the
// control port of the container. To Go 0.0.0.0 is IPv6, too.
func (c *container) sftpgo() hcl.Diagnostics {
	s := c.serverSite
	site, inside := *s.Site, *s.Site.Site
	inside.Port, site.Site = c.Control, &inside
	s.Site, s.Addresses, s.Announce = &site, []string{"0.0.0.0"}, c.Announce
	for line := range strings.Lines(string(render("", "sftpgo/sftpgo.env.tmpl", s).Content)) {
		if name, value, set := strings.Cut(strings.TrimSuffix(line, "\n"), "="); set && !strings.HasPrefix(line, "#") {
			c.Env = append(c.Env, [2]string{name, value})
		}
	}
	return append(c.certificate(), s.sftpgoUnable()...)
}

// certificate mounts the folders of the certificate and its key, if they can be
// mounted over the image's. A file mounted by itself would stay the old one when it
// is renewed by renaming.
func (c *container) certificate() hcl.Diagnostics {
	if c.TLS.Mode == spec.TLSOff {
		return nil
	}
	for i, file := range []string{c.TLS.Certificate, c.TLS.Key} {
		folder := path.Dir(file)
		if path.Clean(file) != file || folder == "/" || folder == "/etc" || nested(folder, imageFolder) || nested(folder, imageFiles) {
			return hcl.Diagnostics{finding.InvalidSetting.Error(c.Site.Ranges.Of([]string{"tls.certificate", "tls.key"}[i]),
				"Site %q: the folder of %s is mounted into the container, which has the spec in %s and the users' files in %s. Put it into another folder, such as /etc/ftp/tls.", c.Site.Name, file, imageFolder, imageFiles)}
		}
		if !slices.Contains(c.Folders, folder) {
			c.Folders = append(c.Folders, folder)
		}
	}
	return nil
}

// nested reports whether a folder is another or in it, or the other is in it.
func nested(a, b string) bool {
	return strings.HasPrefix(a+"/", b+"/") || strings.HasPrefix(b+"/", a+"/")
}
