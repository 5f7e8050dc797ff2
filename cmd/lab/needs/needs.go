// Package needs says what a test needs of the machine. A missing tool skips
// the test and says so; in CI (CI=true) it fails the test instead, because
// nothing may skip there.
//
// It is for tests only and installs nothing: `make test` does that.
package needs

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// Tool returns the path of a program, or skips the test where it is missing.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		missing(t, "the program "+name)
	}
	return path
}

// Root skips the test unless it runs as root, which kernel tests need.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
}

// Server returns the folder that an FTP server's Debian package was unpacked
// to (vsftpd, proftpd or pure-ftpd: the packages conflict, so they lie side by
// side under .ci/cache), or with the name firewalls those of other firewalls.
func Server(t testing.TB, name string) string {
	t.Helper()
	_, self, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(self), "..", "..", "..", ".ci", "cache", "servers", name)
	if _, err := os.Stat(root); err != nil {
		missing(t, "the unpacked server "+name)
	}
	return root
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("this test needs %s, and in CI nothing may skip", what)
	}
	t.Skipf("skipped: this test needs %s", what)
}
