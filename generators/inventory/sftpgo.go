package inventory

import (
	"cmp"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pasvctl/pasvctl/generators/spec"
)

func init() { register(reader{tellsSftpgo, readSftpgo}) }

var (
	sftpgoLine    = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+|Environment=|-[ \t]+|-e[ \t]+)?["']?SFTPGO_[A-Z0-9_]+=`)
	sftpgoBinding = regexp.MustCompile(`^SFTPGO_FTPD__BINDINGS__([0-9]{1,3})__(.+)$`)
	sftpgoNetwork = regexp.MustCompile(`^PASSIVE_IP_OVERRIDES__([0-9]{1,3})__(NETWORKS|IP)$`)
)

func tellsSftpgo(text []byte) int { return matches(sftpgoLine, text) }

// variable is a line of an environment.
type variable struct {
	value string
	at    At
}

func (v variable) number(most int) (int, error) { return number(v.value, most) }

// readSftpgo reads the environment of SFTPGo, KEY=VALUE a line, with the
// defaults of 2.5: a server for the bindings of each port.
func readSftpgo(in *input) error {
	in.secrets(in.source.Name, in.text)
	vars := in.environment()
	common := sftpgoCommon(in, vars)
	var numbers []int
	bindings := map[int]map[string]variable{}
	for _, name := range slices.Sorted(maps.Keys(vars)) {
		m := sftpgoBinding.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		n, _ := strconv.Atoi(m[1])
		if bindings[n] == nil {
			bindings[n] = map[string]variable{}
			numbers = append(numbers, n)
		}
		bindings[n][m[2]] = vars[name]
	}
	slices.Sort(numbers)
	first := len(in.Servers)
	for _, n := range numbers {
		s := sftpgoServer(in, common, bindings[n])
		if s.Port.Value == 0 {
			continue
		}
		if i := slices.IndexFunc(in.Servers[first:], func(o *Server) bool { return o.Port.Value == s.Port.Value }); i >= 0 {
			merge(in.Servers[first+i], s)
			continue
		}
		in.Servers = append(in.Servers, s)
	}
	if len(in.Servers) == first {
		in.unread(in.at(0), "SFTPGO_FTPD__BINDINGS__0__PORT", "no line states the control port; the rest of the configuration may")
	}
	return nil
}

// environment are the variables of the file that are SFTPGo's.
func (in *input) environment() map[string]variable {
	vars := map[string]variable{}
	for i, line := range strings.Split(string(in.text), "\n") {
		if !sftpgoLine.MatchString(line) {
			continue
		}
		line = line[strings.Index(line, "SFTPGO_"):]
		name, text, _ := strings.Cut(line, "=")
		text = strings.Trim(strings.TrimSpace(text), `"'`)
		vars[name] = variable{text, in.at(i + 1)}
	}
	return vars
}

// setVar reads a value from a variable, if it is there.
func setVar[T any](in *input, vars map[string]variable, into *Setting[T], name string, parse func(v variable) (T, error)) {
	v, ok := vars[name]
	if !ok || v.value == "" {
		return
	}
	got, err := parse(v)
	if err != nil {
		in.unread(v.at, name, "%s", err)
		return
	}
	*into = Setting[T]{got, v.at}
}

// sftpgoCommon is what all bindings have.
func sftpgoCommon(in *input, vars map[string]variable) Server {
	s := Server{
		Profile: "sftpgo", At: in.at(0), DataPorts: value(spec.PortRange{First: 50000, Last: 50100}), Passive: value(true),
		SessionsPerAddress: value(20), IdleTimeout: value(15 * time.Minute),
		TLS: value(spec.TLSOff), TLSRequired: value(false), SessionReuse: value(false), PeerCheck: value(true),
	}
	count := func(v variable) (int, error) { return v.number(1<<31 - 1) }
	setVar(in, vars, &s.Sessions, "SFTPGO_COMMON__MAX_TOTAL_CONNECTIONS", count)
	setVar(in, vars, &s.SessionsPerAddress, "SFTPGO_COMMON__MAX_PER_HOST_CONNECTIONS", count)
	setVar(in, vars, &s.IdleTimeout, "SFTPGO_COMMON__IDLE_TIMEOUT", func(v variable) (time.Duration, error) {
		n, err := v.number(1 << 20)
		return time.Duration(n) * time.Minute, err
	})
	first, last := vars["SFTPGO_FTPD__PASSIVE_PORT_RANGE__START"], vars["SFTPGO_FTPD__PASSIVE_PORT_RANGE__END"]
	if at := cmp.Or(first.at, last.at); at != (At{}) {
		r, err := ports(cmp.Or(first.value, "50000"), cmp.Or(last.value, "50100"))
		if err != nil {
			in.unread(at, "SFTPGO_FTPD__PASSIVE_PORT_RANGE", "%s", err)
		} else {
			s.DataPorts = Setting[spec.PortRange]{r, at}
		}
	}
	setVar(in, vars, &s.Certificate, "SFTPGO_FTPD__CERTIFICATE_FILE", plain)
	setVar(in, vars, &s.Key, "SFTPGO_FTPD__CERTIFICATE_KEY_FILE", plain)
	return s
}

