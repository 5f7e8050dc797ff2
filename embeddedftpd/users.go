package embeddedftpd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"
)

// User is an account that has logged in.
type User struct {
	Name      string
	Root      string // the folder that the user sees as "/"
	ReadOnly  bool   // every command that changes a file is refused
	Rate      int64  // bytes a second of one transfer; 0: Config.Rate
	Anonymous bool   // logged in without a password
}

// Users decides who may log in.
type Users interface {
	// Authenticate returns the user, or ErrLogin in the same time for an unknown name and
	// a wrong password. failures is how many of those for the name have lately come from
	// the client's address.
	Authenticate(ctx context.Context, name, password string, failures int) (User, error)
}

// ErrLogin is the answer to an unknown name and to a wrong password alike.
var ErrLogin = errors.New("wrong name or password")

// Bounds of a users file.
const (
	maxUsers        = 100_000
	maxUserLine     = 4096
	maxUserName     = 128
	maxUserFileSize = 64 << 20
)

// UserFile is a users file in memory.
type UserFile struct {
	users   map[string]int
	entries []userEntry
	seed    maphash.Seed
	hashing *hashLine
}

type userEntry struct {
	User
	hash passwordHash
}

// ReadUsers reads a users file: a line a user, "name:hash:root" or
// "name:hash:root:options". Options stand between commas: "ro" (may only read),
// "rate=N" (bytes a second of a transfer). The hash is argon2id in PHC form or bcrypt
// ($2a$, $2b$, $2y$), the root an absolute path without a colon. Empty lines and those
// that start with # are skipped. Errors are "file:line: what is wrong". Bounds: 100,000
// users, 64 MiB, 4,096 bytes a line, 128 bytes a name.
func ReadUsers(r io.Reader, file string) (*UserFile, error) {
	u := &UserFile{
		users:   map[string]int{},
		seed:    maphash.MakeSeed(),
		hashing: newHashLine(),
	}
	bounded := &io.LimitedReader{R: r, N: maxUserFileSize + 1}
	lines := bufio.NewScanner(bounded)
	lines.Buffer(make([]byte, 0, maxUserLine), maxUserLine)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSuffix(lines.Text(), "\r")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		entry, err := parseUser(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, n, err)
		}
		if _, twice := u.users[entry.Name]; twice {
			return nil, fmt.Errorf("%s:%d: duplicate user %q: remove one of the lines", file, n, entry.Name)
		}
		if len(u.entries) == maxUsers {
			return nil, fmt.Errorf("%s:%d: more than %d users", file, n, maxUsers)
		}
		u.users[entry.Name] = len(u.entries)
		u.entries = append(u.entries, entry)
	}
	switch err := lines.Err(); {
	case bounded.N == 0:
		return nil, fmt.Errorf("%s: larger than %d bytes", file, maxUserFileSize)
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("%s:%d: the line is longer than %d bytes", file, n+1, maxUserLine)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return u, nil
}

func parseUser(line string) (userEntry, error) {
	var e userEntry
	fields := strings.Split(line, ":")
	if len(fields) != 3 && len(fields) != 4 {
		return e, fmt.Errorf("%d fields: want name:hash:root or name:hash:root:options", len(fields))
	}
	e.Name, e.Root = fields[0], fields[2]
	if err := checkUserName(e.Name); err != nil {
		return e, err
	}
	var err error
	if e.hash, err = parseHash(fields[1]); err != nil {
		return e, fmt.Errorf("user %q: %w", e.Name, err)
	}
	if !filepath.IsAbs(e.Root) || strings.ContainsRune(e.Root, 0) {
		return e, fmt.Errorf("user %q: root %q is not an absolute path", e.Name, e.Root)
	}
	if len(fields) == 4 {
		if err := e.parseOptions(fields[3]); err != nil {
			return e, fmt.Errorf("user %q: %w", e.Name, err)
		}
	}
	return e, nil
}

func (u *User) parseOptions(text string) error {
	for option := range strings.SplitSeq(text, ",") {
		rate, isRate := strings.CutPrefix(option, "rate=")
		switch {
		case option == "ro":
			u.ReadOnly = true
		case isRate:
			n, err := strconv.ParseInt(rate, 10, 64)
			if err != nil || n < 1 {
				return fmt.Errorf("rate %q: want a whole number of bytes a second, at least 1", rate)
			}
			u.Rate = n
		default:
			return fmt.Errorf("unknown option %q: there are ro and rate=N", option)
		}
	}
	return nil
}

// checkUserName keeps names to what survives a users file, a log line and a command.
func checkUserName(name string) error {
	switch {
	case name == "":
		return errors.New("the user name is empty")
	case len(name) > maxUserName:
		return fmt.Errorf("user %.20q…: the name is longer than %d bytes", name, maxUserName)
	case !utf8.ValidString(name):
		return fmt.Errorf("user %q: the name is not UTF-8", name)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == ':' || r == '/' }):
		return fmt.Errorf("user %q: control characters, ':' and '/' are not allowed in a name", name)
	case name != strings.TrimSpace(name) || strings.HasPrefix(name, "#"):
		return fmt.Errorf("user %q: a name neither starts nor ends with a space, nor starts with #", name)
	}
	return nil
}

// Line returns a users file's line for the user, the opposite of ReadUsers.
func (u User) Line(hash string) (string, error) {
	if strings.Contains(u.Root, ":") {
		return "", fmt.Errorf("user %q: root %q has a colon, which separates the fields of a users file", u.Name, u.Root)
	}
	line := u.Name + ":" + hash + ":" + u.Root
	var options []string
	if u.ReadOnly {
		options = append(options, "ro")
	}
	if u.Rate > 0 {
		options = append(options, fmt.Sprintf("rate=%d", u.Rate))
	}
	if len(options) > 0 {
		line += ":" + strings.Join(options, ",")
	}
	if _, err := parseUser(line); err != nil {
		return "", err
	}
	if strings.ContainsAny(line, "\r\n") || len(line) >= maxUserLine {
		return "", fmt.Errorf("user %q does not fit on a line", u.Name)
	}
	return line, nil
}

// All returns the users, in the order of the file.
func (u *UserFile) All() []User {
	all := make([]User, len(u.entries))
	for i, e := range u.entries {
		all[i] = e.User
	}
	return all
}

// fewFailures wrong passwords for a known name may be mistakes.
const fewFailures = 2

// Authenticate implements Users. An unknown name has its password checked against some
// user's hash, always the same one, and so takes as long as a known one. If many log in
// at once, known names with few failures go first; a wrong password for one is checked
// once more in an unknown name's turn, and its answer comes no earlier.
func (u *UserFile) Authenticate(ctx context.Context, name, password string, failures int) (User, error) {
	if len(u.entries) == 0 {
		return User{}, ErrLogin
	}
	i, known := u.users[name]
	if !known {
		i = int(maphash.String(u.seed, name) % uint64(len(u.entries)))
	}
	entry := u.entries[i]
	crowded := u.hashing.full()
	first := known && failures <= fewFailures
	right, err := u.check(ctx, entry.hash, password, first)
	if err == nil && first && crowded && !right {
		_, err = u.check(ctx, entry.hash, password, false)
	}
	switch {
	case err != nil:
		return User{}, err
	case !known || !right:
		return User{}, ErrLogin
	}
	return entry.User, nil
}

// check compares a password with a hash when it is its turn.
func (u *UserFile) check(ctx context.Context, hash passwordHash, password string, first bool) (bool, error) {
	if err := u.hashing.enter(ctx, first); err != nil {
		return false, err
	}
	defer u.hashing.leave()
	return hash(password), nil
}
