package inventory

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/generators/serverconf"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() {
	register(reader{tellsPureftpd, readPureftpdFile})
	register(reader{func(text []byte) int { return 100 * matches(pureftpdCommand, text) }, readPureftpdCommand})
}

type pureftpdSetting struct {
	letter, name string
	takes        bool // a value
}

// pureftpdSettings are the settings of pure-ftpd-wrapper(8) of 1.0.50, with the
// letters of pure-ftpd(8). A setting that takes no value is "yes".
var pureftpdSettings = []pureftpdSetting{
	{"0", "NoTruncate", false}, {"1", "LogPID", false}, {"4", "IPV4Only", false}, {"6", "IPV6Only", false}, {"a", "TrustedGID", true},
	{"A", "ChrootEveryone", false}, {"b", "BrokenClientsCompatibility", false}, {"B", "Daemonize", false}, {"c", "MaxClientsNumber", true},
	{"C", "MaxClientsPerIP", true}, {"d", "VerboseLog", false}, {"D", "DisplayDotFiles", false}, {"e", "AnonymousOnly", false}, {"E", "NoAnonymous", false},
	{"f", "SyslogFacility", true}, {"F", "FortunesFile", true}, {"G", "NoRename", false}, {"H", "DontResolve", false}, {"i", "AnonymousCantUpload", false},
	{"I", "MaxIdleTime", true}, {"j", "CreateHomeDir", false}, {"J", "TLSCipherSuite", true}, {"k", "MaxDiskUsage", true}, {"K", "KeepAllFiles", false},
	{"L", "LimitRecursion", true}, {"m", "MaxLoad", true}, {"M", "AnonymousCanCreateDirs", false}, {"n", "Quota", true}, {"N", "NATmode", false},
	{"o", "CallUploadScript", false}, {"O", "AltLog", true}, {"p", "PassivePortRange", true}, {"P", "ForcePassiveIP", true}, {"q", "AnonymousRatio", true},
	{"Q", "UserRatio", true}, {"r", "AutoRename", false}, {"R", "NoChmod", false}, {"s", "AntiWarez", false}, {"S", "Bind", true},
	{"t", "AnonymousBandwidth", true}, {"T", "UserBandwidth", true}, {"u", "MinUID", true}, {"U", "Umask", true}, {"V", "TrustedIP", true},
	{"w", "AllowUserFXP", false}, {"W", "AllowAnonymousFXP", false}, {"x", "ProhibitDotFilesWrite", false}, {"X", "ProhibitDotFilesRead", false},
	{"y", "PerUserLimits", true}, {"Y", "TLS", true}, {"z", "AllowDotFiles", false}, {"Z", "CustomerProof", false},
}

// pureftpdLong are options of pure-ftpd(8) that are longer than the lower-case
// name of their setting, or shorter.
var pureftpdLong = map[string]string{"maxdiskusagepct": "k", "uploadscript": "o", "prohibitdotfilesread": "X", "prohibitdotfileswrite": "x", "certfile": "2", "extcert": "3", "login": "l", "pidfile": "g", "bonjour": "v"}

// pureftpdOther are options with a value that no setting has.
const pureftpdOther = "23glv"

