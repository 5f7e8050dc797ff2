package ftpload

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/pasvctl/pasvctl/generators/sizing/simulate"
)

// Kind says how a request for a data connection ended.
type Kind string

// The kinds. Those of Refusals count towards the refused share.
const (
	Done               Kind = "done"
	RefusedByReply     Kind = "refused by reply"       // 4xx or 5xx to PASV or EPSV
	SessionDropped     Kind = "session dropped"        // the control connection ended
	ReplyTimeout       Kind = "no reply in time"       // to PASV or EPSV
	ConnectRefused     Kind = "connection refused"     // a reset from the port
	ConnectTimeout     Kind = "connection timed out"   // nothing from the port
	ConnectFailed      Kind = "connection failed"      // any other error
	TransferRefused    Kind = "transfer refused"       // 4xx or 5xx to RETR, STOR or LIST
	TransferFailed     Kind = "transfer failed"        // began, but did not end well
	WrongContent       Kind = "wrong content"          // another session's data
	AbandonedOnPurpose Kind = "abandoned on purpose"   // Config.Abandoned
	Interrupted        Kind = "interrupted"            // by the end of the run
	OutsideRange       Kind = "port outside the range" // the server left the range
)

// refusals are the kinds in which the server had no passive port to give.
var refusals = map[Kind]bool{
	RefusedByReply: true, SessionDropped: true, ReplyTimeout: true,
	ConnectRefused: true, ConnectTimeout: true, ConnectFailed: true, OutsideRange: true,
}

// Report is the result of a run. Times are in seconds.
type Report struct {
	Asked        int            `json:"requests"`         // PASV or EPSV commands that count
	Refused      int            `json:"refused_requests"` // of them
	RefusedShare float64        `json:"refused"`          // share
	Low          float64        `json:"refused_low"`      // 95 % interval
	High         float64        `json:"refused_high"`     // of the share
	Kinds        map[Kind]int   `json:"outcomes"`
	Replies      map[string]int `json:"replies,omitempty"` // refusing reply texts
	NoSession    int            `json:"without_session"`   // arrivals that found no session idle
	Reconnects   int            `json:"reconnects"`
	LoginErrors  map[string]int `json:"login_errors,omitempty"`
	MeanLate     float64        `json:"mean_late_seconds"` // of requests behind their schedule, at a rate
	MaxLate      float64        `json:"max_late_seconds"`
	Seconds      float64        `json:"duration_seconds"`
	Rate         float64        `json:"requests_per_second"` // data connections asked for a second
	Bytes        int64          `json:"carried_bytes"`
	MeanWait     float64        `json:"mean_wait_seconds"` // PASV to its reply, if a port was given
	MaxWait      float64        `json:"max_wait_seconds"`
	MeanListen   float64        `json:"mean_listen_seconds"` // reply to connection
	MeanAccept   float64        `json:"mean_accept_seconds"` // reply to the server's 1xx mark
	MeanHold     float64        `json:"mean_hold_seconds"`   // reply to the end of the transfer, or session
	Ports        int            `json:"ports"`               // different ones handed out
	LowestPort   uint16         `json:"lowest_port,omitempty"`
	HighestPort  uint16         `json:"highest_port,omitempty"`
	OwnFiles     bool           `json:"own_files"` // mix-ups of data would have been seen
}

// most is the number of different reply texts that are kept apart.
const most = 32

type tally struct {
	cfg *Config

	mu      sync.Mutex
	start   time.Time
	stop    time.Time
	r       Report
	ports   map[uint16]bool
	batches [][2]int // refused and asked by slice of time
	late    mean
	wait    mean
	listen  mean
	accept  mean
	hold    mean
}

type mean struct {
	sum float64
	n   int
	max float64
}

func (m *mean) add(d time.Duration) {
	m.sum += d.Seconds()
	m.n++
	m.max = math.Max(m.max, d.Seconds())
}

func (m *mean) value() float64 {
	if m.n == 0 {
		return 0
	}
	return m.sum / float64(m.n)
}

// timeSlices is the number of batches that the run's time is cut into for the
// interval: refusals come in clusters, so single requests are not independent.
const timeSlices = 20

