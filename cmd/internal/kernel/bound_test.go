package kernel

import (
	"strings"
	"testing"
)

// What is kept of learnt members is bounded, and nothing else is left out.
func TestKeptMembersAreBounded(t *testing.T) {
	const rules = "table inet pasvctl {\n\tset gate {\n\t\ttype ipv4_addr\n\t\tflags dynamic,timeout\n\t\telements = { 192.0.2.1 timeout 2m expires 9s,\n\t\t\t     192.0.2.2 timeout 2m expires 9s }\n\t}\n\n" +
		"\tset clients {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.3 }\n\t}\n}\n"
	r, err := parseRuleset(rules)
	if err != nil {
		t.Fatal(err)
	}
	if text := r.text(r.beyond(1 << 10)); !strings.Contains(text, "192.0.2.2") {
		t.Errorf("members that fit are left out:\n%s", text)
	}
	if text := r.text(r.beyond(10)); strings.Contains(text, "192.0.2.2") || !strings.Contains(text, "flags dynamic,timeout") || !strings.Contains(text, "192.0.2.3") {
		t.Errorf("too much or too little is left out:\n%s", text)
	}
	const sets = "create pasvctl-a hash:ip family inet timeout 0\nadd pasvctl-a 192.0.2.1 timeout 9\nadd pasvctl-a 192.0.2.2 timeout 9\ncreate pasvctl-b hash:net family inet\nadd pasvctl-b 192.0.2.3\n"
	want := strings.Replace(sets, "add pasvctl-a 192.0.2.2 timeout 9\n", "", 1)
	if got := withoutBeyond(sets, 40); got != want {
		t.Errorf("got\n%s", got)
	}
}

// No text makes the reader of rules fail other than by an error, and what it
// has read it writes and reads again.
func FuzzParseRuleset(f *testing.F) {
	f.Add("table inet filter { # handle 1\n\tchain input { # handle 2\n\t\ttype filter hook input priority filter; policy drop;\n\t\ttcp dport 21 jump pasvctl comment \"pasvctl\" # handle 3\n\t}\n}\n")
	f.Add("table inet pasvctl {\n\tset s {\n\t\tflags dynamic,timeout\n\t\telements = { a \"b, c\" expires 1d2h3m4s5ms, d }\n\t}\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRuleset(text)
		if err != nil {
			return
		}
		r.listing()
		r.users(r.ours())
		written := r.text(nil)
		again, err := parseRuleset(written)
		if err != nil {
			t.Fatalf("%v\n%s", err, written)
		}
		if once := again.text(nil); once != written {
			t.Fatalf("read again it is\n%s\nand not\n%s", once, written)
		}
		for _, o := range r {
			o.grow(1)
		}
		_ = r.back(again, again.jumps(), 1)
	})
}
