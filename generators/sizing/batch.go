package sizing

import "math"

// batches is a chain in which clients ask with several sessions in the same
// instant, as "mirror --parallel" and every client that opens a connection a
// file do: a batch of P requests draws one port after the other.
//
// Up-steps may then be as large as P, and detailed balance no longer holds.
// But ports are given back one at a time, so that the flow down across the cut
// between b and b+1 comes from b+1 alone:
//
//	π(b+1)·(b+1) = Σ_{j≤b} π(j)·ν(j)·P(a batch that finds j takes ≥ b+1−j)
//
// in holds, where ν(j) is the rate of batches. That gives the states one after
// the other. With P = 1 it is detailed balance again. Exact for exponential
// holds.
type batches struct {
	chain
	size int // P
}

// rate is the rate of batches in state b and the number of requests in each: a
// client has no more sessions to ask with than hold no port.
func (m batches) rate(b int) (perHold float64, requests int) {
	requests = m.size
	if m.sources > 0 {
		requests = min(m.size, m.sources-b)
	}
	if requests == 0 {
		return 0, 0
	}
	return m.ask(b) / float64(requests), requests
}

// batchStep is scratch for one state: what a batch that finds it takes.
type batchStep struct {
	refuses []float64 // of the state and those above it, up to P−1
	exactly []float64 // probability that i ports are taken
	lost    float64   // mean number of requests refused
}

// take follows a batch of requests, one after the other.
func (t *batchStep) take(requests int) {
	t.lost = 0
	for i := range t.exactly {
		t.exactly[i] = 0
	}
	t.exactly[0] = 1
	for r := range requests {
		for i := r; i >= 0; i-- {
			no := t.exactly[i] * t.refuses[i]
			t.lost += no
			t.exactly[i+1] += t.exactly[i] - no
			t.exactly[i] = no
		}
	}
}

// refused is the share of the requests that get no port. With batches the
// shape of the hold matters: exponential holds give the ports of a batch back
// one by one, constant ones all together. It is the larger of the two.
func (m batches) refused() float64 {
	if m.size <= 1 || m.offered <= 0 {
		return m.chain.refused()
	}
	return math.Max(m.oneByOne(), m.together())
}

// together is the refused share where a batch gives its ports back as one, as
// constant holds do. The chain counts batches, n of them holding n·P ports: its
// steps are single ones again, so that detailed balance holds. A batch that
// found room for some of its requests counts as a whole one, on the safe side.
func (m batches) together() float64 {
	step := batchStep{refuses: make([]float64, m.size), exactly: make([]float64, m.size+1)}
	weight, most, lost, asked := 1.0, 1.0, 0.0, 0.0
	for n := 0; ; n++ {
		held := min(n*m.size, m.top())
		rate, requests := m.rate(held)
		for i := range step.refuses {
			step.refuses[i] = m.pool.refuses(held + i + m.squatted)
		}
		step.take(requests)
		lost += weight * rate * step.lost
		asked += weight * rate * float64(requests)
		weight *= rate * (1 - step.exactly[0]) / float64(n+1)
		most = math.Max(most, weight)
		if weight < negligible*most {
			break
		}
		if weight > 1e200 {
			weight, most, lost, asked = weight*1e-200, most*1e-200, lost*1e-200, asked*1e-200
		}
	}
	if asked == 0 {
		return 0
	}
	return math.Min(lost/asked, 1)
}

// oneByOne is the refused share with exponential holds.
func (m batches) oneByOne() float64 {
	var (
		top, first   = m.top(), m.firstThatMatters()
		weight, most = 1.0, 1.0                  // of state b, and of the largest so far
		lost, asked  float64                     // requests
		flows        = make([]float64, m.size+1) // flows[i] goes up across the cut i states above b
		step         = batchStep{refuses: make([]float64, m.size), exactly: make([]float64, m.size+1)}
	)
	for i := range step.refuses {
		step.refuses[i] = m.pool.refuses(first + i + m.squatted)
	}
	for b := first; ; b++ {
		rate, requests := m.rate(b)
		step.take(requests)
		flow := weight * rate
		lost += flow * step.lost
		asked += flow * float64(requests)
		atLeast := 0.0
		for i := requests; i >= 1; i-- {
			atLeast += step.exactly[i]
			flows[i-1] += flow * atLeast
		}
		if b == top {
			break
		}
		weight = flows[0] / float64(b+1)
		most = max(most, weight)
		if weight < negligible*most {
			break
		}
		copy(flows, flows[1:])
		copy(step.refuses, step.refuses[1:])
		step.refuses[m.size-1] = m.pool.refuses(b + m.size + m.squatted)
		if weight > 1e200 {
			weight, most, lost, asked = weight*1e-200, most*1e-200, lost*1e-200, asked*1e-200
			for i := range flows {
				flows[i] *= 1e-200
			}
		}
	}
	if asked == 0 {
		return 0
	}
	return math.Min(lost/asked, 1)
}

// firstThatMatters is a state so far below the usual ones that all below it
// together weigh next to nothing: 13 standard deviations, where batches of P
// make the variance (P+1)/2 times that of single requests.
func (m batches) firstThatMatters() int {
	mean := float64(m.summit())
	return max(0, int(mean-13*math.Sqrt(mean*float64(m.size+1)/2))-m.size)
}
