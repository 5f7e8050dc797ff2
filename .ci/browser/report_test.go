package browser

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
)

// report writes the spec's report.
func report(t *testing.T, spec string, more ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	start := time.Now()
	if out, err := exec.Command(program, append([]string{"report", spec, "-o", file}, more...)...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", spec, err, out)
	}
	t.Logf("%s took %v", filepath.Base(spec), time.Since(start).Round(time.Millisecond))
	return file
}

// look is everything that can be seen wrong with the page in one view.
func (tab *tab) look(v view) []string {
	tab.t.Helper()
	tab.show(v)
	faults := append(tab.barriers(), tab.said()...)
	faults = append(faults, tab.laidOut(v)...)
	if v.width < 1000 && v != screens[0] { // drawings are as large as in the widest, and in the same places in the light
		return faults
	}
	return append(faults, tab.pale()...)
}

// onPaper is everything that can be seen wrong with the page when it is printed.
func (tab *tab) onPaper() (faults []string) {
	tab.t.Helper()
	tab.show(paper)
	for _, fault := range append(tab.laidOut(paper), tab.pale()...) {
		faults = append(faults, "print: "+fault)
	}
	return append(faults, tab.printed()...)
}

func TestReport(t *testing.T) {
	locks, err := filepath.Glob("../../examples/*/pasvctl.lock.hcl")
	if err != nil || len(locks) < 6 {
		t.Fatal("no examples: ", locks, err)
	}
	for _, lock := range locks {
		example := filepath.Dir(lock)
		t.Run(filepath.Base(example), func(t *testing.T) {
			t.Parallel()
			fine(t, report(t, example), screens)
		})
	}
	t.Run("hostile", func(t *testing.T) {
		t.Parallel()
		fine(t, report(t, hostile(t)), extremes)
	})
	t.Run("changed", func(t *testing.T) {
		t.Parallel()
		fine(t, report(t, "../../examples/quickstart", "--against", "../../examples/nat"), extremes)
	})
	t.Run("many", func(t *testing.T) {
		t.Parallel()
		fine(t, report(t, many(t, 8)), extremes)
	})
}

// fine checks that nobody finds a fault with the page.
func fine(t *testing.T, file string, views []view) {
	tab := open(t, file)
	for _, v := range views {
		t.Run(v.String(), func(t *testing.T) {
			tab.t = t
			none(t, tab.look(v))
		})
	}
	tab.t = t
	none(t, tab.spoken())
	none(t, tab.keyboard())
	none(t, tab.onPaper())
}

func none(t *testing.T, faults []string) {
	t.Helper()
	for i, fault := range faults {
		if i == 20 {
			t.Errorf("and %d more", len(faults)-i)
			break
		}
		t.Error(fault)
	}
}

