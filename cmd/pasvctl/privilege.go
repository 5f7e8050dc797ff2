//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is who the daemon goes on as once it has bound its ports.
type account struct {
	name     string
	uid, gid int
	groups   []int
}

// lookupAccount finds the user, who must be somebody else than root.
func lookupAccount(name string) (*account, error) {
	found, err := user.Lookup(name)
	if err != nil {
		return nil, usage("name a user of this machine", "--user: %v", err)
	}
	ids, err := found.GroupIds()
	if err != nil {
		return nil, failure(err, "")
	}
	a := &account{name: name}
	for _, id := range append([]string{found.Uid, found.Gid}, ids...) {
		n, err := strconv.Atoi(id)
		if err != nil {
			return nil, failure(fmt.Errorf("user %s: %w", name, err), "")
		}
		a.groups = append(a.groups, n)
	}
	a.uid, a.gid, a.groups = a.groups[0], a.groups[1], a.groups[2:]
	switch {
	case a.uid == 0:
		return nil, usage("name a user who may do less", "--user %s is root", name)
	case os.Geteuid() != 0 && os.Geteuid() != a.uid:
		return nil, usage("leave it out, or start as root", "only root can become --user %s", name)
	}
	return a, nil
}

// become gives up root for good, in every thread. A process that could take it
// back is an error.
func (a *account) become() error {
	if os.Geteuid() == a.uid {
		return nil
	}
	err := errors.Join(syscall.Setgroups(a.groups), syscall.Setresgid(a.gid, a.gid, a.gid), syscall.Setresuid(a.uid, a.uid, a.uid))
	if err != nil {
		return fmt.Errorf("cannot become user %s: %w", a.name, err)
	}
	if syscall.Setresuid(0, 0, 0) == nil {
		return fmt.Errorf("user %s can become root again", a.name)
	}
	return nil
}
