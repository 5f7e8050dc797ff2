package plan

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// Sites come and go; nobody's rank moves, no two sites of a host share one, and a
// rank is not given away in the same run in which its site goes.
func TestRanksStay(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 1))
	hosts := []*spec.Host{newHost("edge1"), newHost("edge2")}
	var lock *Lock
	had := map[string]int{}
	for range 60 {
		var sites []*spec.Site
		for i := range 12 {
			if random.IntN(2) == 0 {
				sites = append(sites, newSite(hosts[i%2], fmt.Sprintf("site-%02d", i), uint16(21+i), 9))
			}
		}
		p, placement := build(t, lock, nil, sites...)
		seen := map[string]string{}
		for _, s := range p.Sites {
			at := fmt.Sprint(s.Host.Name, s.Rank)
			if s.Rank < 1 || s.Rank > 12 || seen[at] != "" {
				t.Fatalf("%s has rank %d, as %q", s.Name, s.Rank, seen[at])
			}
			seen[at] = s.Name
			if was := had[s.Name]; was != 0 && was != s.Rank {
				t.Fatalf("%s went from rank %d to %d", s.Name, was, s.Rank)
			}
			for other, was := range had {
				if other != s.Name && was == s.Rank && had[s.Name] == 0 && lock.find(other).Host == s.Host.Name {
					t.Fatalf("%s got rank %d while %s leaves it", s.Name, was, other)
				}
			}
		}
		text := placement.Lock.Bytes()
		read, diags := ParseLock(text, LockFile)
		if diags.HasErrors() || !bytes.Equal(read.Bytes(), text) || !bytes.Equal(hclwrite.Format(text), text) {
			t.Fatalf("%v\n%s", diags, text)
		}
		lock, had = read, map[string]int{}
		for _, s := range p.Sites {
			had[s.Name] = s.Rank
		}
	}
}

// Two branches that each added a site are merged: the first keeps the rank.
func TestRanksOfAMerge(t *testing.T) {
	h := newHost("edge1")
	_, placement := build(t, nil, nil, newSite(h, "a", 21, 9), newSite(h, "b", 22, 9))
	text := strings.Replace(string(placement.Lock.Bytes()), "# rank = 2,", "# rank = 1,", 1)
	lock, diags := ParseLock([]byte(text), LockFile)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	p, _ := build(t, lock, nil, newSite(h, "a", 21, 9), newSite(h, "b", 22, 9))
	if p.Sites[0].Rank != 1 || p.Sites[1].Rank != 2 {
		t.Errorf("ranks %d and %d", p.Sites[0].Rank, p.Sites[1].Rank)
	}
}

// A reader of the lock as 0.1.0 has it knows three attributes and refuses any
// other. It reads a lock with ranks.
func TestAnOlderReaderTakesRanks(t *testing.T) {
	_, placement := build(t, nil, nil, newSite(newHost("edge1"), "a", 21, 9))
	text := placement.Lock.Bytes()
	if !bytes.Contains(text, []byte("# rank = 1,")) {
		t.Fatalf("no rank in\n%s", text)
	}
	var older struct {
		Sites []struct {
			Name      string `hcl:"name,label"`
			Host      string `hcl:"host"`
			DataPorts string `hcl:"data_ports"`
			Ports     int    `hcl:"ports"`
		} `hcl:"site,block"`
	}
	file, diags := hclsyntax.ParseConfig(text, LockFile, hcl.InitialPos)
	if diags = append(diags, gohcl.DecodeBody(file.Body, nil, &older)...); diags.HasErrors() || len(older.Sites) != 1 || older.Sites[0].DataPorts != "61000-61009" {
		t.Errorf("%v %+v", diags, older)
	}
	lock, _ := ParseLock(text, LockFile)
	if lock.ForgetRanks(); bytes.Contains(lock.Bytes(), []byte("rank")) {
		t.Error("a rank is not forgotten")
	}
}
