package plan

import (
	"bytes"
	"encoding/json"
)

// JSONVersion is the version of what Plan.JSON writes. Fields may be added
// under it; none is renamed, removed or given another meaning.
const JSONVersion = 1

type planJSON struct {
	Version int        `json:"version"`
	Sites   []siteJSON `json:"sites"`
}

type siteJSON struct {
	Name        string      `json:"name"`
	Host        string      `json:"host"`
	Server      string      `json:"server"`
	ControlPort uint16      `json:"control_port"`
	DataPorts   portsJSON   `json:"data_ports"`
	Bounds      []boundJSON `json:"bounds"`
	Binding     string      `json:"binding"`
	Refused     float64     `json:"refused"`
	Pinned      bool        `json:"pinned"`
	OnePort     onePortJSON `json:"one_port"`
}

type portsJSON struct {
	First uint16 `json:"first"`
	Last  uint16 `json:"last"`
	Count int    `json:"count"`
}

type boundJSON struct {
	Name  string `json:"name"`
	Ports int    `json:"ports"`
	Why   string `json:"why"`
}

type onePortJSON struct {
	Works   bool    `json:"works"`
	Refused float64 `json:"refused"`
	Why     string  `json:"why"`
}

// JSON is the plan for other programs, indented, with a newline at the end:
// the sites by name, each with its range, the bounds it rests on, and what one
// port would do. Refused shares are of 1.
func (p *Plan) JSON() ([]byte, error) {
	out := planJSON{Version: JSONVersion, Sites: make([]siteJSON, 0, len(p.Sites))}
	for _, s := range p.Sites {
		out.Sites = append(out.Sites, s.json())
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

func (s *Site) json() siteJSON {
	bounds := make([]boundJSON, 0, len(s.Sizing.Bounds))
	for _, b := range s.Sizing.Bounds {
		bounds = append(bounds, boundJSON(b))
	}
	return siteJSON{
		Name:        s.Name,
		Host:        s.Host.Name,
		Server:      s.Server,
		ControlPort: s.Port,
		DataPorts:   portsJSON{First: s.DataPorts.First, Last: s.DataPorts.Last, Count: s.DataPorts.Count()},
		Bounds:      bounds,
		Binding:     s.Sizing.Binding,
		Refused:     s.Refused,
		Pinned:      s.Pinned,
		OnePort:     onePortJSON(s.Sizing.OnePort),
	}
}
