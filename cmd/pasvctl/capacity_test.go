package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/finding"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// tooSmall are the rules by which plan refuses a range for what it carries.
var tooSmall = []*finding.Rule{finding.RangeTooSmall, finding.NoRangeSuffices, finding.Overload, finding.RangeFixed}

// planAccepts plans a site of that many sessions on a range.
func planAccepts(t *testing.T, server string, r spec.PortRange, sessions, perAddress int, tls bool, traffic string) bool {
	t.Helper()
	if perAddress == 0 || perAddress > sessions {
		perAddress = sessions
	}
	demanded := ""
	if tls {
		demanded = "tls {\n required = true\n certificate = \"/c\"\n key = \"/k\"\n}\n"
	}
	text := fmt.Sprintf("host \"a\" {\n addresses = [\"192.0.2.1\"]\n ephemeral_ports = \"1024-1100\"\n}\nsite \"s\" {\n host = \"a\"\n server = %q\n port = 21\n data_ports = %q\n concurrency {\n sessions = %d\n sessions_per_address = %d\n}\n%s%s}\n",
		server, r, sessions, perAddress, demanded, traffic)
	_, diags := generators.Load(fstest.MapFS{"a.pasv.hcl": {Data: []byte(text)}}, []string{"a.pasv.hcl"}, generators.Options{})
	for _, d := range diags {
		if d.Severity == 1 && !slices.Contains(tooSmall, finding.Of(d)) {
			t.Fatalf("%v\n%s", d, text)
		}
	}
	return !diags.HasErrors()
}

// randomTraffic is a traffic block, and the same as flags; "" is none.
func randomTraffic(r *rand.Rand) (block string, flags []string) {
	if r.IntN(3) == 0 {
		return "", nil
	}
	block = "traffic {\n"
	argument := func(name, value, quote string) {
		block += fmt.Sprintf(" %s = %s%s%s\n", name, quote, value, quote)
		flags = append(flags, "--"+strings.ReplaceAll(name, "_", "-"), value)
	}
	argument("transfers_per_second", fmt.Sprint(1+r.IntN(40)), "")
	if r.IntN(2) == 0 {
		argument("connect_time", fmt.Sprintf("%dms", 1+r.IntN(400)), `"`)
		argument("transfer_time", fmt.Sprintf("%dms", 1+r.IntN(4000)), `"`)
		argument("peak_factor", fmt.Sprint(1+r.IntN(3)), "")
	}
	if r.IntN(4) == 0 {
		argument("abandoned", "0.002", "")
		argument("client_ports", fmt.Sprint(5000+r.IntN(20000)), "")
	}
	if r.IntN(4) == 0 {
		argument("parallel", fmt.Sprint(1+r.IntN(4)), "")
	}
	if r.IntN(4) == 0 {
		n, within, each := 1+r.IntN(200), 1+r.IntN(60), 1+r.IntN(4)
		block += fmt.Sprintf(" burst {\n sessions = %d\n within = \"%ds\"\n connections = %d\n}\n", n, within, each)
		flags = append(flags, "--burst", fmt.Sprintf("sessions=%d,within=%ds,connections=%d", n, within, each))
	}
	return block + "}\n", flags
}

// TestPlanAcceptsWhatCapacityPrints: on every server plan accepts the sessions
// that are printed and refuses one more; if it prints any number, 100,000.
func TestPlanAcceptsWhatCapacityPrints(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 6))
	kinds := map[string]int{}
	for range 8 { // some 600 plans
		first := 20_000 + r.IntN(20_000)
		last := first + r.IntN([]int{1, 15, 200, 3000}[r.IntN(4)])
		ports := spec.PortRange{First: uint16(first), Last: uint16(last)}
		if r.IntN(5) == 0 {
			ports = spec.PortRange{First: 8192, Last: 8200} // the ones of AWS Transfer Family
		}
		block, flags := randomTraffic(r)
		perAddress := 0
		if r.IntN(2) == 0 {
			perAddress = 4 + r.IntN(40)
			flags = append(flags, "--sessions-per-address", fmt.Sprint(perAddress))
		}
		code, stdout, stderr := pasvctl(append([]string{"capacity", ports.String(), "--json"}, flags...)...)
		var got struct{ Capacities []capacity }
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != exitDone || len(got.Capacities) < 13 {
			t.Fatalf("%v: %d, %v: %s", flags, code, err, stderr)
		}
		for _, c := range got.Capacities {
			check := func(what string, n *carried, ports spec.PortRange, traffic string) {
				accepts := func(sessions int) bool {
					return planAccepts(t, c.Server, ports, sessions, perAddress, c.SessionReuse, traffic)
				}
				told := fmt.Sprintf("%s on %s, %s, %v: %+v", c.Server, ports, what, flags, n)
				switch {
				case n.AnyNumber:
					kinds["any"]++
					if n.Sessions != spec.MaxSessions || !accepts(spec.MaxSessions) {
						t.Errorf("%s: plan refuses 100,000", told)
					}
				case n.Sessions == 0:
					kinds["none"]++
					if n.Error == "" || traffic == "" && accepts(1) {
						t.Errorf("%s: plan accepts 1", told)
					}
				default:
					kinds["some"]++
					if !accepts(n.Sessions) {
						t.Errorf("%s: plan refuses them", told)
					}
					if accepts(n.Sessions + 1) {
						t.Errorf("%s: plan accepts one more", told)
					}
				}
			}
			more := ports
			more.Last += 10
			check("worst case", &c.WorstCase, ports, "")
			if c.WorstCase.TenMore != nil {
				check("ten more", c.WorstCase.TenMore, more, "")
			}
			if (c.Traffic == nil) != (block == "") {
				t.Errorf("%v: %+v", flags, c)
			}
			if c.Traffic != nil {
				check("traffic", c.Traffic, ports, block)
			}
		}
	}
	if kinds["any"] < 10 || kinds["some"] < 40 || kinds["none"] < 5 {
		t.Errorf("too few of a kind: %v", kinds)
	}
}
