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
	// line is what a site says in the place of the names, in HCL; "" if nothing.
	// It is not ok if a site cannot say that.
	line func(v values) (line string, ok bool)
}

// values are the effective values of a group's names. One that is not there is
// not in the config.
type values map[string]string

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
	{"addresses", []string{"listen_address", "listen_address6"}, []string{"listen", "listen_ipv6"}, func(v values) (string, bool) {
		return addresses(v["listen_address"] + " " + v["listen_address6"])
	}},
	{"port", []string{"listen_port"}, nil, func(v values) (string, bool) { return count("port", v["listen_port"], 65535) }},
	{"data_ports", []string{"pasv_min_port", "pasv_max_port"}, []string{"pasv_enable"}, func(v values) (string, bool) {
		return portRange(v["pasv_min_port"], v["pasv_max_port"])
	}},
	{"announce", []string{"pasv_address"}, []string{"pasv_addr_resolve"}, func(v values) (string, bool) { return announce(v["pasv_address"]) }},
	{"foreign_data", []string{"pasv_promiscuous"}, []string{"port_promiscuous"}, func(v values) (string, bool) {
		return boolean("foreign_data", yes(v["pasv_promiscuous"]))
	}},
	{activeMode, []string{"port_enable"}, []string{"connect_from_port_20", "ftp_data_port"}, func(v values) (string, bool) {
		return boolean(activeMode, v["port_enable"] == "" || yes(v["port_enable"]))
	}},
	{"concurrency.sessions", []string{"max_clients"}, nil, func(v values) (string, bool) { return count("sessions", v["max_clients"], spec.MaxSessions) }},
	{"concurrency.sessions_per_address", []string{"max_per_ip"}, nil, func(v values) (string, bool) {
		return count("sessions_per_address", v["max_per_ip"], spec.MaxSessions)
	}},
	{"idle_timeout", []string{"idle_session_timeout"}, []string{"accept_timeout"}, func(v values) (string, bool) { return seconds("idle_timeout", v["idle_session_timeout"]) }},
	{"data_timeout", []string{"data_connection_timeout"}, nil, func(v values) (string, bool) {
		return seconds("data_timeout", v["data_connection_timeout"])
	}},
	{"tls.mode", []string{"ssl_enable", "implicit_ssl"}, nil, func(v values) (string, bool) {
		return mode(yes(v["ssl_enable"]), yes(v["implicit_ssl"]))
	}},
	{"tls.required", []string{"force_local_logins_ssl", "force_local_data_ssl"}, []string{"allow_anon_ssl", "force_anon_logins_ssl", "force_anon_data_ssl"},
		func(v values) (string, bool) {
			logins, data := v["force_local_logins_ssl"], v["force_local_data_ssl"]
			return boolean("required", (logins == "" || yes(logins)) && (data == "" || yes(data)))
		}},
	{"tls.certificate", []string{"rsa_cert_file"}, []string{"dsa_cert_file"}, func(v values) (string, bool) { return hostPath("certificate", v["rsa_cert_file"]) }},
	{"tls.key", []string{"rsa_private_key_file"}, []string{"dsa_private_key_file"}, func(v values) (string, bool) {
		return hostPath("key", v["rsa_private_key_file"])
	}},
	{"tls.session_reuse", []string{"require_ssl_reuse"}, nil, func(v values) (string, bool) { return reuse(yes(v["require_ssl_reuse"])) }},
	{"truncated_uploads", []string{"strict_ssl_read_eof"}, nil, func(v values) (string, bool) {
		if yes(v["strict_ssl_read_eof"]) {
			return text("truncated_uploads", "refuse")
		}
		return text("truncated_uploads", "accept")
	}},
}

