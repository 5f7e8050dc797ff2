package embeddedftpd

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

// A login sees the folder that is there now, also while a session of the one
// before is open, and that session keeps its own.
func TestReplacedRoot(t *testing.T) {
	replace := map[string]func(t *testing.T, at string){
		"renamed": func(t *testing.T, at string) {
			must(t, os.Rename(at, at+"-old"))
			must(t, os.Mkdir(at, 0o755))
		},
		"link": func(t *testing.T, at string) {
			must(t, os.Rename(at, at+"-old"))
			must(t, os.Mkdir(at+"-new", 0o755))
			must(t, os.Symlink(at+"-new", at))
		},
		"mount": func(t *testing.T, at string) {
			needs.Root(t)
			must(t, unix.Mount("none", at, "tmpfs", 0, ""))
			t.Cleanup(func() { must(t, unix.Unmount(at, unix.MNT_DETACH)) })
		},
	}
	for name, replace := range replace {
		t.Run(name, func(t *testing.T) {
			at := filepath.Join(t.TempDir(), "sub")
			must(t, os.Mkdir(at, 0o755))
			must(t, os.WriteFile(filepath.Join(at, "before"), nil, 0o644))
			ts := start(t, func(c *Config) { c.Users = oneUser{User{Name: "user", Root: at}} })
			first := dial(t, ts.addr())
			first.expect(220)
			first.login()
			replace(t, at)
			second := dial(t, ts.addr())
			second.expect(220)
			second.login()
			if got := second.get("NLST"); got != "" {
				t.Errorf("the new login sees %q", got)
			}
			second.put("new", "STOR after")
			if text, err := os.ReadFile(filepath.Join(at, "after")); string(text) != "new" {
				t.Errorf("the upload did not reach the folder: %q, %v", text, err)
			}
			if got := first.get("NLST"); got != "before\r\n" {
				t.Errorf("the session of the old folder sees %q", got)
			}
			third := dial(t, ts.addr())
			third.expect(220)
			third.login()
			ts.roots.mu.Lock()
			shared := ts.roots.open[at].users
			ts.roots.mu.Unlock()
			if shared != 2 {
				t.Errorf("%d sessions share the new folder, want 2", shared)
			}
			for _, c := range []*client{first, second, third} {
				c.do(221, "QUIT")
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
