package serverconf

import (
	"cmp"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// group is a number of owned directives that one attribute of a site sets.
type group struct {
	attr  string   // the attribute, with its block before a dot
	names []string // those that say the attribute's value
	also  []string // those that belong to them
	// line is what a site says in the place of the names, in HCL, of the attribute's
	// name and the names' effective values, "" for one that is not there; "" if
	// nothing. It is not ok if a site cannot say that.
	line func(attr string, v []string) (line string, ok bool)
}

// says is the line of some values.
func (g group) says(v []string) (line string, ok bool) {
	return g.line(g.attr[strings.LastIndexByte(g.attr, '.')+1:], v)
}

// Directives are those that an attribute of a site sets, by server: "data_ports"
// or "tls.mode". The reference is made of them, by a test of cmd/pasvctl, and no
// other code calls this.
func Directives(attr string) map[string][]string {
	all := map[string][]string{}
	for server, f := range formats {
		if server == pureFile {
			continue // as the folder's
		}
		for _, g := range f.owned {
			if g.attr == attr {
				all[server] = append(append(all[server], g.names...), g.also...)
			}
		}
	}
	return all
}

// activeMode is an attribute whose directives are owned only where our lines have
// them: without it a base's own stay.
const activeMode = "active_mode"

// vsftpdOwned is as vsftpd.conf(5) of 3.0.3 has the directives and defaults.
var vsftpdOwned = []group{
	{"addresses", []string{"listen_address", "listen_address6"}, []string{"listen", "listen_ipv6"}, addresses},
	{"port", []string{"listen_port"}, nil, port},
	{"data_ports", []string{"pasv_min_port", "pasv_max_port"}, []string{"pasv_enable"}, portRange},
	{"announce", []string{"pasv_address"}, []string{"pasv_addr_resolve"}, announce},
	{"foreign_data", []string{"pasv_promiscuous"}, []string{"port_promiscuous"}, anyOn},
	{activeMode, []string{"port_enable"}, []string{"connect_from_port_20", "ftp_data_port"}, noneOff},
	{"concurrency.sessions", []string{"max_clients"}, nil, sessions},
	{"concurrency.sessions_per_address", []string{"max_per_ip"}, nil, sessions},
	{"idle_timeout", []string{"idle_session_timeout"}, []string{"accept_timeout"}, seconds},
	{"data_timeout", []string{"data_connection_timeout"}, nil, seconds},
	{"tls.mode", []string{"ssl_enable", "implicit_ssl"}, nil, func(attr string, v []string) (string, bool) {
		return mode(attr, yes(v[0]), yes(v[1]))
	}},
	{"tls.required", []string{"force_local_logins_ssl", "force_local_data_ssl"}, []string{"allow_anon_ssl", "force_anon_logins_ssl", "force_anon_data_ssl"}, noneOff},
	{"tls.certificate", []string{"rsa_cert_file"}, []string{"dsa_cert_file"}, hostPath},
	{"tls.key", []string{"rsa_private_key_file"}, []string{"dsa_private_key_file"}, hostPath},
	{"tls.session_reuse", []string{"require_ssl_reuse"}, nil, func(attr string, v []string) (string, bool) {
		return either(attr, yes(v[0]), "required", "preferred")
	}},
	{"truncated_uploads", []string{"strict_ssl_read_eof"}, nil, func(attr string, v []string) (string, bool) {
		return either(attr, yes(v[0]), "refuse", "accept")
	}},
}

// proftpdOwned is as the directives' reference of ProFTPD 1.3.8 has them. Of
// TLSOptions only the words of tlsOptions are owned.
var proftpdOwned = []group{
	{"addresses", []string{"DefaultAddress"}, []string{"ServerType", "SocketBindTight", "UseIPv6"}, addresses},
	{"port", []string{"Port"}, nil, port},
	{"data_ports", []string{"PassivePorts"}, nil, portRange},
	{"announce", []string{"MasqueradeAddress"}, nil, unquoted(announce)},
	{"foreign_data", []string{"AllowForeignAddress"}, nil, anyOn},
	{"concurrency.sessions", []string{"MaxInstances", "MaxClients"}, nil, sessions},
	{"concurrency.sessions_per_address", []string{"MaxClientsPerHost", "MaxConnectionsPerHost"}, nil, sessions},
	{"idle_timeout", []string{"TimeoutNoTransfer", "TimeoutIdle"}, nil, func(attr string, v []string) (string, bool) {
		noTransfer, idle := proftpdSeconds(v[0]), proftpdSeconds(v[1])
		line, ok := timeout(attr, cmp.Or(idle, noTransfer), "s", day)
		return line, ok && (noTransfer == "" || idle == "" || noTransfer == idle) // a spec has one time for both
	}},
	{"data_timeout", []string{"TimeoutStalled"}, nil, func(attr string, v []string) (string, bool) {
		return timeout(attr, proftpdSeconds(v[0]), "s", day)
	}},
	{"tls.mode", []string{"TLSEngine", "TLSOptions"}, nil, func(attr string, v []string) (string, bool) {
		return mode(attr, yes(v[0]), hasWord(v[1], "UseImplicitSSL"))
	}},
	{"tls.required", []string{"TLSRequired"}, nil, func(attr string, v []string) (string, bool) {
		line, _ := anyOn(attr, v)
		return line, yes(v[0]) || strings.EqualFold(v[0], "off") || v[0] == ""
	}},
	{"tls.certificate", []string{"TLSRSACertificateFile"}, []string{"TLSDSACertificateFile", "TLSECCertificateFile", "TLSPKCS12File"}, unquoted(hostPath)},
	{"tls.key", []string{"TLSRSACertificateKeyFile"}, []string{"TLSDSACertificateKeyFile", "TLSECCertificateKeyFile"}, unquoted(hostPath)},
	{"tls.session_reuse", []string{"TLSOptions"}, nil, func(attr string, v []string) (string, bool) {
		return either(attr, !hasWord(v[0], "NoSessionReuseRequired"), "required", "preferred")
	}},
}

// tlsOptions are the words of TLSOptions that a spec sets.
var tlsOptions = []string{"NoSessionReuseRequired", "UseImplicitSSL"}

// pureftpdOwned is as pure-ftpd-wrapper(8) and pure-ftpd(8) of 1.0.50 have them.
// auth/ and the files that it links to are not owned.
var pureftpdOwned = []group{
	{"addresses", []string{"Bind"}, []string{"IPV4Only", "IPV6Only"}, func(attr string, v []string) (string, bool) {
		address, _, _ := strings.Cut(v[0], ",")
		return addresses(attr, []string{address})
	}},
	{"port", []string{"Bind"}, nil, func(attr string, v []string) (string, bool) {
		_, number, _ := strings.Cut(v[0], ",")
		if number == "" || number == "ftp" {
			number = "21"
		}
		return port(attr, []string{number})
	}},
	{"data_ports", []string{"PassivePortRange"}, []string{"NATmode"}, portRange},
	{"announce", []string{"ForcePassiveIP"}, nil, announce},
	{"foreign_data", []string{"AllowUserFXP", "AllowAnonymousFXP"}, nil, anyOn},
	{"concurrency.sessions", []string{"MaxClientsNumber"}, nil, sessions},
	{"concurrency.sessions_per_address", []string{"MaxClientsPerIP"}, nil, sessions},
	{"idle_timeout", []string{"MaxIdleTime"}, nil, func(attr string, v []string) (string, bool) { return timeout(attr, v[0], "m", 24*60) }},
	{"tls.mode", []string{"TLS"}, nil, func(attr string, v []string) (string, bool) { return mode(attr, v[0] != "" && v[0] != "0", false) }},
	{"tls.required", []string{"TLS"}, nil, func(attr string, v []string) (string, bool) { return boolean(attr, v[0] == "3") }},
}

// yes is a flag that is on, in each of the three formats.
func yes(value string) bool {
	return slices.Contains([]string{"yes", "true", "on", "1"}, strings.ToLower(word(value, 0)))
}

// word is an argument of a directive, "" if it has fewer.
func word(value string, at int) string {
	if all := words(value); at < len(all) {
		return all[at]
	}
	return ""
}

func hasWord(value, want string) bool {
	return slices.ContainsFunc(words(value), func(w string) bool { return strings.EqualFold(w, want) })
}

// count is for a number above 0, which in the three formats means no limit.
func count(attr, value string, most int) (string, bool) {
	n, err := strconv.Atoi(word(value, 0))
	return fmt.Sprintf("%s = %d", attr, n), err == nil && 0 < n && n <= most
}

func port(attr string, v []string) (string, bool) { return count(attr, v[0], 65535) }

// sessions is for the smallest of several caps.
func sessions(attr string, v []string) (string, bool) {
	fewest := v[0]
	for _, other := range v[1:] {
		fewest = least(fewest, other)
	}
	return count(attr, fewest, spec.MaxSessions)
}

// unquoted is a line of the first word of a value, with quotes as ProFTPD reads them.
func unquoted(line func(string, []string) (string, bool)) func(string, []string) (string, bool) {
	return func(attr string, v []string) (string, bool) { return line(attr, []string{word(v[0], 0)}) }
}

// timeout is for a number of units of a time.
func timeout(attr, value, unit string, most int) (string, bool) {
	n, err := strconv.Atoi(word(value, 0))
	return fmt.Sprintf(`%s = "%d%s"`, attr, n, unit), err == nil && 0 < n && n <= most
}

const day = 24 * 60 * 60 // seconds

func seconds(attr string, v []string) (string, bool) { return timeout(attr, v[0], "s", day) }

var proftpdTime = regexp.MustCompile(`(?i)^([0-9]{1,6})(h|m|s|hr|min|sec)$|^([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})$`)

// proftpdSeconds is a time of ProFTPD in seconds: 600, 10m, 10min or 00:10:00
// (1.3.8 starts with each). What is none stays as it is.
func proftpdSeconds(value string) string {
	value = word(value, 0)
	m := proftpdTime.FindStringSubmatch(value)
	if m == nil {
		return value
	}
	number := func(digits string) int {
		n, _ := strconv.Atoi(digits)
		return n
	}
	if m[1] == "" {
		return strconv.Itoa(3600*number(m[3]) + 60*number(m[4]) + number(m[5]))
	}
	return strconv.Itoa(map[byte]int{'h': 3600, 'm': 60, 's': 1}[m[2][0]|0x20] * number(m[1]))
}

// least is the smaller of two limits, of which one may not be set.
func least(a, b string) string {
	a, b = word(a, 0), word(b, 0)
	x, err1 := strconv.Atoi(a)
	y, err2 := strconv.Atoi(b)
	if err1 != nil || x == 0 || err2 == nil && 0 < y && y < x {
		return b
	}
	return a
}

// portRange is for both ends, of one directive or of two.
func portRange(attr string, v []string) (string, bool) {
	ends := strings.Join(v, " ")
	r, ok := spec.ParsePortRange(word(ends, 0) + "-" + word(ends, 1))
	return fmt.Sprintf(`%s = "%d-%d"`, attr, r.First, r.Last), ok && r.First >= 1024
}

// announce is for what the 227 reply names; empty is the server's own address.
func announce(attr string, v []string) (string, bool) {
	if v[0] == "" {
		return "", true
	}
	address, err := netip.ParseAddr(v[0])
	if err != nil {
		return fmt.Sprintf("%s = %q", attr, v[0]), spec.HostName(v[0])
	}
	return fmt.Sprintf("%s = %q", attr, address), address.Is4() && spec.Possible(address) && !address.IsLinkLocalUnicast()
}

// addresses is for what the server listens on; none are all.
func addresses(attr string, v []string) (string, bool) {
	var list []string
	for _, w := range words(strings.Join(v, " ")) {
		address, err := netip.ParseAddr(w)
		if err != nil || !address.IsUnspecified() && !spec.Possible(address) {
			return "", false
		}
		if !address.IsUnspecified() {
			list = append(list, strconv.Quote(address.String()))
		}
	}
	if len(list) == 0 {
		return "", true
	}
	return attr + " = [" + strings.Join(list, ", ") + "]", true
}

func boolean(attr string, on bool) (string, bool) { return fmt.Sprintf("%s = %t", attr, on), true }

func anyOn(attr string, v []string) (string, bool) { return boolean(attr, slices.ContainsFunc(v, yes)) }

// noneOff is for flags that are on without a line.
func noneOff(attr string, v []string) (string, bool) {
	return boolean(attr, !slices.ContainsFunc(v, func(value string) bool { return value != "" && !yes(value) }))
}

func mode(attr string, tls, implicit bool) (string, bool) {
	if !tls {
		return fmt.Sprintf(`%s = "off"`, attr), true
	}
	return either(attr, implicit, "implicit", "explicit")
}

// either is for an attribute with two words.
func either(attr string, first bool, one, other string) (string, bool) {
	if !first {
		one = other
	}
	return fmt.Sprintf("%s = %q", attr, one), true
}

// hostPath is for the path of a file on the server's machine.
func hostPath(attr string, v []string) (string, bool) {
	return fmt.Sprintf("%s = %q", attr, v[0]), spec.IsPath(v[0])
}
