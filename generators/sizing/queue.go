package sizing

import (
	"math"
	"sort"
)

// LostSYN is the share of the data connections whose first SYN is assumed to be
// lost, and SYNTimeout, in seconds, how much longer they then take: the first
// retransmission timeout of RFC 6298 section 2. A stated mean of the connect
// time excludes them.
const (
	LostSYN    = 0.001
	SYNTimeout = 1.0
)

// queue is the requests of one client address that wait for a port, first
// come, first served, where each port is held until the client connects.
//
// A request that finds n ≥ c others on c ports, or waiting for them, gets a
// port when n − c + 1 of them have connected. With D the connections that c busy
// ports see within the wait, it is late with probability P(D ≤ n − c). Two
// things are needed for each shape of the connect times, and the worst shape
// counts: how n is distributed (lateOn) and how D is (served).
//
// For exponential times without batches that is exact, as the machine-repair
// queue M/M/c//S; those that give up are left in the queue, on the safe side.
// Ports that are held much longer than usual are out of service meanwhile; see
// late.
type queue struct {
	rate     float64 // requests a second that are followed by a connection
	sessions int
	open     bool // sessions never run out
	batch    int  // requests in the same instant
	wait     float64
	connect  float64 // mean
	away     float64 // mean time between two holds of a session
	long     float64 // share of its time that a session holds a port for long
	shapes   []connects
	known    map[int]float64 // without, by the number of ports
}

// connects is one shape of the connect times.
type connects struct {
	variation float64 // squared coefficient of variation
	// block is the number of ports that are given back together: constant times
	// keep the requests of a batch together.
	block int
	ended []float64 // P(N = k) for one port, see served
	// sums has, by the number of whole blocks, P(D = k) for k < most.
	sums [][]float64
	most int
}

const (
	// waitSteps is the grid on which a wait is divided; no more is made of it
	// than mostHolds connect times or mostServed connections on one port.
	waitSteps  = 256
	mostHolds  = 24
	mostServed = 32
	// queued is how many that wait are told apart, and as many for each request
	// of a batch; beyond queuedAtMost, each more is late.
	queued, queuedPerBatch, queuedAtMost = 128, 4, 4096
	// neverBelow is a P(D ≤ k) that is as good as none.
	neverBelow = 1e-20
)

// newQueue is the queue of the busiest address.
func newQueue(l *load, wait float64) *queue {
	connected := 1 - l.abandoned
	q := &queue{
		rate: l.addressRate * connected, sessions: l.perAddress, batch: l.parallel,
		wait: wait, connect: l.connect, open: l.open, known: map[int]float64{},
	}
	if l.open {
		q.sessions = MaxSessions * 100
	}
	q.away = float64(q.sessions)/q.rate - q.connect
	q.long = min(1, l.addressRate*(l.abandoned*l.abandonedHold+connected*LostSYN*SYNTimeout)/float64(q.sessions))
	variations := []float64{0, 1, math.Expm1(l.spread * l.spread)}
	for i, shape := range connectShapes(l.connect, l.spread) {
		c := connects{variation: variations[i], block: 1, most: min(queued+queuedPerBatch*q.batch, queuedAtMost)}
		if c.variation == 0 {
			c.block = q.batch
		}
		c.ended = served(shape, l.connect, c.variation, min(wait, mostHolds*l.connect), q.batch > 1 && c.block == 1)
		q.shapes = append(q.shapes, c)
	}
	return q
}

