package generators

import (
	"slices"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/generators/spec"
)

func TestSysctlReservesDataPortsAndWhatTheSpecKeeps(t *testing.T) {
	host := handHost("edge1", "203.0.113.10")
	host.ReservedPorts = []spec.PortRange{{First: 61010, Last: 61020}, {First: 8080, Last: 8080}}
	p := handPlan(
		handSite(host, "a", "vsftpd", 21, spec.PortRange{First: 61000, Last: 61009}, nil),
		handSite(host, "b", "vsftpd", 40021, spec.PortRange{First: 61500, Last: 61509}, nil),
	)
	content := mustFiles(t, &sysctl{}, p)["edge1/60-pasvctl.conf"]
	want := "net.ipv4.ip_local_reserved_ports = 8080,40021,61000-61020,61500-61509\n"
	if !strings.HasSuffix(content, want) {
		t.Errorf("got:\n%swant at its end: %s", content, want)
	}
}

// alternate returns n single ports from first on, every second one.
func alternate(first uint16, n int) []spec.PortRange {
	var all []spec.PortRange
	for i := range n {
		port := first + uint16(2*i)
		all = append(all, spec.PortRange{First: port, Last: port})
	}
	return all
}

func TestSysctlListBeyondOneWrite(t *testing.T) {
	host := handHost("edge1", "203.0.113.10")
	host.ReservedPorts = alternate(10000, 800)
	files, diags := (&sysctl{}).Files(handPlan(handSite(host, "a", "vsftpd", 21, spec.PortRange{First: 61000, Last: 61009}, nil)))
	if want := []string{"error: platform-limit at reserved_ports"}; !slices.Equal(said(diags), want) || files != nil {
		t.Errorf("got %v, %d files", said(diags), len(files))
	}
}
