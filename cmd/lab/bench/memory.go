package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// A virtual machine may give the memory that nobody uses back to its host. A
// server that stores a file then waits for the host to find it again, which
// takes several times as long as to store it.

// kept are the kernel's settings with which it keeps free memory, where it has
// them, for longer than it takes to come to the files that are stored: how many
// milliseconds memory must have been free, and how much of it may wait for that.
var kept = map[string]string{"min_free_ms": "300000", "max_waiting_mib": "1000000"}

const reporting = "/sys/module/page_reporting/parameters/"

// keepMemory has the kernel keep free memory, until restore.
func keepMemory() (restore func(), err error) {
	was := map[string][]byte{}
	restore = func() {
		for name, value := range was {
			if err := os.WriteFile(reporting+name, value, 0); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
			}
		}
	}
	for name, value := range kept {
		old, err := os.ReadFile(reporting + name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			was[name] = old
			err = os.WriteFile(reporting+name, []byte(value), 0)
		}
		if err != nil {
			restore()
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "during this run %s%s is %s\n", reporting, name, value)
	}
	return restore, nil
}

// useMemory writes to most of the free memory once, if keepMemory keeps it, so
// that the host has found it before anything is measured.
func useMemory() error {
	const block, spare, most = 1 << 20, 4 << 30, 64 << 30
	for name := range kept {
		if _, err := os.Stat(reporting + name); err != nil {
			return nil
		}
	}
	free, err := available()
	if err != nil {
		return err
	}
	fd, err := unix.MemfdCreate("memory", unix.MFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	b := make([]byte, block)
	for left := min(free-spare, most); left > 0; left -= block {
		if _, err := unix.Write(fd, b); err != nil {
			return err
		}
	}
	return nil
}

// available is how many bytes the kernel could give to programs.
func available() (int64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "MemAvailable:" {
			kib, err := strconv.ParseInt(f[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("/proc/meminfo has no MemAvailable")
}
