// Command release writes what a release consists of into a folder: static
// binaries in archives, a deb and an rpm for each Linux architecture, an OCI
// image and their checksums. The same commit and the same Go give the same
// bytes: no clock, path, host name or setting of this machine reaches them.
// `make release` runs it in a fresh clone, and so without uncommitted changes.
// It asks for nothing but Go, git and the module proxy, and publishes nothing.
package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run . FOLDER")
		os.Exit(64)
	}
	if err := run(filepath.Join("..", ".."), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// platform is a system and an architecture, as Go names them.
type platform struct{ system, arch string }

// platforms are those with a binary. Packages and images are for Linux.
var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"},
}

type release struct {
	root, work, out string
	version, commit string
	time            time.Time // of the commit: the only time that a file has
	notices         []byte
}

func run(root, out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r := &release{root: root, work: work, out: out}
	if err := r.prepare(); err != nil {
		return err
	}
	for _, p := range platforms {
		if err := r.archive(p); err != nil {
			return fmt.Errorf("%s/%s: %w", p.system, p.arch, err)
		}
		if p.system == "linux" {
			for _, format := range []string{"deb", "rpm"} {
				if err := r.pack(format, p.arch); err != nil {
					return fmt.Errorf("%s for %s: %w", format, p.arch, err)
				}
			}
		}
	}
	if err := r.image(); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	return r.checksums()
}

// prepare builds all binaries, asks the one of this machine what it is, and has
// it write what all packages hold.
func (r *release) prepare() error {
	if runtime.GOOS != "linux" {
		return errors.New("a release is made on Linux, because its manual pages are those of the Linux program")
	}
	for _, p := range platforms {
		if err := r.build(p); err != nil {
			return err
		}
	}
	own := r.binary(platform{runtime.GOOS, runtime.GOARCH})
	text, err := output(own, "version", "--json")
	if err != nil {
		return err
	}
	var about struct {
		Pasvctl, Commit string
		Modified        bool
		Time            time.Time `json:"commit_time"`
	}
	if err := json.Unmarshal(text, &about); err != nil {
		return err
	}
	if about.Modified || about.Commit == "" || about.Time.IsZero() {
		return errors.New("the clone has uncommitted changes, or is none: a release is made from a commit")
	}
	r.version, r.commit, r.time = about.Pasvctl, about.Commit, about.Time.UTC()
	if r.notices, err = r.licences(); err != nil {
		return err
	}
	return r.pages(own)
}

// checksums writes SHA256SUMS as sha256sum does.
func (r *release) checksums() error {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return err
	}
	var lines []string
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(r.out, e.Name()))
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("%x  %s\n", sha256.Sum256(content), e.Name()))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(strings.Join(lines, "")), 0o644)
}
