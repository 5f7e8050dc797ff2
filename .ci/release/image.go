package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// imageUser is the user and group of the daemon in the image, in numbers, since
// the image has no /etc/passwd and Kubernetes wants to see that it is not root.
const imageUser = 65532

// image writes the OCI image of all Linux architectures as one archive
// (skopeo's oci-archive), without a container engine.
func (r *release) image() error {
	about := map[string]string{
		"org.opencontainers.image.title":    "pasvctl",
		"org.opencontainers.image.source":   "https://github.com/pasvctl/pasvctl",
		"org.opencontainers.image.version":  r.version,
		"org.opencontainers.image.revision": r.commit,
		"org.opencontainers.image.created":  r.time.Format("2006-01-02T15:04:05Z"),
		"org.opencontainers.image.licenses": "Apache-2.0",
	}
	index := mutate.Annotations(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), about).(v1.ImageIndex)
	for _, p := range platforms {
		if p.system != "linux" {
			continue
		}
		of, err := r.imageOf(p, about)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: of, Descriptor: v1.Descriptor{
			MediaType: types.OCIManifestSchema1, Platform: &v1.Platform{OS: p.system, Architecture: p.arch},
		}})
	}
	folder := filepath.Join(r.work, "image")
	at, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	// By the first name skopeo and podman find it, by the second containerd.
	err = at.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": r.version,
		"io.containerd.image.name":          "docker.io/library/pasvctl:" + r.version,
	}))
	if err != nil {
		return err
	}
	var entries []entry
	err = filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			entries = append(entries, entry{name: name + "/", mode: 0o755})
			return nil
		}
		content, err := os.ReadFile(path)
		entries = append(entries, entry{name: name, mode: 0o644, content: content})
		return err
	})
	if err != nil {
		return err
	}
	text, err := archived(r.time, entries)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, fmt.Sprintf("pasvctl-%s-oci.tar", r.version)), text, 0o644)
}

// imageOf is the image of one architecture: the binary, and an empty folder
// whose owner a new volume for the users' files takes over. Spec, lock and users
// are mounted.
func (r *release) imageOf(p platform, about map[string]string) (v1.Image, error) {
	binary, err := os.ReadFile(r.binary(p))
	if err != nil {
		return nil, err
	}
	text, err := archived(r.time, []entry{
		{name: "srv/", mode: 0o755}, {name: "srv/ftp/", mode: 0o755, owner: imageUser},
		{name: "usr/", mode: 0o755}, {name: "usr/bin/", mode: 0o755}, {name: "usr/bin/pasvctl", mode: 0o755, content: binary},
	})
	if err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(text)), nil },
		tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{
		Created: v1.Time{Time: r.time}, CreatedBy: "make release", Comment: r.commit,
	}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = p.system, p.arch, v1.Time{Time: r.time}
	config.Config = v1.Config{
		User:       fmt.Sprintf("%d:%[1]d", imageUser),
		Entrypoint: []string{"/usr/bin/pasvctl"},
		// The control port is above 1024, so that the daemon needs no capability.
		Cmd: []string{"serve", "/etc/pasvctl", "--users", "/etc/pasvctl/users",
			"--listen", "0.0.0.0:2121", "--metrics", "127.0.0.1:9121"},
		Env:          []string{"PATH=/usr/bin"},
		WorkingDir:   "/",
		ExposedPorts: map[string]struct{}{"2121/tcp": {}},
		StopSignal:   "SIGTERM",
		Labels:       about,
	}
	return mutate.ConfigFile(image, config)
}
