package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/sizing/simulate"
)

// The note on sessions that start together is there where the traffic alone
// does not carry them, once a site, and a burst block or the worst case ends it.
func TestNoteOnSessionsThatStartTogether(t *testing.T) {
	const cameras = `  concurrency { sessions = 200 }
  traffic {
    transfers_per_second = 20
    connect_time         = "100ms"
    transfer_time        = "500ms"
`
	for name, c := range map[string]struct {
		server, body string
		says         string // "": no note
	}{
		"cameras":             {"vsftpd", cameras + "  }", "are refused if all 200 sessions start within 1s"},
		"cameras that queue":  {"embedded", cameras + "  }", "about 38 % are refused if all 200 sessions start within 1s"},
		"a burst is told":     {"vsftpd", cameras + "    burst {\n      sessions = 200\n      within = \"1s\"\n    }\n  }", ""},
		"the worst case":      {"vsftpd", cameras + "  }\n  objective { worst_case = true }", ""},
		"no traffic":          {"vsftpd", "  concurrency { sessions = 200 }", ""},
		"a port each":         {"pureftpd", cameras + "  }", ""},
		"a pin that is large": {"vsftpd", cameras + "  }\n  data_ports = \"20000-20999\"", ""},
	} {
		p, _, diags := Build(loaded(t, c.server, c.body), nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		var notes []sizing.Remark
		for _, r := range p.Sites[0].Remarks {
			if r.Name == RemarkTogether {
				notes = append(notes, r)
			}
		}
		switch {
		case c.says == "" && len(notes) > 0:
			t.Errorf("%s: %+v", name, notes)
		case c.says != "" && (len(notes) != 1 || !strings.Contains(notes[0].Summary, c.says) || notes[0].Serious):
			t.Errorf("%s: %+v, want %q", name, notes, c.says)
		}
	}
}

// Without a burst block a server with a listen race has a note of what a start of all
// sessions loses to it: more than is simulated.
func TestNoteOnTheRaceOfAStart(t *testing.T) {
	const files = `  concurrency { sessions = 300 }
  traffic {
    transfers_per_second = 25
    connect_time         = "150ms"
    transfer_time        = "4s"
    abandoned            = 0.01
  }
  objective { refused = %s }`
	for objective, noted := range map[string]bool{"1e-4": true, "0.02": false} {
		p, _, diags := Build(loaded(t, "proftpd", fmt.Sprintf(files, objective)), nil)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		s := p.Sites[0]
		at := slices.IndexFunc(s.Remarks, func(r sizing.Remark) bool { return r.Name == sizing.BoundListenRace && r.Attribute == "traffic" })
		if at >= 0 != noted {
			t.Fatalf("refused = %s: %+v", objective, s.Remarks)
		}
		if !noted {
			continue
		}
		said := 0.0
		if _, err := fmt.Sscanf(s.Remarks[at].Summary, "up to %f %% lose the listen race if all 300 sessions start within 1s", &said); err != nil {
			t.Fatal(s.Remarks[at].Summary, err)
		}
		r, err := simulate.Run(t.Context(), simulate.Config{Profile: s.Profile, Workload: s.Workload, Ports: s.DataPorts.Count(),
			Burst: &sizing.Burst{Sessions: 300, Within: time.Second}, Replications: 20, Requests: 2000})
		if err != nil || r.Race == 0 || 100*r.Race > said {
			t.Errorf("%g %% are simulated (%v), and the note says up to %g %%", 100*r.Race, err, said)
		}
	}
}