var (
	pureftpdLine    = regexp.MustCompile(`(?m)^[ \t]*(?:ChrootEveryone|BrokenClientsCompatibility|MaxClientsNumber|MaxClientsPerIP|PassivePortRange|ForcePassiveIP|NoAnonymous|AnonymousOnly|DontResolve|MaxIdleTime|LimitRecursion|DisplayDotFiles|AllowUserFXP|VerboseLog|Daemonize|SyslogFacility|MinUID|AutoRename|NoRename|CustomerProof)[ \t]+\S`)
	pureftpdCommand = regexp.MustCompile(`(?m)^[ \t]*(?:(?:ExecStart=|exec[ \t]+|sudo[ \t]+|command:[ \t]*)*)(?:\S*/)?pure-ftpd(?:-[a-z]+)?(?:[ \t]+-|[ \t]*$)`)
	pureftpdName    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]+$`)
)

func tellsPureftpd(text []byte) int { return matches(pureftpdLine, text) }

// pureftpdFolder reports whether the entries are those of a folder of settings.
func pureftpdFolder(entries []fs.DirEntry) bool {
	return slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		return !e.IsDir() && slices.ContainsFunc(pureftpdSettings, func(s pureftpdSetting) bool { return s.name == e.Name() })
	})
}

// isPureftpd reports the same of a folder that may be there.
func isPureftpd(fsys fs.FS, name string) bool {
	entries, err := fs.ReadDir(fsys, name)
	return err == nil && pureftpdFolder(entries)
}

// readPureftpdFolder reads the folder of settings that pure-ftpd-wrapper reads.
func readPureftpdFolder(in *input, entries []fs.DirEntry) error {
	base := &spec.Base{Path: in.source.Name, Folder: true}
	size := 0
	for _, e := range entries {
		name := path.Join(in.source.Name, e.Name())
		if info, err := fs.Stat(in.source.FS, name); err != nil || !info.Mode().IsRegular() {
			continue
		}
		text, err := spec.ReadBounded(in.source.FS, name, spec.MaxBase)
		if err != nil && err != spec.ErrTooLong {
			return fmt.Errorf("%s: %w", in.in(name, 0), err)
		}
		if size += len(text); err != nil || size > spec.MaxBase || len(base.Files) == spec.MaxBaseFiles {
			return fmt.Errorf("%s: the folder is larger than a server's config", in.at(0))
		}
		in.secrets(name, text)
		base.Files = append(base.Files, spec.BaseFile{Name: e.Name(), Text: text})
	}
	err := in.pureftpd(base, func(d serverconf.Directive) At { return in.in(path.Join(in.source.Name, path.Base(d.File)), d.Line) })
	if err == nil {
		for _, f := range base.Files {
			if f.Name == "PassivePortRange" {
				in.Servers[len(in.Servers)-1].Made = madeBy(f.Text)
			}
		}
	}
	return err
}

// readPureftpdFile reads pure-ftpd.conf: a setting a line.
func readPureftpdFile(in *input) error {
	var all settings
	for i, line := range strings.Split(string(in.text), "\n") {
		if name, value, _ := strings.Cut(strings.TrimSpace(line), " "); name != "" && name[0] != '#' {
			all = append(all, oneSetting{name, strings.TrimSpace(value), i + 1})
		}
	}
	return all.read(in)
}

// oneSetting is a setting that is not in a file of its own.
type oneSetting struct {
	name, value string
	line        int
}

type settings []oneSetting

// read makes a folder of the settings, of which the last of a name counts.
func (all settings) read(in *input) error {
	in.secrets(in.source.Name, in.text)
	base := &spec.Base{Path: "pure-ftpd", Folder: true}
	lines := map[string]int{}
	for _, s := range all {
		if !pureftpdName.MatchString(s.name) || len(base.Files) == spec.MaxBaseFiles {
			in.unread(in.at(s.line), "the line", "it is not a setting of Pure-FTPd")
			continue
		}
		if _, twice := lines[s.name]; twice {
			base.Files = slices.DeleteFunc(base.Files, func(f spec.BaseFile) bool { return f.Name == s.name })
		}
		lines[s.name] = s.line
		base.Files = append(base.Files, spec.BaseFile{Name: s.name, Text: []byte(s.value + "\n")})
	}
	slices.SortFunc(base.Files, func(a, b spec.BaseFile) int { return strings.Compare(a.Name, b.Name) })
	return in.pureftpd(base, func(d serverconf.Directive) At { return in.at(lines[d.Name]) })
}

// pureftpd reads a folder of settings with the defaults of pure-ftpd(8) 1.0.50.
func (in *input) pureftpd(base *spec.Base, place func(serverconf.Directive) At) error {
	conf, err := serverconf.Read("pureftpd", base)
	if err != nil {
		return in.located(err)
	}
	c := config{Config: conf, in: in, place: place}
	s := &Server{
		Profile: "pureftpd", At: in.at(0), Base: base,
		Port: value(uint16(21)), Passive: value(true), Sessions: value(50),
		IdleTimeout: value(15 * time.Minute),
		TLS:         value(spec.TLSOff), TLSRequired: value(false), SessionReuse: value(false), PeerCheck: value(true),
		Certificate: value("/etc/ssl/private/pure-ftpd.pem"), TruncatedUploads: value(spec.AcceptTruncated),
	}
	in.Servers = append(in.Servers, s)
	four, _ := c.one("IPV4Only")
	six, _ := c.one("IPV6Only")
	s.IPv4, s.IPv6 = !six.Yes(), !four.Yes()
	set(c, &s.Addresses, bindAddress, "Bind")
	set(c, &s.Port, bindPort, "Bind")
	set(c, &s.DataPorts, func(d serverconf.Directive) (spec.PortRange, error) { return ports(d.Word(0), d.Word(1)) }, "PassivePortRange")
	set(c, &s.Passive, off, "NATmode")
	set(c, &s.Announce, text, "ForcePassiveIP")
	set(c, &s.PeerCheck, off, "AllowUserFXP")
	set(c, &s.Sessions, limit, "MaxClientsNumber")
	set(c, &s.SessionsPerAddress, limit, "MaxClientsPerIP")
	set(c, &s.IdleTimeout, func(d serverconf.Directive) (time.Duration, error) {
		n, err := number(d.Word(0), 1<<20)
		return time.Duration(n) * time.Minute, err
	}, "MaxIdleTime")
	set(c, &s.TLS, func(d serverconf.Directive) (spec.TLSMode, error) { return mode(d.Word(0) != "0", false), nil }, "TLS")
	set(c, &s.TLSRequired, func(d serverconf.Directive) (bool, error) { return d.Word(0) == "3", nil }, "TLS")
	if d, ok := c.one("TLS"); ok && d.Word(0) == "2" {
		in.unread(place(d), d.Name, "a site requires TLS for everything or for nothing")
	}
	return nil
}

// bindAddress is the address of Bind, which may be "ADDRESS,PORT", ",PORT",
// "PORT" or "ADDRESS".
func bindAddress(d serverconf.Directive) ([]netip.Addr, error) {
	address, _, both := strings.Cut(d.Word(0), ",")
	if _, err := number(address, 65535); address == "" || address == "*" || !both && err == nil {
		return nil, nil
	}
	return addresses(serverconf.Directive{Value: address})
}

func bindPort(d serverconf.Directive) (uint16, error) {
	address, text, both := strings.Cut(d.Word(0), ",")
	if n, err := number(address, 65535); !both && err == nil {
		return uint16(n), nil
	}
	if text == "" || text == "ftp" {
		return 21, nil
	}
	n, err := number(text, 65535)
	if err == nil && n == 0 {
		err = errors.New("its port is 0")
	}
	return uint16(n), err
}