// served is P(N = k), where N are the connections that one port, always busy,
// sees within the wait: a renewal process in equilibrium. The ports of a batch
// begin together, and with batches the fewer of that and of a new start count.
func served(shape func(x float64) float64, mean, variation, wait float64, fresh bool) []float64 {
	if wait <= 0 || mean <= 0 {
		return []float64{1}
	}
	step := wait / waitSteps
	one, residual := make([]float64, waitSteps+1), make([]float64, waitSteps+1)
	before, leftBefore := 0.0, 0.0
	for i := 1; i <= waitSteps; i++ {
		x := float64(i) * step
		now := shape(x)
		left := now // E[min(X, x)]/E[X], exponential times
		if variation != 1 {
			left = shape(x/(1+variation)) + x*(1-now)/mean // constant and lognormal ones
		}
		one[i], residual[i] = now-before, left-leftBefore
		before, leftBefore = now, left
	}
	var pmf []float64
	atLeast := 1.0 // P(N ≥ k)
	within := make([]float64, waitSteps+1)
	for i := range within {
		within[i] = 1
	}
	for sum := one; atLeast > 0 && len(pmf) < mostServed; sum = convolve(sum, one, waitSteps+1) {
		next, all := 0.0, 0.0
		for i, r := range residual {
			next += r * within[waitSteps-i]
		}
		for i, p := range sum {
			all += p
			within[i] = all
		}
		if fresh {
			next = min(next, all)
		}
		next = min(next, atLeast)
		pmf = append(pmf, atLeast-next)
		atLeast = next
	}
	return append(pmf, atLeast)
}

// convolve is the first terms of the sum of two variables' distribution.
func convolve(a, b []float64, terms int) []float64 {
	sum := make([]float64, min(terms, len(a)+len(b)-1))
	for i, x := range a[:min(len(a), len(sum))] {
		if x == 0 {
			continue
		}
		for j, y := range b[:min(len(b), len(sum)-i)] {
			sum[i+j] += x * y
		}
	}
	return sum
}

// together is the distribution of k·N.
func together(pmf []float64, k int) []float64 {
	if k == 0 {
		return []float64{1}
	}
	all := make([]float64, (len(pmf)-1)*k+1)
	for i, p := range pmf {
		all[i*k] = p
	}
	return all
}

// lateAfter is, by k, the sum of P(D ≤ j) over j < k.
func (c *connects) lateAfter(ports int) []float64 {
	if c.sums == nil {
		c.sums = [][]float64{{1}}
	}
	whole, block := ports/c.block, together(c.ended, c.block)
	for len(c.sums) <= whole {
		last := c.sums[len(c.sums)-1]
		if len(last) == c.most && total(last) < neverBelow {
			break // and even less with more ports
		}
		c.sums = append(c.sums, convolve(last, block, c.most))
	}
	d := convolve(c.sums[min(whole, len(c.sums)-1)], together(c.ended, ports%c.block), c.most)
	sums, below := make([]float64, c.most+1), 0.0
	for k := range c.most {
		if k < len(d) {
			below += d[k]
		}
		sums[k+1] = sums[k] + min(1, below)
	}
	return sums
}

func total(all []float64) (sum float64) {
	for _, x := range all {
		sum += x
	}
	return sum
}

// late is an upper bound of the share of the requests that wait too long for
// one of so many ports.
//
// A PASV that is abandoned and a connection that lost its SYN hold a port for
// long. Each of the others holds such a port a share of its time, so that x
// ports are out of service; taking x as frozen while the others queue is on the
// safe side: the slower the environment of a queue moves at a given mean, the
// longer the waits (T. Rolski, Adv. Appl. Probab. 18 (1986) 225-235, on S. M.
// Ross's conjecture).
func (q *queue) late(ports int) float64 {
	const rare = 1e-16
	others := q.sessions - 1
	// Half a standard deviation at a time, each at its upper end, is enough.
	step := max(1, int(math.Sqrt(float64(others)*q.long*(1-q.long))/2))
	var shares []float64
	eachBinomial(others, q.long, func(x int, probability float64) {
		i := (x + step - 1) / step
		for len(shares) <= i {
			shares = append(shares, 0)
		}
		shares[i] += probability
	})
	late := 0.0
	for i, share := range shares {
		if share > rare {
			share *= q.without(ports - i*step)
		}
		late += share
	}
	return min(1, late)
}

