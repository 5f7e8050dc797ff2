package plan

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/pasvctl/pasvctl/generators/finding"
)

func TestLockText(t *testing.T) {
	lock := &Lock{Sites: []LockedSite{
		{Name: "downloads", Host: "edge1", DataPorts: ports(61000, 62856), Ports: 1857},
		{Name: "edi", Host: "edge1", DataPorts: ports(20000, 20000), Ports: 1},
	}}
	want := lockHeader + `
site "downloads" {
  host       = "edge1"
  data_ports = "61000-62856"
  ports      = 1857
}

site "edi" {
  host       = "edge1"
  data_ports = "20000"
  ports      = 1
}
`
	got := lock.Bytes()
	if string(got) != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	if canonical := hclwrite.Format(got); !bytes.Equal(got, canonical) {
		t.Errorf("not in canonical layout:\n%s", canonical)
	}
}

func TestLockRoundTrip(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		lock := &Lock{}
		for i := range random.IntN(20) {
			first := lowestPort + random.IntN(60000)
			last := min(first+random.IntN(2000), highestPort)
			lock.Sites = append(lock.Sites, LockedSite{
				Name: fmt.Sprintf("site-%02d", i), Host: fmt.Sprintf("host_%d", random.IntN(3)),
				DataPorts: ports(uint16(first), uint16(last)), Ports: 1 + random.IntN(last-first+1),
			})
		}
		text := lock.Bytes()
		read, diags := ParseLock(text, LockFile)
		if diags.HasErrors() {
			t.Fatalf("%s\n%s", diags, text)
		}
		if !bytes.Equal(read.Bytes(), text) {
			t.Fatalf("written again:\n%s\nfirst:\n%s", read.Bytes(), text)
		}
		for i := range read.Sites {
			read.Sites[i].Range = hcl.Range{}
		}
		if !slices.Equal(read.Sites, lock.Sites) {
			t.Fatalf("read %v, wrote %v", read.Sites, lock.Sites)
		}
	}
}

func TestLockIsReadInAnyOrder(t *testing.T) {
	lock, diags := ParseLock([]byte(`
site "b" {
  ports = 2 # the order of attributes does not matter either
  host = "h"
  data_ports = "2000-2001"
}
site "a" {
  host = "h"
  data_ports = "1024-65535"
  ports = 64512
}
`), LockFile)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if a := lock.find("a"); a == nil || a.DataPorts != ports(1024, 65535) || a.Ports != 64512 {
		t.Errorf("a is %+v", a)
	}
	if b := lock.find("b"); b == nil || b.DataPorts != ports(2000, 2001) || b.Host != "h" || b.Range.Start.Line != 2 {
		t.Errorf("b is %+v", b)
	}
	if c := lock.find("c"); c != nil {
		t.Errorf("c is %+v", c)
	}
}

