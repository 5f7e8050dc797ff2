package doctor

import "github.com/pasvctl/pasvctl/cmd/internal/presence"

// presence reports an interface and addresses that this machine does not have:
// rules for them match nothing.
func (e *exam) presence() {
	h := e.host
	found, err := e.Presence(presence.Host{Interface: h.Interface, Addresses: h.Addresses, Floating: h.Floating})
	if err != nil {
		e.unknown("the interfaces and addresses of this machine", err)
		return
	}
	e.find(found...)
}
