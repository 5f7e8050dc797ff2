package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/pasvctl/pasvctl/generators/plan"
)

const oneSite = `host "edge1" {
  addresses = ["192.0.2.1"]
}
site "downloads" {
  host   = "edge1"
  server = "vsftpd"
  port   = 21
  concurrency {
    sessions = 40
  }
}
`

// A run must not write over the lock of one that ended after it had read it:
// the other spec's sites would be gone from it.
func TestLockWrittenMeanwhile(t *testing.T) {
	folder := t.TempDir()
	path, lock := filepath.Join(folder, "a.pasv.hcl"), filepath.Join(folder, plan.LockFile)
	if err := os.WriteFile(path, []byte(oneSite), 0o600); err != nil {
		t.Fatal(err)
	}
	g := &generator{streams: streams{out: io.Discard, err: io.Discard}, dir: t.TempDir()}
	load := func() *project {
		p, err := g.valid(g.streams, path)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	early := load()
	const other = "site \"other\" {\n  host       = \"edge2\"\n  data_ports = \"61000-61009\"\n  ports      = 10\n}\n"
	if err := os.WriteFile(lock, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := g.writeLock(early); !errors.Is(err, errLockChanged) {
		t.Errorf("got %v", err)
	}
	if text, err := os.ReadFile(lock); err != nil || string(text) != other {
		t.Errorf("the lock is %q, %v", text, err)
	}
	if _, err := g.writeLock(load()); err != nil {
		t.Error(err)
	}
}
