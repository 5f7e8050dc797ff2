package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
)

// completions are where shells look for them, for each format: Debian's zsh has
// a folder of its own for packages.
var completions = map[string]map[string]string{
	"deb": {
		"bash": "/usr/share/bash-completion/completions/pasvctl",
		"zsh":  "/usr/share/zsh/vendor-completions/_pasvctl",
		"fish": "/usr/share/fish/vendor_completions.d/pasvctl.fish",
	},
	"rpm": {
		"bash": "/usr/share/bash-completion/completions/pasvctl",
		"zsh":  "/usr/share/zsh/site-functions/_pasvctl",
		"fish": "/usr/share/fish/vendor_completions.d/pasvctl.fish",
	},
}

// depends are what has useradd, for the system user, and /bin/kill, for the units.
var depends = map[string][]string{"deb": {"passwd", "procps"}, "rpm": {"shadow-utils", "util-linux"}}

// units are the packages' units by the template that the target systemd uses
// for its own, and what it is given.
var units = []struct {
	name, template string
	data           map[string]any
}{
	{"pasvctl-rules.service", "pasvctl-rules.service", map[string]any{"Sets": false}},
	{"pasvctl-sets.service", "pasvctl-rules.service", map[string]any{"Sets": true}},
	{"pasvctl-rules-watch.service", "pasvctl-rules-watch.service", nil},
	{"pasvctl-rules-watch.timer", "pasvctl-rules-watch.timer", nil},
	{"pasvctl@.service", "pasvctl-site.service", map[string]any{
		"Site": "%i", "Unit": "pasvctl-%i", "Users": "/etc/pasvctl/%i.users", "Spec": "/etc/pasvctl", "Lock": "pasvctl.lock.hcl",
		"User": "pasvctl", "Restarts": false, "TLS": false, "Files": 524288, // systemd's own limit
	}},
}

// shared is the folder of what all packages hold, as it is below /.
func (r *release) shared() string { return filepath.Join(r.work, "shared") }

// pages writes the files that are the same on all architectures: what the
// program says of itself, the units, examples, licences and the changes.
func (r *release) pages(own string) error {
	const manual, documents = "usr/share/man/man1", "usr/share/doc/pasvctl"
	if err := os.MkdirAll(filepath.Join(r.shared(), manual), 0o755); err != nil {
		return err
	}
	if _, err := output(own, "man", filepath.Join(r.shared(), manual)); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(r.shared(), manual, "*.1"))
	if err != nil || len(pages) == 0 {
		return fmt.Errorf("no manual pages: %v", err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if err := os.Remove(page); err != nil {
			return err
		}
		if err := r.share(manual+"/"+filepath.Base(page)+".gz", compressed(text)); err != nil {
			return err
		}
	}
	parsed, err := template.New("").Option("missingkey=error").ParseGlob(filepath.Join(r.root, "templates", "systemd", "*.tmpl"))
	if err != nil {
		return err
	}
	for _, u := range units {
		data := map[string]any{
			"Header": "# From the package of pasvctl " + r.version + "; change it with \"systemctl edit\".", "Packaged": true,
			"Program": "/usr/bin/pasvctl", "Host": "this host",
		}
		for key, value := range u.data {
			data[key] = value
		}
		var text bytes.Buffer
		if err := parsed.ExecuteTemplate(&text, u.template+".tmpl", data); err != nil {
			return err
		}
		if err := r.share("usr/lib/systemd/system/"+u.name, text.Bytes()); err != nil {
			return err
		}
	}
	changes, err := os.ReadFile(filepath.Join(r.root, ".github", "CHANGELOG.md"))
	if err != nil {
		return err
	}
	if err := r.share(documents+"/changelog.gz", compressed(changes)); err != nil {
		return err
	}
	if err := r.share(documents+"/copyright", r.notices); err != nil {
		return err
	}
	return os.CopyFS(filepath.Join(r.shared(), documents, "examples"), os.DirFS(filepath.Join(r.root, "examples")))
}

func (r *release) share(path string, content []byte) error {
	at := filepath.Join(r.shared(), path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	return os.WriteFile(at, content, 0o644)
}

// pack writes a deb or an rpm. It has no configuration of its own: all that is
// in /etc/pasvctl is the owner's, so no upgrade and no purge changes it.
func (r *release) pack(format, arch string) error {
	info := &nfpm.Info{
		Name: "pasvctl", Arch: arch, Platform: "linux", Version: r.version,
		Section: "net", Priority: "optional", License: "Apache-2.0",
		Homepage: "https://github.com/pasvctl/pasvctl", Maintainer: "pasvctl maintainers <pasvctl@users.noreply.github.com>",
		Description: "passive ports of FTP sites: sizes, rules, configs and a daemon\n" +
			"From one spec of FTP sites and the sessions they must carry, pasvctl computes\n" +
			"the smallest passive port range that is safe, and renders firewall rules and\n" +
			"server configs that agree on it to the port. It includes a small FTP daemon.",
		MTime: r.time,
	}
	info.Umask = 0o022
	info.Recommends = []string{"nftables"}
	info.Depends = depends[format]
	info.RPM.BuildHost, info.RPM.Group = "localhost", "Applications/Internet"
	scripts := filepath.Join(r.root, ".ci", "release", "scripts")
	info.Scripts.PostInstall = filepath.Join(scripts, "postinst")
	info.Scripts.PreRemove = filepath.Join(scripts, "prerm")
	info.Scripts.PostRemove = filepath.Join(scripts, "postrm")

	add := func(kind, from, to string, mode os.FileMode) {
		info.Contents = append(info.Contents, &files.Content{Type: kind, Source: from, Destination: to,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.time}})
	}
	add(files.TypeFile, r.binary(platform{"linux", arch}), "/usr/bin/pasvctl", 0o755)
	add(files.TypeDir, "", "/etc/pasvctl", 0o755)
	for shell, path := range completions[format] {
		text, err := output(r.binary(platform{"linux", runtime.GOARCH}), "completion", shell)
		if err != nil {
			return err
		}
		from := filepath.Join(r.work, "completion."+shell)
		if err := os.WriteFile(from, text, 0o644); err != nil {
			return err
		}
		add(files.TypeFile, from, path, 0o644)
	}
	err := filepath.WalkDir(r.shared(), func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		to := strings.TrimPrefix(path, r.shared())
		switch {
		case !e.IsDir():
			add(files.TypeFile, path, to, 0o644)
		case strings.HasPrefix(to, "/usr/share/doc/pasvctl"):
			add(files.TypeDir, "", to, 0o755) // the others belong to the system
		}
		return nil
	})
	if err != nil {
		return err
	}
	info = nfpm.WithDefaults(info)
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(r.out, packager.ConventionalFileName(info)))
	if err != nil {
		return err
	}
	defer file.Close()
	if err := packager.Package(info, file); err != nil {
		return err
	}
	return file.Close()
}
