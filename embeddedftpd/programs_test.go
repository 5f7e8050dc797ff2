package embeddedftpd

import (
	"fmt"
	"strings"
)

// program is a client: the command line and the standard input by which it
// does an operation, nil where it cannot.
type program struct {
	name string
	tool string
	do   func(op string, r remote) (args []string, stdin string)
	// library is a client that is no program, instead of tool and do; it does
	// every operation.
	library   func(op string, r remote, dir string) error
	clearOnly bool // it has no TLS
	v4Only    bool
	// foreign names the versions of TLS under which it does not resume its
	// control connection's session, and needs session reuse merely preferred.
	foreign []string
}

var programs = []program{
	{name: "curl", tool: "curl", do: curlDo, foreign: []string{"1.2"}},
	{name: "lftp", tool: "lftp", do: lftpDo},
	{name: "Python ftplib", tool: "python3", do: pythonDo, foreign: []string{"1.2", "1.3"}},
	{name: "GNU Wget", tool: "wget", do: wgetDo},
	{name: "tnftp", tool: "tnftp", do: tnftpDo, clearOnly: true},
	{name: "NcFTP", tool: "ncftpget", do: ncftpDo, clearOnly: true, v4Only: true},
	{name: "jlaffaye/ftp", library: libraryDo},
}

// can reports whether the client does an operation.
func (p program) can(op string, tr transport) bool {
	if p.clearOnly && tr.version != "" || p.v4Only && tr.v6 {
		return false
	}
	if p.library != nil {
		return true
	}
	args, _ := p.do(op, remote{transport: tr})
	return args != nil
}

func curlDo(op string, r remote) ([]string, string) {
	args := []string{"curl", "-sSg", "--max-time", "20"}
	if r.version != "" {
		args = append(args, "--ssl-reqd", "-k", "--tlsv"+r.version, "--tls-max", r.version)
	}
	at := func(name string) string { return r.url("ftp", name) }
	switch op {
	case "download":
		args = append(args, "-o", "out", at("big"))
	case "upload":
		args = append(args, "-T", "local", at("up"))
	case "resume down":
		args = append(args, "-C", "-", "-o", "part", at("big"))
	case "resume up":
		args = append(args, "-C", "-", "-T", "local", at("rpart"))
	case "5 GiB down":
		args = append(args, "-C", "-", "-o", "huge", at("huge"))
	case "5 GiB up":
		args = append(args, "-C", "-", "-T", "huge", at("huge"))
	case "rename":
		args = append(args, "-Q", "RNFR old", "-Q", "RNTO new", "-l", at(""))
	case "delete":
		args = append(args, "-Q", "DELE del", "-l", at(""))
	case "names":
		args = append(args, "-o", "odd", at(oddName))
	case "empty":
		args = append(args, "-o", "empty-out", at("empty"), "--next", "-sSgk", "-T", "empty-local", at("empty-up"))
		if r.version != "" {
			args = append(args, "--ssl-reqd", "--tlsv"+r.version, "--tls-max", r.version)
		}
	default:
		return nil, ""
	}
	return args, ""
}

