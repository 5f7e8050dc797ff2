package browser

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// spoken is what a screen reader cannot say: drawings and tables without words. It runs no script in the page.
func (tab *tab) spoken() (faults []string) {
	tab.t.Helper()
	nodes := call(tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes
	children := map[accessibility.NodeID][]*accessibility.Node{}
	for _, node := range nodes {
		children[node.ParentID] = append(children[node.ParentID], node)
	}
	var headers func(of accessibility.NodeID) int
	headers = func(of accessibility.NodeID) (count int) {
		for _, node := range children[of] {
			switch word(node.Role) {
			case "columnheader", "rowheader":
				count++
			case "table":
			default:
				count += headers(node.NodeID)
			}
		}
		return count
	}
	for _, node := range nodes {
		if node.Ignored {
			continue
		}
		switch word(node.Role) {
		case "image", "img", "SvgRoot", "graphics-document":
			if word(node.Name) == "" {
				faults = append(faults, "spoken: a drawing has no name")
			}
			if said := word(node.Description); said == "" || said == word(node.Name) { // a title alone is both
				faults = append(faults, fmt.Sprintf("spoken: the drawing %q has no description", word(node.Name)))
			}
		case "table":
			if word(node.Name) == "" {
				faults = append(faults, "spoken: a table has no name")
			}
			if headers(node.NodeID) == 0 {
				faults = append(faults, fmt.Sprintf("spoken: the table %q has no headers", word(node.Name)))
			}
		}
	}
	return faults
}

func word(value *accessibility.Value) string {
	if value == nil {
		return ""
	}
	var text string
	_ = json.Unmarshal([]byte(value.Value), &text) // what is not text is not a word
	return text
}

// words is all that a screen reader says, in order.
func (tab *tab) words() (said []string) {
	tab.t.Helper()
	for _, node := range call(tab, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{}).Nodes {
		if name := word(node.Name); name != "" && !node.Ignored {
			said = append(said, name)
		}
	}
	return said
}

// keyboard presses the tab key until the focus is back at the start, and says what it does not reach, or reaches
// without a sign.
func (tab *tab) keyboard() []string {
	tab.t.Helper()
	wanted := evaluate[int](tab, `(() => {
		document.activeElement.blur();
		window.reached = new Set();
		window.wanted = [...document.querySelectorAll("a[href], summary, button, input, select, [tabindex='0']")].filter((e) => e.checkVisibility());
		const plain = (e) => { const s = getComputedStyle(e); return [s.outlineStyle, s.outlineWidth, s.outlineColor, s.boxShadow, s.backgroundColor, s.textDecoration].join(); };
		window.before = new Map(wanted.map((e) => [e, plain(e)]));
		window.unseen = new Set();
		document.addEventListener("focusin", ({ target }) => {
			reached.add(target);
			const box = target.getBoundingClientRect();
			if (plain(target) === before.get(target) || box.width < 2 || box.right < 0 || box.bottom < 0 || box.top > innerHeight) unseen.add(target);
		});
		return wanted.length;
	})()`)
	for range wanted + 1 {
		if err := chromedp.Do(tab.ctx, chromedp.KeyEvent("\t")); err != nil {
			tab.t.Fatal(err)
		}
	}
	return evaluate[[]string](tab, `[
		...wanted.filter((e) => !reached.has(e)).map((e) => "keyboard: does not reach " + e.outerHTML.slice(0, 60)),
		...[...unseen].map((e) => "keyboard: the focus is not seen on " + e.outerHTML.slice(0, 60)),
	]`)
}

// label is text in a drawing.
type label struct {
	Text                     string
	Left, Top, Right, Bottom float64 // in sight
	Colour                   []float64
}

// drawings are the page's drawings that have text.
const drawings = `[...document.querySelectorAll("svg")].filter((svg) => svg.checkVisibility() && svg.querySelector("text") && !svg.querySelector("defs"))`

// labels brings a drawing into sight, and says where its texts are.
const labels = `((svg) => {
	svg.scrollIntoView({ block: "center", behavior: "instant" });
	const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
	return [...svg.querySelectorAll("text")].filter((e) => e.textContent.trim()).map((e) => {
		canvas.clearRect(0, 0, 1, 1);
		canvas.fillStyle = getComputedStyle(e).fill;
		canvas.fillRect(0, 0, 1, 1);
		const box = e.getBoundingClientRect();
		return { Text: e.textContent.trim(), Left: box.left, Top: box.top, Right: box.right, Bottom: box.bottom, Colour: [...canvas.getImageData(0, 0, 1, 1).data] };
	});
})(%s[%d])`

// pale finds text in drawings whose contrast with what is behind it is less than 4.5:1. A busy machine may show an
// older picture: what is found must be there three times.
func (tab *tab) pale() (faults []string) {
	tab.t.Helper()
	for i := range evaluate[int](tab, drawings+".length") {
		var found []string
		for range 3 {
			if found = tab.paleIn(i); found == nil {
				break
			}
		}
		faults = append(faults, found...)
	}
	return faults
}

// paleIn does so in one drawing. It compares the pixels of the letters with those that are there without them.
func (tab *tab) paleIn(drawing int) (faults []string) {
	tab.t.Helper()
	labels := evaluate[[]label](tab, fmt.Sprintf(labels, drawings, drawing))
	with := tab.pixels()
	evaluate[chromedp.Void](tab, `document.head.insertAdjacentHTML("beforeend", "<style id=hidden>svg text, svg tspan { fill-opacity: 0 !important }</style>")`)
	without := tab.pixels()
	evaluate[chromedp.Void](tab, `document.getElementById("hidden").remove()`)
	for _, text := range labels {
		at := image.Rect(int(text.Left), int(text.Top), int(math.Ceil(text.Right)), int(math.Ceil(text.Bottom))).Intersect(with.Bounds())
		if ratio, ok := contrast(with, without, at, text.Colour); !ok {
			faults = append(faults, fmt.Sprintf("contrast: %q is not seen", text.Text))
		} else if ratio < 4.5 {
			faults = append(faults, fmt.Sprintf("contrast: %q has %.1f:1", text.Text, ratio))
		}
	}
	return faults
}

// contrast is that of a text's colour with what is behind its letters, where it is least, except a twentieth of them.
func contrast(with, without image.Image, at image.Rectangle, colour []float64) (ratio float64, ok bool) {
	if len(colour) != 4 {
		return 0, false
	}
	var ratios []float64
	text := luminance(colour[0]/255, colour[1]/255, colour[2]/255)
	for y := at.Min.Y; y < at.Max.Y; y++ {
		for x := at.Min.X; x < at.Max.X; x++ {
			if with.At(x, y) == without.At(x, y) {
				continue
			}
			r, g, b, _ := without.At(x, y).RGBA()
			behind := luminance(float64(r)/0xffff, float64(g)/0xffff, float64(b)/0xffff)
			ratios = append(ratios, (max(text, behind)+0.05)/(min(text, behind)+0.05))
		}
	}
	if len(ratios) < 5 {
		return 0, false
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/20], true
}

// luminance is WCAG's relative luminance of an sRGB colour.
func luminance(r, g, b float64) float64 {
	linear := func(c float64) float64 {
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

// pixels is what is in sight.
func (tab *tab) pixels() image.Image {
	tab.t.Helper()
	tab.settle()
	yes := true
	shot := call(tab, page.CaptureScreenshot, page.CaptureScreenshotParams{OptimizeForSpeed: &yes})
	pixels, err := png.Decode(bytes.NewReader(shot.Data))
	if err != nil {
		tab.t.Fatal(err)
	}
	return pixels
}

// sheet is a printed page, as pdftotext reads it.
type sheet struct {
	Width  float64 `xml:"width,attr"`
	Height float64 `xml:"height,attr"`
	Words  []struct {
		Text string `xml:",chardata"`
	} `xml:"word"`
}

// printed finds what goes wrong on A4: sheets of another size, sheets with nothing on them, and cards that are torn
// although a sheet has room for them.
func (tab *tab) printed() (faults []string) {
	tab.t.Helper()
	cards := evaluate[[]float64](tab, `[...document.querySelectorAll(".card")].map((card, i) => {
		card.style.position = "relative";
		for (const edge of ["top", "bottom"]) card.insertAdjacentHTML("beforeend", "<span style='position: absolute; left: 0; font-size: 4px; " + edge + ": 0'>" + edge + "-" + i + "</span>");
		return card.getBoundingClientRect().height;
	})`)
	sheets := tab.sheets()
	top, bottom := map[int]int{}, map[int]int{}
	for number, sheet := range sheets {
		if math.Abs(sheet.Width-595.28) > 1 {
			faults = append(faults, fmt.Sprintf("print: a sheet is %v points wide, not A4's 595", sheet.Width))
		}
		count := 0
		for _, word := range sheet.Words {
			var card int
			if n, _ := fmt.Sscanf(word.Text, "top-%d", &card); n == 1 {
				top[card] = number
			} else if n, _ := fmt.Sscanf(word.Text, "bottom-%d", &card); n == 1 {
				bottom[card] = number
			} else {
				count++
			}
		}
		if count < 5 {
			faults = append(faults, fmt.Sprintf("print: sheet %d is empty", number+1))
		}
	}
	for card, height := range cards {
		const room = 900 // of the 1123 px of A4's height
		if height < room && top[card] != bottom[card] {
			faults = append(faults, fmt.Sprintf("print: card %d of %.0f px is on sheets %d and %d", card+1, height, top[card]+1, bottom[card]+1))
		}
	}
	if len(sheets) > 4+len(cards) {
		faults = append(faults, fmt.Sprintf("print: %d sheets for %d cards", len(sheets), len(cards)))
	}
	return faults
}

func (tab *tab) sheets() []sheet {
	tab.t.Helper()
	file := filepath.Join(tab.t.TempDir(), "report.pdf")
	if err := os.WriteFile(file, tab.pdf(), 0o600); err != nil {
		tab.t.Fatal(err)
	}
	text, err := exec.Command("pdftotext", "-bbox", file, "-").Output()
	if err != nil {
		tab.t.Fatal(err)
	}
	var document struct {
		Sheets []sheet `xml:"body>doc>page"`
	}
	if err := xml.Unmarshal(text, &document); err != nil {
		tab.t.Fatal(err)
	}
	return document.Sheets
}

func (tab *tab) pdf() []byte {
	tab.t.Helper()
	yes := true
	return call(tab, page.PrintToPDF, page.PrintToPDFParams{PaperWidth: 210 / 25.4, PaperHeight: 297 / 25.4, PreferCSSPageSize: &yes}).Data
}
