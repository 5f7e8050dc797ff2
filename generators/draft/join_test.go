package draft

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/inventory"
)

const (
	dual    = "listen_ipv6=YES\nlisten_port=2121\npasv_min_port=61000\npasv_max_port=61400\nmax_clients=9\n"
	fromNet = "*filter\n:INPUT DROP [0:0]\n-A INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 2121 -j ACCEPT\nCOMMIT\n"
)

// Who may come is what every chain of a family lets through, and any security
// group; a port that no line opens is not taken for one that nobody reaches.
func TestClients(t *testing.T) {
	group := func(ports string, cidrs ...string) string {
		var ranges []string
		for _, c := range cidrs {
			ranges = append(ranges, fmt.Sprintf(`{"CidrIp": %q}`, c))
		}
		return fmt.Sprintf(`{"SecurityGroups": [{"GroupId": "sg-1", "IpPermissions": [{"IpProtocol": "tcp", %s, "IpRanges": [%s]}]}]}`, ports, strings.Join(ranges, ", "))
	}
	const control = `"FromPort": 2121, "ToPort": 2121`
	for name, c := range map[string]struct {
		firewalls []string
		clients   string
		leftOut   int
	}{
		"no firewall":         {nil, "[]", 0},
		"one family":          {[]string{fromNet}, "[192.0.2.0/24 ::/0]", 0},
		"everyone of it":      {[]string{strings.ReplaceAll(fromNet, "-s 192.0.2.0/24 ", "")}, "[]", 0},
		"a policy of accept":  {[]string{strings.ReplaceAll(fromNet, "INPUT DROP", "INPUT ACCEPT")}, "[]", 0},
		"another port":        {[]string{strings.ReplaceAll(fromNet, "2121", "22")}, "[::/0]", 1},
		"another port, jumps": {[]string{strings.ReplaceAll(fromNet, "2121", "22\\n") + "*filter\n-A INPUT -j web\nCOMMIT\n"}, "[]", 1},
		"two families": {[]string{fromNet, "# ip6tables-save\n*filter\n:INPUT DROP [0:0]\n-A INPUT -s 2001:db8:1::/48 -p tcp -m tcp --dport 2121 -j ACCEPT\nCOMMIT\n"},
			"[192.0.2.0/24 2001:db8:1::/48]", 0},
		"a group within":         {[]string{fromNet, group(control, "192.0.2.0/25", "198.51.100.0/24")}, "[192.0.2.0/25]", 1},
		"a group of all":         {[]string{fromNet, group(control, "0.0.0.0/0")}, "[192.0.2.0/24]", 1},
		"two groups":             {[]string{group(control, "192.0.2.0/24"), group(control, "198.51.100.0/24")}, "[192.0.2.0/24 198.51.100.0/24]", 1},
		"a group of other ports": {[]string{group(`"FromPort": 22, "ToPort": 22`, "0.0.0.0/0")}, "[]", 2},
		"an interface alone":     {[]string{strings.ReplaceAll(fromNet, "-s 192.0.2.0/24 ", "-i eth0 ")}, "[]", 0},
	} {
		t.Run(name, func(t *testing.T) {
			sources := []inventory.Source{{Name: "vsftpd.conf", Text: []byte(dual)}}
			for i, text := range c.firewalls {
				sources = append(sources, inventory.Source{Name: fmt.Sprint("firewall", i), Text: []byte(text)})
			}
			inv, err := inventory.Read(sources...)
			if err != nil {
				t.Fatal(err)
			}
			d, err := Of(inv, Options{Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.10"), netip.MustParseAddr("2001:db8::10")}})
			if err != nil {
				t.Fatal(err)
			}
			sound(t, name, d)
			var got []netip.Prefix
			if read := d.Sites[0].read; read.Ranges["clients"].Filename != "" {
				got = read.Clients
			}
			if fmt.Sprint(got) != c.clients || len(d.Sites[0].LeftOut) != c.leftOut {
				t.Errorf("clients %v, want %s; left out %v", got, c.clients, d.Sites[0].LeftOut)
			}
		})
	}
}

// Two servers of one port are two machines, and so are two of Pure-FTPd.
func TestMachines(t *testing.T) {
	read := func(texts ...string) *inventory.Inventory {
		var sources []inventory.Source
		for i, text := range texts {
			sources = append(sources, inventory.Source{Name: fmt.Sprint("config", i), Text: []byte(text)})
		}
		inv, err := inventory.Read(sources...)
		if err != nil {
			t.Fatal(err)
		}
		return inv
	}
	const pure = "PassivePortRange 30000 30019\nMaxClientsNumber 5\nBind 0.0.0.0,2122\n"
	for name, c := range map[string]struct {
		texts []string
		hosts int
		err   string
	}{
		"two ports":        {[]string{dual, pure}, 1, ""},
		"one port":         {[]string{dual, dual}, 2, ""},
		"two of Pure-FTPd": {[]string{pure, strings.Replace(pure, "2122", "2123", 1)}, 2, ""},
		"one address": {[]string{"listen_address=192.0.2.9\nlisten=YES\npasv_enable=YES\n", "listen_address=192.0.2.9\nlisten=YES\npasv_enable=YES\n"}, 0,
			"config0 and config1 are two machines, since they need the same port or there is one of them on a machine, but both listen on 192.0.2.9: import them one at a time"},
	} {
		d, err := Of(read(c.texts...), Options{})
		if err != nil || c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%s: got the error %v, want %s", name, err, c.err)
			}
			continue
		}
		sound(t, name, d)
		if n := strings.Count(string(d.Files[0].Content), "\nhost "); n != c.hosts {
			t.Errorf("%s: %d hosts, want %d", name, n, c.hosts)
		}
	}
}
