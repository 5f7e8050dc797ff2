package main

import (
	"context"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"pasvctl": main})
}

// TestScripts runs the real main in scripts: see testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}

func TestBugEndsWithAMessage(t *testing.T) {
	var out, diagnostics strings.Builder
	s := streams{in: strings.NewReader(""), out: &out, err: &diagnostics}
	root := newRoot(s)
	root.AddCommand(&cobra.Command{Use: "boom", RunE: func(*cobra.Command, []string) error {
		var none []int
		_ = none[len(none)]
		return nil
	}})
	code := execute(context.Background(), root, []string{"boom"}, s)
	if code != exitFailed || out.Len() != 0 {
		t.Errorf("code %d, stdout %q", code, out.String())
	}
	said := diagnostics.String()
	if !strings.HasPrefix(said, "pasvctl: internal error: ") || !strings.Contains(said, "please report it") || strings.Contains(said, "goroutine") {
		t.Errorf("stderr %q", said)
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	for _, c := range newRoot(streams{}).Commands() {
		if c.Name() != "help" && !strings.Contains(c.Example, "pasvctl "+c.Name()) {
			t.Errorf("%s: the example %q does not show the command", c.Name(), c.Example)
		}
	}
}
