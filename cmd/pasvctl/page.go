package main

import (
	"bytes"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/pasvctl/pasvctl/generators/explain"
)

// pageColumns is how wide text is if nothing says otherwise, and prose at most.
const pageColumns = 80

// file is the file that w writes to; nil if it is none.
func file(w io.Writer) *os.File {
	if f, ok := w.(folded); ok {
		w = f.Writer
	}
	f, _ := w.(*os.File)
	return f
}

// terminal reports whether w is a terminal, and how many columns it has.
func terminal(w io.Writer) (columns int, is bool) {
	f := file(w)
	if f == nil || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil || columns < 40 {
		columns = pageColumns
	}
	return columns, true
}

// colour reports whether w takes colours: a terminal, unless NO_COLOR is set
// (https://no-color.org) or the terminal is a dumb one.
func colour(w io.Writer) bool {
	_, is := terminal(w)
	return is && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// columnsOf is how many columns tables and messages on w may have: those of the
// terminal, or else of COLUMNS, or else 80.
func columnsOf(w io.Writer) int {
	if columns, is := terminal(w); is {
		return columns
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n >= 40 && n <= 10_000 {
		return n
	}
	return pageColumns
}

// prose is how many columns prose on w has.
func prose(w io.Writer) int { return min(pageColumns, columnsOf(w)) }

// folded is stderr for messages: lines that are too long go on in the next one.
type folded struct{ io.Writer }

// unfolded is the stream itself, for what is not a message.
func unfolded(w io.Writer) io.Writer {
	if f, ok := w.(folded); ok {
		return f.Writer
	}
	return w
}

func (f folded) Write(text []byte) (int, error) {
	if bytes.ContainsAny(text, "\r\x1b") { // a progress bar
		return f.Writer.Write(text)
	}
	if _, err := io.WriteString(f.Writer, fold(string(text), columnsOf(f.Writer))); err != nil {
		return 0, err
	}
	return len(text), nil
}

// fold breaks each line of more than so many columns at spaces.
func fold(text string, columns int) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		body, ended := strings.CutSuffix(line, "\n")
		if utf8.RuneCountInString(body) <= columns {
			b.WriteString(line)
			continue
		}
		words := strings.TrimLeft(body, " ")
		indent := body[:len(body)-len(words)]
		page := explain.Wrap(words, columns, indent, indent+"  ")
		if !ended {
			page = strings.TrimSuffix(page, "\n")
		}
		b.WriteString(page)
	}
	return b.String()
}

// table lays out rows in columns, of which the first row are the headings. What
// a line has no room for goes on in the next one, indented, under headings of
// its own.
func table(w io.Writer, rows [][]string) error {
	_, err := io.WriteString(w, layOut(rows, columnsOf(w)))
	return err
}

const (
	gap    = 2 // columns between two cells
	indent = 4 // of a row's further lines
)

func layOut(rows [][]string, columns int) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	// starts has the first cell of each line.
	starts, used := []int{0}, 0
	for i, width := range widths {
		if i > 0 && used+width > columns {
			starts, used = append(starts, i), indent
		}
		used += width + gap
	}
	var b strings.Builder
	for _, row := range rows {
		for l, start := range starts {
			end := len(row)
			if l+1 < len(starts) {
				end = starts[l+1]
			}
			line := strings.Repeat(" ", min(l, 1)*indent)
			for i := start; i < end; i++ {
				line += row[i] + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(row[i])+gap)
			}
			b.WriteString(fold(strings.TrimRight(line, " ")+"\n", columns))
		}
	}
	return b.String()
}

// pairTable lays out names and what they stand for, which is wrapped beside them.
func pairTable(w io.Writer, rows [][2]string) error {
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0])+gap)
	}
	var b strings.Builder
	for _, row := range rows {
		name := row[0] + strings.Repeat(" ", width-len(row[0]))
		b.WriteString(explain.Wrap(row[1], columnsOf(w), name, strings.Repeat(" ", width)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// paged gives a command and those under it help that fits a page.
func paged(root *cobra.Command) {
	cobra.AddTemplateFunc("page", func(text string) string { return paragraphs(text, pageColumns) })
	cobra.AddTemplateFunc("flags", func(f *pflag.FlagSet) string { return f.FlagUsagesWrapped(pageColumns) })
	root.SetHelpTemplate(`{{with (or .Long .Short)}}{{. | page}}

{{end}}{{.UsageString}}`)
	root.SetUsageTemplate(strings.NewReplacer(
		".LocalFlags.FlagUsages", ".LocalFlags | flags",
		".InheritedFlags.FlagUsages", ".InheritedFlags | flags",
	).Replace(root.UsageTemplate()))
}

// paragraphs wraps text that is parted by blank lines. Lines that are indented,
// and those of lists, stay by themselves.
func paragraphs(text string, columns int) string {
	var pages []string
	for _, paragraph := range strings.Split(strings.TrimSpace(text), "\n\n") {
		var page, open string
		for line := range strings.Lines(paragraph) {
			line = strings.TrimRight(line, "\n")
			if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "- ") {
				page += wrapped(open, columns) + fold(line+"\n", columns)
				open = ""
				continue
			}
			open = strings.TrimPrefix(open+" "+line, " ")
		}
		pages = append(pages, strings.TrimRight(page+wrapped(open, columns), "\n"))
	}
	return strings.Join(pages, "\n\n")
}

func wrapped(paragraph string, columns int) string {
	if paragraph == "" {
		return ""
	}
	return explain.Wrap(paragraph, columns, "", "")
}
