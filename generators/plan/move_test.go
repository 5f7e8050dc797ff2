package plan

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// renamedTo makes moved blocks of "old new" pairs.
func renamedTo(pairs ...string) (moved []*spec.Moved) {
	for i, pair := range pairs {
		from, to, _ := strings.Cut(pair, " ")
		moved = append(moved, &spec.Moved{From: from, To: to, Ranges: spec.Ranges{"from": at(100 + i), "": at(200 + i)}})
	}
	return moved
}

func TestRenamedSites(t *testing.T) {
	h, other := newHost("edge1"), newHost("edge2")
	avoiding := newHost("edge3")
	avoiding.AvoidPorts = []spec.PortRange{ports(61100, 61199)}
	for name, c := range map[string]struct {
		moved  []string
		sites  []*spec.Site
		lock   []string
		shared bool
		want   string
		moves  string
		locked string // names in the new lock
	}{
		"it stays, and its neighbour": {
			[]string{"b y"}, []*spec.Site{newSite(h, "a", 21, 9), newSite(h, "y", 22, 9)},
			[]string{"a edge1 61100-61109", "b edge1 61200-61209"}, false,
			"a 61100-61109, y 61200-61209", "y renamed from b 61200-61209", "a y",
		},
		"without the block it is gone and new": {
			nil, []*spec.Site{newSite(h, "a", 21, 9), newSite(h, "y", 22, 9)},
			[]string{"a edge1 61100-61109", "b edge1 61200-61209"}, false,
			"a 61100-61109, y 61000-61009", "b gone 61200-61209\ny new 61000-61009", "a y",
		},
		"the lock has the new name already": {
			[]string{"b y"}, []*spec.Site{newSite(h, "y", 22, 9)},
			[]string{"y edge1 61200-61209"}, false, "y 61200-61209", "", "y",
		},
		"the lock has neither": {
			[]string{"b y"}, []*spec.Site{newSite(h, "y", 22, 9)},
			[]string{"a edge1 61200-61209"}, false, "y 61000-61009", "a gone 61200-61209\ny new 61000-61009", "y",
		},
		"a chain from its start": {
			[]string{"b c", "a b", "c d"}, []*spec.Site{newSite(h, "d", 22, 9)},
			[]string{"a edge1 61200-61209"}, false, "d 61200-61209", "d renamed from a 61200-61209", "d",
		},
		"a chain from its middle": {
			[]string{"b c", "a b", "c d"}, []*spec.Site{newSite(h, "d", 22, 9)},
			[]string{"c edge1 61200-61209"}, false, "d 61200-61209", "d renamed from c 61200-61209", "d",
		},
		"it grows": {
			[]string{"b y"}, []*spec.Site{newSite(h, "y", 22, 19)},
			[]string{"b edge1 61200-61209"}, false,
			"y 61200-61219", "y resized 61200-61209 to 61200-61219: It needs 20 ports now, by its contention bound.", "y",
		},
		"to another host, where its ports are taken": {
			[]string{"b y"}, []*spec.Site{newSite(other, "y", 22, 9), newSite(other, "a", 21, 9)},
			[]string{"b edge1 61200-61209", "a edge2 61200-61209"}, false, "a 61200-61209, y 61000-61009",
			`y moved 61200-61209 to 61000-61009: 61200-61209 is the range of site "a". It is on host "edge2" now, and was on "edge1".`, "a y",
		},
		"to another host, which avoids them": {
			[]string{"b y"}, []*spec.Site{newSite(avoiding, "y", 22, 9)},
			[]string{"b edge1 61100-61109"}, false, "y 61000-61009",
			`y moved 61100-61109 to 61000-61009: 61100-61109 overlaps avoid_ports 61100-61199 of host "edge3". It is on host "edge3" now, and was on "edge1".`, "y",
		},
		"two swap nothing": {
			[]string{"a y", "b z"}, []*spec.Site{newSite(h, "y", 22, 9), newSite(h, "z", 23, 9)},
			[]string{"a edge1 61200-61209", "b edge1 61100-61109"}, false,
			"y 61200-61209, z 61100-61109", "y renamed from a 61200-61209\nz renamed from b 61100-61109", "y z",
		},
		"of two that grow into one gap, the same is first": {
			[]string{"a z"}, []*spec.Site{newSite(h, "z", 22, 19), newSite(h, "b", 23, 19)},
			[]string{"a edge1 61000-61009", "b edge1 61020-61029"}, false, "b 61020-61039, z 61000-61019",
			"b resized 61020-61029 to 61020-61039: It needs 20 ports now, by its contention bound.\n" +
				"z resized 61000-61009 to 61000-61019: It needs 20 ports now, by its contention bound.", "b z",
		},
		"the lock has another spec's sites": {
			[]string{"b y"}, []*spec.Site{newSite(h, "y", 22, 9)},
			[]string{"a edge1 61000-61009", "b edge1 61200-61209"}, true,
			"y 61200-61209", "y renamed from b 61200-61209", "a y",
		},
	} {
		lock := lockOfText(t, c.lock...)
		lock.Shared = c.shared
		before := fmt.Sprint(lock)
		s := &spec.Spec{Sites: c.sites, Moved: renamedTo(c.moved...)}
		p, placement, diags := Build(s, lock)
		if diags.HasErrors() {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		var locked []string
		for _, entry := range placement.Lock.Sites {
			locked = append(locked, entry.Name)
		}
		if got := strings.Join(locked, " "); ranges(p) != c.want || got != c.locked {
			t.Errorf("%s: %s, lock of %s, want %s and %s", name, ranges(p), got, c.want, c.locked)
		}
		if got := movesText(placement.Moves); got != c.moves {
			t.Errorf("%s: moves\n%s\nwant\n%s", name, got, c.moves)
		}
		if fmt.Sprint(lock) != before {
			t.Errorf("%s: the old lock is changed", name)
		}
		placement.Lock.Shared = c.shared
		if again, second, _ := Build(s, placement.Lock); ranges(again) != ranges(p) || len(second.Moves) > 0 {
			t.Errorf("%s: planned again with its own lock: %s, moves %v", name, ranges(again), second.Moves)
		}
	}
}

// The lock has a site under two of its names, and only the user knows which
// range is deployed.
func TestRenamedTwice(t *testing.T) {
	h := newHost("edge1")
	for name, c := range map[string]struct {
		lock []string
		want string
	}{
		"old and present name": {
			[]string{"a edge1 61000-61009", "c edge2 61100-61109"},
			`100 pasvctl.lock.hcl has an entry for site "a", 61000-61009 on host "edge1", and one for site "c", 61100-61109 on host "edge2". ` +
				`Remove this block if 61100-61109 is the range that is deployed, or else delete the entry of site "c" from the lock.`,
		},
		"two old names": {
			[]string{"a edge1 61000-61009", "b edge1 61100-61109"},
			`100 pasvctl.lock.hcl has an entry for site "a", 61000-61009 on host "edge1", and one for site "b", 61100-61109 on host "edge1". ` +
				`Remove this block if 61100-61109 is the range that is deployed, or else delete the entry of site "b" from the lock.`,
		},
	} {
		s := &spec.Spec{Sites: []*spec.Site{newSite(h, "c", 21, 9)}, Moved: renamedTo("a b", "b c")}
		lock := lockOfText(t, c.lock...)
		_, placement, diags := Build(s, lock)
		if placement != nil || len(diags) != 1 || finding.Of(diags[0]) != finding.RenamedTwice {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		if got := fmt.Sprint(diags[0].Subject.Start.Line, " ", diags[0].Detail); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		// Both remedies.
		kept := &spec.Spec{Sites: s.Sites, Moved: s.Moved[1:]}
		if p, _, diags := Build(kept, lock); diags.HasErrors() || p.Sites[0].DataPorts != ports(61100, 61109) {
			t.Errorf("%s: without the block: %v", name, diags)
		}
		if p, _, diags := Build(s, &Lock{Sites: lock.Sites[:1]}); diags.HasErrors() || p.Sites[0].DataPorts != ports(61000, 61009) {
			t.Errorf("%s: without the entry: %v", name, diags)
		}
	}
}

// A rename changes no decision: whatever else has changed, all sites have the
// ports and ranks that they would have under their old names.
func TestRenamingChangesNothingElse(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 9))
	for range 100 {
		s := randomSpec(random)
		_, placement := build(t, nil, s.Gateways, s.Sites...)
		for _, site := range s.Sites { // some move, some change size
			if random.IntN(5) == 0 && len(s.Gateways) == 0 {
				site.Host = s.Hosts[random.IntN(len(s.Hosts))]
				site.Addresses = site.Host.Addresses
			}
			if random.IntN(3) == 0 {
				site.Sessions = 1 + random.IntN(250)
				site.SessionsPerAddress = site.Sessions
			}
		}
		kept, _, diags := Build(s, placement.Lock)
		if diags.HasErrors() {
			continue
		}
		old := map[*spec.Site]*Site{}
		for _, site := range kept.Sites {
			copied := *site
			old[site.Site] = &copied
		}
		for i, site := range s.Sites {
			if random.IntN(2) == 0 {
				now := fmt.Sprintf("%c-renamed-%d", 'a'+random.IntN(26), i)
				s.Moved = append(s.Moved, renamedTo(site.Name+" "+now)...)
				site.Name = now
			}
		}
		slices.Reverse(s.Moved)
		p, _, diags := Build(s, placement.Lock)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, site := range p.Sites {
			if was := old[site.Site]; was.DataPorts != site.DataPorts || was.Rank != site.Rank {
				t.Fatalf("%s went from %s, rank %d, to %s, rank %d", site.Name, was.DataPorts, was.Rank, site.DataPorts, site.Rank)
			}
		}
	}
}

