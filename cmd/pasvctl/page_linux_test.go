package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/diagnostics"
	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/internal/verify"
	"github.com/pasvctl/pasvctl/generators/finding"
)

// TestHostTextIsNoWiderThanAPage prints what the commands for a host find, with
// long names and addresses.
func TestHostTextIsNoWiderThanAPage(t *testing.T) {
	t.Setenv("COLUMNS", "")
	const host, site = "edge-of-frankfurt-main-1", "downloads-of-everybody-0"
	rule := `iifname "eth0" ip6 daddr 2001:db8:1234:5678:9abc:def0:1234:5678 tcp dport 61000-62856 ct state new counter accept comment "pasvctl"`
	for name, print := range map[string]func(*bytes.Buffer) error{
		"changes": func(out *bytes.Buffer) error {
			return writeChanges(out, []kernel.Change{{Object: "table inet pasvctl chain downloads-of-everybody-0_data", Sign: "+", Line: rule}})
		},
		"expectations": func(out *bytes.Buffer) error {
			v := verifier{onHost: onHost{streams: streams{out: out}}, all: true}
			return v.write(&verify.Report{Expectations: []verify.Expectation{{
				Host: host, Setting: "another table drops", Site: site, What: "a data port, without a control connection, from outside clients",
				From: "2001:db8:1234:5678:9abc:def0:1234:5678", To: "[2001:db8:1234:5678:9abc:def0:1234:5679]:61000", Want: "no answer", Got: "accepted",
			}}})
		},
		"findings": func(out *bytes.Buffer) error {
			return showFindings(out, diagnostics.Report{Findings: []finding.Finding{{
				Severity: finding.Error, Rule: finding.PortSquatted, Site: site,
				Detail:   "port 61005 of the range is taken by the program somebody-else, which listens on every address of this machine",
				Evidence: "socket [::]:61005, inode 4711, process 12345 (somebody-else), cgroup /system.slice/somebody-else.service",
				Remedy:   strings.Repeat("firewall-cmd --permanent --policy pasvctl --add-port=61000-62856/tcp && ", 4) + "firewall-cmd --reload",
			}}}, 0)
		},
	} {
		var out bytes.Buffer
		if err := print(&out); err != nil || out.Len() == 0 {
			t.Fatalf("%s: %v", name, err)
		}
		for _, line := range tooWide(out.String()) {
			t.Errorf("%s: %s", name, line)
		}
	}
}

// A shell takes a remedy's commands as they are folded.
func TestFoldedRemediesAreCommands(t *testing.T) {
	const short = "nft add element inet filter ports { 61000-62856 }"
	long := "kill " + strings.Repeat("-0 ", 40) + "1"
	for remedy, want := range map[string]string{
		short + " && " + short: short + " &&\n            " + short,
		long:                   "kill " + strings.Repeat("-0 ", 20) + "\\\n              -0 ",
	} {
		var out bytes.Buffer
		err := diagnostics.Text(&out, diagnostics.Report{Width: 80, Findings: []finding.Finding{{
			Severity: finding.Error, Rule: finding.PortSquatted, Detail: "x", Evidence: "y", Remedy: remedy,
		}}})
		if err != nil || !strings.Contains(out.String(), "  remedy:   "+want) {
			t.Errorf("%v:\n%s", err, out.String())
		}
	}
}
