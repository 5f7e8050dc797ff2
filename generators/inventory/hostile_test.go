package inventory

import (
	"io"
	"io/fs"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// endless is a file of as many bytes as anybody reads.
type endless struct{ left int64 }

func (e *endless) Stat() (fs.FileInfo, error) { return e, nil }
func (e *endless) Close() error               { return nil }
func (e *endless) Name() string               { return "endless" }
func (e *endless) Size() int64                { return e.left }
func (e *endless) Mode() fs.FileMode          { return 0o644 }
func (e *endless) ModTime() time.Time         { return time.Time{} }
func (e *endless) IsDir() bool                { return false }
func (e *endless) Sys() any                   { return nil }
func (e *endless) Open(string) (fs.File, error) {
	return e, nil
}

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), e.left))
	for i := range p[:n] {
		p[i] = 'a'
	}
	e.left -= int64(n)
	return n, nil
}

// A line of 100 MB is an error, before it is in memory.
func TestLongLine(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := Read(Source{FS: &endless{100 << 20}, Name: "vsftpd.conf"})
	runtime.ReadMemStats(&after)
	if err == nil || err.Error() != "vsftpd.conf: it is longer than 16 MiB" {
		t.Errorf("got %v", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 6*maxFile {
		t.Errorf("it took %d bytes", used)
	}
}

func TestHostile(t *testing.T) {
	long := strings.Repeat("a", 2<<20)
	for name, c := range map[string]struct{ text, want string }{
		"NUL":               {"listen=YES\n\x00", "f: it has a NUL byte"},
		"nothing":           {"", "f: its format is unknown"},
		"another format":    {"[section]\nkey=value\n", "f: its format is unknown"},
		"long vsftpd":       {"listen=YES\n#" + long, "f: it is longer than a server's config"},
		"line of vsftpd":    {"listen=YES\n#" + long[:200_000], "f:2: the line is longer than 100000 bytes"},
		"line of proftpd":   {"ServerName x\nPort " + long[:5000], "f:2: the line is longer than 3900 bytes"},
		"loop of includes":  {"ServerName x\nInclude /etc/f\n", "f:2: files include each other without end, or too deep"},
		"sections":          {"ServerName x\n" + strings.Repeat("<IfModule a>\n", 100), "f:34: more than 32 sections are open"},
		"long compose":      {"services:\n  a: " + long, "f: it is longer than a compose file"},
		"YAML that is none": {"services:\n\t- {", "f: it is not YAML: line 2: found character that cannot start any token"},
		"YAML of a list":    {"services:\n- a\n", "f: services is not a mapping"},
		"cut JSON":          {`{"nftables": [{"rule": {`, "f: it is not the JSON that nft prints: unexpected EOF"},
		"deep JSON":         {`{"nftables": [` + strings.Repeat("[", 20_000), "f: it is not the JSON that nft prints: "},
		"JSON of a string":  {`{"SecurityGroups": "a"}`, "f: it is not the JSON that aws ec2 describe-security-groups prints: SecurityGroups is not a list"},
	} {
		_, err := Read(Source{FS: fstest.MapFS{"f": {Data: []byte(c.text)}}, Name: "f"})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

// YAML whose aliases make it grow without end is read once each.
func TestAliases(t *testing.T) {
	text := "a: &a [x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c < 'z'; c++ {
		text += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+", ", 9) + "]\n"
	}
	text += "s: &s\n  <<: *s\nservices:\n  ftp:\n    ports: *y\n  loop: *s\n"
	inv, err := Read(Source{FS: fstest.MapFS{"f": {Data: []byte(text)}}, Name: "f"})
	if err != nil && !strings.Contains(err.Error(), "not YAML") {
		t.Error(err)
	}
	if err == nil && len(inv.Firewalls) > 0 && len(inv.Firewalls[0].Openings) > 0 {
		t.Errorf("%d openings", len(inv.Firewalls[0].Openings))
	}
}

func TestMissing(t *testing.T) {
	_, err := Read(Source{FS: fstest.MapFS{}, Name: "f", Folder: "/etc"})
	if err == nil || !strings.HasPrefix(err.Error(), "/etc/f: ") {
		t.Errorf("got %v", err)
	}
	if _, err := Read(Source{FS: fstest.MapFS{"a/b": {Data: []byte("x")}}, Name: "a"}); err == nil || !strings.Contains(err.Error(), "no file whose format is known") {
		t.Errorf("got %v", err)
	}
}
