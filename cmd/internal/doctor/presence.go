package doctor

import "github.com/pasvctl/pasvctl/cmd/internal/presence"

// presence reports an interface and addresses that this machine does not have:
// rules for them match nothing.
func (e *exam) presence() {
	h := e.host
	found, err := e.Presence(presence.Host{Interface: h.Interface, Addresses: h.Addresses, Floating: h.Floating})
	if err != nil {
		e.unknown("address", "the interfaces and addresses of this machine", err)
		return
	}
	for _, f := range found {
		severity := Warning
		if f.Fatal {
			severity = Error
		}
		e.find(Finding{Severity: severity, Check: f.Check, What: f.What, Evidence: f.Evidence, Remedy: f.Remedy})
	}
}