func lftpDo(op string, r remote) ([]string, string) {
	script := map[string]string{
		"download": "get big -o out", "upload": "put local -o up", "resume down": "get -c big -o part",
		"resume up": "put -c local -o rpart", "mirror": "mirror / tree", "rename": "mv old new", "delete": "rm del",
		"names": "get '" + oddName + "' -o odd", "empty": "get empty -o empty-out; put empty-local -o empty-up",
		"5 GiB down": "get -c huge -o huge", "5 GiB up": "put -c huge -o huge",
	}[op]
	tls := "set ftp:ssl-allow no; "
	if r.version != "" {
		tls = "set ssl:verify-certificate no; set ftp:ssl-force yes; set ftp:ssl-protect-data yes; " +
			"set ssl:priority NORMAL:-VERS-ALL:+VERS-TLS" + r.version + "; "
	}
	return []string{"lftp", "--norc", "-c", "set cmd:fail-exit yes; set net:max-retries 1; set net:timeout 10; " + tls +
		fmt.Sprintf("open -u user,secret -p %s ftp://%s; ", r.port, bracketed(r.host)) + script}, ""
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

const pythonMatrix = `
import ftplib, os, ssl, sys
host, port, version, op, odd = sys.argv[1:]
if version:
    ctx = ssl._create_unverified_context()
    ctx.minimum_version = ctx.maximum_version = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[version]
    f = ftplib.FTP_TLS(context=ctx, timeout=15)
else:
    f = ftplib.FTP(timeout=15)
f.connect(host, int(port)); f.login("user", "secret")
if version: f.prot_p()
def get(name, to, mode="wb", rest=None):
    with open(to, mode) as out: f.retrbinary("RETR " + name, out.write, rest=rest)
def put(frm, name, rest=None):
    with open(frm, "rb") as src:
        src.seek(rest or 0); f.storbinary("STOR " + name, src, rest=rest)
if op == "download": get("big", "out")
elif op == "upload": put("local", "up")
elif op == "resume down": get("big", "part", "ab", os.path.getsize("part"))
elif op == "5 GiB down": get("huge", "huge", "ab", os.path.getsize("huge"))
elif op == "5 GiB up": f.voidcmd("TYPE I"); put("huge", "huge", f.size("huge"))
elif op == "resume up": f.voidcmd("TYPE I"); put("local", "rpart", f.size("rpart"))
elif op == "rename": f.rename("old", "new")
elif op == "delete": f.delete("del")
elif op == "names": get(odd, "odd")
elif op == "empty": get("empty", "empty-out"); put("empty-local", "empty-up")
f.quit()
`

func pythonDo(op string, r remote) ([]string, string) {
	if op == "mirror" {
		return nil, ""
	}
	return []string{"python3", "-c", pythonMatrix, r.host, r.port, r.version, op, oddName}, ""
}

func wgetDo(op string, r remote) ([]string, string) {
	args, scheme := []string{"wget", "-q", "--tries=1", "--timeout=10", "--restrict-file-names=nocontrol"}, "ftp"
	if r.version != "" {
		scheme = "ftps"
		args = append(args, "--no-check-certificate", "--secure-protocol=TLSv1_"+r.version[2:])
	}
	switch op {
	case "download":
		return append(args, "-O", "out", r.url(scheme, "big")), ""
	case "resume down":
		return append(args, "-c", "-O", "part", r.url(scheme, "big")), ""
	case "5 GiB down":
		return append(args, "-c", "-O", "huge", r.url(scheme, "huge")), ""
	case "names":
		return append(args, "-O", "odd", r.url(scheme, oddName)), ""
	case "mirror":
		return append(args, "-r", "-l", "9", "-nH", "-P", "tree", r.url(scheme, "")), ""
	}
	return nil, ""
}

func tnftpDo(op string, r remote) ([]string, string) {
	script := map[string]string{
		"download": "get big out", "upload": "put local up", "resume down": "reget big part",
		"resume up": "restart 12345\nput local rpart", "rename": "rename old new", "delete": "delete del",
		"names": "get \"" + oddName + "\" odd", "empty": "get empty empty-out\nput empty-local empty-up",
		"5 GiB down": "reget huge huge", "5 GiB up": fmt.Sprintf("restart %d\nput huge huge", hugeSize),
	}[op]
	if script == "" {
		return nil, ""
	}
	return []string{"tnftp", "-inpV", r.host, r.port}, "user user secret\nbinary\n" + script + "\nquit\n"
}

func ncftpDo(op string, r remote) ([]string, string) {
	login := []string{"-u", "user", "-p", "secret", "-P", r.port}
	call := func(tool string, args ...string) ([]string, string) {
		return append(append([]string{tool}, login...), args...), ""
	}
	switch op {
	case "download":
		return call("ncftpget", "-C", r.host, "big", "out")
	case "resume down":
		return call("ncftpget", "-C", "-z", r.host, "big", "part")
	case "5 GiB down":
		return call("ncftpget", "-C", "-z", r.host, "huge", "huge")
	case "upload":
		return call("ncftpput", "-C", r.host, "local", "up")
	// No "resume up": after REST it sends the file from its beginning.
	case "5 GiB up":
		return call("ncftpput", "-A", "-C", r.host, "end", "huge")
	case "mirror":
		return call("ncftpget", "-R", r.host, "tree", "/.")
	case "names":
		return call("ncftpget", "-C", r.host, oddName, "odd")
	case "rename", "delete":
		script := map[string]string{"rename": "rename old new\n", "delete": "rm del\n"}[op]
		args, _ := call("ncftp", r.host)
		return args, script
	}
	return nil, ""
}
