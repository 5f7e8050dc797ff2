package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// group is a control group that holds one server and its children.
type group struct{ dir string }

func newGroup(name string) (group, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return group{}, err
	}
	for line := range strings.Lines(string(mounts)) {
		if f := strings.Fields(line); len(f) > 2 && f[2] == "cgroup2" {
			dir := filepath.Join(f[1], fmt.Sprintf("pasvctl-bench-%d-%s", os.Getpid(), name))
			return group{dir}, os.MkdirAll(dir, 0o755)
		}
	}
	return group{}, errors.New("no control groups of version 2 are mounted")
}

// start runs cmd in the group from its first instruction on.
func (g group) start(cmd *exec.Cmd) error {
	dir, err := os.Open(g.dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	return cmd.Start()
}

// cpu is the processor time that the group has used, ended processes included.
func (g group) cpu() (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join(g.dir, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "usage_usec "); ok {
			n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
			return time.Duration(n) * time.Microsecond, err
		}
	}
	return 0, errors.New("cpu.stat has no usage_usec")
}

// memory is the proportional set size of the group's processes in bytes: what
// they share counts once.
func (g group) memory() (int64, error) {
	pids, err := g.processes()
	var sum int64
	for _, pid := range pids {
		f, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue // it has ended
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			if f := strings.Fields(lines.Text()); len(f) > 1 && f[0] == "Pss:" {
				kib, _ := strconv.ParseInt(f[1], 10, 64)
				sum += kib << 10
			}
		}
		f.Close()
	}
	return sum, err
}

func (g group) processes() ([]int, error) {
	text, err := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
	var pids []int
	for _, field := range strings.Fields(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids, err
}

// kill ends what is left in the group, and nothing else.
func (g group) kill() {
	for range 50 {
		pids, err := g.processes()
		if err != nil || len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (g group) remove() { os.Remove(g.dir) }
