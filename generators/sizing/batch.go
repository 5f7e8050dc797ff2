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
// holds; with batches the shape of the hold does matter, a little.
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

// taken follows a batch of requests that finds b ports held. Entry i of the
// result is the probability that it takes i of them or more; lost is the mean
// number that it is refused.
func (m batches) taken(b, requests int, atLeast []float64) (lost float64) {
	exactly := make([]float64, requests+2)
	exactly[0] = 1
	for r := range requests {
		for i := r; i >= 0; i-- {
			refuses := m.pool.refuses(b + i + m.squatted)
			lost += exactly[i] * refuses
			exactly[i+1] += exactly[i] * (1 - refuses)
			exactly[i] *= refuses
		}
	}
	sum := 0.0
	for i := requests; i >= 0; i-- {
		sum += exactly[i]
		atLeast[i] = sum
	}
	return lost
}

// refused is the share of the requests that get no port.
func (m batches) refused() float64 {
	if m.size <= 1 || m.offered <= 0 {
		return m.chain.refused()
	}
	var (
		top, first   = m.top(), m.firstThatMatters()
		ring         = make([][]float64, m.size) // of a state: its weight times ν times P(takes ≥ i)
		weight, most = 1.0, 1.0                  // of state b, and of the largest so far
		lost, asked  float64                     // requests
		atLeast      = make([]float64, m.size+1) // scratch
	)
	for b := first; ; b++ {
		rate, requests := m.rate(b)
		flow := weight * rate
		lost += flow * m.taken(b, requests, atLeast)
		asked += flow * float64(requests)
		ups := make([]float64, m.size+1)
		for i := 1; i <= requests; i++ {
			ups[i] = flow * atLeast[i]
		}
		ring[b%m.size] = ups
		if b == top {
			break
		}
		up := 0.0
		for i := 1; i <= m.size && b+1-i >= first; i++ {
			up += ring[(b+1-i)%m.size][i]
		}
		weight = up / float64(b+1)
		most = max(most, weight)
		if weight < negligible*most {
			break
		}
		if weight > 1e200 {
			weight, most = weight*1e-200, most*1e-200
			lost, asked = lost*1e-200, asked*1e-200
			for _, ups := range ring {
				for i := range ups {
					ups[i] *= 1e-200
				}
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
