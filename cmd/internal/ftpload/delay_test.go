package ftpload

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"
	"time"
)

// The delays have the mean that is asked for and the spread of their shape:
// one in a hundred is longer than that many means.
func TestDelays(t *testing.T) {
	for shape, p99 := range map[Shape]float64{Constant: 1, Exponential: 4.605, Lognormal: 6.211} {
		random, d := rand.New(rand.NewPCG(1, 2)), Delay{Shape: shape, Mean: time.Second}
		const n = 200_000
		all, mean := make([]float64, n), 0.0
		for i := range all {
			all[i] = d.draw(random).Seconds()
			mean += all[i] / n
		}
		sort.Float64s(all)
		if got := all[n*99/100]; math.Abs(mean-1) > 0.02 || math.Abs(got-p99) > 0.04*p99 {
			t.Errorf("%s: mean %g, 99th percentile %g, want 1 and %g", shape, mean, got, p99)
		}
	}
}
