//go:build linux

package main

import (
	"io"
	"testing"
	"time"

	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// A spec that says nothing of truncated uploads has them refused where TLS is
// required, and what it says counts.
func TestProtectionAgainstTruncatedUploads(t *testing.T) {
	for _, c := range []struct {
		required bool
		written  spec.Truncated
		accepts  bool
	}{
		{true, "", false}, {false, "", true},
		{true, spec.AcceptTruncated, true}, {false, spec.AcceptTruncated, true},
		{true, spec.RefuseTruncated, false}, {false, spec.RefuseTruncated, false},
	} {
		s := &spec.Site{TLS: spec.TLS{Mode: spec.TLSExplicit, Required: c.required}, TruncatedUploads: c.written}
		if got := protection(s).AcceptTruncated; got != c.accepts {
			t.Errorf("required %v, written %q: accepts %v", c.required, c.written, got)
		}
	}
}

func TestProtectionWithCBC(t *testing.T) {
	for _, cbc := range []bool{false, true} {
		if got := protection(&spec.Site{TLS: spec.TLS{Mode: spec.TLSExplicit, CBC: cbc}}).CBC; got != cbc {
			t.Errorf("cbc = %v in the spec, and the daemon has %v", cbc, got)
		}
	}
}

// A flag of serve wins over the spec's timeouts.
func TestTimeoutsReachTheDaemon(t *testing.T) {
	site := &plan.Site{Site: &spec.Site{Workload: sizing.Workload{IdleTimeout: time.Hour}, DataTimeout: time.Minute}}
	for idle, want := range map[time.Duration]time.Duration{0: time.Hour, time.Second: time.Second} {
		d := &server{streams: streams{err: io.Discard}, logs: "text", limits: serveLimits{idle: idle}}
		cfg, err := d.config(site, nil)
		if err != nil || cfg.IdleTimeout != want || cfg.StallTimeout != time.Minute {
			t.Errorf("--idle-timeout %s: %s, %s, %v", idle, cfg.IdleTimeout, cfg.StallTimeout, err)
		}
	}
}

func TestForeignDataReachesTheDaemon(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		d := &server{streams: streams{err: io.Discard}, logs: "text"}
		cfg, err := d.config(&plan.Site{Site: &spec.Site{Workload: sizing.Workload{ForeignData: foreign}}}, nil)
		if err != nil || cfg.ForeignData != foreign {
			t.Errorf("foreign_data = %v in the spec: %v, %v", foreign, cfg.ForeignData, err)
		}
	}
}
