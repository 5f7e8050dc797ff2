package plan

import (
	"math/rand/v2"
	"testing"

	"github.com/pasvctl/pasvctl/generators/spec"
)

// bitmap answers the questions of portSet by looking at every port.
type bitmap [highestPort + 1]bool

func (b *bitmap) firstFit(zone spec.PortRange, need int) (first int, ok bool) {
	for first = int(zone.First); first+need-1 <= int(zone.Last); first++ {
		run := 0
		for run < need && !b[first+run] {
			run++
		}
		if run == need {
			return first, true
		}
	}
	return 0, false
}

func (b *bitmap) largestGap() (first, length int) {
	run := 0
	for port := lowestPort; port <= highestPort; port++ {
		if b[port] {
			run = 0
			continue
		}
		if run++; run > length {
			first, length = port-run+1, run
		}
	}
	return first, length
}

func TestPortSetsAgainstABitmap(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 5))
	for range 30 {
		sets, b := []*portSet{{}, {}, {}}, &bitmap{}
		for range random.IntN(120) {
			first := 1 + random.IntN(highestPort)
			if random.IntN(4) == 0 {
				first = highestPort - random.IntN(40) // the upper end
			}
			last := min(highestPort, first+random.IntN(600))
			sets[random.IntN(len(sets))].add(ports(uint16(first), uint16(last)))
			for port := first; port <= last; port++ {
				b[port] = true
			}
		}
		for _, s := range sets {
			for i := 1; i < len(*s); i++ {
				if int((*s)[i-1].Last)+1 >= int((*s)[i].First) {
					t.Fatalf("not merged: %v", *s)
				}
			}
		}
		for range 50 {
			zone := choices[random.IntN(len(choices))]
			need := 1 + random.IntN(3000)
			want, ok := b.firstFit(zone, need)
			got, found := firstFit(zone, need, sets)
			if found != ok || ok && (int(got.First) != want || got.Count() != need) {
				t.Fatalf("%d ports in %s: %s %t, want %d %t", need, zone, got, found, want, ok)
			}
			if found && !free(got, sets) {
				t.Fatalf("%s fits but is not free", got)
			}
		}
		first, length := b.largestGap()
		if got := largestGap(sets); got.Count() != length || length > 0 && int(got.First) != first {
			t.Fatalf("largest gap %s, want %d ports from %d", got, length, first)
		}
	}
}

func TestFullAndEmptySets(t *testing.T) {
	whole := &portSet{}
	whole.add(ports(1, highestPort))
	if gap := largestGap([]*portSet{whole}); gap.Count() != 0 {
		t.Errorf("a gap of %s in all ports", gap)
	}
	if r, ok := firstFit(choices[2], 1, []*portSet{whole}); ok {
		t.Errorf("%s fits into no port", r)
	}
	if gap := largestGap(nil); gap != ports(lowestPort, highestPort) {
		t.Errorf("the gap of an empty set is %s", gap)
	}
	if r, ok := firstFit(choices[2], highestPort-lowestPort+1, nil); !ok || r != ports(lowestPort, highestPort) {
		t.Errorf("%s %t", r, ok)
	}
	if _, ok := firstFit(choices[2], highestPort-lowestPort+2, nil); ok {
		t.Error("more ports fit than there are")
	}
}
