package apply

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/cmd/lab/kerneltest"
	"github.com/pasvctl/pasvctl/generators/spec"
)

func TestReserveKeepsOthersPorts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "reserved")
	for _, tt := range []struct {
		live      string
		add, drop []spec.PortRange
		want      string
	}{
		{"", []spec.PortRange{{First: 5, Last: 7}}, nil, "5-7"},
		{"1,6", []spec.PortRange{{First: 5, Last: 7}}, nil, "1,5-7"},
		{"1,5-7", nil, []spec.PortRange{{First: 5, Last: 5}, {First: 7, Last: 7}}, "1,6"},
		{"1-10", []spec.PortRange{{First: 2, Last: 3}}, []spec.PortRange{{First: 2, Last: 4}}, "1-3,5-10"},
		{"8080,61010", nil, []spec.PortRange{{First: 61000, Last: 61092}}, "8080,61010"}, // written by somebody since
		{"61010", []spec.PortRange{{First: 5, Last: 7}}, []spec.PortRange{{First: 61000, Last: 61092}}, "5-7,61010"},
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
	if _, err := ParseReserved("1-2-3"); err == nil {
		t.Error("a damaged list passed")
	}
}

// A range that a file of sysctl reserves stays reserved when our rules go.
func TestReleaseKeepsWhatOthersReserve(t *testing.T) {
	file := filepath.Join(t.TempDir(), "reserved")
	if err := os.WriteFile(file, []byte("8080,61000-61092\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	m := &Machine{reserved: file, root: fstest.MapFS{
		"etc/sysctl.conf":                  conf("# net.ipv4.ip_local_reserved_ports = 61000\nnet.core.somaxconn = 61001\n"),
		"etc/sysctl.d/60-other.conf":       conf("net/ipv4/ip_local_reserved_ports=61010-61019,61092\n"),
		"usr/lib/sysctl.d/50-damaged.conf": conf("net.ipv4.ip_local_reserved_ports = 61020-x\n"),
	}}
	if err := m.release(State{Current: &Applied{Added: []spec.PortRange{{First: 61000, Last: 61092}}}}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.TrimSpace(string(text)), "8080,61010-61019,61092"; got != want {
		t.Errorf("%q are left, want %q", got, want)
	}
}

// Whoever writes the list writes all of it: what is there then is theirs.
func TestReleaseKeepsWhatIsWrittenLater(t *testing.T) {
	b := newBench(t, "nft", kernel.NFT, kerneltest.PlainHost)
	_, err := b.Apply(t.Context(), b.small(), Options{})
	b.must(err)
	b.wantReserved(withSmall)
	b.must(os.WriteFile(b.reserved, []byte("8080,61010-61019\n"), 0o600))
	out, err := b.Apply(t.Context(), b.large(), Options{DryRun: true})
	b.must(err)
	for _, c := range out.Changes {
		if strings.HasPrefix(c.Object, "sysctl") && c.Sign == kernel.InKernel {
			t.Errorf("the next apply would give %s back", c.Line)
		}
	}
	b.must(b.Remove(t.Context()))
	b.wantReserved("8080,61010-61019")
}