func TestMoveInWords(t *testing.T) {
	a, b := ports(61000, 61009), ports(61000, 61019)
	for _, c := range []struct {
		Move
		text, json string
	}{
		{Move{Site: "x", Host: "edge1", To: a, Why: "Y."}, `NEW: site "x": data ports 61000-61009`,
			`{"kind":"new","site":"x","host":"edge1","to":{"first":61000,"last":61009,"count":10},"why":"Y."}`},
		{Move{Site: "x", Host: "edge1", From: a, Why: "Y."}, `GONE: site "x": data ports 61000-61009 of host "edge1"`,
			`{"kind":"gone","site":"x","host":"edge1","from":{"first":61000,"last":61009,"count":10},"why":"Y."}`},
		{Move{Site: "x", Was: "w", Host: "edge1", From: a, To: a, Why: "Y."}, `RENAMED: site "x", was "w": data ports 61000-61009`,
			`{"kind":"renamed","site":"x","was":"w","host":"edge1","from":{"first":61000,"last":61009,"count":10},"to":{"first":61000,"last":61009,"count":10},"why":"Y."}`},
		{Move{Site: "x", Was: "w", Host: "edge1", From: a, To: b, Why: "Y."}, `RESIZED: site "x", was "w": data ports 61000-61009 -> 61000-61019`,
			`{"kind":"resized","site":"x","was":"w","host":"edge1","from":{"first":61000,"last":61009,"count":10},"to":{"first":61000,"last":61019,"count":20},"why":"Y."}`},
		{Move{Site: "x", Host: "edge1", From: a, To: ports(20000, 20000), Why: "Y."}, `MOVED: site "x": data ports 61000-61009 -> 20000`,
			`{"kind":"moved","site":"x","host":"edge1","from":{"first":61000,"last":61009,"count":10},"to":{"first":20000,"last":20000,"count":1},"why":"Y."}`},
	} {
		text, err := json.Marshal(c.Move)
		if c.String() != c.text || string(text) != c.json || err != nil {
			t.Errorf("%s, %s, %v; want %s, %s", c.Move, text, err, c.text, c.json)
		}
	}
}

func TestLikelyRenames(t *testing.T) {
	a, b := ports(61000, 61009), ports(61010, 61019)
	fresh := func(site, host string) Move { return Move{Site: site, Host: host, To: b} }
	gone := func(site, host string) Move { return Move{Site: site, Host: host, From: a} }
	for _, c := range []struct {
		moves []Move
		want  string
	}{
		{[]Move{fresh("y", "edge1"), gone("x", "edge1")}, "x>y"},
		{[]Move{fresh("y", "edge1"), gone("x", "edge2")}, ""},
		{[]Move{fresh("y", "edge1"), fresh("z", "edge1"), gone("x", "edge1")}, ""},
		{[]Move{fresh("y", "edge1"), gone("w", "edge1"), gone("x", "edge1")}, ""},
		{[]Move{fresh("y", "edge1"), gone("w", "edge2"), gone("x", "edge1"), fresh("z", "edge2"), {Site: "v", Host: "edge1", From: a, To: b}}, "x>y w>z"},
		{[]Move{fresh("y", "edge1")}, ""},
	} {
		var got []string
		for _, m := range LikelyRenames(c.moves) {
			got = append(got, m.Was+">"+m.Site)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v: %v, want %s", c.moves, got, c.want)
		}
	}
}
