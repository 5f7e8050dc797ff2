package apply

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/pasvctl/pasvctl/cmd/internal/kernel"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// reservedFile is per network namespace. A write replaces the whole list.
const reservedFile = "/proc/sys/net/ipv4/ip_local_reserved_ports"

// readReserved returns the live list. A kernel without one has none.
func readReserved(file string) (PortSet, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return PortSet{}, nil
	}
	if err != nil {
		return PortSet{}, err
	}
	return ParseReserved(string(text))
}

// missing are the ports of want that the live list would lack without those
// that go.
func missing(file string, want, going []spec.PortRange) ([]spec.PortRange, error) {
	live, err := readReserved(file)
	if err != nil {
		return nil, err
	}
	live.unset(going)
	var more PortSet
	more.set(want, true)
	more.set(live.ranges(), false)
	return more.ranges(), nil
}

// replaced returns the live list, and what it becomes with some ports and
// without those that go.
func replaced(file string, add, going []spec.PortRange) (live, next PortSet, err error) {
	live, err = readReserved(file)
	next = live
	next.unset(going)
	next.set(add, true)
	return live, next, err
}

// reservedChanges are what reserve changes, in the form of kernel.Diff.
func reservedChanges(file string, add, going []spec.PortRange) (changes []kernel.Change, err error) {
	live, next, err := replaced(file, add, going)
	from, to := live, next
	from.set(next.ranges(), false)
	to.set(live.ranges(), false)
	for _, side := range []struct {
		sign kernel.Sign
		set  *PortSet
	}{{kernel.InKernel, &from}, {kernel.InRules, &to}} {
		for _, r := range side.set.ranges() {
			changes = append(changes, kernel.Change{Object: "sysctl net.ipv4.ip_local_reserved_ports", Sign: side.sign, Line: r.String()})
		}
	}
	return changes, err
}

// reserve takes ranges out of the live list and adds others. Nobody else's
// ports are touched.
func reserve(file string, add, going []spec.PortRange) error {
	live, next, err := replaced(file, add, going)
	if err != nil || next == live {
		return err
	}
	return os.WriteFile(file, []byte(next.String()+"\n"), 0o644)
}

// configured are the ports that files of sysctl.d(5) reserve at boot.
func configured(root fs.FS) (all []spec.PortRange) {
	names := []string{"etc/sysctl.conf"}
	for _, folder := range []string{"etc", "run", "usr/lib", "usr/local/lib"} {
		found, _ := fs.Glob(root, folder+"/sysctl.d/*.conf")
		names = append(names, found...)
	}
	for _, name := range names {
		text, err := fs.ReadFile(root, name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(line, "=")
			key = strings.ReplaceAll(strings.TrimPrefix(strings.TrimSpace(key), "-"), "/", ".")
			if key != "net.ipv4.ip_local_reserved_ports" {
				continue
			}
			if ports, err := ParseReserved(value); err == nil {
				all = append(all, ports.ranges()...)
			}
		}
	}
	return all
}

// PortSet is a set of ports, by number.
type PortSet [65536]bool

func (s *PortSet) set(ranges []spec.PortRange, to bool) {
	for _, r := range ranges {
		for p := int(r.First); p <= int(r.Last); p++ {
			s[p] = to
		}
	}
}

// Has reports whether the set holds all ports of the ranges.
func (s *PortSet) Has(ranges ...spec.PortRange) bool {
	for _, r := range ranges {
		if slices.Contains(s[r.First:int(r.Last)+1], false) {
			return false
		}
	}
	return true
}

// unset takes out ports that were added together. If some of them are gone,
// somebody has written the whole list since, and the others are theirs.
func (s *PortSet) unset(added []spec.PortRange) {
	if s.Has(added...) {
		s.set(added, false)
	}
}

func (s *PortSet) ranges() (all []spec.PortRange) {
	for p := 0; p < len(s); p++ {
		if !s[p] {
			continue
		}
		first := p
		for p+1 < len(s) && s[p+1] {
			p++
		}
		all = append(all, spec.PortRange{First: uint16(first), Last: uint16(p)})
	}
	return all
}

// String is the kernel's form: "8080,61000-61092".
func (s *PortSet) String() string { return spec.Join(s.ranges(), ",") }

// ParseReserved reads the kernel's list of reserved ports.
func ParseReserved(text string) (s PortSet, err error) {
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		if part == "" {
			continue
		}
		r, ok := spec.ParsePortRange(part)
		if !ok {
			return s, fmt.Errorf("%s has %q, which is not a list of ports", reservedFile, text)
		}
		s.set([]spec.PortRange{r}, true)
	}
	return s, nil
}
