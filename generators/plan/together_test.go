package plan

import (
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/sizing"
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
