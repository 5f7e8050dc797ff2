package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/outdir"
	"github.com/pasvctl/pasvctl/generators/draft"
	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

type importer struct {
	streams
	dir         string
	server      string
	sessions    int
	cloud       string
	addresses   []string
	withSecrets bool
	asJSON      bool
}

func newImport(s streams) *cobra.Command {
	m := &importer{streams: s}
	c := &cobra.Command{
		Use:   "import [PATH...] -o DIR",
		Short: "write a spec from the configs of servers and firewalls",
		Long: `import reads the configs of FTP servers, and of the firewall beside them, and writes a
folder with a spec that says the same: ports, addresses, clients, caps, timeouts, TLS. The
config is copied into it as base_config. Nothing that is there is replaced.

It reads vsftpd.conf, proftpd.conf with what it includes, Pure-FTPd's folder of settings,
its pure-ftpd.conf or its command line, and SFTPGo's environment. The firewall is the output
of nft -j list ruleset, iptables-save, ip6tables-save with ipset save, or aws ec2
describe-security-groups, or a compose.yaml. PATH may be a folder of them, - for standard
input, or the command line itself. The format is told by the content.

Each value has its file and line behind it. What no file states is a default and says
so. The range stays as it is. If it is too small for the server's cap, neither is changed:
import says how many ports that takes, and validate reports it. A cap that is missing is
not invented: write --sessions, or put it into the spec. Lines that look like
secrets are left out of the copy, unless --with-secrets is given. What was not read is
listed with the reason.

Without PATH it writes a commented spec to begin with, of --server and --sessions.`,
		Example: "  pasvctl import examples/existing/vsftpd.conf -o ftp\n" +
			"  pasvctl import 'pure-ftpd -p 30000:30019 -c 10' -o pure\n" +
			"  pasvctl import --server vsftpd --sessions 40 -o new",
		RunE: func(_ *cobra.Command, args []string) error { return m.run(args) },
	}
	c.Flags().StringVarP(&m.dir, "output", "o", "", "write into `DIR`, which is empty or not there")
	c.Flags().IntVar(&m.sessions, "sessions", 0, "cap of control connections, `N`, of each server that states none")
	c.Flags().StringSliceVar(&m.addresses, "address", nil, "`ADDRESS` of the machine, if its servers listen on all; repeatable")
	c.Flags().BoolVar(&m.withSecrets, "with-secrets", false, "copy lines that look like secrets, too")
	c.Flags().StringVar(&m.server, "server", "", "without PATH: the server, by its `NAME` in a spec")
	c.Flags().StringVar(&m.cloud, "cloud", "", "without PATH: also render rules for this `CLOUD`")
	c.Flags().BoolVar(&m.asJSON, "json", false, "write JSON")
	_ = c.MarkFlagDirname("output")
	_ = c.RegisterFlagCompletionFunc("server", cobra.FixedCompletions(serverNames(), cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("cloud", cobra.FixedCompletions(draft.Clouds(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (m *importer) run(paths []string) error {
	addresses, err := m.check(len(paths) > 0)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return m.start(addresses)
	}
	inv, err := present(paths, m.in)
	if err != nil {
		return err
	}
	d, err := draft.Of(inv, draft.Options{Sessions: m.sessions, Addresses: addresses, WithSecrets: m.withSecrets})
	if err != nil {
		return failure(err, "name the config of an FTP server, like /etc/vsftpd.conf, and its firewall beside it")
	}
	changes, err := m.write(d.Files)
	if err != nil {
		return err
	}
	return m.tell(&imported{draft: d, inventory: inv, files: changes, withSecrets: m.withSecrets, dir: m.dir})
}

func (m *importer) tell(report *imported) error {
	if m.asJSON {
		return report.json(m.out)
	}
	return report.text(m.out)
}

func (m *importer) check(files bool) (addresses []netip.Addr, err error) {
	switch {
	case m.dir == "":
		return nil, usage("write -o DIR", "the output folder is missing")
	case m.sessions < 0 || m.sessions > spec.MaxSessions:
		return nil, usage(fmt.Sprintf("write --sessions 1 to %d", spec.MaxSessions), "--sessions %d is out of range", m.sessions)
	case files && (m.server != "" || m.cloud != ""):
		return nil, usage("leave out the flag, or PATH", "--server and --cloud are for a spec that no file is read for")
	case !files && m.server == "":
		return nil, usage("name a config, like /etc/vsftpd.conf, or write --server and --sessions for a spec to begin with", "PATH is missing")
	case !files && !slices.Contains(serverNames(), m.server):
		return nil, usage("the servers are "+strings.Join(serverNames(), ", "), "there is no server %q", m.server)
	case !files && m.sessions == 0:
		return nil, usage("write --sessions N: how many control connections the server admits at once", "--sessions is missing")
	case !files && m.cloud != "" && !slices.Contains(draft.Clouds(), m.cloud):
		return nil, usage("the clouds are "+strings.Join(draft.Clouds(), ", "), "there is no cloud %q", m.cloud)
	}
	for _, text := range m.addresses {
		a, err := netip.ParseAddr(text)
		if err != nil || !spec.Possible(a) {
			return nil, usage("write --address 203.0.113.10", "--address %q is not an address of a machine", text)
		}
		addresses = append(addresses, a)
	}
	return addresses, nil
}

func (m *importer) start(addresses []netip.Addr) error {
	d := &draft.Draft{}
	if len(addresses) == 0 {
		addresses = []netip.Addr{netip.AddrFrom4([4]byte{203, 0, 113, 10})}
		d.Placeholders = []draft.Placeholder{{Host: "ftp", Address: addresses[0]}}
	}
	text, err := draft.Start(m.server, m.sessions, m.cloud, addresses[0])
	if err != nil {
		return err
	}
	changes, err := m.write([]draft.File{{Path: "ftp" + spec.Extension, Content: text}})
	if err != nil {
		return err
	}
	return m.tell(&imported{draft: d, inventory: &inventory.Inventory{}, files: changes, dir: m.dir})
}

// write puts the files into a folder that has none.
func (m *importer) write(files []draft.File) ([]outdir.Change, error) {
	entries, err := os.ReadDir(m.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, failure(err, writeHint(err))
	}
	if len(entries) > 0 {
		return nil, failure(fmt.Errorf("%s is not empty, and import replaces nothing", m.dir), "write into another folder with -o")
	}
	var all []outdir.File
	for _, f := range files {
		all = append(all, outdir.File{Path: f.Path, Content: f.Content, Private: f.Private})
	}
	pending, err := outdir.Stage(m.dir, func() ([]outdir.File, error) { return all, nil })
	if err != nil {
		return nil, failure(err, writeHint(err))
	}
	if slices.ContainsFunc(pending.Changes, func(c outdir.Change) bool { return c.State != outdir.Created }) {
		pending.Discard()
		return nil, failure(fmt.Errorf("%s was filled by another process in the meantime", m.dir), "")
	}
	if err := pending.Commit(); err != nil {
		return nil, failure(err, writeHint(err))
	}
	for i, c := range pending.Changes {
		pending.Changes[i].Path = filepath.Join(m.dir, filepath.FromSlash(c.Path))
	}
	return pending.Changes, nil
}

// tooFew says what the cap of a site takes, if its range has less; "" otherwise.
func tooFew(s *draft.Site) string {
	n := s.DataPorts.Count()
	if n == 0 || s.Needs <= n {
		return ""
	}
	return fmt.Sprintf("%s need %s if all want a port at once, and %s has %s, which carry %s",
		sizing.Plural(s.Sessions, "session"), sizing.Plural(s.Needs, "port"), s.DataPorts, sizing.Count(n), sizing.Count(s.Carries))
}
