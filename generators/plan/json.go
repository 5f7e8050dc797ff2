package plan

import (
	"bytes"
	"encoding/json"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// JSONVersion is the version of what Plan.JSON writes. Fields may be added
// under it; none is renamed, removed or given another meaning.
const JSONVersion = 1

type planJSON struct {
	Version int        `json:"version"`
	Sites   []siteJSON `json:"sites"`
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

// JSON is the plan for other programs, indented, with a newline at the end:
// the sites by name, each with its range, the bounds it rests on, what one port
// would do, and what the range would be were the spec's figures wrong. Refused
// shares are of 1.
func (p *Plan) JSON() ([]byte, error) {
	out := planJSON{Version: JSONVersion, Sites: make([]siteJSON, 0, len(p.Sites))}
	doubts := p.Sensitivities()
	for i, s := range p.Sites {
		out.Sites = append(out.Sites, s.json(doubts[i]))
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(out); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
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
