package packets_test

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/internal/packets"
	"github.com/pasvctl/pasvctl/cmd/lab/kerneltest"
	"github.com/pasvctl/pasvctl/cmd/lab/needs"
	"github.com/pasvctl/pasvctl/generators/spec"
)

// backend is one way of putting the rendered rules into a kernel.
type backend struct {
	name, target string
	tools        []string
	// into is the chain that an owner who drops by default names in the spec.
	into *spec.Chain
	// dropping makes a host that drops by default and serves port 2222.
	dropping func(*testing.T, *packets.Namespace)
	// load loads the rendered files of a node, and adds the jump where it is
	// not there yet.
	load func(t *testing.T, n *packets.Namespace, node string, files map[string]string)
	// list returns the ruleset without what packets change in it.
	list func(*testing.T, *packets.Namespace) string
	// forget removes every learnt client.
	forget func(*testing.T, *packets.Namespace)
	// full counts the packets of clients that found no room to be learnt.
	full func(*testing.T, *packets.Namespace) int
}

func backends() []backend {
	return []backend{nft(), iptables("nft"), iptables("legacy")}
}

func (b backend) needs(t *testing.T) {
	t.Helper()
	for _, tool := range b.tools {
		needs.Tool(t, tool)
	}
}

func nft() backend {
	return backend{
		name: "nft", target: "nftables", tools: []string{"nft"},
		into: &spec.Chain{Family: "inet", Table: "filter", Chain: "input"},
		dropping: func(t *testing.T, n *packets.Namespace) {
			run(t, n, `table inet filter {
				chain input {
					type filter hook input priority filter; policy drop;
					ct state established,related accept
					meta l4proto icmpv6 accept
					tcp dport 2222 accept
				}
			}`, "nft", "-f", "-")
		},
		load: func(t *testing.T, n *packets.Namespace, node string, files map[string]string) {
			t.Helper()
			file := files[node+"/nftables.nft"]
			run(t, n, file, "nft", "-c", "-f", "-")
			run(t, n, file, "nft", "-f", "-")
			jump, ok := files[node+"/nftables.jump.nft"]
			if !ok {
				return
			}
			_, rule, _ := strings.Cut(jump, "\ninsert rule ")
			chain := strings.Join(strings.Fields(rule)[:3], " ")
			if !strings.Contains(run(t, n, "", "nft", "list chain "+chain), `comment "pasvctl"`) {
				run(t, n, jump, "nft", "-f", "-")
			}
		},
		list: func(t *testing.T, n *packets.Namespace) string {
			return run(t, n, "", "nft", "-s", "list", "ruleset")
		},
		forget: func(t *testing.T, n *packets.Namespace) {
			table, flushed := "", false
			for _, line := range strings.Split(run(t, n, "", "nft", "list", "sets"), "\n") {
				switch fields := strings.Fields(line); {
				case len(fields) > 2 && fields[0] == "table":
					table = fields[1] + " " + fields[2]
				case len(fields) > 2 && fields[0] == "set" && strings.Contains(fields[1], "_learnt"):
					run(t, n, "", "nft", "flush set "+table+" "+fields[1])
					flushed = true
				}
			}
			if !flushed {
				t.Fatal("there is no set of learnt clients")
			}
		},
		full: func(t *testing.T, n *packets.Namespace) int {
			return sum(t, nftFull, run(t, n, "", "nft", "list", "counters"))
		},
	}
}

var (
	nftFull = regexp.MustCompile(`counter \S+_full \{\s+packets (\d+)`)
	iptFull = regexp.MustCompile(`\[(\d+):\d+\] -A .*--comment "the set is full"`)
)

// sum adds the counters that a listing shows.
func sum(t *testing.T, counter *regexp.Regexp, listing string) (total int) {
	t.Helper()
	all := counter.FindAllStringSubmatch(listing, -1)
	if len(all) == 0 {
		t.Fatalf("there is no counter in\n%s", listing)
	}
	for _, m := range all {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		total += n
	}
	return total
}

var seed = regexp.MustCompile(` initval 0x[0-9a-f]+`)

func iptables(variant string) backend {
	commands := []string{"iptables-" + variant, "ip6tables-" + variant}
	files := []string{"iptables.v4", "iptables.v6"}
	b := backend{
		name: "iptables-" + variant, target: "iptables",
		tools: []string{"ipset", commands[0], commands[1]},
	}
	b.dropping = func(t *testing.T, n *packets.Namespace) {
		for _, c := range commands {
			run(t, n, "", c, "-w", "-P", "INPUT", "DROP")
			run(t, n, "", c, "-w", "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT")
			run(t, n, "", c, "-w", "-A", "INPUT", "-p", "ipv6-icmp", "-j", "ACCEPT")
			run(t, n, "", c, "-w", "-A", "INPUT", "-p", "tcp", "--dport", "2222", "-j", "ACCEPT")
		}
	}
	b.load = func(t *testing.T, n *packets.Namespace, node string, rendered map[string]string) {
		t.Helper()
		if sets, ok := rendered[node+"/ipset"]; ok {
			run(t, n, sets, "ipset", "restore", "-exist")
		}
		for i, c := range commands {
			rules, ok := rendered[node+"/"+files[i]]
			if !ok {
				continue
			}
			table, hook := "filter", "INPUT"
			if strings.Contains(rules, "\n*nat\n") {
				table, hook = "nat", "PREROUTING"
			}
			run(t, n, rules, c+"-restore", "-w", "--test", "--noflush")
			run(t, n, rules, c+"-restore", "-w", "--noflush")
			jump := []string{hook, "-m", "comment", "--comment", "pasvctl", "-j", "PASVCTL"}
			if _, err := n.Run("", c, append([]string{"-w", "-t", table, "-C"}, jump...)...); err != nil {
				run(t, n, "", c, append([]string{"-w", "-t", table, "-I"}, jump...)...)
			}
		}
	}
	b.list = func(t *testing.T, n *packets.Namespace) string {
		var all strings.Builder
		for _, c := range commands {
			all.WriteString(kerneltest.Lasting(run(t, n, "", c+"-save")))
		}
		// A set that was swapped in has another seed for its hash.
		return all.String() + seed.ReplaceAllString(run(t, n, "", "ipset", "save", "-sorted"), "")
	}
	b.forget = func(t *testing.T, n *packets.Namespace) {
		for _, name := range strings.Fields(run(t, n, "", "ipset", "list", "-name")) {
			if strings.Contains(name, ".s") {
				run(t, n, "", "ipset", "flush", name)
			}
		}
	}
	b.full = func(t *testing.T, n *packets.Namespace) int {
		return sum(t, iptFull, run(t, n, "", commands[0]+"-save", "-c")+run(t, n, "", commands[1]+"-save", "-c"))
	}
	return b
}

// run runs a program in a namespace; its failure ends the test.
func run(t *testing.T, n *packets.Namespace, stdin, program string, args ...string) string {
	t.Helper()
	out, err := n.Run(stdin, program, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
