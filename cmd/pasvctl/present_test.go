package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// What is present is read from files, folders, standard input and a command; a
// link leads no reader out of its folder.
func TestPresent(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("outside.conf", "Port 2100\n")
	proftpd := write("etc/proftpd.conf", "ServerName x\nInclude /etc/extra.conf\n")
	if err := os.Symlink("../outside.conf", filepath.Join(dir, "etc", "extra.conf")); err != nil {
		t.Fatal(err)
	}
	vsftpd := write("ftp/vsftpd.conf", "listen=YES\nlisten_port=2121\n")
	for name, c := range map[string]struct {
		paths []string
		stdin string
		want  string // of the first server: where it is, and its port
		unread,
		err string
	}{
		"a file":            {paths: []string{vsftpd}, want: filepath.ToSlash(vsftpd) + " 2121"},
		"a folder":          {paths: []string{filepath.Dir(vsftpd)}, want: filepath.ToSlash(vsftpd) + " 2121"},
		"a link out":        {paths: []string{proftpd}, want: filepath.ToSlash(proftpd) + " 21", unread: "Include"},
		"a folder with one": {paths: []string{filepath.Dir(proftpd)}, want: filepath.ToSlash(proftpd) + " 21", unread: "Include"},
		"standard input":    {paths: []string{"-"}, stdin: "listen=YES\nlisten_port=2123\n", want: "stdin 2123"},
		"a command":         {paths: []string{"pure-ftpd -S 2124 -p 30000:30009"}, want: "the command 2124"},
		"nothing there":     {paths: []string{filepath.Join(dir, "none")}, err: "none"},
		"another format":    {paths: []string{write("notes.txt", "hello\n")}, err: "its format is unknown"},
		"too long a text":   {paths: []string{"-"}, stdin: strings.Repeat("a", maxPresent+1), err: "standard input is longer than 16 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			inv, err := present(c.paths, strings.NewReader(c.stdin))
			if err != nil || c.err != "" {
				if c.err == "" || err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got the error %v, want %q", err, c.err)
				}
				return
			}
			if got := inv.Servers[0].At.String() + " " + strconv.Itoa(int(inv.Servers[0].Port.Value)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if c.unread != "" && (len(inv.Unread) == 0 || inv.Unread[0].What != c.unread) {
				t.Errorf("unread: %v", inv.Unread)
			}
			if name == "a folder with one" && (len(inv.Unread) != 2 || inv.Unread[1].What != "the file") {
				t.Errorf("the link is not named: %v", inv.Unread)
			}
		})
	}
}
