package embeddedftpd

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/jlaffaye/ftp"
)

// libraryDo is jlaffaye/ftp, a client in Go, for what programs do in
// conformance_test.go. Its data connections resume their control connection's
// TLS session only where the configuration has a name and a cache.
func libraryDo(op string, r remote, dir string) (err error) {
	options := []ftp.DialOption{ftp.DialWithTimeout(patience)}
	if version, ok := map[string]uint16{"1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}[r.version]; ok {
		options = append(options, ftp.DialWithExplicitTLS(&tls.Config{
			InsecureSkipVerify: true, ServerName: "localhost", MinVersion: version, MaxVersion: version,
			ClientSessionCache: tls.NewLRUClientSessionCache(8),
		}))
	}
	c, err := ftp.Dial(net.JoinHostPort(r.host, r.port), options...)
	if err != nil {
		return err
	}
	defer func() {
		if quit := c.Quit(); err == nil {
			err = quit
		}
	}()
	if err := c.Login("user", "secret"); err != nil {
		return err
	}
	l := library{c, dir}
	switch op {
	case "download":
		return l.get("big", "out")
	case "upload":
		return l.put("local", "up")
	case "resume down":
		return l.get("big", "part")
	case "resume up":
		return l.put("local", "rpart")
	case "mirror":
		return l.mirror("/", "tree")
	case "rename":
		return c.Rename("old", "new")
	case "delete":
		return c.Delete("del")
	case "names":
		return l.get(oddName, "odd")
	case "empty":
		if err := l.get("empty", "empty-out"); err != nil {
			return err
		}
		return l.put("empty-local", "empty-up")
	case "5 GiB down":
		return l.get("huge", "huge")
	case "5 GiB up":
		return l.put("huge", "huge")
	}
	return fmt.Errorf("no operation %q", op)
}

type library struct {
	*ftp.ServerConn
	dir string
}

// get goes on from what is there of the file.
func (l library) get(from, to string) error {
	f, err := os.OpenFile(filepath.Join(l.dir, to), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	offset, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	data, err := l.RetrFrom(from, uint64(offset))
	if err != nil {
		return err
	}
	_, err = io.Copy(f, data)
	if closed := data.Close(); err == nil {
		err = closed
	}
	return err
}

func (l library) put(from, to string) error {
	f, err := os.Open(filepath.Join(l.dir, from))
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := l.FileSize(to)
	if err != nil {
		size = 0
	}
	if _, err := f.Seek(size, io.SeekStart); err != nil {
		return err
	}
	return l.StorFrom(to, f, uint64(size))
}

func (l library) mirror(from, to string) error {
	entries, err := l.List(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(l.dir, to), 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		do := l.get
		if e.Type == ftp.EntryTypeFolder {
			do = l.mirror
		}
		if err := do(from+"/"+e.Name, filepath.Join(to, e.Name)); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	return nil
}
