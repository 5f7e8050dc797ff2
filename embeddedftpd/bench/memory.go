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

// minFree is how many milliseconds memory must have been free, on kernels that
// ask; keepFor is longer than it takes to come to the files that are stored.
const (
	minFree = "/sys/module/page_reporting/parameters/min_free_ms"
	keepFor = "300000"
)

// keepMemory has the kernel keep free memory, until restore.
func keepMemory() (restore func(), err error) {
	was, err := os.ReadFile(minFree)
	if errors.Is(err, fs.ErrNotExist) {
		return func() {}, nil
	}
	if err == nil {
		err = os.WriteFile(minFree, []byte(keepFor), 0)
	}
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stderr, minFree+" is "+keepFor+" during this run")
	return func() {
		if err := os.WriteFile(minFree, was, 0); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}, nil
}

// useMemory writes to most of the free memory once, if keepMemory keeps it, so
// that the host has found it before anything is measured.
func useMemory() error {
	const block, spare, most = 1 << 20, 4 << 30, 64 << 30
	if _, err := os.Stat(minFree); err != nil {
		return nil
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
