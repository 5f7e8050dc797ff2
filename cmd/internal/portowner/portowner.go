// Package portowner finds which sockets of this machine keep a TCP port from
// being bound, and which process and user they belong to, as Linux lists it in
// /proc/net/tcp, /proc/net/tcp6 and /proc/PID/fd (proc(5)).
//
// It is not for ports of other network namespaces, and it frees nothing.
package portowner

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// State is what a socket does with its port.
type State string

// The states that matter here; all others count as Connected.
const (
	Listening State = "listening"
	Connected State = "connected"
	TimeWait  State = "time-wait"
)

// Owner is a socket and the process that holds it.
type Owner struct {
	Local   netip.AddrPort
	Remote  netip.AddrPort // port 0 if it listens
	State   State
	UID     int
	PID     int       // 0: no process that this user may look at holds the socket
	Process string    // name of the process, "" without a PID
	Started time.Time // of the process, to the hundredth of a second; zero without a PID

	inode uint64
}

const (
	maxLines     = 2_000_000 // of a /proc/net table
	maxProcesses = 200_000
	maxOwners    = 1 << 16 // a process may hold a whole range
)

// Of returns the sockets that keep at, an address and port of this machine,
// from being bound, listening ones first; 0.0.0.0 means all IPv4
// addresses, :: for all.
// It finds at most 65,536.
func Of(at netip.AddrPort) ([]Owner, error) { return of("/proc", at) }

// Filter picks sockets by their local end.
type Filter func(local netip.AddrPort) bool

// Matching returns the sockets whose local end match picks, listening ones
// first. It finds at most 65,536.
func Matching(match Filter) ([]Owner, error) {
	return matching("/proc", match)
}

// AnyConnection reports whether a connection of this machine, other than one that has
// ended, has a local end that match picks.
func AnyConnection(match Filter) (bool, error) { return anyConnection("/proc", match) }

func anyConnection(proc string, match Filter) (bool, error) {
	found, err := sockets(proc, match)
	return slices.ContainsFunc(found, func(o Owner) bool { return o.State == Connected }), err
}

func of(proc string, at netip.AddrPort) ([]Owner, error) {
	return matching(proc, func(local netip.AddrPort) bool { return blocks(local, at) })
}

