package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// workload is something that is asked of every server. run returns how many
// bytes or transfers were done.
type workload struct {
	name  string
	bytes bool
	run   func(time.Duration) (int64, error)
}

// under is TLS 1.2 for all, which is the newest that vsftpd 3.0.3 has.
var under = &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", MaxVersion: tls.VersionTLS12}

var workloads = []workload{
	{"RETR 256 MiB, MB/s (CPU ms a GiB)", true, func(d time.Duration) (int64, error) { return loop(d, 1, inClear, retrieve("large")) }},
	{"STOR 256 MiB, MB/s (CPU ms a GiB)", true, func(d time.Duration) (int64, error) { return loop(d, 1, inClear, store(256<<20)) }},
	{"RETR 256 MiB, TLS 1.2, MB/s (CPU ms a GiB)", true, func(d time.Duration) (int64, error) { return loop(d, 1, protected, retrieve("large")) }},
	{"STOR 256 MiB, TLS 1.2, MB/s (CPU ms a GiB)", true, func(d time.Duration) (int64, error) { return loop(d, 1, protected, store(256<<20)) }},
	{"RETR 1 KiB/s, one session (CPU ms each)", false, func(d time.Duration) (int64, error) { return loop(d, 1, inClear, count(retrieve("small"))) }},
	{"RETR 1 KiB/s, 32 sessions (CPU ms each)", false, func(d time.Duration) (int64, error) { return loop(d, 32, inClear, count(retrieve("small"))) }},
	{"STOR 1 KiB/s, one session (CPU ms each)", false, func(d time.Duration) (int64, error) { return loop(d, 1, inClear, count(store(1024))) }},
	{"STOR 1 KiB/s, 32 sessions (CPU ms each)", false, func(d time.Duration) (int64, error) { return loop(d, 32, inClear, count(store(1024))) }},
}

// protection is whether a session is under TLS, its data connections included.
type protection bool

const (
	inClear   protection = false
	protected protection = true
)

// operation is one transfer of a logged-in session; it returns its bytes.
type operation func(*session) (int64, error)

// count makes an operation count for one instead of for its bytes.
func count(do operation) operation {
	return func(s *session) (int64, error) {
		_, err := do(s)
		return 1, err
	}
}

// loop has sessions repeat an operation for a while.
func loop(d time.Duration, sessions int, protection protection, do operation) (int64, error) {
	var (
		total atomic.Int64
		work  sync.WaitGroup
	)
	failed := make(chan error, sessions)
	all := make([]*session, sessions)
	for i := range all {
		s, err := login(i, protection)
		if err != nil {
			return 0, err
		}
		defer s.conn.Close()
		all[i] = s
	}
	deadline := time.Now().Add(d)
	for _, s := range all {
		work.Go(func() {
			for time.Now().Before(deadline) {
				n, err := do(s)
				if err != nil {
					failed <- err
					return
				}
				total.Add(n)
			}
		})
	}
	work.Wait()
	close(failed)
	return total.Load(), <-failed
}

// session is a client's control connection.
type session struct {
	number int
	conn   net.Conn
	in     *bufio.Reader
	buf    []byte
	tls    *tls.Config // of the data connections; nil: clear text
}

func login(number int, protection protection) (*session, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &session{number: number, conn: conn, in: bufio.NewReader(conn), buf: make([]byte, 256<<10)}
	if _, err := s.say("", "220"); err != nil {
		return nil, err
	}
	steps := []step{{"USER shop", "331"}, {"PASS secret", "230"}, {"TYPE I", "200"}}
	if protection == protected {
		if err := s.protect(); err != nil {
			return nil, err
		}
		steps = append(steps, step{"PBSZ 0", "200"}, step{"PROT P", "200"})
	}
	for _, step := range steps {
		if _, err := s.say(step.line, step.code); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// step is a command and the reply that it must get.
type step struct{ line, code string }

// protect puts the control connection under TLS.
func (s *session) protect() error {
	if _, err := s.say("AUTH TLS", "234"); err != nil {
		return err
	}
	s.tls = under.Clone()
	s.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	conn := tls.Client(s.conn, s.tls)
	s.conn, s.in = conn, bufio.NewReader(conn)
	return nil
}

// say sends a line, if there is one, and reads the reply, which must have the
// code.
func (s *session) say(line, code string) (string, error) {
	if line != "" {
		if _, err := s.conn.Write([]byte(line + "\r\n")); err != nil {
			return "", err
		}
	}
	for {
		reply, err := s.in.ReadString('\n')
		if err != nil {
			return "", err
		}
		if len(reply) > 3 && reply[3] == ' ' && reply[0] >= '1' && reply[0] <= '5' {
			if !strings.HasPrefix(reply, code) {
				return "", fmt.Errorf("%q: %q", line, reply)
			}
			return reply, nil
		}
	}
}

// transfer opens a data connection, gives a command and uses the connection.
func (s *session) transfer(command string, use func(net.Conn) (int64, error)) (int64, error) {
	reply, err := s.say("EPSV", "229")
	for range 100 {
		// ProFTPD and Pure-FTPd refuse where two sessions draw one port at once.
		if err == nil || !strings.Contains(err.Error(), "425") {
			break
		}
		reply, err = s.say("EPSV", "229")
	}
	if err != nil {
		return 0, err
	}
	_, text, _ := strings.Cut(reply, "|||")
	text, _, _ = strings.Cut(text, "|")
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, err
	}
	data, err := net.DialTCP("tcp4", nil, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)})
	if err != nil {
		return 0, err
	}
	defer data.Close()
	if _, err := s.say(command, "150"); err != nil {
		return 0, err
	}
	var conn net.Conn = data
	if s.tls != nil {
		conn = tls.Client(data, s.tls)
	}
	n, err := use(conn)
	if err != nil {
		return n, err
	}
	conn.Close()
	_, err = s.say("", "226")
	return n, err
}

func retrieve(name string) operation {
	return func(s *session) (int64, error) {
		return s.transfer("RETR "+name, func(data net.Conn) (n int64, err error) {
			for {
				m, err := data.Read(s.buf)
				n += int64(m)
				if err == io.EOF {
					return n, nil
				}
				if err != nil {
					return n, err
				}
			}
		})
	}
}

func store(size int64) operation {
	return func(s *session) (int64, error) {
		src, err := os.Open(home + "/large")
		if err != nil {
			return 0, err
		}
		defer src.Close()
		return s.transfer(fmt.Sprintf("STOR up-%d", s.number), func(data net.Conn) (int64, error) {
			return io.Copy(data, &io.LimitedReader{R: src, N: size})
		})
	}
}
