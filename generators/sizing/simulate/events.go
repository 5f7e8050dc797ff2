package simulate

type event struct {
	at            float64
	kind          uint8
	port, session int32 // or none
}

// eventHeap has the earliest event first. It is a heap of its own, for the
// library's costs an interface call and an allocation an event.
type eventHeap []event

func (h *eventHeap) push(e event) {
	*h = append(*h, e)
	q := *h
	for i := len(q) - 1; i > 0; {
		parent := (i - 1) / 2
		if q[parent].at <= q[i].at {
			return
		}
		q[parent], q[i] = q[i], q[parent]
		i = parent
	}
}

func (h *eventHeap) pop() event {
	q := *h
	first, last := q[0], len(q)-1
	q[0] = q[last]
	q = q[:last]
	*h = q
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return first
		}
		if child+1 < last && q[child+1].at < q[child].at {
			child++
		}
		if q[i].at <= q[child].at {
			return first
		}
		q[i], q[child] = q[child], q[i]
		i = child
	}
}
