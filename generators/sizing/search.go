package sizing

import "sort"

// MaxPorts is the number of ports above 1023: no range is larger.
const MaxPorts = 65535 - 1023

// smallest is the smallest number of ports, from least to MaxPorts, that is
// enough, where more are always enough too. It gallops and then bisects, for
// most ranges are small and a question costs the more the larger the range.
func smallest(least int, enough func(ports int) bool) (ports int, found bool) {
	low, high := max(least, 1), max(least, 1)
	for !enough(high) {
		if high >= MaxPorts {
			return 0, false
		}
		low, high = high+1, min(2*high, MaxPorts)
	}
	return low + sort.Search(high-low, func(i int) bool { return enough(low + i) }), true
}
