package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/cmd/internal/source"
	"github.com/pasvctl/pasvctl/generators/audit"
	"github.com/pasvctl/pasvctl/generators/explain"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/inventory"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

type capacities struct {
	streams
	variables
	trafficFlags
	server string
	asJSON bool
}

func newCapacity(s streams) *cobra.Command {
	q := &capacities{streams: s}
	c := &cobra.Command{
		Use:   "capacity RANGE|PATH",
		Short: "show how many sessions a range of ports carries",
		Long: `capacity asks the inverse of plan: how many sessions may a server admit on a range, like
30000-30100? It shows for each server the sessions that the range carries if all of them
want a port at once, how many more ten more ports bring, and what one port does. With the
flags of traffic, which are named as the arguments of a traffic block, it also shows the
sessions that it carries if they ask for data connections at that rate together. Plan
accepts the sessions that are shown, and not one more; "any number" is 100,000 or more.

PATH is a spec, or a config that audit reads: then it shows what each site or server can
grow to on the range that it has. Flags take the place of the spec's traffic block.

All sessions may share one client address unless --sessions-per-address says less.`,
		Example: "  pasvctl capacity 30000-30100\n" +
			"  pasvctl capacity 30000-30100 --server vsftpd \\\n    --transfers-per-second 5 --transfer-time 2s\n" +
			"  pasvctl capacity examples/fleet\n" +
			"  pasvctl capacity /etc/vsftpd.conf",
		Args: exactly("RANGE or PATH"),
		RunE: func(_ *cobra.Command, args []string) error { return q.run(args[0]) },
	}
	q.variables.register(c)
	q.trafficFlags.register(c)
	c.Flags().StringVar(&q.server, "server", "", "show only the server `NAME`")
	_ = c.RegisterFlagCompletionFunc("server", cobra.FixedCompletions(serverNames(), cobra.ShellCompDirectiveNoFileComp))
	c.Flags().BoolVar(&q.asJSON, "json", false, "write JSON")
	return c
}

func serverNames() (names []string) {
	for _, p := range sizing.Profiles() {
		names = append(names, p.Name)
	}
	return names
}

// capacity is what one range carries on one server.
type capacity struct {
	Site   string `json:"site,omitempty"`
	Server string `json:"server"`
	// SessionReuse: TLS is required, and resumption of the control connection's
	// session, which tells sessions apart on this server.
	SessionReuse bool            `json:"session_reuse_required"`
	DataPorts    plan.Ports      `json:"data_ports"`
	Sessions     int             `json:"sessions,omitempty"` // that the server admits now
	WorstCase    carried         `json:"worst_case"`
	Traffic      *carried        `json:"traffic,omitempty"`
	OnePort      *sizing.OnePort `json:"one_port,omitempty"`

	profile  sizing.Profile
	workload sizing.Workload
}

type carried struct {
	Sessions  int  `json:"sessions"` // that plan accepts: the most, or spec.MaxSessions
	AnyNumber bool `json:"any_number"`
	// TenMore is the same with ten more ports, if the range can have them.
	TenMore *carried `json:"with_ten_more_ports,omitempty"`
	// Error says why the range carries none.
	Error string `json:"error,omitempty"`
}

func (q *capacities) run(path string) error {
	traffic, err := q.traffic()
	if err != nil {
		return err
	}
	var all []*capacity
	if r, is := spec.ParsePortRange(path); is {
		if r.First < 1024 {
			return usage("write a range above 1023: a server that has dropped root cannot bind lower ports", "%s starts below 1024", path)
		}
		all = ofRange(r, sizing.Workload{Traffic: traffic, SessionsPerAddress: q.perAddress})
	} else if all, err = q.ofPath(path, traffic); err != nil {
		if strings.Trim(path, "0123456789-") == "" && errors.Is(err, fs.ErrNotExist) {
			return usage("write the first and the last port, like 30000-30100", "invalid range of ports %q", path)
		}
		return err
	}
	if q.server != "" {
		all = slices.DeleteFunc(all, func(c *capacity) bool { return c.Server != q.server })
		if len(all) == 0 {
			return usage("the servers are "+strings.Join(serverNames(), ", "), "%s has no server %q", path, q.server)
		}
	}
	ask(all)
	if q.asJSON {
		return envelope.Write(q.out, "capacity", map[string]any{"capacities": all})
	}
	return writeCapacities(q.out, all)
}

// ofRange are all servers on a range. A server that tells sessions apart by TLS
// is there twice.
func ofRange(r spec.PortRange, w sizing.Workload) (all []*capacity) {
	for _, p := range sizing.Profiles() {
		w.Objective = spec.DefaultObjective(p)
		w.MarkedSessions = false
		c := capacity{Server: p.Name, DataPorts: plan.PortsOf(r), profile: p, workload: w}
		all = append(all, &c)
		if p.MarksSessions {
			marked := c
			marked.SessionReuse, marked.workload.MarkedSessions = true, true
			all = append(all, &marked)
		}
	}
	return all
}

