package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/pasvctl/pasvctl/cmd/internal/source"
	"github.com/pasvctl/pasvctl/generators/inventory"
)

// maxPresent is how much is read from standard input, in bytes.
const maxPresent = 16 << 20

// command is an argument that is a command line and not a path.
var command = regexp.MustCompile(`^(?:\S*/)?pure-ftpd(?:-[a-z]+)?\s+-`)

// present reads the configs and firewalls that a command line names: files,
// folders, "-" for standard input, or the command that starts Pure-FTPd. Links
// in a folder, or beside a file, are not followed out of it.
func present(paths []string, in io.Reader) (*inventory.Inventory, error) {
	var sources []inventory.Source
	for _, name := range paths {
		s, root, err := presentAt(name, in)
		if err != nil {
			return nil, err
		}
		if root != nil {
			defer root.Close()
		}
		sources = append(sources, s)
	}
	inv, err := inventory.Read(sources...)
	if err != nil {
		hint := ""
		if errors.Is(err, inventory.ErrFormat) {
			hint = "what is read: vsftpd.conf, proftpd.conf, Pure-FTPd's settings, SFTPGo's environment; and of firewalls nft -j list ruleset, iptables-save, ipset save, aws ec2 describe-security-groups, compose.yaml"
		}
		return nil, failure(err, hint)
	}
	return inv, nil
}

func presentAt(name string, in io.Reader) (s inventory.Source, root *os.Root, err error) {
	if name == "-" {
		text, err := io.ReadAll(io.LimitReader(in, maxPresent+1))
		if err == nil && len(text) > maxPresent {
			err = fmt.Errorf("standard input is longer than %d MiB", maxPresent>>20)
		}
		return inventory.Source{Name: "stdin", Text: text}, nil, err
	}
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && command.MatchString(name):
		return inventory.Source{Name: "the command", Text: []byte(name)}, nil, nil
	case err != nil:
		return s, nil, err
	case info.IsDir():
		root, err = os.OpenRoot(name)
		s = inventory.Source{Name: ".", Folder: filepath.ToSlash(filepath.Clean(name))}
	default:
		// The name that was given may itself be a link, as /etc/alternatives has them.
		var real string
		if real, err = filepath.EvalSymlinks(name); err != nil {
			return s, nil, err
		}
		root, err = os.OpenRoot(filepath.Dir(real))
		s = inventory.Source{Name: filepath.Base(real), Folder: filepath.ToSlash(filepath.Dir(filepath.Clean(name)))}
	}
	if err != nil {
		return s, nil, err
	}
	s.FS = source.Regular(root)
	return s, root, nil
}
