//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pasvctl/pasvctl/cmd/internal/atomicfile"
	"github.com/pasvctl/pasvctl/cmd/internal/envelope"
	"github.com/pasvctl/pasvctl/cmd/internal/outdir"
	"github.com/pasvctl/pasvctl/cmd/internal/source"
	"github.com/pasvctl/pasvctl/embeddedftpd"
	"github.com/pasvctl/pasvctl/generators/sizing"
)

func newUser(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:     "user COMMAND",
		Short:   "manage the users file of the bundled daemon",
		Example: "  pasvctl user add ftp.users alice /srv/ftp/alice",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noCommand(c, args[0])
			}
			return usage("see pasvctl user --help", "COMMAND is missing")
		},
		RunE: func(*cobra.Command, []string) error { return nil }, // Args never lets it run
	}
	c.AddCommand(newUserAdd(s), newUserRemove(s), newUserList(s))
	return c
}

func newUserRemove(s streams) *cobra.Command {
	return &cobra.Command{
		Use:     "remove FILE NAME",
		Short:   "remove a user",
		Long:    `remove removes a user's line from a users file. The user's folder stays.`,
		Example: "  pasvctl user remove ftp.users alice",
		Args:    exactly("FILE", "NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			file, name := args[0], args[1]
			return changeUsers(file, func() ([]byte, error) {
				text, _, err := readUsers(file)
				if err != nil {
					return nil, err
				}
				others, found := without(text, name)
				if !found {
					return nil, failure(fmt.Errorf("%s has no user %q", file, name), "see pasvctl user list "+file)
				}
				return others, nil
			})
		},
	}
}

func newUserList(s streams) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list FILE",
		Short:   "list the users with their folders",
		Example: "  pasvctl user list ftp.users",
		Args:    exactly("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			_, users, err := readUsers(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return envelope.Write(s.out, "user list", map[string]any{"users": usersJSON(users.All())})
			}
			rows := [][]string{{"USER", "FOLDER", "MAY", "BYTES/S"}}
			for _, u := range users.All() {
				may, rate := "write", "-"
				if u.ReadOnly {
					may = "read"
				}
				if u.Rate > 0 {
					rate = sizing.Count(int(u.Rate))
				}
				rows = append(rows, []string{u.Name, printable(u.Root), may, rate})
			}
			return table(s.out, rows)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return c
}

type userJSON struct {
	Name     string `json:"name"`
	Folder   string `json:"folder"`
	ReadOnly bool   `json:"read_only"`
	Rate     int64  `json:"bytes_per_second,omitempty"` // of each transfer; 0 is no limit
}

func usersJSON(users []embeddedftpd.User) []userJSON {
	all := make([]userJSON, len(users))
	for i, u := range users {
		all[i] = userJSON{u.Name, u.Root, u.ReadOnly, u.Rate}
	}
	return all
}

// printable keeps a path's control characters off the terminal.
func printable(path string) string {
	if strings.ContainsFunc(path, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(path)
	}
	return path
}

type userAdder struct {
	streams
	readOnly, replace bool
	rate              byteCount
}

func newUserAdd(s streams) *cobra.Command {
	u := &userAdder{streams: s}
	c := &cobra.Command{
		Use:   "add FILE NAME FOLDER",
		Short: "add a user who sees FOLDER as the root",
		Long: `add adds a user to a users file for "pasvctl serve --users", and creates the file if it
does not exist. On a terminal it asks for the password, otherwise it reads the first line
of stdin; the file holds its argon2id hash.`,
		Example: "  pasvctl user add ftp.users alice /srv/ftp/alice\n  pasvctl user add ftp.users scanner /srv/scans --read-only <password",
		Args:    exactly("FILE", "NAME", "FOLDER"),
		RunE:    func(_ *cobra.Command, args []string) error { return u.run(args[0], args[1], args[2]) },
	}
	c.Flags().BoolVar(&u.readOnly, "read-only", false, "let the user read only")
	c.Flags().Var(&u.rate, "rate", "limit each of the user's transfers to `BYTES` a second")
	c.Flags().BoolVar(&u.replace, "replace", false, "replace the user's line if there is one")
	return c
}

