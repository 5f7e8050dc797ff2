package plan

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// lockOfText writes entries "site host range" as a lock that needed all of it.
func lockOfText(t *testing.T, entries ...string) *Lock {
	t.Helper()
	lock := &Lock{}
	for _, e := range entries {
		f := strings.Fields(e)
		r, ok := spec.ParsePortRange(f[2])
		if !ok {
			t.Fatal(e)
		}
		lock.Sites = append(lock.Sites, LockedSite{Name: f[0], Host: f[1], DataPorts: r, Ports: r.Count()})
	}
	slices.SortFunc(lock.Sites, func(a, b LockedSite) int { return strings.Compare(a.Name, b.Name) })
	return lock
}

func movesText(moves []Move) string {
	var all []string
	for _, m := range moves {
		text := m.Site + " " + string(m.Kind())
		switch m.Kind() {
		case NewSite:
			text += " " + m.To.String()
		case GoneSite:
			text += " " + m.From.String()
		case RenamedSite:
			text += fmt.Sprintf(" from %s %s", m.Was, m.To)
		default:
			text += fmt.Sprintf(" %s to %s: %s", m.From, m.To, m.Why)
		}
		all = append(all, text)
	}
	return strings.Join(all, "\n")
}

func TestLockIsKept(t *testing.T) {
	h, other := newHost("edge1"), newHost("edge2")
	other.Addresses = []netip.Addr{netip.MustParseAddr("203.0.113.20")}
	pinned := newSite(h, "pinned", 2999, 9)
	pinned.DataPorts = ports(61040, 61059)
	overService := newHost("edge3")
	avoiding := newHost("edge4")
	avoiding.AvoidPorts = []spec.PortRange{ports(61005, 61006)}

	for name, c := range map[string]struct {
		sites []*spec.Site
		lock  []string
		want  string
		moves string
	}{
		"a new site moves no other": {
			[]*spec.Site{newSite(h, "a", 21, 9), newSite(h, "b", 22, 9)},
			[]string{"b edge1 61000-61009"},
			"a 61010-61019, b 61000-61009", "a new 61010-61019",
		},
		"a removed site's ports are free": {
			[]*spec.Site{newSite(h, "b", 22, 9)},
			[]string{"a edge1 61000-61009", "b edge1 61010-61019"},
			"b 61010-61019", "a gone 61000-61009",
		},
		"and are given to the next": {
			[]*spec.Site{newSite(h, "b", 22, 9), newSite(h, "c", 23, 9)},
			[]string{"a edge1 61000-61009", "b edge1 61010-61019"},
			"b 61010-61019, c 61000-61009", "a gone 61000-61009\nc new 61000-61009",
		},
		"less is needed": {
			[]*spec.Site{newSite(h, "a", 21, 4), newSite(h, "b", 22, 4)},
			[]string{"a edge1 61000-61009"},
			"a 61000-61009, b 61010-61014", "b new 61010-61014",
		},
		"less is needed, and the rest is to be avoided": {
			[]*spec.Site{newSite(avoiding, "a", 21, 4)},
			[]string{"a edge4 61000-61009"},
			"a 61000-61004",
			`a resized 61000-61009 to 61000-61004: 61000-61009 overlaps avoid_ports 61005-61006 of host "edge4".`,
		},
		"more is needed, with a gap before": {
			[]*spec.Site{newSite(h, "a", 21, 14), newSite(h, "b", 22, 4)},
			[]string{"a edge1 61020-61029", "b edge1 61032-61036"},
			"a 61017-61031, b 61032-61036",
			"a resized 61020-61029 to 61017-61031: It needs 15 ports now, by its contention bound.",
		},
		"more is needed, with a gap behind": {
			[]*spec.Site{newSite(h, "a", 21, 14), newSite(h, "b", 22, 4)},
			[]string{"a edge1 61000-61009", "b edge1 61020-61024"},
			"a 61000-61014, b 61020-61024",
			"a resized 61000-61009 to 61000-61014: It needs 15 ports now, by its contention bound.",
		},
		"more is needed, without a gap": {
			[]*spec.Site{newSite(h, "a", 21, 14), newSite(h, "b", 22, 4)},
			[]string{"a edge1 61000-61009", "b edge1 61012-61016"},
			"a 61017-61031, b 61012-61016",
			`a moved 61000-61009 to 61017-61031: It needs 15 ports instead of 10 and cannot grow where it is: 61010-61014 overlaps the range 61012-61016 of site "b".`,
		},
		"more is needed at the end of all ports": {
			[]*spec.Site{newSite(h, "a", 21, 14)},
			[]string{"a edge1 65526-65535"},
			"a 65521-65535",
			"a resized 65526-65535 to 65521-65535: It needs 15 ports now, by its contention bound.",
		},
		"two grow into one gap": {
			[]*spec.Site{newSite(h, "a", 21, 14), newSite(h, "b", 22, 29)},
			[]string{"a edge1 61000-61009", "b edge1 61015-61024"},
			"a 61000-61014, b 61015-61044",
			"a resized 61000-61009 to 61000-61014: It needs 15 ports now, by its contention bound.\n" +
				"b resized 61015-61024 to 61015-61044: It needs 30 ports now, by its contention bound.",
		},
		"a new pin": {
			[]*spec.Site{newSite(h, "a", 21, 9), pinned},
			[]string{"a edge1 61050-61059"},
			"a 61000-61009, pinned 61040-61059",
			`a moved 61050-61059 to 61000-61009: 61050-61059 overlaps the range 61040-61059 of site "pinned", which the spec pins.` + "\npinned new 61040-61059",
		},
		"its own new pin": {
			[]*spec.Site{pinned},
			[]string{"pinned edge1 61000-61009"},
			"pinned 61040-61059",
			"pinned moved 61000-61009 to 61040-61059: The spec pins data_ports.",
		},
		"a pin taken away": {
			[]*spec.Site{newSite(h, "a", 21, 9)},
			[]string{"a edge1 21000-21099"},
			"a 21000-21099", "",
		},
		"among the ephemeral ports": {
			[]*spec.Site{newSite(h, "a", 21, 9)},
			[]string{"a edge1 60995-61004"},
			"a 61000-61009",
			`a moved 60995-61004 to 61000-61009: 60995-61004 overlaps ephemeral_ports 32768-60999 of host "edge1".`,
		},
		"now to be avoided": {
			[]*spec.Site{newSite(avoiding, "a", 21, 9)},
			[]string{"a edge4 61000-61009"},
			"a 61007-61016",
			`a moved 61000-61009 to 61007-61016: 61000-61009 overlaps avoid_ports 61005-61006 of host "edge4".`,
		},
		"over a service": {
			[]*spec.Site{newSite(overService, "a", 21, 9)},
			[]string{"a edge3 3300-3309"},
			"a 61000-61009",
			`a moved 3300-3309 to 61000-61009: 3300-3309 covers port 3306 of a well-known service (MySQL).`,
		},
		"over a new control port": {
			[]*spec.Site{newSite(h, "a", 21, 9), newSite(h, "b", 61003, 9)},
			[]string{"a edge1 61000-61009"},
			"a 61004-61013, b 61014-61023",
			`a moved 61000-61009 to 61004-61013: 61000-61009 covers the control port 61003 of site "b".` + "\nb new 61014-61023",
		},
		"both sides of a merge": {
			[]*spec.Site{newSite(h, "a", 21, 9), newSite(h, "b", 22, 9)},
			[]string{"a edge1 61000-61009", "b edge1 61000-61009"},
			"a 61000-61009, b 61010-61019",
			`b moved 61000-61009 to 61010-61019: 61000-61009 is the range of site "a".`,
		},
		"to another host, where the ports are free": {
			[]*spec.Site{newSite(other, "a", 21, 9), newSite(h, "b", 21, 9)},
			[]string{"a edge1 61030-61039", "b edge1 61000-61009"},
			"a 61030-61039, b 61000-61009", `a moved 61030-61039 to 61030-61039: Its ports have the same numbers. It is on host "edge2" now, and was on "edge1".`,
		},
		"to another host, where somebody was before": {
			[]*spec.Site{newSite(other, "a", 21, 9), newSite(other, "b", 22, 9)},
			[]string{"a edge1 61000-61009", "b edge2 61000-61009"},
			"a 61010-61019, b 61000-61009",
			`a moved 61000-61009 to 61010-61019: 61000-61009 is the range of site "b". It is on host "edge2" now, and was on "edge1".`,
		},
	} {
		p, placement := build(t, lockOfText(t, c.lock...), nil, c.sites...)
		if got := ranges(p); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if got := movesText(placement.Moves); got != c.moves {
			t.Errorf("%s: moves\n%s\nwant\n%s", name, got, c.moves)
		}
		again, second := build(t, placement.Lock, nil, c.sites...)
		if ranges(again) != ranges(p) || len(second.Moves) > 0 {
			t.Errorf("%s: planned again with its own lock: %s, moves %v", name, ranges(again), second.Moves)
		}
	}
}