func newTally(cfg *Config) *tally {
	return &tally{
		cfg:     cfg,
		ports:   map[uint16]bool{},
		batches: make([][2]int, timeSlices),
		r:       Report{Kinds: map[Kind]int{}, Replies: map[string]int{}, LoginErrors: map[string]int{}},
	}
}

func (t *tally) add(ev event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if ev.kind == Interrupted {
		return
	}
	if ev.outside && !refusals[ev.kind] {
		t.r.Kinds[OutsideRange]++
	}
	t.r.Kinds[ev.kind]++
	t.r.Bytes += ev.bytes
	slice := int(float64(timeSlices) * float64(ev.at.Sub(t.start)) / float64(t.cfg.Duration))
	b := &t.batches[min(max(slice, 0), timeSlices-1)]
	b[1]++
	t.r.Asked++
	if refusals[ev.kind] || ev.outside {
		b[0]++
		t.r.Refused++
	}
	if ev.port != 0 {
		t.ports[ev.port] = true
		t.wait.add(ev.wait)
	}
	if ev.kind == Done || ev.kind == WrongContent {
		t.listen.add(ev.listen)
		t.accept.add(ev.accept)
		t.hold.add(ev.hold)
	}
	if ev.detail != "" && ev.kind != Done {
		bump(t.r.Replies, ev.detail)
	}
}

func bump(counts map[string]int, text string) {
	if _, known := counts[text]; !known && len(counts) >= most {
		text = "others"
	}
	counts[text]++
}

// note changes the tally, which sessions share.
func (t *tally) note(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
}

// dispatched counts a request that came late by so much.
func (t *tally) dispatched(late time.Duration) { t.note(func() { t.late.add(max(late, 0)) }) }

func (t *tally) sofar() (asked, refused int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.r.Asked, t.r.Refused
}

// report closes the tally.
func (t *tally) report() *Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := &t.r
	r.OwnFiles = t.cfg.ownFiles()
	r.Seconds = t.stop.Sub(t.start).Seconds()
	if r.Asked > 0 {
		r.RefusedShare = float64(r.Refused) / float64(r.Asked)
		r.Low, r.High = interval(t.batches)
		r.Rate = float64(r.Asked) / r.Seconds
	}
	r.MeanWait, r.MaxWait = t.wait.value(), t.wait.max
	r.MeanLate, r.MaxLate = t.late.value(), t.late.max
	r.MeanListen, r.MeanAccept, r.MeanHold = t.listen.value(), t.accept.value(), t.hold.value()
	if ports := slices.Sorted(maps.Keys(t.ports)); len(ports) > 0 {
		r.Ports, r.LowestPort, r.HighestPort = len(ports), ports[0], ports[len(ports)-1]
	}
	return r
}

// interval is the 95 % interval of the refused share: the wider of Wilson's,
// which is right for independent requests and for none or few refusals, and
// the batch means' ratio estimate, which sees that refusals cluster.
func interval(batches [][2]int) (low, high float64) {
	var refused, asked float64
	for _, b := range batches {
		refused += float64(b[0])
		asked += float64(b[1])
	}
	if asked == 0 {
		return 0, 1
	}
	low, high = wilson(refused, asked)
	var squares float64
	used := 0
	p := refused / asked
	for _, b := range batches {
		if b[1] > 0 {
			d := float64(b[0]) - p*float64(b[1])
			squares += d * d
			used++
		}
	}
	if used > 1 {
		n := float64(used)
		half := simulate.Student(n-1) * math.Sqrt(squares*n/(n-1)) / asked
		low, high = math.Min(low, math.Max(0, p-half)), math.Max(high, math.Min(1, p+half))
	}
	return low, high
}

// wilson is Wilson's score interval (1927) at 95 %.
func wilson(hits, n float64) (low, high float64) {
	const z = 1.959964
	p := hits / n
	centre := p + z*z/(2*n)
	half := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return math.Max(0, (centre-half)/(1+z*z/n)), math.Min(1, (centre+half)/(1+z*z/n))
}
