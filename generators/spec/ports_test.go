package spec_test

import (
	"testing"

	"github.com/pasvctl/pasvctl/generators/spec"
)

func TestParsePortRange(t *testing.T) {
	for text, want := range map[string]spec.PortRange{
		"61000-61099": {First: 61000, Last: 61099},
		"21":          {First: 21, Last: 21},
		"1-65535":     {First: 1, Last: 65535},
	} {
		if got, ok := spec.ParsePortRange(text); !ok || got != want {
			t.Errorf("%q is %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "-", "1-", "-1", "2-1", "1-2-3", "65536", "1-65536", "+1", " 1", "1 - 2", "0x10"} {
		if got, ok := spec.ParsePortRange(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}
