package verify_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"

	"go4.org/netipx"
)

// mutant is a rendered file with one thing wrong.
type mutant struct {
	file, line, what string
	content          string
}

func (m mutant) String() string {
	return fmt.Sprintf("%s: %s: %s", m.file, m.what, strings.TrimSpace(m.line))
}

var (
	quoted = regexp.MustCompile(`"[^"]*"`)
	word   = regexp.MustCompile(`[\w.:/@-]+`)
	number = regexp.MustCompile(`^(\d+)(s?)$`)
	ports  = regexp.MustCompile(`^(\d+)([-:])(\d+)$`)
)

// turned are parts of rules and what replaces them.
var turned = [][2]string{
	{"goto pasvctl_pass", "drop"}, {"_control,", "_data,"}, {"_data,", "_control,"},
	{" accept", " drop"}, {" drop", " accept"},
	{"-j ACCEPT", "-j DROP"}, {"-j DROP", "-j ACCEPT"},
	{"ct status assured ", ""}, {"-m conntrack --ctstatus ASSURED ", ""},
	{"ct status assured", "ct state established"}, {"--ctstatus ASSURED", "--ctstate ESTABLISHED"},
	{"! --tcp-flags ACK,RST NONE", "--tcp-flags ACK,RST NONE"}, {"! --tcp-flags ACK,RST NONE", "! --syn"},
	{"(ack | rst) != 0", "(ack | rst) == 0"}, {"(ack | rst) != 0", "syn == 0"},
	{"-g PASVCTL-PASS", "-j DROP"}, {"state invalid", "state new"}, {"--ctstate INVALID", "--ctstate NEW"},
	{"!= @", "@"}, {"! --match-set", "--match-set"},
}

// mutants makes every mutant of a rendered file: each line dropped, each block
// of elements dropped, each family dropped, each number and address moved by
// one, each verdict and condition turned round.
func mutants(file, content string) (all []mutant) {
	lines := strings.SplitAfter(content, "\n")
	replace := func(from, to int, by, what string) {
		text := strings.Join(lines[:from], "") + by + strings.Join(lines[to:], "")
		all = append(all, mutant{file, lines[from], what, text})
	}
	for i, line := range lines {
		bare := strings.TrimSpace(line)
		switch {
		case bare == "" || bare[0] == '#' || bare == "}" || bare == "COMMIT" || bare[0] == '*':
			continue
		case strings.HasSuffix(bare, "{"):
			if end := i + 1; strings.HasPrefix(bare, "add element") || strings.HasPrefix(bare, "elements") {
				for strings.TrimSpace(lines[end]) != "}" {
					end++
				}
				replace(i, end+1, "", "all elements dropped")
			}
			continue
		}
		replace(i, i+1, "", "dropped")
		for _, turn := range turned {
			if strings.Contains(line, turn[0]) {
				replace(i, i+1, strings.Replace(line, turn[0], turn[1], 1), turn[0]+" turned into "+strconv.Quote(turn[1]))
			}
		}
		if bare[0] == ':' {
			continue // [0:0] are counters
		}
		for _, moved := range moves(line) {
			replace(i, i+1, moved, "moved to "+strings.TrimSpace(moved))
		}
	}
	return append(all, families(file, content)...)
}

// families drops every rule and element of one family.
func families(file, content string) (all []mutant) {
	for name, of := range map[string]*regexp.Regexp{
		"IPv4": regexp.MustCompile(`(?m)^\t+.*\b(ip|ipv4_addr|\d+\.\d+\.\d+\.\d+)\b.*$|^-A .*$`),
		"IPv6": regexp.MustCompile(`(?m)^\t+.*\b(ip6|ipv6_addr|[0-9a-f]+:[0-9a-f:]*::\w+)\b.*$|^-A .*$`),
	} {
		body := of.ReplaceAllStringFunc(content, func(line string) string {
			if strings.Contains(line, "type ") { // the sets stay
				return line
			}
			return ""
		})
		if body != content {
			all = append(all, mutant{file, "the whole file", name + " dropped", body})
		}
	}
	return all
}

// moves are the variants of a line with one number or address moved by one.
func moves(line string) (all []string) {
	hidden := quoted.ReplaceAllStringFunc(line, func(s string) string { return strings.Repeat("\"", len(s)) })
	for _, at := range word.FindAllStringIndex(hidden, -1) {
		for _, other := range neighbours(hidden[at[0]:at[1]]) {
			all = append(all, line[:at[0]]+other+line[at[1]:])
		}
	}
	return all
}

// neighbours are what a word becomes when it is moved by one, up or down.
func neighbours(w string) (all []string) {
	if m := number.FindStringSubmatch(w); m != nil {
		for _, n := range step(m[1]) {
			all = append(all, n+m[2])
		}
		return all
	}
	if m := ports.FindStringSubmatch(w); m != nil {
		for _, n := range step(m[1]) {
			all = append(all, n+m[2]+m[3])
		}
		for _, n := range step(m[3]) {
			all = append(all, m[1]+m[2]+n)
		}
		return all
	}
	if p, err := netip.ParsePrefix(w); err == nil {
		return prefixes(p)
	}
	a, err := netip.ParseAddr(w)
	if err != nil {
		return nil
	}
	if strings.HasPrefix(w, "ffff:") { // a mask
		return []string{mask(ones(a) - 1), mask(ones(a) + 1)}
	}
	return []string{a.Prev().String(), a.Next().String()}
}

func step(digits string) (all []string) {
	n, err := strconv.Atoi(digits)
	if err != nil {
		return nil
	}
	if n > 0 {
		all = append(all, strconv.Itoa(n-1))
	}
	return append(all, strconv.Itoa(n+1))
}

func prefixes(p netip.Prefix) (all []string) {
	for _, bits := range []int{p.Bits() - 1, p.Bits() + 1} {
		if other, err := p.Addr().Prefix(bits); err == nil {
			all = append(all, other.String())
		}
	}
	r := netipx.RangeOfPrefix(p)
	for _, a := range []netip.Addr{r.From().Prev(), r.To().Next()} {
		other, _ := a.Prefix(p.Bits())
		all = append(all, other.String())
	}
	return all
}

func ones(mask netip.Addr) (n int) {
	for _, b := range mask.AsSlice() {
		for ; b != 0; b <<= 1 {
			n++
		}
	}
	return n
}

func mask(bits int) string {
	all := netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	p, _ := all.Prefix(bits)
	return p.Addr().String()
}