// proftpdOwned is as the directives' reference of ProFTPD 1.3.8 has them. Of
// TLSOptions only the words of tlsOptions are owned.
var proftpdOwned = []group{
	{"addresses", []string{"DefaultAddress"}, []string{"ServerType", "SocketBindTight", "UseIPv6"}, func(v values) (string, bool) { return addresses(v["DefaultAddress"]) }},
	{"port", []string{"Port"}, nil, func(v values) (string, bool) { return count("port", v["Port"], 65535) }},
	{"data_ports", []string{"PassivePorts"}, nil, func(v values) (string, bool) {
		return portRange(word(v["PassivePorts"], 0), word(v["PassivePorts"], 1))
	}},
	{"announce", []string{"MasqueradeAddress"}, nil, func(v values) (string, bool) { return announce(word(v["MasqueradeAddress"], 0)) }},
	{"foreign_data", []string{"AllowForeignAddress"}, nil, func(v values) (string, bool) { return boolean("foreign_data", yes(v["AllowForeignAddress"])) }},
	{"concurrency.sessions", []string{"MaxInstances", "MaxClients"}, nil, func(v values) (string, bool) {
		return count("sessions", least(v["MaxInstances"], v["MaxClients"]), spec.MaxSessions)
	}},
	{"concurrency.sessions_per_address", []string{"MaxClientsPerHost", "MaxConnectionsPerHost"}, nil, func(v values) (string, bool) {
		return count("sessions_per_address", least(v["MaxClientsPerHost"], v["MaxConnectionsPerHost"]), spec.MaxSessions)
	}},
	{"idle_timeout", []string{"TimeoutNoTransfer", "TimeoutIdle"}, nil, func(v values) (string, bool) {
		noTransfer, idle := proftpdSeconds(v["TimeoutNoTransfer"]), proftpdSeconds(v["TimeoutIdle"])
		line, ok := seconds("idle_timeout", cmp.Or(idle, noTransfer))
		return line, ok && (noTransfer == "" || idle == "" || noTransfer == idle) // a spec has one time for both
	}},
	{"data_timeout", []string{"TimeoutStalled"}, nil, func(v values) (string, bool) { return seconds("data_timeout", proftpdSeconds(v["TimeoutStalled"])) }},
	{"tls.mode", []string{"TLSEngine", "TLSOptions"}, nil, func(v values) (string, bool) {
		return mode(yes(v["TLSEngine"]), hasWord(v["TLSOptions"], "UseImplicitSSL"))
	}},
	{"tls.required", []string{"TLSRequired"}, nil, func(v values) (string, bool) {
		on := v["TLSRequired"]
		return fmt.Sprintf("required = %t", yes(on)), yes(on) || strings.EqualFold(on, "off") || on == ""
	}},
	{"tls.certificate", []string{"TLSRSACertificateFile"}, []string{"TLSDSACertificateFile", "TLSECCertificateFile", "TLSPKCS12File"}, func(v values) (string, bool) {
		return hostPath("certificate", word(v["TLSRSACertificateFile"], 0))
	}},
	{"tls.key", []string{"TLSRSACertificateKeyFile"}, []string{"TLSDSACertificateKeyFile", "TLSECCertificateKeyFile"}, func(v values) (string, bool) {
		return hostPath("key", word(v["TLSRSACertificateKeyFile"], 0))
	}},
	{"tls.session_reuse", []string{"TLSOptions"}, nil, func(v values) (string, bool) {
		return reuse(!hasWord(v["TLSOptions"], "NoSessionReuseRequired"))
	}},
}

// tlsOptions are the words of TLSOptions that a spec sets.
var tlsOptions = []string{"NoSessionReuseRequired", "UseImplicitSSL"}

