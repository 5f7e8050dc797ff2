// Package manifests gives the committed Compose files and Kubernetes manifests to
// the code that reads them: the loader of docker compose, and the validation of the
// API server.
package manifests

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// committed are the files of one name in all golden folders, at least some.
func committed(t *testing.T, pattern string, least int) (files []string) {
	t.Helper()
	for _, root := range []string{"../../examples/*/out/", "../../generators/testdata/*/out/"} {
		found, err := filepath.Glob(root + pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	if len(files) < least {
		t.Fatalf("only %d files %s", len(files), pattern)
	}
	return files
}

// loadCompose loads a file as docker compose does, and compares its ports.
func loadCompose(text string) error {
	project, err := loader.LoadWithContext(context.Background(), types.ConfigDetails{
		WorkingDir:  "/srv",
		ConfigFiles: []types.ConfigFile{{Filename: "compose.yaml", Content: []byte(text)}},
		Environment: types.Mapping{"LEGACY_IMAGE": "legacy:1"},
	}, func(o *loader.Options) { o.SetProjectName("edge1", true) })
	if err != nil {
		return err
	}
	for name, service := range project.Services {
		if service.NetworkMode == "host" {
			if len(service.Ports) > 0 {
				return fmt.Errorf("%s is in the host's network and publishes ports", name)
			}
			continue
		}
		data, controls := 0, 0
		for _, port := range service.Ports {
			switch {
			case port.HostIP == "":
				return fmt.Errorf("%s: %+v is on all addresses", name, port)
			case port.Published == fmt.Sprint(port.Target) && port.Target > 10000:
				data++
			case strings.Contains(port.Published, "-"):
				return fmt.Errorf("%s: one port is published as any of %s", name, port.Published)
			case port.Mode == "host":
				controls++
			default:
				return fmt.Errorf("%s: the data port %d is published as %s", name, port.Target, port.Published)
			}
		}
		if controls == 0 || data == 0 {
			return fmt.Errorf("%s: %d control and %d data ports", name, controls, data)
		}
	}
	return nil
}

func TestCompose(t *testing.T) {
	for _, file := range committed(t, "*/compose.yaml", 2) {
		text, err := os.ReadFile(file)
		if err == nil {
			err = loadCompose(string(text))
		}
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// Each of these mistakes is refused.
func TestComposeSeesFaults(t *testing.T) {
	read := func(host string) string {
		text, err := os.ReadFile("../../generators/testdata/compose/out/" + host + "/compose.yaml")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	edge1, edge2 := read("edge1"), read("edge2")
	for _, c := range []struct{ text, old, new, want string }{
		{edge1, ":61001-61021/tcp", ":61001-61020/tcp", "61001-61020"},
		{edge1, ":61001-61021:", ":61021-61001:", "Invalid hostPort"},
		{edge1, "61001-61021", "61001-71021", "71021"},
		{edge1, ":61000:61000/tcp", ":61000:61002/tcp", "61002 is published as 61000"},
		{edge1, "61000/tcp", "61000/tpc", "tpc"},
		{edge1, "203.0.113.10:61000", "203.0.113.300:61000", "203.0.113.300"},
		{edge1, "    ports:", "    prots:", "prots"},
		{edge1, "nofile: 3828", "nofile: many", "nofile"},
		{edge1, "cap_drop:\n      - ALL", "cap_drop: ALL", "cap_drop"},
		{edge1, "      interval: 30s", "      interval: soon", "soon"},
		{edge1, "volumes:\n  \"downloads\":\n", "", "undefined volume"},
		{edge1, "        host_ip: \"203.0.113.10\"\n", "", "on all addresses"},
		{edge1, "target: 2121\n        published: \"21\"", "target: 61000\n        published: \"61000-61009\"", "any of 61000-61009"},
		{edge1, "restart: unless-stopped", "restart: unless-stopped\n    network_mode: host", "host's network"},
		{edge2, "${LEGACY_IMAGE:", "${OTHER_IMAGE:", "name the image that runs site legacy"},
	} {
		if !strings.Contains(c.text, c.old) {
			t.Errorf("no %q", c.old)
		}
		if err := loadCompose(strings.ReplaceAll(c.text, c.old, c.new)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q for %q: %v", c.new, c.old, err)
		}
	}
}
