// Package browser looks at the report in Chromium, as its readers see it: on narrow and wide screens, light and
// dark, on paper, with a screen reader and with a keyboard. It is not for what the report says: the goldens of
// generators are.
package browser

import (
	"context"
	_ "embed"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// view is how the page is looked at.
type view struct {
	width  int64 // in CSS pixels; below 600 it is a telephone's
	scheme string
	media  string // "screen" or "print"
}

func (v view) String() string { return fmt.Sprintf("%d-%s-%s", v.width, v.scheme, v.media) }

var screens = []view{
	{360, "light", "screen"}, {768, "light", "screen"}, {1440, "light", "screen"},
	{360, "dark", "screen"}, {768, "dark", "screen"}, {1440, "dark", "screen"},
}

// extremes are the narrowest and the widest, in the light and in the dark.
var extremes = []view{screens[0], screens[5]}

// paper is as wide as what a sheet of A4 leaves between margins of 20 mm.
var paper = view{642, "light", "print"}

// What all tests share: the program, and Chromium.
var (
	program string
	browser context.Context
)

func TestMain(m *testing.M) {
	os.Exit(with(m.Run))
}

// with runs the tests with a new program and a new browser, which resolves no names.
func with(run func() int) int {
	folder, err := os.MkdirTemp("", "report-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	program = filepath.Join(folder, "pasvctl")
	if out, err := exec.Command("go", "build", "-C", "../..", "-o", program, "./cmd/pasvctl").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v: %s", err, out))
	}
	allocator, cancel := chromedp.NewExecAllocator(context.Background(), append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath("/usr/lib/chromium/chromium-headless-shell"), // its wrapper would outlive us
		chromedp.NoSandbox, // which it cannot have as root
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND"))...)
	defer cancel()
	browser, cancel = chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(browser); err != nil {
		panic(err)
	}
	return run()
}

// tab is one page, open in the browser.
type tab struct {
	t   *testing.T
	ctx context.Context
	url string

	mutex  sync.Mutex
	faults []string // what the browser has said of the page since it was opened
}

// open makes a tab for the file.
func open(t *testing.T, file string) *tab {
	t.Helper()
	path, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	tab := &tab{t: t, ctx: ctx, url: (&url.URL{Scheme: "file", Path: path}).String()}
	if err := chromedp.Listen(ctx, tab.heard); err != nil {
		t.Fatal(err)
	}
	call(tab, network.Enable, network.EnableParams{})
	call(tab, log.Enable, cdp.Empty{})
	call(tab, runtime.Enable, cdp.Empty{})
	return tab
}

func call[P, R any](tab *tab, command cdp.Command[P, R], params P) R {
	tab.t.Helper()
	result, err := chromedp.Call(tab.ctx, command, params)
	if err != nil {
		tab.t.Fatal(err)
	}
	return result
}

// evaluate runs the expression in the page.
func evaluate[T any](tab *tab, expression string) T {
	tab.t.Helper()
	result, err := chromedp.Run(tab.ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tab.t.Fatal(err)
	}
	return result
}

// heard notes what the browser complains of, and what it asks the network for.
func (tab *tab) heard(event any) {
	fault := ""
	switch event := event.(type) {
	case *log.EventEntryAdded:
		if event.Entry.Level == log.EntryLevelWarning || event.Entry.Level == log.EntryLevelError {
			fault = "console: " + event.Entry.Text
		}
	case *runtime.EventConsoleAPICalled:
		fault = fmt.Sprintf("console: %s", event.Type)
	case *runtime.EventExceptionThrown:
		fault = "console: " + event.ExceptionDetails.Text
	case *network.EventRequestWillBeSent:
		if url := event.Request.URL; url != tab.url && !strings.HasPrefix(url, "data:") {
			fault = "request: " + url
		}
	}
	if fault != "" {
		tab.mutex.Lock()
		defer tab.mutex.Unlock()
		tab.faults = append(tab.faults, fault)
	}
}

// show lays the page out for the view, and forgets what was said before.
func (tab *tab) show(v view) {
	tab.t.Helper()
	tab.mutex.Lock()
	tab.faults = nil
	tab.mutex.Unlock()
	call(tab, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: v.width, Height: 800, DeviceScaleFactor: 1, Mobile: v.width < 600})
	call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: v.media,
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}}})
	if err := chromedp.Do(tab.ctx, chromedp.Navigate(tab.url)); err != nil {
		tab.t.Fatal(err)
	}
}

// settle waits until the page is drawn.
func (tab *tab) settle() {
	tab.t.Helper()
	evaluate[bool](tab, `new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(true)))))`)
}

// said is what the browser has complained of since the page was shown.
func (tab *tab) said() []string {
	tab.settle()
	tab.mutex.Lock()
	defer tab.mutex.Unlock()
	return slices.Clone(tab.faults)
}

//go:embed page.js
var pageScript string

// copies replaces each <use> of a drawing by what it shows, which scripts can then measure.
const copies = `for (let use; (use = document.querySelector("svg use"));) {
	const shown = document.querySelector(use.getAttribute("href"));
	const copy = document.createElementNS(use.namespaceURI, "g");
	copy.append(...[...(shown.tagName === "symbol" ? shown.childNodes : [shown])].map((node) => node.cloneNode(true)));
	copy.querySelectorAll("[id]").forEach((part) => part.removeAttribute("id"));
	copy.firstElementChild.removeAttribute("id");
	use.replaceWith(copy);
}`

// laidOut is what page.js finds.
func (tab *tab) laidOut(v view) []string {
	tab.t.Helper()
	evaluate[chromedp.Void](tab, copies)
	return evaluate[[]string](tab, fmt.Sprintf("(%s)(%d, %t)", pageScript, v.width, v.media == "print"))
}

//go:embed node_modules/axe-core/axe.min.js
var axe string

// barriers is what axe-core finds with all its rules: violations, and what it leaves to a person, except the contrast
// of text in drawings, which is for pale.
func (tab *tab) barriers() []string {
	tab.t.Helper()
	evaluate[chromedp.Void](tab, axe)
	return evaluate[[]string](tab, `axe.run(document, {
			runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
			resultTypes: ["violations", "incomplete"],
		}).then((found) => [...found.violations, ...found.incomplete].flatMap((rule) =>
			rule.nodes.filter((node) => !(rule.id === "color-contrast" && found.incomplete.includes(rule) && document.querySelector(node.target.at(-1)).closest("svg"))).map((node) => "axe: " + rule.id + ": " + node.target.join(" ") + ": " + (node.failureSummary || rule.help))))`)
}
