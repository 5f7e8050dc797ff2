//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pasvctl/pasvctl/generators/plan"
)

// maxAncestors bounds the walk from a process to the first one.
const maxAncestors = 64

// sshConnection is what sshd put into SSH_CONNECTION, of this process or else
// of the nearest ancestor that has one: sudo and su drop it. It is "" without.
func sshConnection(proc string, pid int) string {
	for range maxAncestors {
		if pid <= 1 {
			return ""
		}
		folder := filepath.Join(proc, strconv.Itoa(pid))
		environment, _ := os.ReadFile(filepath.Join(folder, "environ")) // gone, or another user's
		for variable := range bytes.SplitSeq(environment, []byte{0}) {
			if value, found := bytes.CutPrefix(variable, []byte("SSH_CONNECTION=")); found {
				return string(value)
			}
		}
		pid = parent(folder)
	}
	return ""
}

// parent reads a process's parent from its stat file: "PID (NAME) STATE PPID …",
// where the name may hold anything. It is 0 if the process is gone.
func parent(folder string) int {
	text, _ := os.ReadFile(filepath.Join(folder, "stat"))
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	pid, _ := strconv.Atoi(fields[1])
	return pid
}

// cutsOff refuses to apply over an SSH connection to a port that the rules
// give to a site: the next login would be judged as an FTP client. connection
// is "CLIENT PORT SERVER PORT", as in SSH_CONNECTION.
func cutsOff(connection string, host *plan.Host) error {
	f := strings.Fields(connection)
	if len(f) != 4 {
		return nil
	}
	at, err := netip.ParseAddrPort(net.JoinHostPort(f[2], f[3]))
	if err != nil {
		return nil
	}
	for _, s := range host.Sites {
		if s.Port == at.Port() || s.DataPorts.Contains(at.Port()) {
			return failure(fmt.Errorf("this SSH connection comes in on port %d, which the rules give to site %q: the next login could be dropped", at.Port(), s.Name),
				"let sshd listen on another port, or keep this one out of the range with avoid_ports")
		}
	}
	return nil
}
