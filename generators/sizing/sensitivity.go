package sizing

import (
	"math"
	"sort"
	"time"
)

// Influence says how much one input of a workload matters to the range.
type Influence struct {
	Attribute string `json:"attribute"` // as a spec writes it: "traffic.connect_time"
	// Less and More are the ports that it would take were the input 30 %
	// smaller or larger, and 0 if the workload then could not be sized: the
	// error says why.
	Less      int    `json:"less,omitempty"`
	LessError string `json:"less_error,omitempty"`
	More      int    `json:"more,omitempty"`
	MoreError string `json:"more_error,omitempty"`
}

// Spread is the number of ports between the two, the measure of how much the
// input matters; an input that may break the workload matters most.
func (i Influence) Spread() int {
	if i.LessError != "" || i.MoreError != "" {
		return unreachable
	}
	return max(i.Less-i.More, i.More-i.Less)
}

// doubt is by how much an input may be wrong: the inputs are guesses.
const doubt = 0.3

// Sensitivity varies each input that the workload gives by ±30 %, one at a
// time, and returns them with the most important first.
func Sensitivity(p Profile, w Workload) []Influence {
	all := []Influence{}
	for _, in := range inputs {
		if !in.given(w) {
			continue
		}
		at := func(factor float64) (int, string) {
			r, err := Size(p, in.scaled(w, factor))
			if err != nil {
				return 0, err.Error()
			}
			return r.Ports, ""
		}
		i := Influence{Attribute: in.attribute}
		i.Less, i.LessError = at(1 - doubt)
		i.More, i.MoreError = at(1 + doubt)
		all = append(all, i)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].Spread() > all[j].Spread() })
	return all
}

// input is a number of a workload that somebody guessed.
type input struct {
	attribute string
	traffic   bool // it is one of a Traffic
	scale     func(w *Workload, t *Traffic, factor float64) bool
}

func (in input) given(w Workload) bool {
	if in.traffic && w.Traffic == nil {
		return false
	}
	return in.scale(&w, w.trafficCopy(), 1)
}

func (in input) scaled(w Workload, factor float64) Workload {
	t := w.trafficCopy()
	if w.Traffic != nil {
		w.Traffic = t
	}
	in.scale(&w, t, factor)
	return w
}

func (w Workload) trafficCopy() *Traffic {
	if w.Traffic == nil {
		return &Traffic{}
	}
	t := *w.Traffic
	return &t
}

// inputs, in a spec's order. Each scales its number and reports whether the
// workload gives one.
var inputs = []input{
	{"concurrency.sessions", false, func(w *Workload, _ *Traffic, f float64) bool {
		w.SessionsPerAddress = min(w.SessionsPerAddress, scaledCount(w.Sessions, f))
		return scaleCount(&w.Sessions, f)
	}},
	{"concurrency.sessions_per_address", false, func(w *Workload, _ *Traffic, f float64) bool {
		given := scaleCount(&w.SessionsPerAddress, f)
		w.SessionsPerAddress = min(w.SessionsPerAddress, w.Sessions)
		return given
	}},
	{"traffic.transfers_per_second", true, func(_ *Workload, t *Traffic, f float64) bool {
		given := scaleRate(&t.Rate, f)
		t.RatePerAddress = min(t.RatePerAddress, t.Rate)
		return given
	}},
	{"traffic.transfers_per_second_per_address", true, func(_ *Workload, t *Traffic, f float64) bool {
		given := scaleRate(&t.RatePerAddress, f)
		t.RatePerAddress = min(t.RatePerAddress, t.Rate)
		return given
	}},
	{"traffic.peak_factor", true, func(_ *Workload, t *Traffic, f float64) bool {
		given := t.PeakFactor > 1
		t.PeakFactor *= f
		return given
	}},
	{"traffic.connect_time", true, func(_ *Workload, t *Traffic, f float64) bool {
		scaleTime(&t.ConnectP99, f)
		return scaleTime(&t.Connect, f)
	}},
	{"traffic.connect_time_p99", true, func(_ *Workload, t *Traffic, f float64) bool {
		given := scaleTime(&t.ConnectP99, f)
		if given {
			t.ConnectP99 = min(max(t.ConnectP99, t.Connect), time.Duration(MaxConnectSpread*float64(t.Connect)))
		}
		return given
	}},
	{"traffic.transfer_time", true, func(_ *Workload, t *Traffic, f float64) bool { return scaleTime(&t.Transfer, f) }},
	{"traffic.abandoned", true, func(_ *Workload, t *Traffic, f float64) bool { return scaleRate(&t.Abandoned, f) }},
	{"traffic.burst.sessions", true, eachBurst(func(b *Burst, f float64) { scaleCount(&b.Sessions, f) })},
	{"traffic.burst.within", true, eachBurst(func(b *Burst, f float64) { scaleTime(&b.Within, f) })},
	{"traffic.burst.connections", true, eachBurst(func(b *Burst, f float64) { scaleCount(&b.Connections, f) })},
	{"traffic.client_ports", true, func(_ *Workload, t *Traffic, f float64) bool { return scaleCount(&t.ClientPorts, f) }},
}

// eachBurst scales a number of all bursts.
func eachBurst(scale func(*Burst, float64)) func(*Workload, *Traffic, float64) bool {
	return func(_ *Workload, t *Traffic, f float64) bool {
		for i := range t.Bursts {
			if t.Bursts[i] != (Burst{}) {
				scale(&t.Bursts[i], f)
			}
		}
		return t.Bursts != (Bursts{})
	}
}

func scaledCount(n int, factor float64) int { return max(1, int(math.Round(float64(n)*factor))) }

func scaleCount(n *int, factor float64) bool {
	given := *n > 0
	if given {
		*n = scaledCount(*n, factor)
	}
	return given
}

func scaleRate(x *float64, factor float64) bool {
	*x *= factor
	return *x > 0
}

func scaleTime(d *time.Duration, factor float64) bool {
	*d = time.Duration(float64(*d) * factor)
	return *d > 0
}