func (u *userAdder) run(file, name, folder string) error {
	if strings.ContainsAny(name, ":/") { // they would end the field, or the name
		return usage("choose a name without ':' and '/'", "invalid user name %q", name)
	}
	root, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if strings.Contains(root, ":") {
		return failure(fmt.Errorf("%s has a colon, which separates the fields of a users file", root), "name the folder by a link without a colon")
	}
	if info, err := source.Stat(root); err != nil {
		return failure(err, "create the folder first")
	} else if !info.IsDir() {
		return failure(fmt.Errorf("%s is not a folder", root), "")
	}
	if _, err := u.others(file, name); err != nil { // before anybody types a password
		return err
	}
	password, err := u.password(name)
	if err != nil {
		return failure(err, "")
	}
	hash, err := embeddedftpd.HashPassword(password)
	if err != nil {
		return failure(err, "")
	}
	line, err := embeddedftpd.User{Name: name, Root: root, ReadOnly: u.readOnly, Rate: int64(u.rate)}.Line(hash)
	if err != nil {
		return failure(err, "")
	}
	return changeUsers(file, func() ([]byte, error) {
		others, err := u.others(file, name)
		return append(others, line+"\n"...), err
	})
}

// others returns the users file without the line of the user name, who must
// not be there unless replaced. There may be no file yet.
func (u *userAdder) others(file, name string) ([]byte, error) {
	if info, err := os.Lstat(file); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, failure(fmt.Errorf("%s is a symbolic link, which is never followed", file), "name the file that it leads to")
	}
	text, _, err := readUsers(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	others, found := without(text, name)
	if found && !u.replace {
		return nil, failure(fmt.Errorf("%s already has a user %q", file, name), "use --replace to change it")
	}
	return others, nil
}

// readUsers reads a users file, which nobody else may read.
func readUsers(file string) ([]byte, *embeddedftpd.UserFile, error) {
	text, err := source.ReadPrivate(file)
	if err != nil {
		return nil, nil, readableHint(file, err)
	}
	users, err := embeddedftpd.ReadUsers(bytes.NewReader(text), file)
	if err != nil {
		return nil, nil, failure(err, "a line is NAME:HASH:FOLDER or NAME:HASH:FOLDER:OPTIONS; options are ro and rate=N")
	}
	return text, users, nil
}

// without returns the text of a users file less the line of the user name,
// and whether there was one. Every other line stays, blank ones too.
func without(text []byte, name string) (others []byte, found bool) {
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte(name+":")) {
			found = true
			continue
		}
		others = append(others, line...)
	}
	if n := len(others); n > 0 && others[n-1] != '\n' {
		others = append(others, '\n')
	}
	return others, found
}

// changeUsers replaces a users file by what change makes of it. No other
// change is made meanwhile. The file keeps its owner, group and mode, since the
// daemon reads it as an ordinary user.
func changeUsers(file string, change func() ([]byte, error)) error {
	folder := filepath.Dir(file)
	release, err := outdir.Hold(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return failure(fmt.Errorf("there is no folder %s", folder), "create the folder first")
	}
	if err != nil {
		return failure(err, "")
	}
	defer release()
	text, err := change()
	if err != nil {
		return err
	}
	if err := atomicfile.Write(folder, filepath.Base(file), text, 0o600); err != nil {
		return failure(err, "")
	}
	return nil
}

// password asks twice on a terminal, and reads a line from anything else.
func (u *userAdder) password(name string) (string, error) {
	in, ok := u.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(u.in, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return strings.TrimRight(line, "\r\n"), nil
	}
	var typed [2]string
	for i, prompt := range []string{"password for " + name + ": ", "again: "} {
		fmt.Fprint(u.err, prompt)
		text, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(u.err)
		if err != nil {
			return "", err
		}
		typed[i] = string(text)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ")
	}
	return typed[0], nil
}

// readableHint says how to close a users file that is open to everybody.
func readableHint(file string, err error) error {
	if errors.Is(err, source.ErrReadable) {
		return failure(err, "it has password hashes: chmod o-rwx "+file)
	}
	return failure(err, "")
}
