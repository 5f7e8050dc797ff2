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
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/pasvctl/pasvctl/cmd/internal/atomicfile"
	"github.com/pasvctl/pasvctl/cmd/internal/source"
	"github.com/pasvctl/pasvctl/embeddedftpd"
)

func newUser(s streams) *cobra.Command {
	c := &cobra.Command{
		Use:     "user COMMAND",
		Short:   "keep the users file of the bundled daemon",
		Example: "  pasvctl user add ftp.users alice /srv/ftp/alice",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("see pasvctl user --help", "there is no command %q", "user "+args[0])
			}
			return usage("see pasvctl user --help", "COMMAND is missing")
		},
		RunE: func(*cobra.Command, []string) error { return nil }, // Args never lets it run
	}
	c.AddCommand(newUserAdd(s))
	return c
}

type userAdder struct {
	streams
	readOnly, replace bool
}

func newUserAdd(s streams) *cobra.Command {
	u := &userAdder{streams: s}
	c := &cobra.Command{
		Use:   "add FILE NAME FOLDER",
		Short: "add a user who sees FOLDER as the root",
		Long: `add puts a user into a users file for "pasvctl serve --users", and makes the file where
there is none. The password is asked for on a terminal, or else is the first line of
stdin; the file holds its argon2id hash.`,
		Example: "  pasvctl user add ftp.users alice /srv/ftp/alice\n  pasvctl user add ftp.users scanner /srv/scans --read-only <password",
		Args:    exactly("FILE", "NAME", "FOLDER"),
		RunE:    func(_ *cobra.Command, args []string) error { return u.run(args[0], args[1], args[2]) },
	}
	c.Flags().BoolVar(&u.readOnly, "read-only", false, "let the user read only")
	c.Flags().BoolVar(&u.replace, "replace", false, "replace the user's line where there is one")
	return c
}

func (u *userAdder) run(file, name, folder string) error {
	if strings.ContainsAny(name, ":/") { // they would end the field, or the name
		return usage("choose a name without ':' and '/'", "%q is no name of a user", name)
	}
	root, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if info, err := os.Stat(root); err != nil {
		return failure(err, "make the folder first")
	} else if !info.IsDir() {
		return failure(fmt.Errorf("%s is not a folder", root), "")
	}
	others, err := u.others(file, name)
	if err != nil {
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
	line, err := embeddedftpd.User{Name: name, Root: root, ReadOnly: u.readOnly}.Line(hash)
	if err != nil {
		return failure(err, "")
	}
	return atomicfile.Write(filepath.Dir(file), filepath.Base(file), append(others, line+"\n"...), 0o600)
}

// others returns the users file without the line of the user name, who must
// not be there unless replaced.
func (u *userAdder) others(file, name string) ([]byte, error) {
	text, err := source.ReadPrivate(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, readableHint(file, err)
	}
	if _, err := embeddedftpd.ReadUsers(bytes.NewReader(text), file); err != nil {
		return nil, failure(err, "mend the line first")
	}
	var others []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(line, []byte(name+":")) {
			others = append(bytes.TrimRight(append(others, line...), "\r\n"), '\n')
			continue
		}
		if !u.replace {
			return nil, failure(fmt.Errorf("%s has a user %q already", file, name), "write --replace to change it")
		}
	}
	return others, nil
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
		return failure(err, "it holds password hashes: chmod o-rwx "+file)
	}
	return failure(err, "")
}