// pureftpdOwned is as pure-ftpd-wrapper(8) and pure-ftpd(8) of 1.0.50 have them.
// auth/ and the files that it links to are not owned.
var pureftpdOwned = []group{
	{"addresses", []string{"Bind"}, []string{"IPV4Only", "IPV6Only"}, func(v values) (string, bool) {
		address, _, _ := strings.Cut(v["Bind"], ",")
		return addresses(address)
	}},
	{"port", []string{"Bind"}, nil, func(v values) (string, bool) {
		_, port, _ := strings.Cut(v["Bind"], ",")
		if port == "" || port == "ftp" {
			port = "21"
		}
		return count("port", port, 65535)
	}},
	{"data_ports", []string{"PassivePortRange"}, []string{"NATmode"}, func(v values) (string, bool) {
		return portRange(word(v["PassivePortRange"], 0), word(v["PassivePortRange"], 1))
	}},
	{"announce", []string{"ForcePassiveIP"}, nil, func(v values) (string, bool) { return announce(v["ForcePassiveIP"]) }},
	{"foreign_data", []string{"AllowUserFXP", "AllowAnonymousFXP"}, nil, func(v values) (string, bool) {
		return boolean("foreign_data", yes(v["AllowUserFXP"]) || yes(v["AllowAnonymousFXP"]))
	}},
	{"concurrency.sessions", []string{"MaxClientsNumber"}, nil, func(v values) (string, bool) { return count("sessions", v["MaxClientsNumber"], spec.MaxSessions) }},
	{"concurrency.sessions_per_address", []string{"MaxClientsPerIP"}, nil, func(v values) (string, bool) {
		return count("sessions_per_address", v["MaxClientsPerIP"], spec.MaxSessions)
	}},
	{"idle_timeout", []string{"MaxIdleTime"}, nil, func(v values) (string, bool) {
		return timeout("idle_timeout", v["MaxIdleTime"], "m", 24*60)
	}},
	{"tls.mode", []string{"TLS"}, nil, func(v values) (string, bool) { return mode(v["TLS"] != "" && v["TLS"] != "0", false) }},
	{"tls.required", []string{"TLS"}, nil, func(v values) (string, bool) { return boolean("required", v["TLS"] == "3") }},
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

// timeout is for a number of units of a time.
func timeout(attr, value, unit string, most int) (string, bool) {
	n, err := strconv.Atoi(word(value, 0))
	return fmt.Sprintf(`%s = "%d%s"`, attr, n, unit), err == nil && 0 < n && n <= most
}

func seconds(attr, value string) (string, bool) { return timeout(attr, value, "s", 24*60*60) }

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

func portRange(first, last string) (string, bool) {
	a, err1 := strconv.ParseUint(first, 10, 16)
	b, err2 := strconv.ParseUint(last, 10, 16)
	return fmt.Sprintf(`data_ports = "%d-%d"`, a, b), err1 == nil && err2 == nil && 1024 <= a && a <= b
}

// announce is for what the 227 reply names; empty is the server's own address.
func announce(value string) (string, bool) {
	if value == "" {
		return "", true
	}
	address, err := netip.ParseAddr(value)
	if err != nil {
		return fmt.Sprintf("announce = %q", value), spec.HostName(value)
	}
	return fmt.Sprintf("announce = %q", address), address.Is4() && spec.Possible(address) && !address.IsLinkLocalUnicast()
}

// addresses is for what the server listens on; none are all.
func addresses(value string) (string, bool) {
	var list []string
	for _, w := range words(value) {
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
	return "addresses = [" + strings.Join(list, ", ") + "]", true
}

func boolean(attr string, on bool) (string, bool) { return fmt.Sprintf("%s = %t", attr, on), true }

func mode(tls, implicit bool) (string, bool) {
	switch {
	case !tls:
		return text("mode", "off")
	case implicit:
		return text("mode", "implicit")
	}
	return text("mode", "explicit")
}

func reuse(required bool) (string, bool) {
	if required {
		return text("session_reuse", "required")
	}
	return text("session_reuse", "preferred")
}

// hostPath is for the path of a file on the server's machine.
func hostPath(attr, value string) (string, bool) {
	return fmt.Sprintf("%s = %q", attr, value), spec.IsPath(value)
}

// text is for one of the words of an attribute.
func text(attr, word string) (string, bool) { return fmt.Sprintf("%s = %q", attr, word), true }
