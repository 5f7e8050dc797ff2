package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	east "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
)

// gfm reads Markdown as GitHub does, addresses that become links included.
var gfm = goldmark.New(goldmark.WithExtensions(extension.GFM))

// plain are what our Markdown is made of. No text of a spec is a link, an image, HTML or
// a heading of its own.
var plain = map[ast.NodeKind]bool{
	ast.KindDocument: true, ast.KindParagraph: true, ast.KindTextBlock: true, ast.KindText: true, ast.KindString: true, ast.KindEmphasis: true,
	ast.KindCodeSpan: true, ast.KindHeading: true, ast.KindList: true, ast.KindListItem: true,
	east.KindTable: true, east.KindTableHeader: true, east.KindTableRow: true, east.KindTableCell: true,
}

var (
	code    = regexp.MustCompile(`(?s)<code>.*?</code>`)
	mention = regexp.MustCompile(`@\w|#\w|(?i)https?://|www\.`)
)

// markdown refuses Markdown of which GitHub makes more than headings, lists, tables, bold and
// code.
func markdown(source []byte) error {
	var wrong error
	first := true
	err := ast.Walk(gfm.Parser().Parse(text.NewReader(source)), func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		bold := n.Kind() == ast.KindEmphasis
		heading, _ := n.(*ast.Heading)
		if !plain[n.Kind()] || bold && !first || heading != nil && heading.Level != 4 {
			wrong = fmt.Errorf("it has a %s", n.Kind())
		}
		first = first && !bold
		return ast.WalkContinue, nil
	})
	if first && wrong == nil {
		wrong = errors.New("it has no verdict")
	}
	if err := errors.Join(err, wrong); err != nil {
		return err
	}
	var html bytes.Buffer
	if err := gfm.Convert(source, &html); err != nil {
		return err
	}
	if found := mention.Find(code.ReplaceAll(html.Bytes(), nil)); found != nil {
		return fmt.Errorf("GitHub makes a link of %q", found)
	}
	return nil
}
