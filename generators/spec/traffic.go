package spec

import (
	"fmt"
	"time"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Bounds of the figures that sizing rests on.
const (
	MaxSessions    = 100_000
	maxRate        = 1_000_000 // a second
	least          = 0.001     // of most durations, in seconds
	day            = 24 * 3600 // the most of them, in seconds
	maxPeakFactor  = 1000
	maxConnections = 10_000 // of a burst's session
)

var concurrencyBlock = &Block{
	Type: "concurrency", Most: 1, Doc: "How many sessions the site admits.",
	Required: "Add a block that says how many control connections the server admits at once: concurrency { sessions = 100 }.",
	Arguments: []Argument{
		{Name: "sessions", Type: Whole, Least: 1, Most: MaxSessions, Unit: "control connections", Example: "400",
			Required: "Write how many control connections the server admits at once: its own cap, like sessions = 100.",
			Doc:      "Control connections that the server admits at once: its own cap. A user's client opens two or three of them."},
		{Name: "sessions_per_address", Type: Whole, Least: 1, Most: MaxSessions, Limit: "at most sessions", Unit: "control connections", Example: "50", Otherwise: "sessions",
			Doc: "Control connections that the server admits at once from one client address: those of everybody behind the busiest NAT."},
	},
}

// decodeConcurrency reads the concurrency block, if it is there.
func decodeConcurrency(b *block) (sessions, perAddress int) {
	if b == nil {
		return 0, 0
	}
	sessions = b.integer("sessions")
	perAddress = b.integerOr("sessions_per_address", sessions)
	if sessions > 0 && perAddress > sessions {
		b.err("sessions_per_address", finding.ConflictingValues, "sessions_per_address is %s, but the site admits only %s sessions in all. Lower it to %d or less, or raise sessions.",
			sizing.Count(perAddress), sizing.Count(sessions), sessions)
	}
	return sessions, perAddress
}

var trafficBlock = &Block{
	Type: "traffic", Most: 1,
	Doc: "What the clients do at the peak. Without the block the worst case is computed: all sessions hold a port at once.",
	Arguments: []Argument{
		{Name: "transfers_per_second", Type: Number, Above: true, Most: maxRate, Unit: "data connections a second", Example: "40",
			Required: "Write how many data connections clients ask for a second at peak, LIST included, or remove the traffic block: then the worst case is computed.",
			Doc:      "Data connections that all clients together ask for, LIST included, in the busiest second."},
		{Name: "transfers_per_second_per_address", Type: Number, Above: true, Most: maxRate, Limit: "at most transfers_per_second", Unit: "data connections a second", Example: "10",
			Otherwise: "transfers_per_second, but no more than the address's sessions carry if they are busy nine tenths of their time",
			Doc:       "The same from the busiest client address."},
		{Name: "connect_time", Type: Duration, Least: least, Most: day, Default: 200 * time.Millisecond, Example: `"120ms"`,
			Doc: "Mean time from the reply to PASV to the client's data connection: a round trip and what the client takes."},
		{Name: "connect_time_p99", Type: Duration, Least: least, Most: day, Limit: fmt.Sprintf("from connect_time to %v times that", sizing.MaxConnectSpread), Example: `"800ms"`,
			Otherwise: "6.2 times connect_time, as lognormal times have it",
			Doc:       "Connect time that one connection in a hundred exceeds. Times that spread more need more ports."},
		{Name: "transfer_time", Type: Duration, Least: least, Most: day, Default: time.Second, Example: `"4s"`,
			Doc: "Mean time that a transfer takes, on servers that keep the port that long."},
		{Name: "abandoned", Type: Number, Least: 0, Most: 1, Below: true, Default: 0.0, Unit: "share of the PASVs", Example: "0.01",
			Doc: "Share of the PASVs that no data connection follows. Each keeps its port until the server gives up."},
		{Name: "client_ports", Type: Whole, Least: 1, Most: sizing.MaxPorts, Default: sizing.DefaultClientPorts, Unit: "ports", Example: "16384",
			Doc: "Ports that the busiest client address opens data connections from. One cannot be used again to the same data port for a minute."},
		{Name: "peak_factor", Type: Number, Least: 1, Most: maxPeakFactor, Default: 1.0, Unit: "times the rate", Example: "3",
			Doc: "Multiplies the rate, for a busy hour within the figure given."},
		{Name: "parallel", Type: Whole, Least: 1, Most: sizing.MaxParallel, Limit: "at most concurrency.sessions_per_address", Default: 1, Unit: "sessions", Example: "4",
			Doc: "Sessions with which one client asks in the same instant, as lftp's mirror --parallel=4."},
	},
	Blocks: []*Block{burstBlock},
}

func decodeTraffic(b *block, sessions, perAddress int) *sizing.Traffic {
	if b == nil {
		return nil
	}
	t := &sizing.Traffic{
		Connect:     b.duration("connect_time"),
		Transfer:    b.duration("transfer_time"),
		Abandoned:   b.figure("abandoned"),
		ClientPorts: b.integer("client_ports"),
		PeakFactor:  b.figure("peak_factor"),
		Parallel:    b.integer("parallel"),
	}
	t.ConnectP99 = b.connectTimeP99(t.Connect)
	t.Rate = b.figure("transfers_per_second")
	t.RatePerAddress = b.figure("transfers_per_second_per_address")
	if t.Rate > 0 && t.RatePerAddress > t.Rate {
		b.err("transfers_per_second_per_address", finding.ConflictingValues, "one address asks for %g transfers a second, but all together for %g. Lower it, or raise transfers_per_second.",
			t.RatePerAddress, t.Rate)
	}
	if perAddress > 0 && t.Parallel > perAddress {
		b.err("parallel", finding.ConflictingValues, "a client asks with %d sessions at once, but concurrency admits only %d of one address. Lower parallel, or raise sessions_per_address.",
			t.Parallel, perAddress)
	}
	t.Bursts = decodeBursts(b, sessions)
	return t
}

var burstBlock = &Block{
	Type: "burst", Most: sizing.MaxBursts,
	Doc: "Sessions that start together, beside the traffic of all others: cron jobs at the full hour. Each burst counts apart from the others.",
	Arguments: []Argument{
		{Name: "sessions", Type: Whole, Least: 1, Most: MaxSessions, Limit: "at most concurrency.sessions", Unit: "sessions", Example: "300",
			Required: "Write how many sessions start together, like sessions = 100.",
			Doc:      "How many sessions start together."},
		{Name: "within", Type: Duration, Least: least, Most: day, Example: `"10s"`,
			Required: `Write within how much time they start, like within = "10s".`,
			Doc:      "Time within which they start, evenly spread."},
		{Name: "connections", Type: Whole, Least: 1, Most: maxConnections, Default: 1, Unit: "data connections", Example: "4",
			Doc: "Data connections of each session, one after another."},
	},
}

func decodeBursts(traffic *block, sessions int) (all sizing.Bursts) {
	bursts := traffic.inner[burstBlock.Type]
	for i, raw := range bursts {
		for _, arg := range burstBlock.Arguments {
			delete(traffic.ranges, "traffic.burst."+arg.Name) // of the burst before
		}
		if i == burstBlock.Most {
			traffic.errAt(raw.DefRange, finding.SpecTooComplex, "traffic has %d burst blocks, more than %d. Keep the largest ones: each counts apart from the others.", len(bursts), burstBlock.Most)
			return all
		}
		b := traffic.inside(burstBlock, raw)
		each := sizing.Burst{Sessions: b.integer("sessions"), Within: b.duration("within"), Connections: b.integer("connections")}
		if sessions > 0 && each.Sessions > sessions {
			b.err("sessions", finding.ConflictingValues, "%s sessions start together, but the site admits only %s at once. Lower it, or raise concurrency.sessions.",
				sizing.Count(each.Sessions), sizing.Count(sessions))
		}
		all[i] = each
	}
	return all
}

// connectTimeP99 reads the connect time that one connection in a hundred
// exceeds; 0 if it is not given.
func (b *block) connectTimeP99(mean time.Duration) time.Duration {
	const name = "connect_time_p99"
	p99 := b.duration(name)
	most := time.Duration(sizing.MaxConnectSpread * float64(mean)).Round(time.Millisecond)
	switch {
	case p99 == 0:
	case p99 < mean:
		b.err(name, finding.ConflictingValues, "%s is %s, but connect_time, the mean, is %s. Write the time that one connection in a hundred exceeds, %s or more, or lower connect_time.",
			b.key(name), sizing.Duration(p99), sizing.Duration(mean), sizing.Duration(mean))
	case p99 > most:
		b.err(name, finding.ConflictingValues, "%s is %s, but lognormal times with a mean (connect_time) of %s have a 99th percentile of at most %s. Lower it, or raise connect_time.",
			b.key(name), sizing.Duration(p99), sizing.Duration(mean), sizing.Duration(most))
	default:
		return p99
	}
	return 0
}

var objectiveBlock = &Block{
	Type: "objective", Most: 1, Doc: "What the range must achieve.",
	Arguments: []Argument{
		{Name: "refused", Type: Number, Least: 1e-12, Most: 0.5, Unit: "share of the data connections", Example: "0.0001",
			Otherwise: fmt.Sprintf("%s; with traffic on a server with a listen race %s, or what it reaches", plain(sizing.DefaultRefused), plain(sizing.DefaultRefusedInRace)),
			Doc:       "Share of the data connections that may be refused at the peak for want of a port."},
		{Name: "max_wait", Type: Duration, Least: least, Most: day, Default: time.Second, Example: `"3s"`,
			Doc: "How long a PASV may wait for a port on a server that queues."},
		{Name: "squatted", Type: Whole, Least: 0, Most: 60_000, Unit: "ports", Example: "3",
			Otherwise: "1, and 0 on a server that binds its whole range when it starts",
			Doc:       "Ports of the range that other programs may have taken."},
		{Name: "worst_case", Type: Bool, Default: false, Example: "true",
			Doc: "All sessions want a port at once, whatever traffic says."},
	},
}

func decodeObjective(b *block, server sizing.Profile) sizing.Objective {
	squatted := 1
	if server.HoldsRange {
		squatted = 0
	}
	if b == nil {
		return sizing.Objective{MaxWait: objectiveBlock.argument("max_wait").Default.(time.Duration), Squatted: squatted}
	}
	return sizing.Objective{
		Refused:   b.figure("refused"), // 0 is the server's default, which sizing knows
		MaxWait:   b.duration("max_wait"),
		Squatted:  b.integerOr("squatted", squatted),
		WorstCase: b.boolean("worst_case"),
	}
}