func TestMovedSiteLeavesItsOldPortsEmpty(t *testing.T) {
	h := newHost("edge1")
	p, _ := build(t, lockOfText(t, "a edge1 61000-61009", "b edge1 61010-61019"), nil,
		newSite(h, "a", 21, 19), newSite(h, "b", 22, 9), newSite(h, "c", 23, 4))
	if got, want := ranges(p), "a 61020-61039, b 61010-61019, c 61040-61044"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestAddressesShareNoPortsOnlyWhereTheyMeet(t *testing.T) {
	h := newHost("edge1")
	v4, v6 := newSite(h, "v4", 21, 9), newSite(h, "v6", 21, 9)
	v4.Addresses, v6.Addresses = h.Addresses[:1], h.Addresses[1:]
	both := newSite(h, "z", 22, 9)
	p, _ := build(t, nil, nil, v4, v6, both)
	if got, want := ranges(p), "v4 61000-61009, v6 61000-61009, z 61010-61019"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestGatewayKeepsSitesApart(t *testing.T) {
	one, two := newHost("edge1"), newHost("edge2")
	two.Addresses = []netip.Addr{netip.MustParseAddr("203.0.113.20")}
	a, b, c := newSite(one, "a", 21, 9), newSite(two, "b", 61010, 9), newSite(two, "c", 2121, 9)
	gateway := &spec.Gateway{Name: "nat1", Address: netip.MustParseAddr("198.51.100.7"), Sites: []*spec.Site{b, a}}
	p, _ := build(t, nil, []*spec.Gateway{gateway}, a, b, c)
	if got, want := ranges(p), "a 61000-61009, b 61011-61020, c 61000-61009"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	var got []string
	for _, f := range p.Gateways[0].Forwards {
		got = append(got, fmt.Sprintf("%s %s %s", f.Site.Name, f.Ports, f.To))
	}
	want := []string{"a 21 203.0.113.10", "a 61000-61009 203.0.113.10", "b 61010 203.0.113.20", "b 61011-61020 203.0.113.20"}
	if !slices.Equal(got, want) {
		t.Errorf("forwards %q, want %q", got, want)
	}
}

// A small site whose name comes first would take ports that only the large
// one has a use for.
func TestLargestFirstWhereNamesLeaveNoRoom(t *testing.T) {
	h := newHost("edge1")
	h.EphemeralPorts = ports(1024, 60999)
	h.AvoidPorts = []spec.PortRange{ports(61500, 61500), ports(62000, 65535)}
	a, b := newSite(h, "a", 21, 398), newSite(h, "b", 22, 499)
	p, _ := build(t, nil, nil, a, b)
	if got, want := ranges(p), "a 61501-61899, b 61000-61499"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNoRoom(t *testing.T) {
	h := newHost("edge1")
	h.AvoidPorts = []spec.PortRange{ports(1024, 61999), ports(63000, 64999)}
	_, placement, diags := Build(&spec.Spec{Sites: []*spec.Site{newSite(h, "a", 21, 999), newSite(h, "b", 22, 999), newSite(h, "c", 23, 99)}}, nil)
	if len(diags) != 1 || placement != nil {
		t.Fatalf("%d diagnostics: %v", len(diags), diags)
	}
	d := diags[0]
	if d.Subject == nil || d.Subject.Start.Line != 12 { // concurrency.sessions
		t.Errorf("points to %v", d.Subject)
	}
	for _, part := range []string{`Site "b" needs 1,000 ports`, `host "edge1"`, "65100-65535, which has 436", "data_ports"} {
		if !strings.Contains(d.Detail, part) {
			t.Errorf("%q is not in %s", part, d.Detail)
		}
	}
	if strings.Contains(d.Detail, LockFile) {
		t.Errorf("speaks of a lock that is not there: %s", d.Detail)
	}
	h.AvoidPorts = []spec.PortRange{ports(1024, 65535)}
	_, _, diags = Build(&spec.Spec{Sites: []*spec.Site{newSite(h, "a", 21, 1)}}, &Lock{})
	if len(diags) != 1 || !strings.Contains(diags[0].Detail, "no port left") || !strings.Contains(diags[0].Detail, LockFile) {
		t.Errorf("%v", diags)
	}
}

// randomSpec has hosts, addresses, gateways, pins and obstacles at random,
// sized so that all sites have room.
func randomSpec(random *rand.Rand) *spec.Spec {
	s := &spec.Spec{Name: "random"}
	for i := range 1 + random.IntN(3) {
		h := newHost(fmt.Sprintf("host%d", i))
		h.Addresses = nil
		for j := range 1 + random.IntN(3) {
			h.Addresses = append(h.Addresses, netip.AddrFrom4([4]byte{203, 0, 113, byte(10*i + j)}))
		}
		for range random.IntN(4) {
			first := 20000 + random.IntN(45000)
			h.AvoidPorts = append(h.AvoidPorts, ports(uint16(first), uint16(first+random.IntN(300))))
		}
		s.Hosts = append(s.Hosts, h)
	}
	for i := range 1 + random.IntN(30) {
		h := s.Hosts[random.IntN(len(s.Hosts))]
		site := newSite(h, fmt.Sprintf("site%02d", random.IntN(1000)*100+i), uint16(60990+i*7), 1+random.IntN(200))
		from := random.IntN(len(h.Addresses))
		site.Addresses = h.Addresses[from : from+1+random.IntN(len(h.Addresses)-from)]
		s.Sites = append(s.Sites, site)
	}
	if len(s.Sites) > 2 && random.IntN(2) == 0 {
		g := &spec.Gateway{Name: "nat", Address: netip.MustParseAddr("198.51.100.7")}
		for _, site := range s.Sites {
			if random.IntN(3) == 0 {
				g.Sites = append(g.Sites, site)
			}
		}
		s.Gateways = append(s.Gateways, g)
	}
	return s
}

// check compares a plan with what placement promises, port by port.
func check(t *testing.T, s *spec.Spec, p *Plan, lock *Lock) {
	t.Helper()
	type place struct {
		where string
		port  int
	}
	owner := map[place]string{}
	take := func(where string, r spec.PortRange, by string) {
		for port := int(r.First); port <= int(r.Last); port++ {
			if other := owner[place{where, port}]; other != "" {
				t.Fatalf("%s has port %d of %s, which is for %s", by, port, where, other)
			}
			owner[place{where, port}] = by
		}
	}
	for _, site := range p.Sites {
		r := site.DataPorts
		kept := lock.find(site.Name)
		if site.Spare() < 0 || site.Spare() > 0 && (kept == nil || kept.DataPorts != r) || r.First < lowestPort {
			t.Fatalf("%s has %s and needs %d", site.Name, r, site.Sizing.Ports)
		}
		for _, a := range site.Addresses {
			take(a.String(), r, site.Name)
		}
		for port := range serviceNames {
			if r.Contains(port) {
				t.Fatalf("%s covers the service port %d", site.Name, port)
			}
		}
		for _, banned := range append([]spec.PortRange{site.Host.EphemeralPorts}, site.Host.AvoidPorts...) {
			if r.Overlaps(banned) {
				t.Fatalf("%s has %s in %s", site.Name, r, banned)
			}
		}
		for _, o := range p.Sites {
			if o.Host == site.Host && r.Contains(o.Port) {
				t.Fatalf("%s covers the control port of %s", site.Name, o.Name)
			}
		}
	}
	for _, g := range p.Gateways {
		for _, f := range g.Forwards {
			if f.Ports.Count() > 1 || f.Ports.First != f.Site.Port {
				take("gateway "+g.Name, f.Ports, f.Site.Name)
			}
		}
		for _, f := range g.Forwards {
			if o := owner[place{"gateway " + g.Name, int(f.Site.Port)}]; o != "" {
				t.Fatalf("%s has the control port of %s at %s", o, f.Site.Name, g.Name)
			}
		}
	}
}

func TestPlacementProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	for range 150 {
		s := randomSpec(random)
		p, placement := build(t, nil, s.Gateways, s.Sites...)
		check(t, s, p, nil)

		shuffled := slices.Clone(s.Sites)
		random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if again, _ := build(t, nil, s.Gateways, shuffled...); ranges(again) != ranges(p) {
			t.Fatalf("in another order %s\ninstead of %s", ranges(again), ranges(p))
		}

		// More sites, some of them gone, and the lock: nobody else moves.
		next := slices.Clone(s.Sites)
		for i := range random.IntN(5) {
			h := s.Hosts[random.IntN(len(s.Hosts))]
			next = append(next, newSite(h, fmt.Sprintf("a%d", i), uint16(2000+i), 1+random.IntN(200)))
		}
		gone := random.IntN(len(next))
		next = slices.Delete(next, gone, gone+1)
		later, second := build(t, placement.Lock, s.Gateways, next...)
		if strings.Contains(movesText(second.Moves), "moved") || strings.Contains(movesText(second.Moves), "resized") {
			t.Fatalf("adding sites moved others: %s", movesText(second.Moves))
		}
		check(t, &spec.Spec{Sites: next}, later, placement.Lock)

		// Sites that change size: moves tell of all that changed, and only that.
		for _, site := range next {
			if random.IntN(3) == 0 {
				site.Sessions = 1 + random.IntN(250)
				site.SessionsPerAddress = site.Sessions
			}
		}
		resized, third := build(t, second.Lock, s.Gateways, next...)
		check(t, &spec.Spec{Sites: next}, resized, second.Lock)
		told := map[string]Move{}
		for _, m := range third.Moves {
			told[m.Site] = m
		}
		for _, site := range resized.Sites {
			was := second.Lock.find(site.Name).DataPorts
			if m, moved := told[site.Name]; moved != (was != site.DataPorts) || moved && (m.From != was || m.To != site.DataPorts || m.Why == "") {
				t.Fatalf("%s went from %s to %s, told as %+v", site.Name, was, site.DataPorts, m)
			}
		}
	}
}

// A range that the lock keeps is larger than is needed: what it refuses is told
// of all its ports, and the lock says how many would do.
func TestKeptRangeRefusesLess(t *testing.T) {
	site := newSite(newHost("edge1"), "a", 21, 100)
	site.Server = "vsftpd"
	p, placement := build(t, lockOfText(t, "a edge1 61000-62999"), nil, site)
	got := p.Sites[0]
	if need := got.Sizing.Ports; got.Spare() != 2000-need || got.Refused >= got.Sizing.Refused || placement.Lock.Sites[0].Ports != need {
		t.Errorf("%d spare, %g refused instead of %g, lock %+v", got.Spare(), got.Refused, got.Sizing.Refused, placement.Lock.Sites[0])
	}
	if len(placement.Moves) > 0 {
		t.Errorf("moves %v", placement.Moves)
	}
}
