package simulate

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/sizing"
)

var (
	toleranceCases = flag.Int("tolerance", 6, "check the bound of that many random workloads against the simulator")
	toleranceSeed  = flag.Uint64("tolerance-seed", 31, "`seed` of the random workloads")
	toleranceRare  = flag.Bool("tolerance-rare", false, "check 1e-4 and 1e-5, too: minutes each")
)

// The planned ports keep the objective for every shape of the connect times, and
// lie above the fewest that do, and that carry the rate, by at most 2 or a
// quarter, whichever is more. Here with few workloads at 1e-3; by hand, without
// importance splitting, which is too coarse for waits:
//
//	go test ./generators/sizing/simulate -run TestBoundIsTight -timeout 2h -tolerance 60 -tolerance-rare -tolerance-seed 32
func TestBoundIsTight(t *testing.T) {
	p := lookup(t, "embedded")
	random := rand.New(rand.NewPCG(*toleranceSeed, 777))
	objectives := []float64{1e-3}
	if *toleranceRare {
		objectives = append(objectives, 1e-4, 1e-5)
	}
	for i := range *toleranceCases {
		w := randomAddress(random)
		if i%4 >= 2 {
			w.Sessions = 4 + random.IntN(60)
			w.Traffic.Rate = float64(w.Sessions) / (w.Traffic.Connect + w.Traffic.Transfer).Seconds() * (0.1 + 0.75*random.Float64())
		}
		if i%2 == 1 {
			w.Traffic.Parallel = 2 + random.IntN(7)
		}
		if random.IntN(8) == 0 {
			w.Objective.MaxWait = 0
		}
		for _, w.Objective.Refused = range objectives {
			planned, err := sizing.Size(p, w)
			if err != nil {
				t.Fatal(err)
			}
			requests := int(8 / w.Objective.Refused) // of each of 8 replications
			for _, shape := range shapes {
				if r := played(t, w, planned.Ports, requests, shape, Finite); r.Low > w.Objective.Refused {
					t.Errorf("%+v %+v: %d ports are planned, %s times lose %+v", w, w.Traffic, planned.Ports, shape, r)
				}
			}
			few := tooFew(planned.Ports)
			if few < 1 || float64(few) <= w.Traffic.Rate*w.Traffic.Connect.Seconds() {
				continue
			}
			most := 0.0
			for _, shape := range []Shape{Lognormal, Exponential, Constant} {
				if most = max(most, played(t, w, few, requests, shape, Finite).High); most > w.Objective.Refused {
					break
				}
			}
			if most <= w.Objective.Refused {
				t.Errorf("%+v %+v: %d ports are planned, and %d lose only %g", w, w.Traffic, planned.Ports, few, most)
			}
		}
	}
}

// tooFew is the largest number of ports from which that many planned ones are
// more than 2 and more than a quarter away.
func tooFew(planned int) int {
	few := planned - 3
	for few > 0 && float64(few)+math.Max(2, float64(few)/4) >= float64(planned) {
		few--
	}
	return few
}

// PASVs of several sessions in the same instant find a bound even if nobody may
// wait.
func TestBatchesThatMayNotWait(t *testing.T) {
	w := sizing.Workload{
		Sessions:  32,
		Traffic:   &sizing.Traffic{Rate: 2.14, Connect: 181 * time.Millisecond, Transfer: 980 * time.Millisecond, Parallel: 4},
		Objective: sizing.Objective{Refused: 1e-3},
	}
	planned, err := sizing.Size(lookup(t, "embedded"), w)
	if err != nil {
		t.Fatal(err)
	}
	for _, shape := range shapes {
		if r := played(t, w, planned.Ports, 8000, shape, Finite); r.Low > w.Objective.Refused {
			t.Errorf("%d ports are planned, %s times lose %+v", planned.Ports, shape, r)
		}
	}
}
