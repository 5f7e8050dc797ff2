package plan

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func TestJSON(t *testing.T) {
	vsftpd, _ := sizing.Lookup("vsftpd")
	p := &Plan{Sites: []*Site{{
		Site: &spec.Site{
			Name: "downloads", Host: newHost("edge1"), Server: "vsftpd", Port: 21,
			Workload: sizing.Workload{Sessions: 400, Objective: sizing.Objective{Refused: 1e-6}},
		},
		Profile:   vsftpd,
		DataPorts: ports(61000, 62856),
		Pinned:    true,
		Refused:   9.99e-7,
		Remarks:   []sizing.Remark{{Name: "nat", Attribute: "traffic", Serious: true, Summary: "a word", Detail: "Two words."}},
		Sizing: sizing.Result{
			Ports:   1857,
			Bounds:  []sizing.Bound{{Name: "contention", Ports: 1857, Why: "400 < 401 & so on"}, {Name: "per_address", Ports: 1, Why: "none"}},
			Binding: "contention", Objective: 1e-6,
			OnePort: sizing.OnePort{Refused: 1, Why: "the first takes it", Verdict: "refuses all"},
		},
	}}}
	// Nine draws from N ports with 279 or 519 other sessions: ⌈279·10^(6/9)⌉ and
	// ⌈519·10^(6/9)⌉.
	const want = `{
  "sites": [
    {
      "name": "downloads",
      "host": "edge1",
      "server": "vsftpd",
      "control_port": 21,
      "data_ports": {
        "first": 61000,
        "last": 62856,
        "count": 1857
      },
      "bounds": [
        {
          "name": "contention",
          "ports": 1857,
          "why": "400 < 401 & so on"
        },
        {
          "name": "per_address",
          "ports": 1,
          "why": "none"
        }
      ],
      "binding": "contention",
      "refused": 9.99e-7,
      "objective": 0.000001,
      "pinned": true,
      "one_port": {
        "works": false,
        "refused": 1,
        "why": "the first takes it",
        "verdict": "refuses all"
      },
      "sensitivity": [
        {
          "attribute": "concurrency.sessions",
          "less": 1296,
          "more": 2409
        }
      ],
      "remarks": [
        {
          "name": "nat",
          "attribute": "traffic",
          "serious": true,
          "summary": "a word",
          "detail": "Two words."
        }
      ]
    }
  ],
  "moves": [
    {
      "kind": "resized",
      "site": "downloads",
      "was": "ftp",
      "host": "edge1",
      "from": {
        "first": 61000,
        "last": 61999,
        "count": 1000
      },
      "to": {
        "first": 61000,
        "last": 62856,
        "count": 1857
      },
      "why": "It grew."
    }
  ]
}
`
	moves := []Move{{Site: "downloads", Was: "ftp", Host: "edge1", From: ports(61000, 61999), To: ports(61000, 62856), Why: "It grew."}}
	var got strings.Builder
	e := json.NewEncoder(&got)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(p.JSON(moves)); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("got %s\nwant %s", &got, want)
	}
}

// Other programs iterate over sites and bounds, so that these are lists even
// if they are empty.
func TestEmptyJSON(t *testing.T) {
	for _, p := range []*Plan{{}, {Sites: []*Site{{Site: &spec.Site{Host: newHost("edge1")}}}}} {
		text, err := json.Marshal(p.JSON(nil))
		if err != nil {
			t.Fatal(err)
		}
		var read struct {
			Sites []struct{ Bounds, Sensitivity, Remarks []any }
			Moves []any
		}
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		if read.Sites == nil || read.Moves == nil || len(read.Sites) > 0 && (read.Sites[0].Bounds == nil || read.Sites[0].Sensitivity == nil || read.Sites[0].Remarks == nil) {
			t.Errorf("%s", text)
		}
	}
}