// ask fills in what the ranges carry. Equal questions are asked once.
func ask(all []*capacity) {
	type question struct {
		server   string
		workload sizing.Workload
		traffic  sizing.Traffic
		ports    int
	}
	first := map[question]*capacity{}
	same := make([]*capacity, len(all)) // as all, each the first with its question
	var asking errgroup.Group
	asking.SetLimit(runtime.GOMAXPROCS(0))
	for i, c := range all {
		q := question{server: c.Server, workload: c.workload, ports: c.DataPorts.Count}
		if q.workload.Sessions = 0; c.workload.Traffic != nil {
			q.workload.Traffic, q.traffic = &sizing.Traffic{}, *c.workload.Traffic
		}
		if first[q] == nil {
			first[q] = c
			asking.Go(func() error {
				c.ask()
				return nil
			})
		}
		same[i] = first[q]
	}
	asking.Wait() // nothing fails
	for i, c := range all {
		c.WorstCase, c.Traffic, c.OnePort = same[i].WorstCase, same[i].Traffic, same[i].OnePort
	}
}

func (c *capacity) ask() {
	worst := c.workload
	worst.Traffic = nil
	inverse := sizing.NewCapacity(c.profile, worst, spec.MaxSessions)
	c.WorstCase = c.carried(inverse)
	sessions := c.WorstCase.Sessions
	if c.workload.Traffic != nil && !c.workload.Objective.WorstCase {
		inverse = sizing.NewCapacity(c.profile, c.workload, spec.MaxSessions)
		with := c.carried(inverse)
		c.Traffic, sessions = &with, with.Sessions
	}
	if one := inverse.OnePort(sessions); one.Verdict != "" {
		c.OnePort = &one
	}
}

const tenMore = 10

func (c *capacity) carried(inverse *sizing.Capacity) carried {
	ports := c.DataPorts.Count
	n := sessionsOn(inverse, ports)
	if ports+tenMore <= sizing.MaxPorts && c.profile.FixedPorts == 0 {
		more := sessionsOn(inverse, ports+tenMore)
		n.TenMore = &more
	}
	return n
}

func sessionsOn(inverse *sizing.Capacity, ports int) carried {
	n, err := inverse.Sessions(ports)
	c := carried{Sessions: n, AnyNumber: n == spec.MaxSessions}
	if err != nil {
		c.Error = err.Error()
	}
	return c
}

// ofPath are the sites of a spec, or the servers of what is there.
func (q *capacities) ofPath(path string, traffic *sizing.Traffic) ([]*capacity, error) {
	info, err := source.Stat(path)
	isSpec := err == nil && info.Mode().IsRegular() && strings.HasSuffix(path, spec.Extension)
	if err == nil && info.IsDir() {
		_, listed := source.List(path)
		isSpec = listed == nil
	}
	if isSpec || errors.Is(err, fs.ErrNotExist) && !command.MatchString(path) && path != "-" {
		return q.ofSpec(path, traffic)
	}
	inv, err := present([]string{path}, q.in)
	if err != nil {
		return nil, err
	}
	var all []*capacity
	for _, s := range inv.Servers {
		if !s.Open() {
			all = append(all, q.ofServer(s, traffic))
		}
	}
	if len(all) == 0 {
		return nil, failure(fmt.Errorf("%s has no server with a range of ports", path), "")
	}
	return all, nil
}

func (q *capacities) ofServer(s *inventory.Server, traffic *sizing.Traffic) *capacity {
	c := &capacity{Site: cmp.Or(s.Name, s.At.File), Server: s.Profile, DataPorts: plan.PortsOf(s.DataPorts.Value), Sessions: s.Sessions.Value}
	c.profile, _ = sizing.Lookup(s.Profile)
	c.workload = audit.Workload(s, audit.Terms{SessionsPerAddress: q.perAddress, Traffic: traffic})
	return c
}

