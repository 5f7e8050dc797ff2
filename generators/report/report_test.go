package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pasvctl/pasvctl/generators"
	"github.com/pasvctl/pasvctl/generators/change"
	"github.com/pasvctl/pasvctl/generators/plan"
	"github.com/pasvctl/pasvctl/generators/sizing"
	"github.com/pasvctl/pasvctl/generators/spec"
)

var update = flag.Bool("update", false, "rewrite the examples' pages")

const examples = "../../examples"

// folders are those of the examples that have a page beside them.
var folders = []string{"quickstart", "nat", "fleet", "appliance", "containers", "existing"}

func example(t testing.TB, name string) *plan.Plan {
	t.Helper()
	dir := filepath.Join(examples, name)
	files, err := filepath.Glob(filepath.Join(dir, "*"+spec.Extension))
	if err != nil || len(files) == 0 {
		t.Fatalf("no spec in %s: %v", dir, err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	p, diags := generators.Load(os.DirFS(dir), files, generators.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p.Plan
}

func planned(t testing.TB, text string) *plan.Plan {
	t.Helper()
	p, diags := generators.Load(fstest.MapFS{"a.pasv.hcl": {Data: []byte(text)}}, []string{"a.pasv.hcl"}, generators.Options{})
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, text)
	}
	return p.Plan
}

// TestPages compares the examples' pages with what is committed beside them.
func TestPages(t *testing.T) {
	for _, name := range folders {
		page, file := HTML(example(t, name), nil), filepath.Join(examples, name, "report.html")
		if *update {
			if err := os.WriteFile(file, page, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		committed, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(committed, page) {
			t.Errorf("%s differs: see what changed with go test ./generators/report -update && git diff", file)
		}
		wellFormed(t, page)
	}
}

// wellFormed reads a page as XML, which is stricter than HTML: elements are closed
// where they belong, and no id comes twice. It holds that the page loads nothing.
func wellFormed(t *testing.T, page []byte) (headings []string) {
	t.Helper()
	ids, refers := map[string]bool{}, map[string]bool{}
	d := xml.NewDecoder(bytes.NewReader(page))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		e, is := token.(xml.StartElement)
		if !is {
			continue
		}
		switch e.Name.Local {
		case "script", "img", "iframe", "link", "object", "embed", "form", "base", "image":
			t.Errorf("the page has an element %s", e.Name.Local)
		case "h1", "h2", "h3", "h4":
			headings = append(headings, e.Name.Local)
		}
		for _, a := range e.Attr {
			switch name := a.Name.Local; {
			case name == "id" && ids[a.Value]:
				t.Errorf("the id %q comes twice", a.Value)
			case name == "id":
				ids[a.Value] = true
			case name == "href" && !strings.HasPrefix(a.Value, "#"):
				t.Errorf("a link leads out of the page: %q", a.Value)
			case name == "href":
				refers[a.Value[1:]] = true
			case name == "aria-labelledby" || name == "aria-describedby":
				refers[a.Value] = true
			case strings.HasPrefix(name, "on"), name == "src", name == "style":
				t.Errorf("the page has an attribute %s", name)
			}
		}
	}
	for id := range refers {
		if !ids[id] {
			t.Errorf("nothing has the id %q", id)
		}
	}
	for i, h := range headings {
		if i > 0 && h[1] > headings[i-1][1]+1 {
			t.Errorf("a heading %s follows %s", h, headings[i-1])
		}
	}
	return headings
}

// servers are all that a spec can name without a pin.
func servers() (names []string) {
	for _, p := range sizing.Profiles() {
		if p.FixedPorts == 0 {
			names = append(names, p.Name)
		}
	}
	return names
}

// drawnSpec is a spec of a few sites on all servers, with and without traffic,
// bursts, pins and TLS.
func drawnSpec(r *rand.Rand, sites, perHost int) string {
	var b strings.Builder
	all := servers()
	for i := range sites {
		host, on := i/perHost, i%perHost
		if on == 0 {
			fmt.Fprintf(&b, "host \"h%d\" {\n  addresses = [\"198.18.%d.%d\", \"2001:db8::%x\"]\n  avoid_ports = [\"30000-30999\"]\n}\n", host, host/250, 1+host%250, host+1)
		}
		server, sessions := all[r.IntN(len(all))], 1+r.IntN(300)
		fmt.Fprintf(&b, "site \"site-%04d\" {\n  host = \"h%d\"\n  server = %q\n  port = %d\n  clients = [\"10.%d.%d.0/24\", \"::/0\"]\n", i, host, server, 2500+on, i/256, i%256)
		fmt.Fprintf(&b, "  concurrency {\n    sessions = %d\n    sessions_per_address = %d\n  }\n", sessions, 1+r.IntN(sessions))
		if r.IntN(2) == 0 {
			fmt.Fprintf(&b, "  traffic {\n    transfers_per_second = %g\n    transfer_time = \"%dms\"\n    abandoned = %g\n", float64(sessions)/float64(60+r.IntN(200)), 1+r.IntN(2000), []float64{0, 0, 0.0001}[r.IntN(3)])
			if r.IntN(3) == 0 {
				fmt.Fprintf(&b, "    burst {\n      sessions = %d\n      within = \"%ds\"\n    }\n", 1+r.IntN(sessions), 1+r.IntN(20))
			}
			b.WriteString("  }\n")
			if r.IntN(4) == 0 {
				b.WriteString("  objective {\n    refused = 0.001\n  }\n")
			}
		}
		b.WriteString("}\n")
	}
	b.WriteString("target \"nftables\" {}\n")
	return b.String()
}

// draws are the plans that tests of every plan try: the examples and drawn specs.
func draws(t *testing.T) map[string]*plan.Plan {
	t.Helper()
	all := map[string]*plan.Plan{}
	for _, name := range folders {
		all[name] = example(t, name)
	}
	for seed := range uint64(12) {
		all[fmt.Sprint(seed)] = planned(t, drawnSpec(rand.New(rand.NewPCG(seed, 7)), 8, 4))
	}
	return all
}

// TestCurvesAgreeWithThePlan: at the ports that a site needs its curve is within the
// objective, with one fewer it is not, and if another bound sets the range the page
// names it. The point of the range is on the curve.
func TestCurvesAgreeWithThePlan(t *testing.T) {
	sites, above, elsewhere := 0, 0, 0
	for name, p := range draws(t) {
		page := string(HTML(p, nil))
		for _, s := range p.Sites {
			sites++
			need, within := s.Sizing.Ports, s.Sizing.Objective*(1+1e-9)
			points := drawnOf(s, true).Figure.Points
			at := map[int]float64{}
			for i, point := range points {
				at[point.Ports] = point.Share
				// The bound for clients that ask with several sessions at once is rough on
				// a few ports, far from any objective.
				rough := s.Traffic != nil && s.Traffic.Parallel > 1 && point.Share > 0.5
				if i > 0 && (point.Ports <= points[i-1].Ports || point.Share > points[i-1].Share*(1+1e-9) && !rough) {
					t.Errorf("%s, %s: the curve does not fall: %v", name, s.Name, points)
				}
			}
			switch share, drawn := at[need]; {
			case !drawn:
				t.Errorf("%s, %s: the curve has no point at %d ports", name, s.Name, need)
			case share > within:
				t.Errorf("%s, %s: the curve refuses %v with the planned %d ports, and %v may be", name, s.Name, share, need, s.Sizing.Objective)
			}
			if s.Refused > within {
				above++
				if !strings.Contains(page, "because of the listen race, which does not count") {
					t.Errorf("%s, %s: the page does not say that a start refuses %v", name, s.Name, s.Refused)
				}
			}
			if need == 1 {
				continue
			}
			share, drawn := at[need-1]
			if !drawn {
				t.Errorf("%s, %s: the curve has no point at %d ports", name, s.Name, need-1)
			}
			if share <= within {
				elsewhere++
				if says := fmt.Sprintf("the bound &#34;%s&#34; rules that out", s.Sizing.Binding); !strings.Contains(page, says) {
					t.Errorf("%s, %s: %d ports would refuse %v, and the page does not say %s", name, s.Name, need-1, share, says)
				}
			}
			if on := drawnOf(s, false).Steady; on != s.Refused && s.Refused <= within {
				t.Errorf("%s, %s: the range refuses %v, the curve says %v", name, s.Name, s.Refused, on)
			}
		}
	}
	t.Logf("%d sites: on %d the listen race of a start is above the objective, on %d another bound sets the range", sites, above, elsewhere)
	if sites < 90 || above == 0 {
		t.Errorf("%d sites, %d of them with the race: too few for the test to hold anything", sites, above)
	}
}

// TestSameBytes: the same plan gives the same page, which is well formed, whatever
// is drawn.
func TestSameBytes(t *testing.T) {
	for name, p := range draws(t) {
		first, second := HTML(p, nil), HTML(p, nil)
		if !bytes.Equal(first, second) {
			t.Errorf("%s: drawn twice, and the second time was different", name)
		}
		wellFormed(t, first)
	}
}

// TestNothingMeets: the labels of a row have room beside each other and in the figure.
func TestNothingMeets(t *testing.T) {
	apart := func(name string, labels []label, left, right float64) {
		t.Helper()
		for i, a := range labels {
			if float64(a.X)-a.width()/2 < left-0.1 || float64(a.X)+a.width()/2 > right+0.1 {
				t.Errorf("%s: %q is outside of the figure", name, a.Text)
			}
			for _, b := range labels[:i] {
				if gap := max(a.X-b.X, b.X-a.X); a.Row == b.Row && float64(gap) < (a.width()+b.width())/2-0.1 {
					t.Errorf("%s: %q and %q meet", name, a.Text, b.Text)
				}
			}
		}
	}
	for name, p := range draws(t) {
		for i, h := range p.Hosts {
			for _, b := range mapOf(h, i).Bars {
				apart(name+" "+h.Name, b.Labels, 0, figureWidth)
			}
		}
		for _, s := range p.Sites {
			f := drawnOf(s, true).Figure
			apart(name+" "+s.Name, f.Letters, plot.left, figureWidth)
			apart(name+" "+s.Name, f.Guesses, plot.left-10, figureWidth)
			apart(name+" "+s.Name, []label{f.Planned}, plot.left, figureWidth)
			apart(name+" "+s.Name, []label{f.AtMost}, plot.left, plot.right)
		}
	}
}

// TestBandsAreToScale: a band begins and ends where its ports do.
func TestBandsAreToScale(t *testing.T) {
	for name, p := range draws(t) {
		for i, h := range p.Hosts {
			for _, b := range mapOf(h, i).Bars {
				data := slices.DeleteFunc(slices.Clone(b.Bands), func(d band) bool { return d.Kind != "data" })
				var ranges []spec.PortRange
				for _, s := range h.Sites {
					if b.Window.Overlaps(s.DataPorts) {
						ranges = append(ranges, s.DataPorts)
					}
				}
				if b.Whole {
					ranges = spec.Merged(ranges)
				}
				width := 0.0
				for _, r := range ranges {
					width += max(0.6, (barRight-barLeft)*float64(r.Count())/float64(b.Window.Count()))
				}
				drawn := 0.0
				for _, d := range data {
					drawn += float64(d.W)
					if float64(d.X) < barLeft-0.1 || float64(d.X+d.W) > barRight+0.7 || d.Y < 0 || d.Y+d.H > barHeight+0.01 {
						t.Errorf("%s: a band of %s is outside of its bar: %+v", name, h.Name, d)
					}
				}
				if diff := drawn - width; diff > 0.1 || diff < -0.1 {
					t.Errorf("%s: the data ports of %s in %s are %v wide, not %v", name, h.Name, b.Window, drawn, width)
				}
			}
		}
	}
}

// TestManySites: a page of 1,000 different sites is of less than 5 MB and says that
// it draws less, and equal sites share what is drawn.
func TestManySites(t *testing.T) {
	page := HTML(planned(t, drawnSpec(rand.New(rand.NewPCG(1, 1)), 1000, 40)), nil)
	wellFormed(t, page)
	if len(page) > 5_000_000 {
		t.Errorf("the page has %d bytes", len(page))
	}
	if !bytes.Contains(page, []byte("more than 100 sites")) {
		t.Error("the page does not say that it draws less")
	}
	var equal strings.Builder
	equal.WriteString("host \"h\" {\n  addresses = [\"198.18.0.1\"]\n}\n")
	for i := range 50 {
		fmt.Fprintf(&equal, "site \"s%d\" {\n  host = \"h\"\n  server = \"vsftpd\"\n  port = %d\n  concurrency {\n    sessions = 10\n  }\n}\n", i, 2500+i)
	}
	page = HTML(planned(t, equal.String()), nil)
	wellFormed(t, page)
	if n := bytes.Count(page, []byte(`class="curve own" d="M78`)); n != 1 {
		t.Errorf("50 equal sites have %d curves", n)
	}
	if n := bytes.Count(page, []byte(`<use href="#f1"/>`)); n != 49 {
		t.Errorf("50 equal sites use the curve %d times", n)
	}
}

// TestNoMoreIsPromised: a large share is no "1 in 3", a range that is larger than what
// is computed is told apart from it, and a start of all sessions is not left out.
func TestNoMoreIsPromised(t *testing.T) {
	for share, want := range map[float64]string{0: "No", 0.398: "39.8 %", 0.05: "1 in 20", 0.000998: "1 in 1,000", 1e-6: "1 in 1,000,000", 9.5e-5: "1 in 11,000"} {
		if got := oneIn(share); got != want {
			t.Errorf("%g is %s, want %s", share, got, want)
		}
	}
	fleet := string(HTML(example(t, "fleet"), nil))
	for _, want := range []string{`Computed</th><td class="n">1,317</td><td>enough; 1,399 are open`, "82 more than needed", "more if sessions start together on 6 sites"} {
		if !strings.Contains(fleet, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	const shared = `host "h" { addresses = ["203.0.113.10", "203.0.113.11"] }
site "a" {
  host        = "h"
  addresses   = ["203.0.113.10"]
  server      = "proftpd"
  port        = 21
  data_ports  = "20000-20099"
  concurrency { sessions = 20 }
}
site "b" {
  host        = "h"
  addresses   = ["203.0.113.11"]
  server      = "proftpd"
  port        = 21
  data_ports  = "20000-20099"
  concurrency { sessions = 20 }
}
`
	if page := string(HTML(planned(t, shared), nil)); !strings.Contains(page, "Of 65,535 ports 100 carry data") || !strings.Contains(page, "200 data ports for 2 sites") {
		t.Error("the page does not count ports that two addresses have once")
	}
	if page := string(HTML(example(t, "quickstart"), nil)); strings.Contains(page, "start together") {
		t.Error("a page without such a site speaks of sessions that start together")
	}
}

// TestHostileNames: whatever a name says, it is text.
func TestHostileNames(t *testing.T) {
	const markup = `</title></style><script>alert(1)</script><img src=x onerror=alert(2)>"'&{{.}}]]>-->`
	for _, name := range []string{markup, strings.Repeat("W", 255), "\u202eabc\u2066\x00\x1b[31m", "javascript:alert(1)", "مثال نص"} {
		p := example(t, "quickstart")
		p.SpecName = name
		s := p.Sites[0]
		s.Profile.Title, s.Sizing.Bounds[0].Why, s.Sizing.OnePort.Why = name, name, name
		s.Remarks = []sizing.Remark{{Name: plan.RemarkTogether, Summary: name}}
		c := change.Between(example(t, "nat"), p, nil)
		page := HTML(p, c)
		wellFormed(t, page)
		for _, part := range []string{"<script", "<img", "\u202e", "\u2066", "\x00", "\x1b"} {
			if bytes.Contains(page, []byte(part)) {
				t.Errorf("with the name %q the page has %q", name, part)
			}
		}
	}
}

// TestChange: the page says what has changed, with nothing of the text's marks.
func TestChange(t *testing.T) {
	page := string(HTML(example(t, "nat"), change.Between(example(t, "quickstart"), example(t, "nat"), nil)))
	headings := wellFormed(t, []byte(page))
	if strings.Contains(page, "`") {
		t.Error("the page has backticks")
	}
	if !strings.Contains(page, `<h2 id="h-change">What changes</h2>`) || !slices.Contains(headings, "h3") {
		t.Error("the page does not say what changes")
	}
	if strings.Contains(string(HTML(example(t, "nat"), nil)), "What changes") {
		t.Error("a page without a change speaks of one")
	}
}

func BenchmarkHTML(b *testing.B) {
	for _, sites := range []int{9, 100, 1000} {
		p := planned(b, drawnSpec(rand.New(rand.NewPCG(1, 1)), sites, 40))
		b.Run(fmt.Sprintf("sites=%d", sites), func(b *testing.B) {
			for b.Loop() {
				b.SetBytes(int64(len(HTML(p, nil))))
			}
		})
	}
}

// TestPicture compares the README's picture with what SVG draws of its example.
func TestPicture(t *testing.T) {
	const file = "../../.github/quickstart.svg"
	picture := SVG(example(t, "quickstart").Sites[0], "Refused data connections against open ports: 400 sessions, 50 behind one address")
	if *update {
		if err := os.WriteFile(file, picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(committed, picture) {
		t.Errorf("%s differs: go test ./generators/report -run TestPicture -update", file)
	}
	wellFormed(t, picture)
}
