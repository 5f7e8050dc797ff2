package draft

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

type line struct {
	text    string
	check   string // stands for it while the rest is checked; "": text does
	must    bool   // it cannot be left out
	block   int    // how many lines the block has that it is the head of; 0: it is none
	site    *Site
	attr    string
	at      inventory.At
	missing bool // it is for a cap that no file states
}

type writer struct {
	lines []line
	site  *Site
}

func (w *writer) add(l line) {
	l.site = w.site
	w.lines = append(w.lines, l)
}

func (w *writer) say(format string, args ...any) { w.add(line{text: fmt.Sprintf(format, args...)}) }

// attr writes an attribute, with where its value was read.
func (w *writer) attr(name, value string, at inventory.At) {
	l := line{text: name + " = " + value, attr: name, at: at}
	if at != (inventory.At{}) {
		l.text += " # " + comment(at.String())
	}
	w.add(l)
}

// must writes an attribute without which there is no site.
func (w *writer) must(name, value string, at inventory.At) {
	w.attr(name, value, at)
	w.lines[len(w.lines)-1].must = true
}

// comment is a text that ends with its line.
func comment(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

func quoted(text string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(strings.ToValidUTF8(text, "?"))).Bytes())
}

func quotedList[T fmt.Stringer](all []T) string {
	var texts []string
	for _, a := range all {
		texts = append(texts, quoted(a.String()))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func seconds(d time.Duration) string { return quoted(fmt.Sprintf("%.0fs", d.Seconds())) }

func (w *writer) host(h *host) {
	w.site = nil
	w.say("")
	w.say("host %s {", quoted(h.name))
	if h.guessed {
		w.say("# No file names an address. Write this machine's own in the place of this one.")
	}
	w.must("addresses", quotedList(h.addresses), inventory.At{})
	if h.iface != "" && h.iface != "-" {
		w.attr("interface", quoted(h.iface), inventory.At{})
	}
	w.say("}")
	for _, s := range h.sites {
		w.write(s)
	}
}

func (w *writer) write(s *Site) {
	v := s.Server
	w.say("")
	w.say("# %s", comment(v.At.String()))
	w.site = s
	w.say("site %s {", quoted(s.Name))
	w.must("host", quoted(s.host.name), inventory.At{})
	if some := s.addresses(); len(some) > 0 {
		w.attr("addresses", quotedList(some), v.Addresses.At)
	}
	w.must("server", quoted(v.Profile), inventory.At{})
	w.must("port", fmt.Sprint(v.Port.Value), v.Port.At)
	switch {
	case v.Profile == "sftpgo":
		w.say("# The generated environment sets single keys: the rest of the configuration stays.")
	case s.base == "":
	case s.shared:
		w.say("# base_config = %s # a spec cannot say it: one process runs several servers of it", quoted(s.base))
		s.LeftOut = append(s.LeftOut, LeftOut{v.At, "base_config", "one process runs several servers of this config, and a spec gives each site a process of its own; divide the copy, or write users and paths into the generated config"})
	default:
		w.attr("base_config", quoted(s.base), inventory.At{})
	}
	if v.Announce.Value != "" {
		w.attr("announce", quoted(v.Announce.Value), v.Announce.At)
	}
	w.announceTo(v)
	w.clients(s)
	if v.PeerCheck.Written() && !v.PeerCheck.Value {
		w.attr("foreign_data", "true", v.PeerCheck.At)
	}
	if v.DataPorts.Written() {
		w.say("# The range as it is. Delete this line to get the computed range.")
		w.attr("data_ports", quoted(v.DataPorts.Value.String()), v.DataPorts.At)
	}
	if v.IdleTimeout.Written() && v.IdleTimeout.Value > 0 {
		w.attr("idle_timeout", seconds(v.IdleTimeout.Value), v.IdleTimeout.At)
	}
	if v.DataTimeout.Written() && v.DataTimeout.Value > 0 {
		w.attr("data_timeout", seconds(v.DataTimeout.Value), v.DataTimeout.At)
	}
	if v.TLS.Value != spec.TLSOff && v.TruncatedUploads.Written() {
		w.attr("truncated_uploads", quoted(string(v.TruncatedUploads.Value)), v.TruncatedUploads.At)
	}
	w.concurrency(s)
	w.defaults(v.Profile)
	w.tls(v)
	w.say("}")
}

// addresses are those of the host on which a site listens; none are all.
func (s *Site) addresses() (some []netip.Addr) {
	some = s.listens()
	if len(some) == len(s.host.addresses) {
		return nil
	}
	return some
}

// listens are the addresses of the host on which clients reach the site.
func (s *Site) listens() (some []netip.Addr) {
	for _, a := range s.host.addresses {
		if s.Server.Listens(a) && (len(s.opened) == 0 || slices.Contains(s.opened, a)) {
			some = append(some, a)
		}
	}
	return some
}

func (w *writer) announceTo(v *inventory.Server) {
	if len(v.AnnounceTo.Value) == 0 {
		return
	}
	var pairs []string
	for _, a := range v.AnnounceTo.Value {
		pairs = append(pairs, quoted(a.Clients.String())+" = "+quoted(a.Address.String()))
	}
	w.attr("announce_to", "{ "+strings.Join(pairs, ", ")+" }", v.AnnounceTo.At)
}

func (w *writer) clients(s *Site) {
	if len(s.clients) == 0 {
		return
	}
	at := inventory.At{}
	var list []netip.Prefix
	for _, c := range s.clients {
		at = cmp.Or(at, c.at)
		list = append(list, c.network)
	}
	w.attr("clients", quotedList(list), at)
}

func (w *writer) concurrency(s *Site) {
	v := s.Server
	perAddress := v.SessionsPerAddress
	stand := max(1, perAddress.Value)
	w.say("")
	w.say("concurrency {")
	switch {
	case s.Sessions > 0:
		at := v.Sessions.At
		w.attr("sessions", fmt.Sprint(s.Sessions), at)
		if perAddress.Value > s.Sessions {
			perAddress.Value = 0 // no fewer than all
		}
	default:
		w.say("# No line states a cap, and none is invented: how many control connections may")
		w.say("# the server have at once? Write it here.")
		w.add(line{text: "#", check: fmt.Sprintf("sessions = %d", stand), attr: "sessions", missing: true})
	}
	if perAddress.Written() && perAddress.Value > 0 {
		w.attr("sessions_per_address", fmt.Sprint(perAddress.Value), perAddress.At)
	}
	w.say("}")
}

// table is what the range carries on each server, if it is one. known has what
// has been asked.
func (s *Site) table(known map[int][]int) []string {
	ports := s.DataPorts.Count()
	if ports == 0 {
		return nil
	}
	profiles := slices.DeleteFunc(sizing.Profiles(), func(p sizing.Profile) bool { return p.FixedPorts > 0 })
	if known[ports] == nil {
		for _, p := range profiles {
			n, _ := sizing.NewCapacity(p, sizing.Workload{Objective: spec.DefaultObjective(p)}, spec.MaxSessions).Sessions(ports) // 0: none
			known[ports] = append(known[ports], n)
		}
	}
	rows := []string{fmt.Sprintf("Sessions that %s, %s, carries if all want a port at once:", s.DataPorts, sizing.Plural(ports, "port"))}
	for i, p := range profiles {
		text := sizing.Count(known[ports][i])
		switch known[ports][i] {
		case 0:
			text = "none"
		case spec.MaxSessions:
			text = "any number"
		}
		row := fmt.Sprintf("  %-14s %s", p.Name, text)
		if p.Name == s.Server.Profile {
			row += " (this server)"
		}
		rows = append(rows, row)
	}
	return rows
}

// plain is a share without an exponent.
func plain(share float64) string { return strconv.FormatFloat(share, 'f', -1, 64) }

// defaults are what no file states.
func (w *writer) defaults(server string) {
	profile, _ := sizing.Lookup(server)
	o := spec.DefaultObjective(profile)
	w.say("")
	w.say("# Defaults of pasvctl: no file states these.")
	w.say("objective {")
	w.say("refused = %s", plain(cmp.Or(o.Refused, sizing.DefaultRefused)))
	w.say("squatted = %d", o.Squatted)
	w.say("worst_case = true # all sessions at once; remove it if you know the traffic")
	w.say("}")
	w.say("# traffic {")
	w.say("#   transfers_per_second = 10 # data connections in the busiest second, LIST too")
	w.say("# }")
}

func (w *writer) tls(v *inventory.Server) {
	if v.TLS.Value == spec.TLSOff || v.TLS.Value == "" {
		return
	}
	certificate, key := v.Certificate, v.Key
	if key.Value == "" {
		key = certificate
	}
	w.say("")
	head := len(w.lines)
	w.say("tls {")
	w.attr("mode", quoted(string(v.TLS.Value)), v.TLS.At)
	if v.TLS.Value != spec.TLSImplicit {
		w.attr("required", fmt.Sprint(v.TLSRequired.Value), v.TLSRequired.At)
	}
	if certificate.Value != "" {
		w.attr("certificate", quoted(certificate.Value), certificate.At)
		w.attr("key", quoted(key.Value), key.At)
	}
	if v.SessionReuse.Written() {
		reuse := "preferred"
		if v.SessionReuse.Value {
			reuse = "required"
		}
		w.attr("session_reuse", quoted(reuse), v.SessionReuse.At)
	}
	w.say("}")
	w.lines[head].block = len(w.lines) - head
	w.lines[head].attr, w.lines[head].at = "tls", v.TLS.At
}

// write makes the spec, and comments out what a spec cannot say.
func (d *Draft) write(inv *inventory.Inventory, hosts []*host) error {
	for _, s := range d.Sites {
		if s.Server.DataPorts.Written() {
			s.DataPorts = s.Server.DataPorts.Value
		}
	}
	w := &writer{}
	w.say("# Imported from %s.", comment(strings.Join(filesOf(inv), ", ")))
	w.say("# Behind a value is the line that states it. A value without one is a default, of")
	w.say("# the server or of pasvctl.")
	for _, h := range hosts {
		w.host(h)
	}
	if err := d.repair(w); err != nil {
		return err
	}
	known := map[int][]int{}
	for _, s := range d.Sites {
		s.carries()
		w.missing(s, known)
	}
	d.Files[0].Content = w.text(false)
	_, diags := d.load(d.Files[0].Content)
	for _, diag := range diags {
		if diag.Severity == hcl.DiagError {
			d.Problems = append(d.Problems, diag)
		}
	}
	return nil
}

// missing puts the comment for a cap that is missing beside what the range
// carries.
func (w *writer) missing(s *Site, known map[int][]int) {
	for i := range w.lines {
		if l := &w.lines[i]; l.site == s && l.missing {
			l.text = fmt.Sprintf("# sessions = %d", max(1, s.Carries))
			for _, row := range s.table(known) {
				l.text += "\n# " + row
			}
		}
	}
}

// filesOf are the files of an inventory, each once.
func filesOf(inv *inventory.Inventory) (all []string) {
	add := func(at inventory.At) {
		if !slices.Contains(all, at.File) {
			all = append(all, at.File)
		}
	}
	for _, s := range inv.Servers {
		add(s.At)
	}
	for _, f := range inv.Firewalls {
		add(f.At)
	}
	return all
}