// ofSpec are the sites of a spec on the ranges that they have.
func (q *capacities) ofSpec(path string, traffic *sizing.Traffic) ([]*capacity, error) {
	p, err := q.load(path)
	if err != nil {
		return nil, err
	}
	// A pin that is too small is what this command is about.
	diags := slices.DeleteFunc(p.diags, func(d *hcl.Diagnostic) bool { return finding.Of(d) == finding.RangeTooSmall })
	if err := p.show(q.streams, diags); err != nil {
		return nil, err
	}
	if err := p.invalid(path, diags); err != nil {
		return nil, err
	}
	ranges := map[string]spec.PortRange{}
	for _, s := range p.Plan.Sites {
		ranges[s.Name] = s.DataPorts
	}
	var all []*capacity
	for _, s := range p.Spec.Sites {
		c := &capacity{Site: s.Name, Server: s.Server, Sessions: s.Sessions, workload: s.Workload}
		if c.profile, _ = sizing.Lookup(s.Server); s.Profile != nil {
			c.profile = s.Profile.Profile
		}
		c.DataPorts = plan.PortsOf(s.DataPorts)
		if planned, ok := ranges[s.Name]; ok {
			c.DataPorts = plan.PortsOf(planned)
		}
		c.SessionReuse = s.MarkedSessions && c.profile.MarksSessions
		q.ofFlags(&c.workload, traffic)
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b *capacity) int { return strings.Compare(a.Site, b.Site) })
	return all, nil
}

// ofFlags puts what the command line says in the place of what a workload has.
func (q *capacities) ofFlags(w *sizing.Workload, traffic *sizing.Traffic) {
	if w.SessionsPerAddress == w.Sessions { // all of them may share an address
		w.SessionsPerAddress = 0
	}
	if q.perAddress > 0 {
		w.SessionsPerAddress = q.perAddress
	}
	if traffic != nil {
		w.Traffic, w.Objective.WorstCase = traffic, false
	}
}

// The legends say what the columns mean.
const (
	capacityLegend = "WORST CASE: sessions that the range carries if all want a port at once and no more are refused than the objective allows (0.0001 % by default). " +
		"10 MORE: sessions that ten more ports bring. ONE PORT: what a range of one port does for those sessions."
	trafficLegend = " TRAFFIC: sessions that it carries if they ask for data connections together as the traffic says."
)

func writeCapacities(w io.Writer, all []*capacity) error {
	named := slices.ContainsFunc(all, func(c *capacity) bool { return c.Site != "" })
	withTraffic := slices.ContainsFunc(all, func(c *capacity) bool { return c.Traffic != nil })
	heading := []string{"SERVER"}
	if named {
		heading = []string{"SITE", "SERVER", "RANGE", "SESSIONS"}
	} else if _, err := fmt.Fprintf(w, "%s: %s\n\n", all[0].DataPorts, sizing.Plural(all[0].DataPorts.Count, "port")); err != nil {
		return err
	}
	heading = append(heading, "WORST CASE", "10 MORE")
	if withTraffic {
		heading = append(heading, "TRAFFIC", "10 MORE")
	}
	rows, reasons := [][]string{append(heading, "ONE PORT")}, ""
	for _, c := range all {
		row, why := c.row(named, withTraffic)
		rows = append(rows, row)
		for _, reason := range why {
			reasons += explain.Wrap(reason, prose(w), "  ", "    ")
		}
	}
	if err := table(w, rows); err != nil {
		return err
	}
	legend := capacityLegend
	if withTraffic {
		legend += trafficLegend
	}
	_, err := fmt.Fprint(w, reasons, "\n", explain.Wrap(legend, prose(w), "", ""))
	return err
}

// row is the capacity's line of the table, and why it carries no session.
func (c *capacity) row(named, withTraffic bool) (row, why []string) {
	server := c.Server
	if c.SessionReuse {
		server += ", TLS required"
	}
	name := server
	row = []string{server}
	if named {
		name = c.Site
		row = []string{c.Site, server, c.DataPorts.String(), c.now()}
	}
	row = append(row, c.WorstCase.String(), c.WorstCase.gain())
	if withTraffic {
		row = append(row, c.Traffic.String(), c.Traffic.gain())
	}
	verdict := "-"
	if c.OnePort != nil {
		verdict = c.OnePort.Verdict
	}
	for _, n := range []*carried{&c.WorstCase, c.Traffic} {
		if n != nil && n.Error != "" && !slices.Contains(why, name+": "+n.Error) {
			why = append(why, name+": "+n.Error)
		}
	}
	return append(row, verdict), why
}

// now are the sessions that the server admits now.
func (c *capacity) now() string {
	if c.Sessions == 0 {
		return "no cap"
	}
	return sizing.Count(c.Sessions)
}

func (n *carried) String() string {
	switch {
	case n == nil:
		return "-"
	case n.AnyNumber:
		return "any number"
	case n.Sessions == 0:
		return "none"
	}
	return sizing.Count(n.Sessions)
}

// gain is how many more sessions ten more ports bring.
func (n *carried) gain() string {
	switch {
	case n == nil || n.TenMore == nil || n.AnyNumber:
		return "-"
	case n.TenMore.AnyNumber:
		return "any number"
	}
	return "+" + sizing.Count(n.TenMore.Sessions-n.Sessions)
}
