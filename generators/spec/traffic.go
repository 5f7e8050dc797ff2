package spec

import (
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

// Bounds of the figures that sizing rests on.
const (
	maxSessions    = 100_000
	maxRate        = 1_000_000 // a second
	minDuration    = time.Millisecond
	maxDuration    = 24 * time.Hour
	minRefused     = 1e-12
	maxRefused     = 0.5
	maxSquatted    = 60_000
	maxPeakFactor  = 1000
	maxConnections = 10_000 // of a burst's session

	defaultConnect  = 200 * time.Millisecond
	defaultTransfer = time.Second
	defaultMaxWait  = time.Second
)

type rawConcurrency struct {
	Sessions           *hcl.Attribute `hcl:"sessions,optional"`
	SessionsPerAddress *hcl.Attribute `hcl:"sessions_per_address,optional"`
	DefRange           hcl.Range      `hcl:",def_range"`
}

func decodeConcurrency(site *block, r *rawConcurrency) (sessions, perAddress int) {
	if r == nil {
		site.missing("concurrency", "Add a block that says how many control connections the server admits at once: concurrency { sessions = 100 }.")
		return 0, 0
	}
	b := site.in("concurrency", r.DefRange)
	sessions = b.integer("sessions", r.Sessions, 1, maxSessions, 0)
	b.missing("sessions", "Write how many control connections the server admits at once: its own cap, like sessions = 100.")
	perAddress = b.integer("sessions_per_address", r.SessionsPerAddress, 1, maxSessions, sessions)
	if sessions > 0 && perAddress > sessions {
		b.err("sessions_per_address", finding.ConflictingValues, "sessions_per_address is %s, but the site admits only %s sessions in all. Lower it to %d or less, or raise sessions.",
			sizing.Count(perAddress), sizing.Count(sessions), sessions)
	}
	return sessions, perAddress
}

type rawTraffic struct {
	TransfersPerSecond           *hcl.Attribute `hcl:"transfers_per_second,optional"`
	TransfersPerSecondPerAddress *hcl.Attribute `hcl:"transfers_per_second_per_address,optional"`
	ConnectTime                  *hcl.Attribute `hcl:"connect_time,optional"`
	ConnectTimeP99               *hcl.Attribute `hcl:"connect_time_p99,optional"`
	TransferTime                 *hcl.Attribute `hcl:"transfer_time,optional"`
	Abandoned                    *hcl.Attribute `hcl:"abandoned,optional"`
	ClientPorts                  *hcl.Attribute `hcl:"client_ports,optional"`
	PeakFactor                   *hcl.Attribute `hcl:"peak_factor,optional"`
	Parallel                     *hcl.Attribute `hcl:"parallel,optional"`
	Bursts                       []rawBurst     `hcl:"burst,block"`
	DefRange                     hcl.Range      `hcl:",def_range"`
}

func decodeTraffic(site *block, r *rawTraffic, sessions, perAddress int) *sizing.Traffic {
	if r == nil {
		return nil
	}
	b := site.in("traffic", r.DefRange)
	t := &sizing.Traffic{
		Connect:     b.duration("connect_time", r.ConnectTime, defaultConnect),
		Transfer:    b.duration("transfer_time", r.TransferTime, defaultTransfer),
		Abandoned:   b.share("abandoned", r.Abandoned, 0, 1, true, 0),
		ClientPorts: b.integer("client_ports", r.ClientPorts, 1, sizing.MaxPorts, sizing.DefaultClientPorts),
		PeakFactor:  b.share("peak_factor", r.PeakFactor, 1, maxPeakFactor, false, 1),
		Parallel:    b.integer("parallel", r.Parallel, 1, sizing.MaxParallel, 1),
	}
	t.ConnectP99 = b.connectTimeP99(r.ConnectTimeP99, t.Connect)
	var ok bool
	t.Rate, ok = b.rate("transfers_per_second", r.TransfersPerSecond)
	b.missing("transfers_per_second", "Write how many data connections clients ask for a second at peak, LIST included, or remove the traffic block: then the worst case is computed.")
	t.RatePerAddress, _ = b.rate("transfers_per_second_per_address", r.TransfersPerSecondPerAddress)
	if ok && t.RatePerAddress > t.Rate {
		b.err("transfers_per_second_per_address", finding.ConflictingValues, "one address asks for %g transfers a second, but all together for %g. Lower it, or raise transfers_per_second.",
			t.RatePerAddress, t.Rate)
	}
	if perAddress > 0 && t.Parallel > perAddress {
		b.err("parallel", finding.ConflictingValues, "a client asks with %d sessions at once, but concurrency admits only %d of one address. Lower parallel, or raise sessions_per_address.",
			t.Parallel, perAddress)
	}
	t.Bursts = decodeBursts(b, r.Bursts, sessions)
	return t
}

type rawBurst struct {
	Sessions    *hcl.Attribute `hcl:"sessions,optional"`
	Within      *hcl.Attribute `hcl:"within,optional"`
	Connections *hcl.Attribute `hcl:"connections,optional"`
	DefRange    hcl.Range      `hcl:",def_range"`
}

// decodeBursts reads the burst blocks of a traffic block.
func decodeBursts(traffic *block, raw []rawBurst, sessions int) (all sizing.Bursts) {
	for i, r := range raw {
		for _, attr := range []string{"sessions", "within", "connections"} {
			delete(traffic.ranges, "traffic.burst."+attr) // of the burst before
		}
		b := traffic.in("traffic.burst", r.DefRange)
		if i == sizing.MaxBursts {
			b.errAt(r.DefRange, finding.SpecTooComplex, "traffic has %d burst blocks, more than %d. Keep the largest ones: each counts apart from the others.", len(raw), sizing.MaxBursts)
			return all
		}
		each := sizing.Burst{
			Sessions:    b.integer("sessions", r.Sessions, 1, maxSessions, 0),
			Within:      b.duration("within", r.Within, 0),
			Connections: b.integer("connections", r.Connections, 1, maxConnections, 1),
		}
		b.missing("sessions", "Write how many sessions start together, like sessions = 100.")
		b.missing("within", `Write within how much time they start, like within = "10s".`)
		if sessions > 0 && each.Sessions > sessions {
			b.err("sessions", finding.ConflictingValues, "%s sessions start together, but the site admits only %s at once. Lower it, or raise concurrency.sessions.",
				sizing.Count(each.Sessions), sizing.Count(sessions))
		}
		all[i] = each
	}
	return all
}

// connectTimeP99 reads the connect time that one connection in a hundred
// exceeds; 0 where it is not given.
func (b *block) connectTimeP99(attr *hcl.Attribute, mean time.Duration) time.Duration {
	const name = "connect_time_p99"
	p99 := b.duration(name, attr, 0)
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

type rawObjective struct {
	Refused   *hcl.Attribute `hcl:"refused,optional"`
	MaxWait   *hcl.Attribute `hcl:"max_wait,optional"`
	Squatted  *hcl.Attribute `hcl:"squatted,optional"`
	WorstCase *hcl.Attribute `hcl:"worst_case,optional"`
	DefRange  hcl.Range      `hcl:",def_range"`
}

func decodeObjective(site *block, server sizing.Profile, r *rawObjective) sizing.Objective {
	squatted := 1
	if server.HoldsRange {
		squatted = 0
	}
	if r == nil {
		return sizing.Objective{MaxWait: defaultMaxWait, Squatted: squatted}
	}
	b := site.in("objective", r.DefRange)
	o := sizing.Objective{
		Refused:   b.share("refused", r.Refused, minRefused, maxRefused, false, sizing.DefaultRefused),
		MaxWait:   b.duration("max_wait", r.MaxWait, defaultMaxWait),
		Squatted:  b.integer("squatted", r.Squatted, 0, maxSquatted, squatted),
		WorstCase: b.boolean("worst_case", r.WorstCase, false),
	}
	if !b.has("refused") {
		o.Refused = 0 // the server's default, which sizing knows
	}
	return o
}
