package sizing

import "testing"

func TestShare(t *testing.T) {
	for x, want := range map[float64]string{
		0: "none", 1: "100 %", 0.99999: "99.9 %", 0.5: "50 %", 0.8175: "81.8 %", 0.001: "0.1 %",
		1e-6: "0.0001 %", 9.987e-7: "0.0000999 %", 2.5e-4: "0.025 %", 1e-12: "0.0000000001 %", 3e-40: "below 0.0000000001 %",
	} {
		if got := Share(x); got != want {
			t.Errorf("Share(%v) = %q, want %q", x, got, want)
		}
	}
}

func TestPortion(t *testing.T) {
	for x, want := range map[float64]string{
		0: "none is refused", 1: "all are refused", 0.9999: "99.9 % are refused", 0.25: "25 % are refused",
		1e-6: "0.0001 % are refused",
	} {
		if got := portion(x, "is refused", "are refused"); got != want {
			t.Errorf("portion(%v) = %q, want %q", x, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{
		0: "0", 84.8: "84.8", 0.05: "0.05", 9.98e-7: "0.000000998", 1e-6: "0.000001", 1200: "1,200", 7.074e-5: "0.0000707",
	} {
		if got := number(x); got != want {
			t.Errorf("number(%v) = %q, want %q", x, got, want)
		}
	}
}

func TestCountAndPlural(t *testing.T) {
	for n, want := range map[int]string{0: "0", 7: "7", 999: "999", 1000: "1,000", 65535: "65,535", 1234567: "1,234,567", -1857: "-1,857"} {
		if got := Count(n); got != want {
			t.Errorf("Count(%d) = %q, want %q", n, got, want)
		}
	}
	for _, tt := range []struct {
		n          int
		noun, want string
	}{{1, "port", "1 port"}, {1857, "port", "1,857 ports"}, {0, "port", "0 ports"}, {2, "address", "2 addresses"}} {
		if got := Plural(tt.n, tt.noun); got != tt.want {
			t.Errorf("Plural(%d, %q) = %q, want %q", tt.n, tt.noun, got, tt.want)
		}
	}
}
