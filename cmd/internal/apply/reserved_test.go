package apply

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReserveKeepsOthersPorts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "reserved")
	for _, tt := range []struct {
		live      string
		add, drop []Ports
		want      string
	}{
		{"", []Ports{{5, 7}}, nil, "5-7"},
		{"1,6", []Ports{{5, 7}}, nil, "1,5-7"},
		{"1,5-7", nil, []Ports{{5, 5}, {7, 7}}, "1,6"},
		{"1-10", []Ports{{2, 3}}, []Ports{{2, 4}}, "1-3,5-10"},
	} {
		if err := os.WriteFile(file, []byte(tt.live+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := reserve(file, tt.add, tt.drop); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(text)); got != tt.want {
			t.Errorf("%q with %v and without %v is %q, want %q", tt.live, tt.add, tt.drop, got, tt.want)
		}
	}
	if _, err := parsePorts("1-2-3"); err == nil {
		t.Error("a damaged list passed")
	}
}
