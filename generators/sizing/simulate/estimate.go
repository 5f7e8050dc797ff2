package simulate

import "math"

// Estimate is a mean over replications with its 95 % confidence interval.
type Estimate struct {
	Mean, Low, High float64
}

// Holds reports whether x lies in the interval, up to rounding: if every
// replication sees the same, the interval is a point.
func (e Estimate) Holds(x float64) bool {
	rounding := 1e-9 * math.Abs(x)
	return e.Low-rounding <= x && x <= e.High+rounding
}

// estimate takes Student's interval over independent values, cut at 0.
func estimate(values []float64) Estimate {
	n := float64(len(values))
	mean := 0.0
	for _, v := range values {
		mean += v / n
	}
	squares := 0.0
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	half := Student(n-1) * math.Sqrt(squares/(n-1)/n)
	return Estimate{mean, math.Max(0, mean-half), mean + half}
}

// Student is the two-sided 95 % point of Student's t with so many degrees of
// freedom, by the expansion about the normal one (Abramowitz and Stegun 26.7.5);
// below 4 degrees, where that is off by more than 0.1 %, from the table.
func Student(freedom float64) float64 {
	if table := []float64{math.Inf(1), 12.706, 4.303, 3.182}; freedom < float64(len(table)) {
		return table[int(freedom)]
	}
	const z = 1.959963984540054
	z3, z5, z7, z9 := math.Pow(z, 3), math.Pow(z, 5), math.Pow(z, 7), math.Pow(z, 9)
	return z + (z3+z)/(4*freedom) +
		(5*z5+16*z3+3*z)/(96*freedom*freedom) +
		(3*z7+19*z5+17*z3-15*z)/(384*math.Pow(freedom, 3)) +
		(79*z9+776*z7+1482*z5-1920*z3-945*z)/(92160*math.Pow(freedom, 4))
}
