package change

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// Change is what differs between two plans. Its JSON is stable.
type Change struct {
	Sites []Site `json:"sites"` // those that differ, by name
	Same  int    `json:"same"`  // how many do not
	// Firewalls are those that differ: the hosts', then the gateways', by name.
	Firewalls []Firewall `json:"firewalls"`
}

// Site is a site that differs.
type Site struct {
	Name    string `json:"site"`
	WasName string `json:"was_name,omitempty"` // if a moved block renames it
	// Kind is that of plan.Move, or "changed" if ports and name are the same.
	Kind plan.Kind `json:"kind"`
	// Why the data ports are other ones, one sentence; "" if they are not.
	Why         string       `json:"why,omitempty"`
	Differences []Difference `json:"differences"`

	was, is *plan.Site // nil: new, gone
}

// Difference is one value of a site or host that differs. Was or Is is nil, and
// absent from the JSON, if it was or is not set.
type Difference struct {
	Name string `json:"name"` // as the spec writes it, where the spec has it
	Was  any    `json:"was,omitempty"`
	Is   any    `json:"is,omitempty"`
	// Effect is "loosens" or "tightens" for a limit or a protection.
	Effect string `json:"effect,omitempty"`
}

// The effects of a Difference.
const (
	loosens  = "loosens"
	tightens = "tightens"
)

// Empty reports whether nothing differs.
func (c *Change) Empty() bool { return len(c.Sites) == 0 && len(c.Firewalls) == 0 }

// Between compares two plans. Renames has the present name of sites that moved
// blocks rename, by older names, as spec.Renames.
func Between(was, is *plan.Plan, renames map[string]string) *Change {
	c := &Change{Sites: []Site{}, Firewalls: firewalls(was, is)}
	older, newer := byName(was), byName(is)
	for _, s := range was.Sites {
		name := renames[s.Name]
		if newer[name] != nil && newer[s.Name] == nil && older[name] == nil {
			delete(older, s.Name)
			older[name] = s
		}
	}
	for _, s := range is.Sites {
		c.add(older[s.Name], s)
		delete(older, s.Name)
	}
	for _, s := range older {
		c.add(s, nil)
	}
	slices.SortFunc(c.Sites, func(a, b Site) int { return strings.Compare(a.Name, b.Name) })
	c.limit()
	return c
}

func byName(p *plan.Plan) map[string]*plan.Site {
	sites := make(map[string]*plan.Site, len(p.Sites))
	for _, s := range p.Sites {
		sites[s.Name] = s
	}
	return sites
}

// changed is the kind of a site that has its name and ports.
const changed plan.Kind = "changed"

// add compares a site, of which one state may be nil, and keeps what differs.
func (c *Change) add(was, is *plan.Site) {
	s := Site{was: was, is: is, Differences: differences(fields, was, is)}
	m := s.move()
	s.Name, s.WasName, s.Kind = m.Site, m.Was, m.Kind()
	switch {
	case was == nil:
		s.Why = need(is)
	case is == nil:
	case m.From != m.To:
		s.Why = why(was, is)
	case m.Was == "" && len(s.Differences) == 0:
		c.Same++
		return
	case m.Was == "":
		s.Kind = changed
	}
	c.Sites = append(c.Sites, s)
}

// move is the site as package plan has what differs from a lock.
func (s Site) move() (m plan.Move) {
	if s.was != nil {
		m.Site, m.Host, m.From = s.was.Name, s.was.Host.Name, s.was.DataPorts
	}
	if s.is == nil {
		return m
	}
	if m.Site != s.is.Name {
		m.Was = m.Site
	}
	m.Site, m.Host, m.To = s.is.Name, s.is.Host.Name, s.is.DataPorts
	return m
}

// need is why a site has as many ports as it has.
func need(s *plan.Site) string {
	text := fmt.Sprintf("It needs %s", sizing.Plural(s.Sizing.Ports, "port"))
	for _, b := range s.Sizing.Bounds {
		if b.Name == s.Sizing.Binding {
			text += ": " + b.Why
		}
	}
	if s.Pinned {
		text += "; the spec pins data_ports"
	}
	return text + "."
}

// why a site's data ports are other ones.
func why(was, is *plan.Site) string {
	switch {
	case is.Pinned:
		return "The spec pins data_ports."
	case was.Sizing.Ports != is.Sizing.Ports:
		return fmt.Sprintf("It needed %s. %s", sizing.Plural(was.Sizing.Ports, "port"), need(is))
	case was.Pinned:
		return "The spec pinned data_ports, and does not now."
	case was.Host.Name != is.Host.Name:
		return "It is on another host, where its ports may be taken."
	}
	return "It needs as many ports as before: its entry in " + plan.LockFile + " is another one, or its ports are taken or avoided now."
}

