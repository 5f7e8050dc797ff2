package sizing

import (
	"strings"
	"testing"
)

// With foreign_data a port of the bundled daemon is one session's whatever its
// address: all sessions compete as those of one address do without it. TLS with
// session reuse needs no more than ever, nor does a server that goes by the port.
func TestForeignDataTakesPortsForAllSessions(t *testing.T) {
	embedded := mustLookup(t, "embedded")
	for name, change := range map[string]func(*Workload){
		"traffic":    func(*Workload) {},
		"worst case": func(w *Workload) { w.Objective.WorstCase = true },
		"no traffic": func(w *Workload) { w.Traffic = nil },
		"a burst":    func(w *Workload) { w.Traffic.Bursts[0] = Burst{Sessions: 300, Within: 2e9, Connections: 4} },
		"abandoned":  func(w *Workload) { w.Traffic.Abandoned = 0.01 },
		"batches":    func(w *Workload) { w.Traffic.Parallel = 4 },
	} {
		asked := func(change ...func(*Workload)) Workload {
			w := edi()
			for _, c := range change {
				c(&w)
			}
			return w
		}
		foreign := asked(change, func(w *Workload) { w.ForeignData = true })
		got := size(t, embedded, foreign)
		one := size(t, embedded, asked(change, func(w *Workload) {
			if w.SessionsPerAddress = w.Sessions; w.Traffic != nil {
				w.Traffic.RatePerAddress = w.Traffic.Rate
			}
		}))
		if got.Ports != one.Ports || got.Refused != one.Refused || got.Refused > got.Objective {
			t.Errorf("%s: %d ports refuse %g; behind one address %d refuse %g", name, got.Ports, got.Refused, one.Ports, one.Refused)
		}
		if without := size(t, embedded, asked(change)); without.Ports > got.Ports {
			t.Errorf("%s: %d ports, and %d without foreign_data", name, got.Ports, without.Ports)
		}
		if fewer := Refused(embedded, foreign, got.Ports-1); fewer <= got.Objective {
			t.Errorf("%s: %d ports would do", name, got.Ports-1)
		}
		for _, b := range got.Bounds {
			if strings.Contains(b.Why, "of one client address") || b.Name == BoundPerAddress && b.Ports != 1 {
				t.Errorf("%s: %+v", name, b)
			}
		}
		if name == "no traffic" && (got.Ports != 401 || got.Binding != BoundContention) { // one is squatted
			t.Errorf("%s: %d ports, %s", name, got.Ports, got.Binding)
		}
		marked := asked(change, func(w *Workload) { w.MarkedSessions = true })
		tls := size(t, embedded, marked)
		marked.ForeignData = true
		if with := size(t, embedded, marked); with.Ports != tls.Ports || with.Ports >= got.Ports {
			t.Errorf("%s, under TLS: %d ports, and %d without foreign_data", name, with.Ports, tls.Ports)
		}
		vsftpd := mustLookup(t, "vsftpd")
		if with, without := size(t, vsftpd, foreign), size(t, vsftpd, asked(change)); with.Ports != without.Ports {
			t.Errorf("%s, vsftpd: %d ports, and %d without foreign_data", name, with.Ports, without.Ports)
		}
	}
}

// What clear text costs is a warning, with the odds; under TLS there is none.
func TestForeignDataIsRemarkedOn(t *testing.T) {
	for _, server := range []string{"embedded", "vsftpd"} {
		for _, marked := range []bool{false, true} {
			p, w := mustLookup(t, server), edi()
			w.ForeignData, w.MarkedSessions = true, marked
			r := size(t, p, w)
			remarks := Remarks(p, w, r)
			said := len(remarks) > 0 && remarks[0].Name == "foreign_data" && remarks[0].Serious
			if said == marked {
				t.Errorf("%s, marked %v: %+v", server, marked, remarks)
			}
			if odds := Share(TheftOdds(p, w, r.Ports).Hit); said && !strings.Contains(remarks[0].Detail, "with probability "+odds+".") {
				t.Errorf("%s: no %s in %q", server, odds, remarks[0].Detail)
			}
		}
	}
}