func plain(v variable) (string, error) { return v.value, nil }

func sftpgoServer(in *input, s Server, vars map[string]variable) *Server {
	setVar(in, vars, &s.Port, "PORT", func(v variable) (uint16, error) {
		n, err := v.number(65535)
		return uint16(n), err
	})
	s.IPv4, s.IPv6 = true, true
	setVar(in, vars, &s.Addresses, "ADDRESS", func(v variable) ([]netip.Addr, error) {
		return addressList([]string{strings.Trim(v.value, "[]")})
	})
	setVar(in, vars, &s.Announce, "FORCE_PASSIVE_IP", plain)
	sftpgoOverrides(in, &s, vars)
	setVar(in, vars, &s.PeerCheck, "PASSIVE_CONNECTIONS_SECURITY", func(v variable) (bool, error) {
		n, err := v.number(1)
		return n == 0, err
	})
	setVar(in, vars, &s.Certificate, "CERTIFICATE_FILE", plain)
	setVar(in, vars, &s.Key, "CERTIFICATE_KEY_FILE", plain)
	modes := vars["TLS_MODE"]
	n, _ := modes.number(2)
	at := cmp.Or(modes.at, s.Certificate.At)
	s.TLS = Setting[spec.TLSMode]{mode(n > 0 || s.Certificate.Value != "", n == 2), at}
	s.TLSRequired = Setting[bool]{n > 0, modes.at}
	if v, ok := vars["APPLY_PROXY_CONFIG"]; ok && v.value != "false" {
		in.unread(v.at, "APPLY_PROXY_CONFIG", "clients' addresses are those that a proxy names")
	}
	return &s
}

// sftpgoOverrides reads the addresses for single networks.
func sftpgoOverrides(in *input, s *Server, vars map[string]variable) {
	ips := map[string]netip.Addr{}
	for _, name := range slices.Sorted(maps.Keys(vars)) { // IP before NETWORKS
		m := sftpgoNetwork.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		v := vars[name]
		if m[2] == "IP" {
			ips[m[1]], _ = netip.ParseAddr(v.value)
			continue
		}
		for _, text := range strings.Split(v.value, ",") {
			network, err := netip.ParsePrefix(strings.TrimSpace(text))
			if err != nil || !ips[m[1]].IsValid() {
				in.unread(v.at, name, "it is not a network with an address of its own")
				continue
			}
			s.AnnounceTo = Setting[[]spec.Announcement]{append(s.AnnounceTo.Value, spec.Announcement{Clients: network.Masked(), Address: ips[m[1]]}), v.at}
		}
	}
}

// merge adds the addresses of a further binding of the same port.
func merge(s, o *Server) {
	if len(s.Addresses.Value) == 0 || len(o.Addresses.Value) == 0 {
		s.Addresses.Value = nil
		return
	}
	s.Addresses.Value = append(slices.Clone(s.Addresses.Value), o.Addresses.Value...)
	if !s.Announce.Written() {
		s.Announce = o.Announce
	}
	if len(s.AnnounceTo.Value) == 0 {
		s.AnnounceTo = o.AnnounceTo
	}
	if s.PeerCheck.Value && !o.PeerCheck.Value {
		s.PeerCheck = o.PeerCheck
	}
}