// The page is the same bytes wherever the spec is, and says the same to a reader whose browser runs no scripts.
func TestSameForEverybody(t *testing.T) {
	file := report(t, "../../examples/fleet")
	elsewhere := filepath.Join(t.TempDir(), "else where")
	if err := os.CopyFS(elsewhere, os.DirFS("../../examples/fleet")); err != nil {
		t.Fatal(err)
	}
	here, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	there, err := os.ReadFile(report(t, elsewhere))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(here, there) {
		t.Error("two folders, two reports")
	}
	tab := open(t, file)
	tab.show(screens[0])
	with := tab.words()
	call(tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	tab.show(screens[0])
	if without := tab.words(); len(with) < 100 || !slices.Equal(with, without) {
		t.Errorf("%d words with scripts, %d without", len(with), len(without))
	}
}

// hostile is a spec with the longest names, and with the one text that it takes as it is.
func hostile(t *testing.T) string {
	const title = `</title><script>console.error("title")</script><img src=x onerror=console.error(1)>&quot;{{.}}`
	text := fmt.Sprintf(`
profile "appliance" {
  title = "%s%s"
  hold  = "transfer"
  pick  = "random"
  draws = 9
}
host "a-host-with-a-long-name1" {
  addresses       = ["203.0.113.10", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:1", "2001:db8:aaaa:bbbb:cccc:dddd:eeee:2"]
  ephemeral_ports = "10000-60999"
  avoid_ports     = [for i in range(40) : "${64300 + 30 * i}"]
}
site "a-site-with-a-long-name1" {
  host    = "a-host-with-a-long-name1"
  server  = "appliance"
  port    = 21
  clients = concat([for i in range(60) : "198.51.100.${i}"], [for i in range(60) : "2001:db8:ffff:ffff:ffff:ffff:ffff:${i}/128"])
  concurrency {
    sessions             = 200
    sessions_per_address = 200
  }
}
site "one" {
  host   = "a-host-with-a-long-name1"
  server = "embedded"
  port   = 65535
  announce = "%s.example"
  concurrency {
    sessions = 1
  }
}
`, strings.ReplaceAll(title, `"`, `\"`), strings.Repeat("unbroken", 12), strings.Repeat("a-long-name-of-a-gateway.", 7)+"a-long-name")
	return spec(t, text)
}

func spec(t *testing.T, text string) string {
	file := filepath.Join(t.TempDir(), "main.pasv.hcl")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// many is a spec of so many sites, none like another, eight to a host.
func many(t *testing.T, sites int) string {
	var text strings.Builder
	servers := []string{"vsftpd", "proftpd", "pureftpd", "embedded", "sftpgo"}
	for i := range sites {
		if i%8 == 0 {
			fmt.Fprintf(&text, "host \"edge%d\" {\n  addresses = [\"10.%d.%d.1\"]\n}\n", i/8, i/8/256, i/8%256)
		}
		fmt.Fprintf(&text, "site \"site%d\" {\n  host = \"edge%d\"\n  server = %q\n  port = %d\n  concurrency {\n    sessions = %d\n    sessions_per_address = %d\n  }\n",
			i, i/8, servers[i%len(servers)], 2100+i%8, 20+i%250, 2+i%17)
		if i%3 == 0 {
			fmt.Fprintf(&text, "  traffic {\n    transfers_per_second = %d\n    connect_time = \"%dms\"\n    transfer_time = \"1s\"\n  }\n", 2+i%11, 50+i)
		}
		if server := servers[i%len(servers)]; server != "proftpd" && server != "pureftpd" { // whose listen race bounds it
			fmt.Fprintf(&text, "  objective {\n    refused = 1e-%d\n  }\n", 2+i%4)
		}
		text.WriteString("}\n")
	}
	return spec(t, text.String())
}

// More than 60 sites are shown in brief. Of 1,000 only what is quick is checked: it is the page of 200, longer.
func TestManySites(t *testing.T) {
	for _, sites := range []int{200, 1000} {
		t.Run(fmt.Sprint(sites), func(t *testing.T) {
			t.Parallel()
			file := report(t, many(t, sites))
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d bytes", info.Size())
			if info.Size() > 5_000_000 {
				t.Errorf("%d bytes for %d sites", info.Size(), sites)
			}
			tab := open(t, file)
			for _, v := range []view{screens[0], screens[2]} {
				tab.show(v)
				none(t, tab.said())
				none(t, tab.laidOut(v))
			}
			if sites == 200 {
				tab.show(screens[2])
				none(t, tab.barriers())
				none(t, tab.spoken())
			}
		})
	}
}

// check is the one that says this first word of its faults.
func (tab *tab) check(word string) []string {
	tab.t.Helper()
	tab.show(screens[0])
	switch word {
	case "axe":
		return tab.barriers()
	case "console", "request":
		return tab.said()
	case "contrast":
		return tab.pale()
	case "keyboard":
		return tab.keyboard()
	case "print":
		return tab.onPaper()
	case "spoken":
		return tab.spoken()
	}
	return tab.laidOut(screens[0])
}

// A check that never fails checks nothing: each change of the page must be noticed by the check that is for it.
func TestFaultsAreNoticed(t *testing.T) {
	original, err := os.ReadFile(report(t, "../../examples/quickstart"))
	if err != nil {
		t.Fatal(err)
	}
	const end = `</main>`
	for _, change := range []struct{ old, new, fault string }{
		{end, `<p style="width: 2000px">wide</p>` + end, `overflow: `},
		{end, `<p style="width: 3em; overflow-wrap: normal">unbrokenword</p>` + end, `cut: "unbrokenword" is wider than its box`},
		{end, `<p style="width: 5em; overflow: hidden; white-space: nowrap">more than five letters</p>` + end, `cut: "more`},
		{end, `<div style="width: 5em; overflow-x: auto; white-space: nowrap">more than five letters</div>` + end, `scroll: DIV`},
		{end, `<p style="position: relative; height: 2em"><span style="position: absolute">one</span><span style="position: absolute">two</span></p>` + end, `overlap: "one" and "two"`},
		{`<meta name="viewport"[^>]*>`, ``, `overflow: the page is laid out for`},
		{end, `<script>1</script>` + end, `script: `},
		{end, `<p onclick="1">text</p>` + end, `script: `},
		{`(?s)<meta http-equiv.*` + end, `${0}<script>console.warn(1)</script>`, `console: `},
		{`<meta http-equiv[^>]*>`, `<script>console.error(1)</script>`, `console: error`},
		{`<meta http-equiv[^>]*>`, `<img alt="" src="http://127.0.0.1:9/x.png">`, `request: http://127.0.0.1:9/x.png`},
		{`<style>`, `<style>@import "other.css";`, `console: `},
		{end, `<p id="twice">1</p><p id="twice">2</p>` + end, `id: twice`},
		{end, `<p style="color: #ccc; background: #fff">grey</p>` + end, `axe: color-contrast`},
		{`</header>`, `<input></header>`, `axe: label`},
		{`<html lang="en"`, `<html`, `axe: html-has-lang`},
		{end, `<h6>deep</h6>` + end, `axe: heading-order`},
		{`<main`, `<main></main><main`, `axe: landmark-`},
		{`<svg([^>]*)>\s*<title[^>]*>[^<]*</title>`, `<svg$1>`, `spoken: a drawing has no name`},
		{`<desc[^>]*>[^<]*</desc>`, ``, `spoken: the drawing`},
		{`<caption[^>]*>[^<]*</caption>`, ``, `spoken: a table has no name`},
		{end, `<table><caption>none</caption><tr><td>1</td><td>2</td></tr><tr><td>1</td><td>2</td></tr></table>` + end, `spoken: the table "none" has no headers`},
		{end, `<a href="#top" tabindex="-1">link</a>` + end, `keyboard: does not reach`},
		{`</style>`, `a:focus, summary:focus { outline: none !important }</style>`, `keyboard: the focus is not seen`},
		{`</style>`, `svg text { fill: #999 !important }</style>`, `contrast: `},
		{`</style>`, `svg { max-width: 30px !important }</style>`, `small: `},
		{`(<svg[^>]*role="img"[^>]*>.*?)<text`, `$1<text x="-30" y="20">outside</text><text`, `cut: "outside" is not within its drawing`},
		{`</style>`, `.curve { stroke-dasharray: none !important; stroke-width: 1px !important; marker: none !important }</style>`, `colour: `},
		{`</style>`, `@media print { .card { width: 2000px } }</style>`, `print: overflow: `},
		{`</style>`, `@page { size: letter !important }</style>`, `print: a sheet is`},
		{`</body>`, `<p style="break-before: page">alone</p></body>`, `print: sheet`},
		{`</style>`, `.card { break-inside: auto !important; margin-top: 200px } @media print { .card { height: 800px } }</style>`, `print: card`},
	} {
		t.Run(change.fault+change.new, func(t *testing.T) {
			t.Parallel()
			old := regexp.MustCompile(`(?s)` + change.old)
			if !old.Match(original) {
				t.Fatalf("the page has no %s", change.old)
			}
			file := filepath.Join(t.TempDir(), "report.html")
			if err := os.WriteFile(file, old.ReplaceAll(original, []byte(change.new)), 0o600); err != nil {
				t.Fatal(err)
			}
			faults := open(t, file).check(strings.SplitN(change.fault, ":", 2)[0])
			if !slices.ContainsFunc(faults, func(fault string) bool { return strings.HasPrefix(fault, change.fault) }) {
				t.Errorf("noticed only %q", faults)
			}
		})
	}
}