// without is late if no port is held for long.
func (q *queue) without(ports int) float64 {
	switch {
	case ports < 1:
		return 1
	case q.rate*q.connect == 0:
		return 0
	}
	crowded := 1.0
	if q.open {
		if crowded = q.crowded(ports); float64(ports) <= q.rate*q.connect {
			return crowded
		}
	}
	most, known := q.known[ports]
	if !known {
		for i := range q.shapes {
			most = max(most, q.lateOn(&q.shapes[i], ports))
		}
		q.known[ports] = most
	}
	return min(most, crowded)
}

// crowded is the share of a stream that leaves, on as many of the ports as it
// keeps busy all the time: see site.crowded. More lose no more.
func (q *queue) crowded(ports int) float64 {
	if q.batch > 1 {
		return 1
	}
	variation := 1.0
	for _, shape := range q.shapes {
		variation = max(variation, shape.variation)
	}
	return leaves(q.rate, q.connect, min(ports, int(q.rate*q.connect)), q.wait*2/(1+variation))
}

// lateOn is the share for one shape of the connect times. The number n of those
// that hold a port or wait is a chain like that of batches, in which nobody is
// refused and at most c are served at a time:
//
//	π(n+1)·min(n+1, c) = Σ_{j≤n} π(j)·ν(j)·[a batch that finds j is ≥ n+1−j]
//
// in connect times. Its units are whole blocks.
//
// Waits grow with the variation v of the service as (P + v)/(P + 1), with
// batches of P and in heavy traffic (J. F. C. Kingman, Proc. Camb. Phil. Soc. 57
// (1961) 902-904): while there is a queue, its states fall off by as much more
// slowly.
func (q *queue) lateOn(shape *connects, ports int) float64 {
	after := shape.lateAfter(ports)
	late := func(n int) float64 { // mean number of late ones among those that find less than n
		k := max(0, n-ports)
		return after[min(k, shape.most)] + float64(max(0, k-shape.most))
	}
	p, unit := float64(q.batch), shape.block
	slow := max(0, 1-(p+1)/(p+shape.variation))
	servers, batch := float64(ports)/float64(unit), q.batch/unit
	asking := func(n int) float64 { // units, a connect time
		return (float64(q.sessions)/float64(unit) - float64(n)) * q.connect / q.away
	}
	sources := q.sessions / unit
	summit := sort.Search(sources, func(n int) bool { return asking(n) < min(float64(n+1), servers) })
	first := max(0, summit-int(13*math.Sqrt(float64(summit*(batch+1))/2))-batch)
	weight, most, lost, asked := 1.0, 1.0, 0.0, 0.0
	flows := make([]float64, batch) // of the batches that find the last states
	for n := first; n*unit < q.sessions; n++ {
		requests := min(q.batch, q.sessions-n*unit)
		flow := weight * asking(n) * float64(unit) / float64(requests)
		asked += flow * float64(requests)
		lost += flow * (late(n*unit+requests) - late(n*unit))
		flows[n%batch] = flow
		death := min(float64(n+1), servers)
		if float64(n+1) > servers && slow > 0 {
			death *= math.Pow(min(1, asking(n)/death), slow)
		}
		before := weight
		weight = total(flows) / death
		most = max(most, weight)
		if weight < negligible*most {
			break
		}
		if fall := weight / before; n*unit > ports+shape.most && fall < 1 {
			// Beyond, everybody is late, and the states fall off at least as fast.
			rest := flow * float64(requests) * fall / (1 - fall)
			asked, lost = asked+rest, lost+rest
			break
		}
	}
	return min(1, lost/asked*q.apart(shape, ports))
}

// apart is what the share of one shape is multiplied by for what the chain
// leaves out, going by package simulate: where times vary a lot, those that find
// a queue find it behind longer holds than usual, and batches that are constant
// in length are not all of one size.
func (q *queue) apart(shape *connects, ports int) float64 {
	const (
		mostBusy = 0.8
		uneven   = 1.5
	)
	switch busy := min(mostBusy, q.rate*q.connect/float64(ports)); {
	case shape.block > 1:
		return uneven
	case shape.variation > 1:
		return 1 + (shape.variation-1)*busy/(1-busy)*2/float64(q.batch+1)
	default:
		return 1
	}
}
