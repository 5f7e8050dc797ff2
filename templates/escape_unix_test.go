//go:build unix

package templates

import (
	"os/exec"
	"strings"
	"testing"
)

func TestShellWordIsOneWord(t *testing.T) {
	for _, s := range awkward {
		word, err := shellWord(s)
		if strings.Contains(s, "\x00") {
			if err == nil {
				t.Errorf("%q has a NUL and became %s", s, word)
			}
			continue
		}
		out, err := exec.Command("sh", "-c", "printf '%s|%s' "+word+" end").Output()
		if err != nil || string(out) != s+"|end" {
			t.Errorf("%q came back as %q, %v", s, out, err)
		}
	}
}