func matching(proc string, match Filter) ([]Owner, error) {
	owners, err := sockets(proc, match)
	if err != nil {
		return nil, err
	}
	rank := func(o Owner) int {
		if o.State == Listening {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(owners, func(a, b Owner) int { return rank(a) - rank(b) })
	owners = owners[:min(len(owners), maxOwners)]
	name(proc, owners)
	return owners, nil
}

// sockets are those whose local end match picks, without their processes.
func sockets(proc string, match Filter) (owners []Owner, err error) {
	for _, table := range []string{"tcp", "tcp6"} {
		found, err := readTable(filepath.Join(proc, "net", table), match)
		if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6, or no Linux
			return nil, err
		}
		owners = append(owners, found...)
	}
	return owners, nil
}

func readTable(path string, match Filter) ([]Owner, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parseTable(f, match)
}

func parseTable(r io.Reader, match Filter) ([]Owner, error) {
	var owners []Owner
	lines := bufio.NewScanner(r)
	lines.Scan() // the heading
	for n := 0; lines.Scan() && n < maxLines; n++ {
		o, ok := parseLine(lines.Text())
		if ok && match(o.Local) {
			owners = append(owners, o)
		}
	}
	return owners, lines.Err()
}

// blocks reports whether a socket at local is in the way of one at at: the same
// port, and addresses that meet. An IPv6 wildcard is assumed to listen for IPv4 too.
func blocks(local, at netip.AddrPort) bool {
	if local.Port() != at.Port() {
		return false
	}
	a, b := local.Addr().Unmap(), at.Addr().Unmap()
	return a == b || covers(a, b) || covers(b, a)
}

// covers reports whether a is a wildcard that b falls under.
func covers(a, b netip.Addr) bool {
	return a.IsUnspecified() && (a.Is6() || b.Is4())
}

// parseLine reads "  sl  local rem st tx:rx tr:when retrnsmt uid timeout inode …".
func parseLine(line string) (Owner, bool) {
	f := strings.Fields(line)
	if len(f) < 10 {
		return Owner{}, false
	}
	local, ok := parseAddress(f[1])
	remote, ok2 := parseAddress(f[2])
	uid, err1 := strconv.Atoi(f[7])
	inode, err2 := strconv.ParseUint(f[9], 10, 64)
	if !ok || !ok2 || err1 != nil || err2 != nil {
		return Owner{}, false
	}
	o := Owner{Local: local, Remote: remote, State: Connected, UID: uid, inode: inode}
	switch f[3] { // include/net/tcp_states.h
	case "0A":
		o.State = Listening
	case "06":
		o.State = TimeWait
	}
	return o, true
}

// parseAddress reads "0100007F:0016": 32-bit words in the machine's own byte
// order, then the port in hexadecimal.
func parseAddress(s string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	number, err2 := strconv.ParseUint(port, 16, 16)
	if err != nil || err2 != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for word := 0; word < len(raw); word += 4 {
		binary.NativeEndian.PutUint32(raw[word:], binary.BigEndian.Uint32(raw[word:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr, uint16(number)), ok
}

// name fills in the processes: the one whose open files include the socket's
// inode. Other users' open files are hidden from all but root.
func name(proc string, owners []Owner) {
	wanted := map[string]int{}
	for i, o := range owners {
		if o.inode != 0 {
			wanted[fmt.Sprintf("socket:[%d]", o.inode)] = i
		}
	}
	if len(wanted) == 0 {
		return
	}
	processes, err := readNames(proc, maxProcesses)
	if err != nil {
		return
	}
	for _, process := range processes {
		pid, err := strconv.Atoi(process)
		if err != nil {
			continue
		}
		folder := filepath.Join(proc, process, "fd")
		descriptors, err := readNames(folder, maxProcesses)
		if err != nil {
			continue
		}
		for _, fd := range descriptors {
			link, err := os.Readlink(filepath.Join(folder, fd))
			if i, ok := wanted[link]; err == nil && ok {
				owners[i].PID, owners[i].Process = pid, command(proc, process)
				owners[i].Started = started(proc, process)
				delete(wanted, link)
			}
		}
		if len(wanted) == 0 {
			return
		}
	}
}

func readNames(folder string, limit int) ([]string, error) {
	f, err := os.Open(folder)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(limit)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return names, err
}

// command is the name of a process, without what could upset a terminal.
func command(proc, pid string) string {
	text, err := os.ReadFile(filepath.Join(proc, pid, "comm"))
	if err != nil {
		return "?"
	}
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.TrimSuffix(string(text), "\n"))
}

// started is when a process began: field 22 of its stat file counts hundredths
// of a second (USER_HZ, the same on every Linux) since the boot that btime of
// /proc/stat gives. It is zero if /proc does not say.
func started(proc, pid string) time.Time {
	stat, err1 := os.ReadFile(filepath.Join(proc, pid, "stat"))
	boot, err2 := os.ReadFile(filepath.Join(proc, "stat"))
	_, since, found := strings.Cut(string(boot), "\nbtime ")
	// The name in parentheses may hold anything, so count from its end.
	fields := strings.Fields(string(stat[max(0, strings.LastIndexByte(string(stat), ')')):]))
	if err1 != nil || err2 != nil || !found || len(fields) < 21 {
		return time.Time{}
	}
	btime, err1 := strconv.ParseInt(strings.TrimSpace(strings.SplitN(since, "\n", 2)[0]), 10, 64)
	ticks, err2 := strconv.ParseInt(fields[20], 10, 64)
	if err1 != nil || err2 != nil {
		return time.Time{}
	}
	return time.Unix(btime, 0).Add(time.Duration(ticks) * 10 * time.Millisecond)
}

// String says who has the port and how, as the end of the sentence "port 61000
// is taken by …".
func (o Owner) String() string {
	what := "listening on " + o.Local.String()
	switch o.State {
	case TimeWait:
		return fmt.Sprintf("a connection from %v that has ended (TIME_WAIT, over within 60 s)", o.Local)
	case Connected:
		what = "with a connection from " + o.Local.String()
	}
	if o.PID == 0 {
		return fmt.Sprintf("a process of user %s, %s (only root can see which)", userName(o.UID), what)
	}
	return fmt.Sprintf("%s (pid %d, user %s), %s", o.Process, o.PID, userName(o.UID), what)
}

func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}
