package embeddedftpd

import (
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// fakeInfo is an entry with an owner.
type fakeInfo struct {
	mode     fs.FileMode
	uid, gid uint32
}

func (f fakeInfo) Name() string       { return "f" }
func (f fakeInfo) Size() int64        { return 0 }
func (f fakeInfo) Mode() fs.FileMode  { return f.mode }
func (f fakeInfo) ModTime() time.Time { return time.Time{} }
func (f fakeInfo) IsDir() bool        { return f.mode.IsDir() }
func (f fakeInfo) Sys() any           { return &syscall.Stat_t{Uid: f.uid, Gid: f.gid} }

// Perm says what the session may do, as an ordinary user and as root.
func TestPerm(t *testing.T) {
	was := identity
	t.Cleanup(func() { identity = was })
	const dir, sticky = fs.ModeDir, fs.ModeDir | fs.ModeSticky
	open := fakeInfo{dir | 0o755, 1000, 1000}
	for _, x := range []struct {
		what     string
		user     int
		readOnly bool
		folder   fs.FileInfo
		entry    fakeInfo
		want     string
	}{
		{"own file", 1000, false, open, fakeInfo{0o644, 1000, 1000}, "adfrw"},
		{"own file, user may only read", 1000, true, open, fakeInfo{0o644, 1000, 1000}, "r"},
		{"own folder", 1000, false, open, fakeInfo{dir | 0o755, 1000, 1000}, "cdeflmp"},
		{"own folder, user may only read", 1000, true, open, fakeInfo{dir | 0o755, 1000, 1000}, "el"},
		{"file of another in own folder", 1000, false, open, fakeInfo{0o644, 1, 1}, "dfr"},
		{"by the group", 1000, false, open, fakeInfo{0o460, 1, 1000}, "adfrw"},
		{"own file, of which the others have more", 1000, false, open, fakeInfo{0o066, 1000, 1000}, "df"},
		{"own file in a folder of another", 1000, false, fakeInfo{dir | 0o755, 1, 1}, fakeInfo{0o644, 1000, 1000}, "arw"},
		{"file of another in a sticky folder", 1000, false, fakeInfo{sticky | 0o777, 1, 1}, fakeInfo{0o644, 1, 1}, "r"},
		{"own file in a sticky folder", 1000, false, fakeInfo{sticky | 0o777, 1, 1}, fakeInfo{0o600, 1000, 1000}, "adfrw"},
		{"folder to look at", 1000, false, open, fakeInfo{dir | 0o755, 1, 1}, "defl"},
		{"drop box", 1000, false, open, fakeInfo{dir | 0o733, 1, 1}, "cdefmp"},
		{"the user's root", 1000, false, nil, fakeInfo{dir | 0o755, 1000, 1000}, "celmp"},
		{"root", 0, false, fakeInfo{sticky | 0o755, 1, 1}, fakeInfo{0, 1, 1}, "adfrw"},
	} {
		identity = func() processIdentity { return processIdentity{x.user, []int{1000}} }
		if got := string((rights{x.readOnly, x.folder}).perm(x.entry)); got != x.want {
			t.Errorf("%s: %s, want %s", x.what, got, x.want)
		}
	}
}

// MLST and MLSD agree, and the root itself can be neither removed nor renamed.
func TestPermOfMLST(t *testing.T) {
	ts := start(t, nil)
	ts.file(t, "sub/f", "")
	must(t, os.Chmod(ts.root, 0o755))
	c := ts.login(t)
	for _, x := range []struct{ command, want string }{
		{"MLST /", "Perm=celmp;"}, {"MLST sub", "Perm=cdeflmp;"}, {"MLST sub/f", "Perm=adfrw;"},
	} {
		if got := c.do(250, "%s", x.command); !strings.Contains(got, x.want) {
			t.Errorf("%s: %q, want %s", x.command, got, x.want)
		}
	}
	if got := c.get("MLSD sub"); !strings.Contains(got, "Perm=adfrw;") {
		t.Errorf("MLSD: %q", got)
	}
}
