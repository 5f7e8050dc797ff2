package embeddedftpd

import (
	"io"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// A client is beside its session where both run on one processor.
func TestBeside(t *testing.T) {
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	moveTo := func(cpu int) {
		t.Helper()
		var one unix.CPUSet
		one.Set(cpu)
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			t.Fatal(err)
		}
	}
	var cpus []int
	for cpu := 0; len(cpus) < min(2, all.Count()); cpu++ {
		if all.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	b := make([]byte, 16)
	r, client := promptPair(t)
	for _, from := range cpus {
		for _, here := range cpus {
			moveTo(from)
			io.WriteString(client, "NOOP")
			if n, err := r.now(b); n != 4 || err != nil {
				t.Fatal(n, err)
			}
			moveTo(here)
			if got := r.beside(); got != (from == here) {
				t.Errorf("the client on processor %d, the session on %d: beside is %v", from, here, got)
			}
		}
	}
}
