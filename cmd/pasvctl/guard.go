//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// startGuard starts the process that takes a change back at its deadline.
func startGuard(id string, deadline time.Time) error {
	return startDetached("guard", id, deadline.Format(time.RFC3339Nano))
}

// startDrain starts the process that closes older ports once their sessions
// have ended.
func startDrain(id string) error { return startDetached("drain", id) }

// startDetached starts a command of this program in a process that survives
// this one, the shell and the connection: a transient unit where systemd runs
// this machine, and else a process in a session of its own.
func startDetached(command, id string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	line := append([]string{self, command, id}, args...)
	if underSystemd() {
		unit := []string{"--unit=pasvctl-" + command + "-" + id, "--collect", "--quiet",
			"--property=Restart=on-failure", "--setenv=PASVCTL_STATE_DIR=" + stateFolder(), "--"}
		out, err := exec.Command("systemd-run", append(unit, line...)...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("systemd-run: %w: %s", err, out)
		}
		return nil
	}
	return detach(command+".log", line)
}

// underSystemd reports whether a transient unit would run where this process
// does: systemd is in charge, and the network namespace is its own.
func underSystemd() bool {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return false
	}
	if _, err := exec.LookPath("systemd-run"); err != nil {
		return false
	}
	ours, err1 := os.Readlink("/proc/self/ns/net")
	first, err2 := os.Readlink("/proc/1/ns/net")
	return err1 == nil && err2 == nil && ours == first
}

func detach(name string, args []string) error {
	log, err := os.OpenFile(filepath.Join(stateFolder(), name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "/"
	cmd.Stderr = log
	cmd.Env = append(os.Environ(), "PASVCTL_STATE_DIR="+stateFolder())
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no terminal can hang it up
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Process.Release()
}
