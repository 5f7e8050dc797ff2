package ftpload

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// fake is an FTP server that misbehaves as told. It knows just what the load
// client sends.
type fake struct {
	ln net.Listener
	// passive answers the n-th PASV (from 1, over all sessions): "" serves a
	// real port, anything else is sent as the reply; a trailing "!" also ends
	// the session.
	passive func(n int) string
	// body is what a RETR of path gives on the n-th transfer.
	body func(path string, n int) string

	mu        sync.Mutex
	asked     int
	transfers int
	logins    int
	files     map[string]string
	full      bool // it admits nobody
	mangle    bool // uploads are stored with another session's bytes
}

func startFake(t *testing.T, f *fake) *fake {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.ln, f.files = ln, map[string]string{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { f.serve(conn) })
		}
	})
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	return f
}

func (f *fake) serve(conn net.Conn) {
	defer conn.Close()
	say := func(s string) { fmt.Fprintf(conn, "%s\r\n", s) }
	if f.full {
		say("421 Too many sessions.")
		return
	}
	say("220 ready")
	var data net.Listener
	defer func() {
		if data != nil {
			data.Close()
		}
	}()
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		verb, arg, _ := strings.Cut(lines.Text(), " ")
		switch verb {
		case "USER":
			say("331 password")
		case "PASS":
			f.mu.Lock()
			f.logins++
			f.mu.Unlock()
			say("230 in")
		case "QUIT":
			say("221 bye")
			return
		case "TYPE", "NOOP":
			say("200 ok")
		case "PASV":
			if data != nil {
				data.Close()
			}
			answer := f.answer()
			if answer != "" {
				say(strings.TrimSuffix(answer, "!"))
				if strings.HasSuffix(answer, "!") {
					return
				}
				continue
			}
			data, _ = net.Listen("tcp", "127.0.0.1:0")
			port := data.Addr().(*net.TCPAddr).Port
			say(fmt.Sprintf("227 Entering Passive Mode (127,0,0,1,%d,%d).", port>>8, port&255))
		case "RETR", "STOR":
			c, err := data.Accept()
			if err != nil {
				return
			}
			say("150 here")
			f.transfer(verb, arg, c)
			c.Close()
			say("226 done")
		}
	}
}

func (f *fake) answer() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	if f.passive == nil {
		return ""
	}
	return f.passive(f.asked)
}

func (f *fake) transfer(verb, path string, c net.Conn) {
	f.mu.Lock()
	f.transfers++
	n := f.transfers
	body, stored := f.files[path]
	f.mu.Unlock()
	if verb == "STOR" {
		b, _ := io.ReadAll(c)
		if f.mangle {
			path = strings.NewReplacer("0", "1", "1", "0").Replace(path)
		}
		f.mu.Lock()
		f.files[path] = string(b)
		f.mu.Unlock()
		return
	}
	if !stored && f.body != nil {
		body = f.body(path, n)
	}
	io.WriteString(c, body)
}
