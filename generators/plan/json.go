package plan

import (
	"bytes"
	"encoding/json"

	"github.com/pasvctl/pasvctl/generators/sizing"
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
	Objective   float64     `json:"objective"` // share that may be refused
	Pinned      bool        `json:"pinned"`
	OnePort     onePortJSON `json:"one_port"`
	// Sensitivity has the input that matters most first.
	Sensitivity []Influence `json:"sensitivity"`
	Remarks     []Remark    `json:"remarks"`
}

// Influence is, in JSON, the range with an input 30 % smaller and 30 % larger; where
// there is no such range, an error instead.
type Influence struct {
	Attribute string `json:"attribute"`
	Less      int    `json:"less,omitempty"`
	LessError string `json:"less_error,omitempty"`
	More      int    `json:"more,omitempty"`
	MoreError string `json:"more_error,omitempty"`
}

// Remark is, in JSON, something that a site's owner should know and that is no
// mistake.
type Remark struct {
	Name      string `json:"name"`
	Attribute string `json:"attribute"`
	Serious   bool   `json:"serious"`
	Summary   string `json:"summary"`
	Detail    string `json:"detail"`
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
	Verdict string  `json:"verdict"`
}

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
		Objective:   s.Sizing.Objective,
		Pinned:      s.Pinned,
		OnePort:     onePortJSON(s.Sizing.OnePort),
		Sensitivity: Influences(doubts),
		Remarks:     Remarks(s.Remarks),
	}
}

// Influences are a site's sensitivities in JSON's form, in the same order.
func Influences(doubts []sizing.Influence) []Influence {
	all := make([]Influence, 0, len(doubts))
	for _, d := range doubts {
		i := Influence{Attribute: d.Attribute, Less: d.Less, More: d.More}
		if d.LessErr != nil {
			i.LessError = d.LessErr.Error()
		}
		if d.MoreErr != nil {
			i.MoreError = d.MoreErr.Error()
		}
		all = append(all, i)
	}
	return all
}

// Remarks are a site's remarks in JSON's form.
func Remarks(remarks []sizing.Remark) []Remark {
	all := make([]Remark, 0, len(remarks))
	for _, r := range remarks {
		all = append(all, Remark(r))
	}
	return all
}