// field is one value that is compared.
type field[T any] struct {
	name string
	of   func(T) any
	// looser reports whether the value is, compared with what it was, a laxer
	// limit or less protection; nil: it is neither.
	looser func(was, is any) bool
}

func more(was, is any) bool  { return number(is) > number(was) }
func fewer(was, is any) bool { return number(is) < number(was) }

// number orders the values of limits: 0 or false, if there is none.
func number(v any) int {
	switch v := v.(type) {
	case int:
		return v
	case bool:
		if v {
			return 1
		}
	}
	return 0
}

var fields = []field[*plan.Site]{
	{"host", func(s *plan.Site) any { return s.Host.Name }, nil},
	{"addresses", func(s *plan.Site) any { return texts(s.Addresses) }, nil},
	{"server", func(s *plan.Site) any { return s.Server }, nil},
	{"port", func(s *plan.Site) any { return int(s.Port) }, nil},
	{"data_ports", func(s *plan.Site) any { return plan.PortsOf(s.DataPorts) }, nil},
	{"pinned", func(s *plan.Site) any { return s.Pinned }, nil},
	{"ports_needed", func(s *plan.Site) any { return s.Sizing.Ports }, nil},
	{"bound", func(s *plan.Site) any { return s.Sizing.Binding }, nil},
	{"sessions", func(s *plan.Site) any { return s.Sessions }, more},
	{"sessions_per_address", func(s *plan.Site) any { return s.SessionsPerAddress }, more},
	{"ipv6_client_prefix", func(s *plan.Site) any { return s.IPv6ClientPrefix }, nil},
	{"clients", func(s *plan.Site) any { return texts(s.Networks()) }, nil},
	{"gate", func(s *plan.Site) any { return s.Gate }, fewer},
	{"foreign_data", func(s *plan.Site) any { return s.ForeignData }, more},
	{"active_mode", func(s *plan.Site) any { return s.ActiveMode }, more},
	{"tls.mode", func(s *plan.Site) any { return string(s.TLS.Mode) }, nil},
	{"tls.required", func(s *plan.Site) any { return s.TLS.Required }, fewer},
	{"tls.session_reuse required", func(s *plan.Site) any { return s.TLS.Mode != spec.TLSOff && s.TLS.ReuseRequired }, fewer},
	{"announce", func(s *plan.Site) any { return s.Announced() }, nil},
	{"announce_to", func(s *plan.Site) any {
		var all []string
		for _, a := range s.AnnounceTo {
			all = append(all, fmt.Sprintf("%s = %s", a.Clients, a.Address))
		}
		return all
	}, nil},
	{"objective.refused", func(s *plan.Site) any { return s.Sizing.Objective }, nil},
	{"refused", func(s *plan.Site) any { return s.Refused }, nil},
}

// hostFields are what decides where a host's rules hold.
var hostFields = []field[*plan.Host]{
	{"interface", func(h *plan.Host) any { return h.Interface }, nil},
	{"firewall.into", func(h *plan.Host) any { return chain(h.Firewall) }, nil},
	{"firewall.output", func(h *plan.Host) any { return chain(h.Output) }, nil},
}

func chain(c *spec.Chain) string {
	if c == nil {
		return ""
	}
	return c.Family + " " + c.Table + " " + c.Chain
}

// differences compares two states, of which one may be nil. Values that are not
// set are nil.
func differences[T comparable](fields []field[T], was, is T) []Difference {
	var none T
	all := []Difference{}
	for _, f := range fields {
		d := Difference{Name: f.name}
		if was != none {
			d.Was = set(f.of(was))
		}
		if is != none {
			d.Is = set(f.of(is))
		}
		if reflect.DeepEqual(d.Was, d.Is) {
			continue
		}
		if f.looser != nil && was != none && is != none {
			d.Effect = tightens
			if f.looser(d.Was, d.Is) {
				d.Effect = loosens
			}
		}
		all = append(all, d)
	}
	return all
}

// set is v, or nil if it is a zero value.
func set(v any) any {
	if r := reflect.ValueOf(v); r.IsZero() || r.Kind() == reflect.Slice && r.Len() == 0 {
		return nil
	}
	return v
}

// difference finds a value that differs; the zero value if it does not.
func (s *Site) difference(name string) Difference {
	for _, d := range s.Differences {
		if d.Name == name {
			return d
		}
	}
	return Difference{}
}

func texts[T fmt.Stringer](all []T) []string {
	list := make([]string, 0, len(all))
	for _, v := range all {
		list = append(list, v.String())
	}
	return list
}