func TestDamagedLocks(t *testing.T) {
	entry := func(name, host, ports, count string) string {
		return fmt.Sprintf("site %s {\n  host = %s\n  data_ports = %s\n  ports = %s\n}\n", name, host, ports, count)
	}
	good := entry(`"a"`, `"h"`, `"61000-61009"`, "10")
	for name, c := range map[string]struct {
		text   string
		line   int
		detail string
	}{
		"two entries":        {good + good, 6, "two entries"},
		"merge conflict":     {"<<<<<<< ours\n" + good + "=======\n" + good + ">>>>>>> theirs\n", 1, "git checkout BRANCH"},
		"later conflict":     {good + "<<<<<<< ours\n", 6, "git checkout BRANCH"},
		"no range":           {entry(`"a"`, `"h"`, `"many"`, "10"), 3, `"many"`},
		"reversed":           {entry(`"a"`, `"h"`, `"61009-61000"`, "10"), 3, "not a range"},
		"privileged":         {entry(`"a"`, `"h"`, `"1000-1100"`, "10"), 3, "above 1023"},
		"beyond 65535":       {entry(`"a"`, `"h"`, `"65000-65536"`, "10"), 3, "not a range"},
		"spaces":             {entry(`"a"`, `"h"`, `"61000 - 61009"`, "10"), 3, "not a range"},
		"too few":            {entry(`"a"`, `"h"`, `"61000-61009"`, "11"), 4, "has 10"},
		"none":               {entry(`"a"`, `"h"`, `"61000-61009"`, "0"), 4, "has 10"},
		"fraction":           {entry(`"a"`, `"h"`, `"61000-61009"`, "1.5"), 4, "whole number"},
		"huge number":        {entry(`"a"`, `"h"`, `"61000-61009"`, "1e99"), 4, "whole number"},
		"huge exponent":      {entry(`"a"`, `"h"`, `"61000-61009"`, "1e999999999"), 4, "This number"},
		"hugest exponent":    {entry(`"a"`, `"h"`, `"61000-61009"`, "1e99999999999999999999"), 4, "This number"},
		"many digits":        {entry(`"a"`, `"h"`, `"61000-61009"`, strings.Repeat("9", 900)), 4, "This number"},
		"text for a number":  {entry(`"a"`, `"h"`, `"61000-61009"`, `"ten"`), 4, "number"},
		"missing host":       {"site \"a\" {\n  data_ports = \"61000\"\n  ports = 1\n}\n", 1, `"host"`},
		"unknown attribute":  {"site \"a\" {\n  host = \"h\"\n  data_port = \"61000\"\n  ports = 1\n}\n", 3, `"data_ports"`},
		"unknown block":      {"sites \"a\" {\n}\n", 1, `"site"`},
		"no label":           {"site {\n}\n", 1, "label"},
		"interpolation":      {entry(`"a"`, `"${upper("h")}"`, `"61000"`, "1"), 2, "Function calls"},
		"expression":         {entry(`"a"`, `"h"`, `"61000"`, "-(1)"), 4, "is -1"},
		"nested block":       {"site \"a\" {\n  b {\n  }\n}\n", 1, `"data_ports"`},
		"unbalanced":         {good + "}\n", 6, "closes no block"},
		"unfinished":         {"site \"a\" {\n  host = \"h\"\n", 1, "no closing brace"},
		"NUL":                {"site \"a\" {\n\x00}\n", 2, "NUL byte"},
		"invalid UTF-8":      {"site \"\xff\" {\n}\n", 1, ""},
		"variable reference": {entry(`"a"`, "local.h", `"61000"`, "1"), 2, "Variables not allowed"},
	} {
		lock, diags := ParseLock([]byte(c.text), LockFile)
		if !diags.HasErrors() || lock != nil {
			t.Errorf("%s: read as %+v", name, lock)
			continue
		}
		var at []int
		var details []string
		for _, d := range diags {
			if d.Subject == nil || d.Subject.Filename != LockFile {
				t.Errorf("%s: %s points nowhere", name, d)
				continue
			}
			if !strings.Contains(d.Detail, "version control") && !strings.Contains(d.Detail, "git checkout") {
				t.Errorf("%s: %s names no remedy", name, d)
			}
			at, details = append(at, d.Subject.Start.Line), append(details, d.Summary+" "+d.Detail)
		}
		if !slices.Contains(at, c.line) || !strings.Contains(strings.Join(details, "\n"), c.detail) {
			t.Errorf("%s: lines %v, want %d with %q: %s", name, at, c.line, c.detail, details)
		}
	}
}

func TestHostileLocks(t *testing.T) {
	for name, text := range map[string]string{
		"brackets":     "a = " + strings.Repeat("[", 1<<17),
		"parentheses":  "a = " + strings.Repeat("(", 1<<17),
		"operators":    "a = " + strings.Repeat("!", 1<<17),
		"blocks":       strings.Repeat("a {\n", 1<<15),
		"templates":    "a = " + strings.Repeat(`"${`, 1<<15),
		"conditionals": "a = 1" + strings.Repeat(" ? 1 : 1", 1<<15),
		"words":        strings.Repeat("a a a a\n", 1<<15),
		"too large":    strings.Repeat("#", MaxLockBytes+1),
	} {
		lock, diags := ParseLock([]byte(text), LockFile)
		if lock != nil || len(diags) == 0 || diags[0].Subject == nil {
			t.Errorf("%s: %v", name, diags)
		}
	}
}

func TestLargeLock(t *testing.T) {
	lock := &Lock{}
	for i := range 20_000 {
		lock.Sites = append(lock.Sites, LockedSite{Name: fmt.Sprintf("site-%05d", i), Host: "edge-of-the-network-1", DataPorts: ports(61000, 61099), Ports: 100})
	}
	read, diags := ParseLock(lock.Bytes(), LockFile)
	if diags.HasErrors() || len(read.Sites) != len(lock.Sites) {
		t.Fatal(diags)
	}
}

func FuzzParseLock(f *testing.F) {
	f.Add([]byte("site \"a\" {\n  host = \"h\"\n  data_ports = \"61000-61009\"\n  ports = 10\n}\n"))
	f.Add([]byte("<<<<<<< ours\nsite \"a\" {"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lock, diags := ParseLock(text, LockFile)
		if (lock == nil) != diags.HasErrors() {
			t.Fatalf("lock %v with %v", lock, diags)
		}
		for _, d := range diags {
			if finding.Of(d) != finding.LockDamaged {
				t.Errorf("%v is %v", d, finding.Of(d))
			}
		}
		if lock == nil {
			return
		}
		again, diags := ParseLock(lock.Bytes(), LockFile)
		if diags.HasErrors() {
			t.Fatalf("%s\n%s", diags, lock.Bytes())
		}
		for _, l := range []*Lock{lock, again} {
			for i := range l.Sites {
				l.Sites[i].Range = hcl.Range{}
			}
		}
		if !reflect.DeepEqual(lock, again) {
			t.Fatalf("wrote %v, read %v", lock, again)
		}
	})
}
