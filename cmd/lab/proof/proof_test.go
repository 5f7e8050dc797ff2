package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/ftpload"
)

// kept is the table that is kept beside the model.
const kept = "../../../generators/sizing/PROOF.md"

// readKept reads the table that is kept, and gives each row what it measured.
func readKept(t *testing.T) []Measured {
	t.Helper()
	text, err := os.ReadFile(kept)
	if err != nil {
		t.Fatal(err)
	}
	rowsKept, err := parse(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	wanted, err := rows()
	if err != nil {
		t.Fatal(err)
	}
	if len(rowsKept) != len(wanted) {
		t.Fatalf("the table has %d rows, and there are %d: measure again with make proof", len(rowsKept), len(wanted))
	}
	all := make([]Measured, len(wanted))
	for i, m := range rowsKept {
		if m.server != wanted[i].Server || m.asks != wanted[i].asked() || m.ports != wanted[i].ports() {
			t.Fatalf("row %d is %s, %s on %s ports, and should be %s: measure again with make proof", i+1, m.server, m.asks, m.ports, wanted[i])
		}
		all[i] = m.Measured
		all[i].Row = wanted[i]
	}
	return all
}

// The table cannot go stale: every row is one that would be measured today, on
// the range that the plan computes today, and its model is today's.
func TestTableIsOfToday(t *testing.T) {
	for _, m := range readKept(t) {
		if got := m.expected(); got != m.Model {
			t.Errorf("%s: the table's model is %.4f, and today's %.4f: measure again with make proof", m.Row, m.Model, got)
		}
		if got := m.verdict(); got != m.Verdict {
			t.Errorf("%s: the table says %q, and its numbers %q", m.Row, m.Verdict, got)
		}
		if m.Asked < 500 || !(m.Low <= m.Refused && m.Refused <= m.High) {
			t.Errorf("%s: %d requests, %.4f refused, interval %.4f to %.4f", m.Row, m.Asked, m.Refused, m.Low, m.High)
		}
	}
}

func TestTableMeetsTheCriterion(t *testing.T) {
	all := readKept(t)
	if err := judge(all); err != nil {
		t.Error(err)
	}
	// The table has something to tell: shares from nothing to nearly all.
	most := slices.MaxFunc(all, func(a, b Measured) int { return int(1e4 * (a.Refused - b.Refused)) })
	planned := slices.IndexFunc(all, func(m Measured) bool { return m.Planned })
	if most.Refused < 0.9 || planned < 0 {
		t.Errorf("the largest share is %g", most.Refused)
	}
}

// The criterion fails where it should.
func TestCriterionFails(t *testing.T) {
	good := func() []Measured {
		all := make([]Measured, 10)
		for i := range all {
			all[i] = Measured{Row: Row{Server: "vsftpd", Ports: 4, Free: 4}, Verdict: within}
		}
		return all
	}
	if err := judge(good()); err != nil {
		t.Errorf("ten good rows: %v", err)
	}
	for name, spoil := range map[string]func([]Measured){
		"a model too low":            func(all []Measured) { all[3].Verdict = unsafe },
		"two rows outside of ten":    func(all []Measured) { all[1].Verdict, all[2].Verdict = safe, safe },
		"a plan above its objective": func(all []Measured) { all[0].Planned, all[0].Refused = true, 2*objective },
	} {
		all := good()
		spoil(all)
		if judge(all) == nil {
			t.Errorf("%s passed", name)
		}
	}
	one := good()
	one[1].Verdict = safe
	if err := judge(one); err != nil {
		t.Errorf("one of ten on the safe side: %v", err)
	}
}

func TestTableRoundTrip(t *testing.T) {
	m := newMeasured(Row{Server: "proftpd", Rate: 80, Ports: 2, Free: 1}, &ftpload.Report{
		Asked: 1234, Rate: 81.26, MeanAccept: 0.0501234, MeanHold: 0.0515, RefusedShare: 0.81234567, Low: 0.79, High: 0.83})
	var page bytes.Buffer
	if err := writeTable(&page, []Measured{m}, 20); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(page.String(), "{}") {
		t.Errorf("a number is missing:\n%s", page.String())
	}
	all, err := parse(&page)
	if err != nil || len(all) != 1 {
		t.Fatalf("%v, %v", all, err)
	}
	got := all[0]
	if got.server != "proftpd" || got.ports != "1 of 2" {
		t.Errorf("%+v", got)
	}
	got.Row = m.Row
	if got.Measured != m {
		t.Errorf("wrote %+v, read %+v", m, got)
	}
	for _, bad := range []string{"| a | b |", strings.Replace(m.line(), "1234", "many", 1)} {
		if _, err := parse(strings.NewReader(columns + "\n" + bad)); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

// What disturbs a row is the machine, and never what was refused.
func TestDisturbed(t *testing.T) {
	calm := ftpload.Report{Asked: 1000, Refused: 999, Kinds: map[ftpload.Kind]int{ftpload.RefusedByReply: 999}, MeanLate: 0.001, MaxLate: 0.05}
	if why := disturbed(&calm); why != "" {
		t.Error(why)
	}
	for name, change := range map[string]func(*ftpload.Report){
		"late":         func(r *ftpload.Report) { r.MeanLate = 2 * mostLate },
		"a stall":      func(r *ftpload.Report) { r.MaxLate = 2 * mostStall },
		"no session":   func(r *ftpload.Report) { r.NoSession = 20 },
		"turned away":  func(r *ftpload.Report) { r.LoginErrors = map[string]int{"421 too many": 20} },
		"some of each": func(r *ftpload.Report) { r.NoSession, r.LoginErrors = 4, map[string]int{"421": 4} },
	} {
		r := calm
		change(&r)
		if disturbed(&r) == "" {
			t.Errorf("%s passed", name)
		}
	}
}

// The free ports among the squatted ones lie apart.
func TestSquattersAreSpread(t *testing.T) {
	for _, r := range []Row{{Ports: 96, Free: 8}, {Ports: 2, Free: 1}, {Ports: 96, Free: 32}, {Ports: 5, Free: 5}} {
		taken := r.squatted(firstPort)
		if len(taken) != r.Ports-r.Free {
			t.Errorf("%+v: %d squatted", r, len(taken))
		}
		for _, port := range taken {
			if port < firstPort || port >= firstPort+r.Ports {
				t.Errorf("%+v: %d", r, port)
			}
		}
		if gap := r.Ports / r.Free; r.Free > 1 && gap > 1 && !slices.Contains(taken, firstPort+1) {
			t.Errorf("%+v: the free ports lie side by side", r)
		}
	}
}
