package sizing

import (
	"fmt"
	"slices"
	"time"
)

// ProfileError says that a field of a profile has no such value.
type ProfileError struct {
	Field   string // hold, pick, tries, scope, when_full, strangers, abandoned_hold …
	Problem string
}

func (e *ProfileError) Error() string { return e.Field + " " + e.Problem }

// Check returns a *ProfileError for the first field of a profile that no
// server can have, and nil if there is none.
func (p Profile) Check() error {
	words := []error{
		oneOf("hold", p.Hold, HoldListen, HoldTransfer, HoldSession),
		oneOf("pick", p.Pick, PickScan, PickRandom, PickDistinct, PickScanPartial),
		oneOf("scope", p.Scope, ScopePort, ScopeAddress, ScopeTLS),
		oneOf("when_full", p.WhenFull, FullRefuses, FullDrops, FullLeaves, FullWaits, FullUnknown),
		oneOf("strangers", p.Strangers, StrangersServed, StrangersRefused, StrangersIgnored),
	}
	for _, err := range words {
		if err != nil {
			return err
		}
	}
	if p.Pick != PickScan && p.Tries < 1 {
		return &ProfileError{"tries", fmt.Sprintf("is %d, but a server that picks by %s draws at least once", p.Tries, p.Pick)}
	}
	for _, n := range []struct {
		field            string
		value, low, high int
	}{
		{"tries", p.Tries, 0, 1 << 20},
		{"tries_per_port", p.TriesPerPort, 0, 1000},
		{"min_tries", p.MinTries, 0, 1 << 20},
		{"distinct_tries", p.DistinctTries, 0, 1 << 20},
		{"ports_per_session", p.PortsPerSession, 0, 100},
		{"min_ports", p.MinPorts, 0, MaxPorts},
		{"fixed_ports", p.FixedPorts, 0, MaxPorts},
		{"never_drawn", p.NeverDrawn, 0, MaxPorts - 1},
	} {
		if n.value < n.low || n.value > n.high {
			return &ProfileError{n.field, fmt.Sprintf("is %d, not %d to %s", n.value, n.low, Count(n.high))}
		}
	}
	for _, d := range []struct {
		field string
		value time.Duration
		most  time.Duration
	}{
		{"abandoned_hold", p.AbandonedHold, 24 * time.Hour},
		{"race_window", p.RaceWindow, time.Second},
		{"port_rest", p.PortRest, time.Hour},
	} {
		if d.value < 0 || d.value > d.most {
			return &ProfileError{d.field, fmt.Sprintf("is %s, not 0s to %s", d.value, d.most)}
		}
	}
	return nil
}

func oneOf[T ~string](field string, value T, known ...T) error {
	if slices.Contains(known, value) {
		return nil
	}
	return &ProfileError{field, fmt.Sprintf("is %q, not one of %q", value, known)}
}
