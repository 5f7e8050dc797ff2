//go:build !linux

package main

import (
	"strings"
	"testing"
)

func TestCommandsThatNeedLinuxSaySo(t *testing.T) {
	for _, name := range []string{"serve", "verify", "user", "diff", "apply", "confirm", "rollback", "doctor"} {
		for _, args := range [][]string{{name}, {name, "--help"}, {name, "a.pasv.hcl", "--host", "edge1"}} {
			code, stdout, stderr := pasvctl(args...)
			if code != exitFailed || stdout != "" || !strings.Contains(stderr, name+" needs a Linux kernel") {
				t.Errorf("pasvctl %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
			}
		}
	}
}
