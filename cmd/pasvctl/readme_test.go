//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

const repository = "../.."

// TestReadme runs every command of the README, in order, in a copy of the
// repository and in a network of its own, so that its ports are free.
func TestReadme(t *testing.T) {
	needs.Tool(t, "curl")
	needs.Tool(t, "lftp")
	needs.Tool(t, "unshare")
	needs.Tool(t, "ip")
	needs.Root(t)
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	commands := shellBlocks(string(text))
	if !strings.HasPrefix(commands, "go run ./cmd/pasvctl generate ") {
		t.Fatalf("the README does not begin with the main job:\n%s", commands)
	}
	commands = strings.ReplaceAll(commands, "go run ./cmd/pasvctl", "pasvctl")
	copied := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The test program is pasvctl if it is called so: see TestMain.
	if err := os.Symlink(self, filepath.Join(copied, "pasvctl")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(copied, "examples"), os.DirFS(filepath.Join(repository, "examples"))); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), "unshare", "--net", "--", "bash", "-c", "set -eu; ip link set lo up\n"+commands+"wait\n")
	c.Dir = copied
	c.Env = append(os.Environ(), "PATH="+copied+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said := string(out)
	for _, want := range []string{
		"passive ports 61000-62856 (1,857): all 400 sessions may hold a port",
		"created    out/edge1/nftables.nft",
		"out/edge1/nftables.nft:", "out/edge1/iptables.v4:", "out/edge1/iptables.v6:", "out/aws/pasvctl.tf:",
		"out/edge1/60-pasvctl.conf:", "out/edge1/downloads/vsftpd.conf:",
		"THE BOUNDS", "* vsftpd", "msg=\"accepting connections\" site=downloads", "# One vsftpd on one machine", "msg=stopped",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the README's commands do not show %q", want)
		}
	}
	if t.Failed() {
		t.Log(said)
	}
	fetched, err := os.ReadFile(filepath.Join(copied, "fetched/quickstart/quickstart.pasv.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	served, err := os.ReadFile(filepath.Join(copied, "examples/quickstart/quickstart.pasv.hcl"))
	if err != nil || string(fetched) != string(served) {
		t.Errorf("lftp fetched something else: %v", err)
	}
}

// TestReadmeSpec keeps the README's spec the one that its commands read.
func TestReadmeSpec(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```hcl\n")
	block, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("the README shows no spec")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "readme.pasv.hcl"), []byte(block), 0o600); err != nil {
		t.Fatal(err)
	}
	var ranges [2]string
	for i, path := range []string{dir, filepath.Join(repository, "examples/quickstart")} {
		p, err := new(variables).load(path)
		if err != nil || p.diags.HasErrors() {
			t.Fatalf("%s: %v, %v", path, err, p.diags)
		}
		ranges[i] = p.Plan.Sites[0].DataPorts.String()
	}
	if ranges[0] != ranges[1] {
		t.Errorf("the README's spec gives %s, examples/quickstart %s", ranges[0], ranges[1])
	}
}

// TestReadmeNamesEveryCommand but those that say nothing of a spec or a host.
func TestReadmeNamesEveryCommand(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range newRoot(streams{}).Commands() {
		if c.Hidden || c.Name() == "version" || c.Name() == "help" {
			continue
		}
		if !regexp.MustCompile("(`|pasvctl )" + c.Name() + "\\b").Match(text) {
			t.Errorf("the README does not name %q", c.Name())
		}
	}
}

// shellBlocks returns the text of all ```sh blocks.
func shellBlocks(markdown string) string {
	var blocks strings.Builder
	for {
		_, rest, found := strings.Cut(markdown, "```sh\n")
		if !found {
			return blocks.String()
		}
		block, after, _ := strings.Cut(rest, "```")
		blocks.WriteString(block)
		markdown = after
	}
}
