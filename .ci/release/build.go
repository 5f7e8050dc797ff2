package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// settings are what a build's environment must not choose.
var settings = []string{"CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOFIPS140=off"}

func (r *release) binary(p platform) string {
	return filepath.Join(r.work, p.system, p.arch, "pasvctl")
}

// build compiles one static binary. It holds the commit and its time.
func (r *release) build(p platform) error {
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w", "-o", r.binary(p), "./cmd/pasvctl")
	c.Dir, c.Stderr = r.root, os.Stderr
	c.Env = append(os.Environ(), append(settings, "GOOS="+p.system, "GOARCH="+p.arch)...)
	if err := c.Run(); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	return nil
}

func output(name string, args ...string) ([]byte, error) {
	c := exec.Command(name, args...)
	c.Stderr = os.Stderr
	text, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", filepath.Base(name), strings.Join(args, " "), err)
	}
	return text, nil
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice)`)

// licences is the licence of pasvctl and those of all that is in its binaries.
// That of Go's own packages is the one of golang.org/x/sys.
func (r *release) licences() ([]byte, error) {
	modules := map[string]string{} // and where they are
	for _, p := range platforms {
		c := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}\t{{.Dir}}{{end}}{{end}}", "./cmd/pasvctl")
		c.Dir, c.Stderr = r.root, os.Stderr
		c.Env = append(os.Environ(), append(settings, "GOOS="+p.system, "GOARCH="+p.arch)...)
		text, err := c.Output()
		if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		for line := range strings.Lines(string(text)) {
			if name, dir, found := strings.Cut(strings.TrimSpace(line), "\t"); found {
				modules[name] = dir
			}
		}
	}
	own, err := os.ReadFile(filepath.Join(r.root, "LICENSE"))
	if err != nil {
		return nil, err
	}
	all := bytes.NewBuffer(own)
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		files, err := os.ReadDir(modules[name])
		if err != nil {
			return nil, err
		}
		found := false
		for _, file := range files {
			if !licenceName.MatchString(file.Name()) || file.IsDir() {
				continue
			}
			text, err := os.ReadFile(filepath.Join(modules[name], file.Name()))
			if err != nil {
				return nil, err
			}
			found = true
			fmt.Fprintf(all, "\n%s\n%s: %s\n\n%s", strings.Repeat("=", 80), name, file.Name(), text)
		}
		if !found {
			return nil, fmt.Errorf("%s has no licence", name)
		}
	}
	return all.Bytes(), nil
}

// archive writes a binary and its licences for those without a package.
func (r *release) archive(p platform) error {
	binary, err := os.ReadFile(r.binary(p))
	if err != nil {
		return err
	}
	name := "pasvctl"
	if p.system == "windows" {
		name = "pasvctl.exe"
	}
	text, err := archived(r.time, []entry{{name: name, mode: 0o755, content: binary}, {name: "LICENSES.txt", mode: 0o644, content: r.notices}})
	if err != nil {
		return err
	}
	file := fmt.Sprintf("pasvctl-%s-%s-%s.tar.gz", r.version, p.system, p.arch)
	return os.WriteFile(filepath.Join(r.out, file), compressed(text), 0o644)
}

// entry is a file of a tarball, or a folder if its name ends in a slash.
type entry struct {
	name    string
	mode    int64
	owner   int // and group
	content []byte
}

// archived is a tarball that has the entries in their order, all of one time.
func archived(at time.Time, entries []entry) ([]byte, error) {
	var text bytes.Buffer
	w := tar.NewWriter(&text)
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: e.name, Mode: e.mode, Uid: e.owner, Gid: e.owner, Size: int64(len(e.content)), ModTime: at, Format: tar.FormatUSTAR}
		if strings.HasSuffix(e.name, "/") {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.content); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return text.Bytes(), err
}

// compressed is the text as gzip -9n writes it.
func compressed(text []byte) []byte {
	var small bytes.Buffer
	w, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // a buffer takes everything
	}
	return small.Bytes()
}
