package embeddedftpd

import (
	"io/fs"
	"os"
	"slices"
	"sync"
	"syscall"
)

// rights are what a session may do in a folder, by user, owner, group and mode. Access
// control lists and read-only file systems have their say when the command comes.
type rights struct {
	readOnly bool
	folder   fs.FileInfo // nil: its entries can neither be removed nor renamed
}

// rightsIn are those in a folder; top: of the user's root itself, which stays.
func (s *session) rightsIn(folder string, top bool) rights {
	r := rights{readOnly: s.login.user.ReadOnly}
	if info, err := s.login.root.Stat(rooted(folder)); err == nil && !top {
		r.folder = info
	}
	return r
}

// perm is the fact Perm (RFC 3659 section 7.5.5).
func (r rights) perm(info fs.FileInfo) (letters []byte) {
	add := func(may bool, some string) {
		if may {
			letters = append(letters, some...)
		}
	}
	read, write, enter := may(info, 4), may(info, 2) && !r.readOnly, may(info, 1)
	dir := info.IsDir()
	add(!dir && write, "a")
	add(dir && write && enter, "c")
	add(r.removable(info), "df")
	add(dir && enter, "e")
	add(dir && read && enter, "l")
	add(dir && write && enter, "mp")
	add(!dir && read, "r")
	add(!dir && write, "w")
	slices.Sort(letters)
	return letters
}

// removable reports whether an entry can be removed: from a sticky folder only by its
// owner.
func (r rights) removable(info fs.FileInfo) bool {
	if r.readOnly || r.folder == nil || !may(r.folder, 2) || !may(r.folder, 1) {
		return false
	}
	id := identity()
	return r.folder.Mode()&fs.ModeSticky == 0 || id.user == 0 || owned(info, id.user) || owned(r.folder, id.user)
}

// may reports whether this process may read (4), write (2) or enter (1).
func may(info fs.FileInfo, bit fs.FileMode) bool {
	id, mode := identity(), info.Mode().Perm()
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case id.user == 0 || !ok:
		return true
	case int(st.Uid) == id.user:
		return mode>>6&bit != 0
	case slices.Contains(id.groups, int(st.Gid)):
		return mode>>3&bit != 0
	}
	return mode&bit != 0
}

func owned(info fs.FileInfo, user int) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return !ok || int(st.Uid) == user
}

type processIdentity struct {
	user   int
	groups []int
}

// identity is who the process is once it serves.
var identity = sync.OnceValue(func() processIdentity {
	groups, _ := os.Getgroups()
	return processIdentity{os.Geteuid(), append(groups, os.Getegid())}
})
