package simulate

import "math"

// count is a number of requests: their weight, and how many there were.
type count struct {
	weight float64
	hits   int
}

func (c *count) add(weight float64, hit bool) {
	c.weight += weight
	if hit {
		c.hits++
	}
}

// tally is what one replication counts.
type tally struct {
	asked            count
	full, race, late count
	time, heldTime   float64
	waits            histogram
	occupancies      []count   // seen by requests, by occupancy
	lost             []float64 // weight of what was refused, by occupancy
	events           int       // of all copies, weights apart
	stopped          bool
	ended            []*world // copies that have ended
}

func (t *tally) ask(weight float64, occupancy int) {
	t.asked.add(weight, true)
	t.reach(occupancy)
	t.occupancies[occupancy].add(weight, true)
}

// lose counts a request as refused for this reason.
func (t *tally) lose(reason *count, weight float64, hit bool, occupancy int) {
	reason.add(weight, hit)
	t.reach(occupancy)
	t.lost[occupancy] += weight
}

func (t *tally) reach(occupancy int) {
	for len(t.occupancies) <= occupancy {
		t.occupancies, t.lost = append(t.occupancies, count{}), append(t.lost, 0)
	}
}

func (t *tally) share() float64 {
	if t.asked.weight == 0 {
		return 0
	}
	return (t.full.weight + t.race.weight + t.late.weight) / t.asked.weight
}

// histogram keeps waits in classes 2 % wide, from a microsecond on.
type histogram struct {
	classes     []float64
	total, none float64 // weights: of all, and of those that did not wait
	sum, most   float64
}

const (
	classWidth = 1.02
	shortest   = 1e-6
)

func (h *histogram) add(seconds, weight float64) {
	h.total += weight
	h.sum += weight * seconds
	h.most = math.Max(h.most, seconds)
	if seconds < shortest {
		h.none += weight
		return
	}
	class := int(math.Log(seconds/shortest) / math.Log(classWidth))
	for len(h.classes) <= class {
		h.classes = append(h.classes, 0)
	}
	h.classes[class] += weight
}

func (h *histogram) merge(o histogram) {
	h.total, h.none, h.sum = h.total+o.total, h.none+o.none, h.sum+o.sum
	h.most = math.Max(h.most, o.most)
	for len(h.classes) < len(o.classes) {
		h.classes = append(h.classes, 0)
	}
	for i, w := range o.classes {
		h.classes[i] += w
	}
}

// quantile is a wait that a share q of the requests does not exceed, at most
// 2 % too long.
func (h *histogram) quantile(q float64) float64 {
	seen := h.none
	if seen >= q*h.total {
		return 0
	}
	for class, w := range h.classes {
		if seen += w; seen >= q*h.total {
			return math.Min(h.most, shortest*math.Pow(classWidth, float64(class+1)))
		}
	}
	return h.most
}
