package generators

import (
	"encoding/xml"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// xmlElement is any element of XML, with all that it has.
type xmlElement struct {
	XMLName  xml.Name
	Attrs    []xml.Attr   `xml:",any,attr"`
	Text     string       `xml:",chardata"`
	Elements []xmlElement `xml:",any"`
}

// String is the element's name and attributes, as a rich rule has them.
func (e xmlElement) String() string {
	text := e.XMLName.Local
	for _, a := range e.Attrs {
		text += " " + a.Name.Local + "=" + a.Value
	}
	return text
}

var (
	firewalldAccept = regexp.MustCompile(`^rule family=(ipv[46])(?:; source ipset=(\S+))?; destination address=(\S+); port protocol=tcp port=(\S+); accept$`)
	firewalldDrop   = regexp.MustCompile(`^rule priority=100 family=(ipv[46]); destination address=(\S+); port protocol=tcp port=(\S+); drop$`)
)

// An ipset has a limit, and merging or leaving out networks is no error.
func TestFirewalldDiagnostics(t *testing.T) {
	host := handHost("edge1", "203.0.113.10", "2001:db8::10")
	site := func(n int, more ...netip.Prefix) *plan.Plan {
		for i := range n {
			more = append(more, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32))
		}
		return handPlan(handSite(host, "a", "vsftpd", 21, spec.PortRange{First: 61000, Last: 61009}, func(s *plan.Site) { s.Clients = more }))
	}
	firewalld := handTarget(t, "firewalld", "")
	for name, p := range map[string]*plan.Plan{"65,536": site(65536), "contained": site(65537, netip.MustParsePrefix("10.0.0.0/24"))} {
		if _, diags := firewalld.Files(p); diags.HasErrors() {
			t.Error(name, diags)
		}
	}
	files, diags := (&Project{Plan: site(65537), targets: []target{{Target: firewalld}}}).Files()
	if len(files) > 0 || len(diags) != 1 || !strings.Contains(diags[0].Detail, "has 65,537 networks of IPv4, and an ipset takes 65,536") {
		t.Error(len(files), diags)
	}
}

// waysOfFirewalld is what policies and ipsets admit at each address of a host. All
// else that a range gets must be dropped.
func waysOfFirewalld(files []File) (ways, []string) {
	all := ways{}
	var wrong []string
	policies, sets := map[string]xmlElement{}, map[string][]string{}
	for _, f := range files {
		var e xmlElement
		if err := xml.Unmarshal(f.Content, &e); err != nil {
			wrong = append(wrong, err.Error())
		}
		name, folder := strings.TrimSuffix(path.Base(f.Path), ".xml"), path.Dir(path.Dir(f.Path))
		if path.Base(path.Dir(f.Path)) == "policies" {
			policies[folder] = e
			continue
		}
		text := e.String()
		for _, part := range e.Elements {
			switch part.XMLName.Local {
			case "option":
				text += "; " + part.String()
			case "entry":
				key := folder + " " + name
				sets[key] = append(sets[key], part.Text)
				if want := map[string]string{"IPv4": "inet", "IPv6": "inet6"}[familyOf(part.Text)]; text != "ipset type=hash:net; option name=family value="+want {
					wrong = append(wrong, part.Text+" is in "+text)
				}
			}
		}
		if len(name) > 31 {
			wrong = append(wrong, "the set's name "+name)
		}
	}
	for folder, policy := range policies {
		accepted, dropped := map[string]bool{}, map[string]bool{}
		var zones []string
		for _, rule := range policy.Elements {
			text := rule.String()
			for _, part := range rule.Elements {
				text += "; " + part.String()
			}
			if m := firewalldAccept.FindStringSubmatch(text); m != nil {
				from := sets[folder+" "+m[2]]
				if m[2] == "" {
					from = []string{map[string]string{"ipv4": "0.0.0.0/0", "ipv6": "::/0"}[m[1]]}
				}
				if len(from) == 0 || familyOf(from[0]) != "IP"+m[1][2:] || familyOf(m[3]) != familyOf(from[0]) {
					wrong = append(wrong, text)
				}
				all.product(strings.TrimSuffix(folder, "/firewalld")+"@"+m[3], []string{m[4]}, from)
				accepted[strings.Join([]string{m[1], m[3], m[4]}, " ")] = true
			} else if m := firewalldDrop.FindStringSubmatch(text); m != nil {
				dropped[strings.Join(m[1:], " ")] = true
			} else if strings.HasSuffix(rule.XMLName.Local, "-zone") {
				zones = append(zones, text)
			} else if name := rule.XMLName.Local; name != "short" && name != "description" {
				wrong = append(wrong, text)
			}
		}
		if fmt.Sprint(accepted) != fmt.Sprint(dropped) {
			wrong = append(wrong, fmt.Sprint("accepted ", accepted, ", dropped ", dropped))
		}
		if got := policy.String() + fmt.Sprint(zones); got != "policy target=CONTINUE priority=-100[ingress-zone name=ANY egress-zone name=HOST]" {
			wrong = append(wrong, got)
		}
	}
	return all, wrong
}

var (
	ufwProfile = regexp.MustCompile(`\[(pasvctl-\S+)\]\ntitle=.+\ndescription=.+\nports=(\S+)/tcp\n`)
	ufwRule    = regexp.MustCompile(`(?m)^(?:from (\S+) )?to (\S+) app (\S+)$`)
)

// waysOfUFW is what the profiles and the rules of a host's script admit at each of
// its addresses.
func waysOfUFW(files []File) (ways, []string) {
	all := ways{}
	var wrong []string
	profiles := map[string][]string{}
	for _, f := range files { // the profile comes before the script
		host, text := path.Dir(path.Dir(f.Path)), string(f.Content)
		for _, m := range ufwProfile.FindAllStringSubmatch(text, -1) {
			if n := strings.Count(m[2], ",") + strings.Count(m[2], ":") + 1; n > 15 {
				wrong = append(wrong, fmt.Sprint(m[1], " has ", n, " ports of 15"))
			}
			profiles[host+" "+m[1]] = strings.Split(strings.ReplaceAll(m[2], ":", "-"), ",")
		}
		if path.Base(f.Path) != "pasvctl.sh" {
			continue
		}
		_, rules, _ := strings.Cut(text, "\nrules='\n")
		rules, _, _ = strings.Cut(rules, "\n'\n")
		matches := ufwRule.FindAllStringSubmatch(rules, -1)
		if n := strings.Count(rules, "\n") + 1; n != len(matches) {
			wrong = append(wrong, fmt.Sprint(n-len(matches), " lines are not rules"))
		}
		for _, m := range matches {
			from, ports := m[1], profiles[host+" "+m[3]]
			switch {
			case from == "":
				from = map[string]string{"IPv4": "0.0.0.0/0", "IPv6": "::/0"}[familyOf(m[2])]
			case !strings.Contains(from, "/"):
				from += map[string]string{"IPv4": "/32", "IPv6": "/128"}[familyOf(from)]
			}
			if len(ports) == 0 || familyOf(from) != familyOf(m[2]) {
				wrong = append(wrong, m[0])
			}
			all.product(host+"@"+m[2], ports, []string{from})
		}
	}
	return all, wrong
}
