package plan

import (
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

type planJSON struct {
	Sites []siteJSON `json:"sites"`
	Moves []Move     `json:"moves"`
}

type siteJSON struct {
	Name        string         `json:"name"`
	Host        string         `json:"host"`
	Server      string         `json:"server"`
	ControlPort uint16         `json:"control_port"`
	DataPorts   Ports          `json:"data_ports"`
	Bounds      []sizing.Bound `json:"bounds"`
	Binding     string         `json:"binding"`
	Refused     float64        `json:"refused"`
	Objective   float64        `json:"objective"` // share that may be refused
	Pinned      bool           `json:"pinned"`
	OnePort     sizing.OnePort `json:"one_port"`
	// Sensitivity has the input that matters most first.
	Sensitivity []sizing.Influence `json:"sensitivity"`
	Remarks     []sizing.Remark    `json:"remarks"`
}

// Ports is a range as JSON has it.
type Ports struct {
	spec.PortRange
	Count int `json:"count"`
}

// PortsOf adds the count to a range.
func PortsOf(r spec.PortRange) Ports { return Ports{r, r.Count()} }

// JSON is the plan for other programs, for package json to write: the sites by name, each with its range, the bounds it rests on, what one port
// would do, and what the range would be were the spec's figures wrong, and what differs
// from the lock. Refused shares are of 1.
func (p *Plan) JSON(moves []Move) any {
	out := planJSON{Sites: make([]siteJSON, 0, len(p.Sites)), Moves: append([]Move{}, moves...)}
	doubts := p.Sensitivities()
	for i, s := range p.Sites {
		out.Sites = append(out.Sites, s.json(doubts[i]))
	}
	return out
}

func (s *Site) json(doubts []sizing.Influence) siteJSON {
	return siteJSON{
		Name:        s.Name,
		Host:        s.Host.Name,
		Server:      s.Server,
		ControlPort: s.Port,
		DataPorts:   PortsOf(s.DataPorts),
		Bounds:      append([]sizing.Bound{}, s.Sizing.Bounds...), // never null
		Binding:     s.Sizing.Binding,
		Refused:     s.Refused,
		Objective:   s.Sizing.Objective,
		Pinned:      s.Pinned,
		OnePort:     s.Sizing.OnePort,
		Sensitivity: doubts,
		Remarks:     append([]sizing.Remark{}, s.Remarks...),
	}
}
