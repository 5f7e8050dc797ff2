package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pasvctl/pasvctl/cmd/internal/diagnostics"
	"github.com/pasvctl/pasvctl/cmd/internal/source"
	"github.com/pasvctl/pasvctl/generators/audit"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

type auditor struct {
	streams
	reporting
	trafficFlags
	sessions int
	ignore   string
}

func newAudit(s streams) *cobra.Command {
	a := &auditor{streams: s}
	c := &cobra.Command{
		Use:   "audit PATH...",
		Short: "find what is wrong with servers' configs and firewalls",
		Long: `audit reads configs of FTP servers and firewalls, and needs no spec. It finds ranges that
are too small for their server's sessions, or too large, ports that only the server or
only the firewall has, a family that was forgotten, overlaps, addresses that clients
cannot reach, and checks that are off. It reads

- vsftpd.conf and proftpd.conf
- the conf folder or the command line of Pure-FTPd, and the environment of SFTPGo
- nft -j list ruleset, iptables-save, ip6tables-save and ipset save
- aws ec2 describe-security-groups, and aws elbv2 describe-listeners
- compose.yaml, and files of sysctl.d for the machine's local ports

PATH is a file, a folder of such files, or - for standard input. Give the files of one
machine together: the more there are, the more can be compared.

A config does not state its traffic, so ranges are judged by the worst case. --sessions,
and the flags that are named as the arguments of a traffic block, judge them again.

A file for --ignore has a line for each finding that you have judged: its id, the file
or FILE:LINE that it is in, and after # the reason.`,
		Example: "  pasvctl audit /etc/vsftpd.conf\n" +
			"  nft -j list ruleset | pasvctl audit /etc/proftpd/proftpd.conf -\n" +
			"  pasvctl audit /etc/vsftpd.conf --sessions 100 --transfers-per-second 5",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return exactly("PATH")(c, args)
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return a.run(args) },
	}
	a.reporting.register(c)
	a.trafficFlags.register(c)
	c.Flags().IntVar(&a.sessions, "sessions", 0, "judge `N` sessions instead of the servers' caps")
	c.Flags().StringVar(&a.ignore, "ignore", "", "leave out the findings that `FILE` lists with reasons")
	return c
}

func (a *auditor) run(paths []string) error {
	if err := a.check(); err != nil {
		return err
	}
	if a.sessions < 0 || a.sessions > spec.MaxSessions {
		return usage(fmt.Sprintf("write --sessions 1 to %d", spec.MaxSessions), "--sessions %d is out of range", a.sessions)
	}
	traffic, err := a.traffic()
	if err != nil {
		return err
	}
	var list []audit.Ignored
	if a.ignore != "" {
		text, err := source.Read(a.ignore)
		if err != nil {
			return failure(err, "")
		}
		if list, err = audit.ParseIgnored(a.ignore, text); err != nil {
			return failure(err, "")
		}
	}
	inv, err := present(paths, a.in)
	if err != nil {
		return err
	}
	found, ignored := audit.Ignore(audit.Judge(inv, audit.Terms{Sessions: a.sessions, SessionsPerAddress: a.perAddress, Traffic: traffic}), list)
	r := diagnostics.Report{Command: "audit", Findings: found, WarningsFail: true}
	if err := a.write(a.out, a.out, r); err != nil {
		return err
	}
	if ignored > 0 {
		fmt.Fprintf(a.err, "%s ignored, as %s says\n", sizing.Plural(ignored, "finding"), a.ignore)
	}
	if r.Count(finding.Error)+r.Count(finding.Warning) > 0 {
		return silent(exitDifference)
	}
	fmt.Fprintf(a.err, "found no problem in %s and %s\n", sizing.Plural(len(inv.Servers), "server"), sizing.Plural(len(inv.Firewalls), "firewall"))
	return nil
}
