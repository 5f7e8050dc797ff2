package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/diagnostics"
	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/cmd/internal/outdir"
	"github.com/pasvctl/pasvctl/generators/draft"
	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// imported is what import says of its work.
type imported struct {
	draft       *draft.Draft
	inventory   *inventory.Inventory
	files       []outdir.Change
	withSecrets bool
	dir         string
}

// importedLine is a line of a file, and what of it is not in the spec.
type importedLine struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"` // 0: the whole file
	What string `json:"what"`
	Why  string `json:"why,omitempty"`
}

func lineOf(at inventory.At, what, why string) importedLine {
	return importedLine{at.File, at.Line, what, why}
}

type importedSite struct {
	Name      string         `json:"name"`
	Server    string         `json:"server"`
	File      string         `json:"file"`
	Line      int            `json:"line,omitempty"`
	Port      uint16         `json:"control_port"`
	DataPorts *plan.Ports    `json:"data_ports,omitempty"`   // the pin
	Sessions  int            `json:"sessions,omitempty"`     // none: the cap is missing
	Carries   int            `json:"carried_sessions"`       // in the worst case; 0 without a pin
	Needs     int            `json:"needed_ports,omitempty"` // for sessions, in the worst case
	Firewall  []importedLine `json:"firewall"`               // lines that open the control port
	LeftOut   []importedLine `json:"left_out"`               // stated by a file, and not in the spec
}

func (r *imported) json(w io.Writer) error {
	sites, unread, secrets := []importedSite{}, []importedLine{}, []importedLine{}
	for _, s := range r.draft.Sites {
		one := importedSite{
			Name: s.Name, Server: s.Server.Profile, File: s.Server.At.File, Line: s.Server.At.Line, Port: s.Server.Port.Value,
			Sessions: s.Sessions, Carries: s.Carries, Needs: s.Needs, Firewall: []importedLine{}, LeftOut: []importedLine{},
		}
		if s.DataPorts.Count() > 0 {
			ports := plan.PortsOf(s.DataPorts)
			one.DataPorts = &ports
		}
		for _, at := range s.Firewall {
			one.Firewall = append(one.Firewall, lineOf(at, "the control port", ""))
		}
		for _, l := range s.LeftOut {
			one.LeftOut = append(one.LeftOut, lineOf(l.At, l.What, l.Why))
		}
		sites = append(sites, one)
	}
	for _, u := range r.inventory.Unread {
		unread = append(unread, lineOf(u.At, u.What, u.Why))
	}
	for _, s := range r.inventory.Secrets {
		secrets = append(secrets, lineOf(s.At, s.What, ""))
	}
	places := []map[string]any{}
	for _, p := range r.draft.Placeholders {
		places = append(places, map[string]any{"host": p.Host, "address": p.Address})
	}
	problems := []map[string]any{}
	for _, d := range r.draft.Problems {
		one := map[string]any{"id": finding.Of(d).ID, "detail": d.Detail}
		if d.Subject != nil {
			one["line"] = d.Subject.Start.Line
		}
		problems = append(problems, one)
	}
	return envelope.Write(w, "import", map[string]any{
		"files": r.files, "sites": sites, "unread": unread, "secrets": secrets, "secrets_copied": r.withSecrets, "placeholders": places, "problems": problems,
	})
}

func (r *imported) text(w io.Writer) error {
	var b strings.Builder
	for _, c := range r.files {
		fmt.Fprintf(&b, "%-9s  %s\n", c.State, c.Path)
	}
	if len(r.draft.Sites) > 0 {
		b.WriteString("\n" + layOut(r.rows(), columnsOf(w)))
	}
	say := func(title string, lines []string) {
		if len(lines) > 0 {
			fmt.Fprintf(&b, "\n%s\n", title)
		}
		for _, l := range lines {
			b.WriteString(explain.Wrap(diagnostics.Printable(l), prose(w), "  ", "    "))
		}
	}
	var places, short, leftOut, unread, secrets, problems []string
	for _, s := range r.draft.Sites {
		if text := tooFew(s); text != "" {
			short = append(short, s.Name+": "+text)
		}
		for _, l := range s.LeftOut {
			leftOut = append(leftOut, fmt.Sprintf("%s %s: %s", l.At, l.What, l.Why))
		}
	}
	for _, u := range r.inventory.Unread {
		unread = append(unread, fmt.Sprintf("%s %s: %s", u.At, u.What, u.Why))
	}
	for _, s := range r.inventory.Secrets {
		secrets = append(secrets, fmt.Sprintf("%s %s", s.At, s.What))
	}
	for _, d := range r.draft.Problems {
		problems = append(problems, d.Detail)
	}
	for _, p := range r.draft.Placeholders {
		places = append(places, fmt.Sprintf("host %q has %s, an address for documentation: write the machine's own in its place, or import again with --address", p.Host, p.Address))
	}
	say("To be replaced, since no file states it:", places)
	say("Too few ports, and neither the range nor the cap was changed:", short)
	say("Not in the spec:", leftOut)
	say("Not read:", unread)
	title := "Not copied, since they look like secrets (--with-secrets copies them):"
	if r.withSecrets {
		title = "Copied, though they look like secrets:"
	}
	say(title, secrets)
	say("What pasvctl validate "+r.dir+" reports:", problems)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *imported) rows() [][]string {
	rows := [][]string{{"SITE", "PORT", "DATA PORTS", "SESSIONS", "CARRIES", "FIREWALL"}}
	for _, s := range r.draft.Sites {
		ports, sessions, carries, firewall := "-", "missing", "-", "-"
		if s.DataPorts.Count() > 0 {
			ports, carries = s.DataPorts.String(), sizing.Count(s.Carries)
			if s.Carries == spec.MaxSessions {
				carries = "any number"
			}
		}
		if s.Sessions > 0 {
			sessions = sizing.Count(s.Sessions)
		}
		if len(s.Firewall) > 0 {
			firewall = s.Firewall[0].String()
			if more := len(s.Firewall) - 1; more > 0 {
				firewall += fmt.Sprintf(" and %s", sizing.Plural(more, "more line"))
			}
		}
		rows = append(rows, []string{s.Name, fmt.Sprint(s.Server.Port.Value), ports, sessions, carries, diagnostics.Printable(firewall)})
	}
	return rows
}
