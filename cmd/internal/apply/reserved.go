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
func readReserved(file string) ([]spec.PortRange, error) {
	text, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return ParseReserved(string(text))
}

// freed is a list without ports that were added to it together. If some of
// them are gone, somebody has written the whole list since, and the others are
// theirs.
func freed(live, added []spec.PortRange) []spec.PortRange {
	if len(spec.Without(added, live...)) > 0 {
		return live
	}
	return spec.Without(live, added...)
}

// missing are the ports of want that the live list would lack without those
// that go.
func missing(file string, want, going []spec.PortRange) ([]spec.PortRange, error) {
	live, err := readReserved(file)
	return spec.Without(spec.Merged(want), freed(live, going)...), err
}

// replaced returns the live list, and what it becomes with some ports and
// without those that go.
func replaced(file string, add, going []spec.PortRange) (live, next []spec.PortRange, err error) {
	live, err = readReserved(file)
	return live, spec.Merged(slices.Concat(freed(live, going), add)), err
}

// reservedChanges are what reserve changes, in the form of kernel.Diff.
func reservedChanges(file string, add, going []spec.PortRange) (changes []kernel.Change, err error) {
	live, next, err := replaced(file, add, going)
	list := func(sign kernel.Sign, ranges []spec.PortRange) {
		for _, r := range ranges {
			changes = append(changes, kernel.Change{Object: "sysctl net.ipv4.ip_local_reserved_ports", Sign: sign, Line: r.String()})
		}
	}
	list(kernel.InKernel, spec.Without(live, next...))
	list(kernel.InRules, spec.Without(next, live...))
	return changes, err
}

// reserve takes ranges out of the live list and adds others. Nobody else's
// ports are touched.
func reserve(file string, add, going []spec.PortRange) error {
	live, next, err := replaced(file, add, going)
	if err != nil || slices.Equal(next, live) {
		return err
	}
	return os.WriteFile(file, []byte(spec.Join(next, ",")+"\n"), 0o644)
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
				all = append(all, ports...)
			}
		}
	}
	return all
}

// ParseReserved reads the kernel's list of reserved ports.
func ParseReserved(text string) (ranges []spec.PortRange, err error) {
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		if part == "" {
			continue
		}
		r, ok := spec.ParsePortRange(part)
		if !ok {
			return nil, fmt.Errorf("%s has %q, which is not a list of ports", reservedFile, text)
		}
		ranges = append(ranges, r)
	}
	return spec.Merged(ranges), nil
}
