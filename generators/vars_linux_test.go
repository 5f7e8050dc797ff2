package generators

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/pasvctl/pasvctl/cmd/lab/needs"
)

// ansible runs a program of Ansible's on an inventory of the hosts of the golden
// variables in one format, without a user's own settings.
func ansible(t *testing.T, format, playbook string, command ...string) []byte {
	t.Helper()
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "host_vars"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"edge1", "edge2"} {
		text, err := os.ReadFile("testdata/vars/out/vars/" + host + "." + format)
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, "host_vars", host+"."+format), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{
		"hosts":        "edge1\nedge2 ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n",
		"ansible.cfg":  "",
		"playbook.yml": playbook,
		"vsftpd.conf":  "listen=YES\npasv_min_port=1\npasv_max_port=65535\nlocal_umask=077\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "ANSIBLE_CONFIG="+filepath.Join(folder, "ansible.cfg"), "ANSIBLE_INVENTORY=hosts", "ANSIBLE_NOCOLOR=1", "HOME="+folder)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, out, err.(*exec.ExitError).Stderr)
	}
	return out
}

// Ansible reads the variables of every host in both formats, as what they are:
// texts, integers, booleans.
func TestAnsibleReadsTheVariables(t *testing.T) {
	tool := needs.Tool(t, "ansible-inventory")
	for format, prefix := range map[string]string{"yaml": "pasvctl_", "json": "pasvctl::"} {
		out := ansible(t, format, "", tool, "--list")
		var read struct {
			Meta struct {
				Hostvars map[string]map[string]any `json:"hostvars"`
			} `json:"_meta"`
		}
		if err := json.Unmarshal(out, &read); err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"edge1", "edge2"} {
			var want map[string]any
			text, err := os.ReadFile("testdata/vars/out/vars/" + host + ".json")
			if err == nil {
				err = json.Unmarshal(text, &want)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"host", "sites"} {
				if got := read.Meta.Hostvars[host][prefix+name]; !reflect.DeepEqual(got, want["pasvctl::"+name]) {
					t.Errorf("%s of %s, %s: got %v, want %v", name, host, format, got, want["pasvctl::"+name])
				}
			}
		}
	}
}

// The README's playbook runs, in a network namespace of its own.
func TestPlaybookOfTheReadme(t *testing.T) {
	t.Parallel()
	needs.Root(t)
	needs.Tool(t, "iptables-save")
	tool := needs.Tool(t, "ansible-playbook")
	readme, err := os.ReadFile("../templates/vars/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, playbook, _ := strings.Cut(string(readme), "```yaml\n- hosts:")
	playbook, _, whole := strings.Cut("- hosts:"+playbook, "```")
	if !whole {
		t.Fatal("the README has no playbook")
	}
	script := tool + ` -l edge2 -e vsftpd_conf=$PWD/vsftpd.conf -e sysctl_conf=$PWD/sysctl.conf playbook.yml >&2 &&
		cat vsftpd.conf sysctl.conf && iptables-save`
	out := string(ansible(t, "yaml", playbook, needs.Tool(t, "unshare"), "-n", "sh", "-c", script))
	for _, line := range []string{
		"pasv_min_port=61000\npasv_max_port=61046\nlocal_umask=077\n", "listen_port=21\n", "max_clients=10\n", "max_per_ip=10\n",
		"idle_session_timeout=900\n", "net.ipv4.ip_local_reserved_ports = 8080,61000-61046\n",
		`-A INPUT -p tcp -m tcp --dport 61000:61046 -m comment --comment "passive FTP, downloads" -j ACCEPT`,
	} {
		if !strings.Contains(out, line) {
			t.Errorf("no %q in\n%s", line, out)
		}
	}
}
