package handover

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"
)

// A hand-over speaks over a SOCK_SEQPACKET pair. A message is one byte, with file
// descriptors beside it (SCM_RIGHTS, unix(7)). The predecessor says listeners…,
// complete; the successor ready, or failed and why; the predecessor control or data for
// each connection, and done.
const (
	wireListeners = 'L' // some listeners
	wireComplete  = 'S' // those were all
	wireReady     = 'R'
	wireFailed    = 'F' // and why
	wireControl   = 'C' // a control connection
	wireData      = 'D' // a data connection
	wireDone      = 'E'
)

const (
	// wireBatch is how many listeners a message carries, which the sender then has twice.
	wireBatch = 32
	// wireMost is how many one can carry (SCM_MAX_FD); an older predecessor's has 128.
	wireMost = 253
	// wirePatience bounds the writing of a message.
	wirePatience = 5 * time.Second
	// wireText bounds the reason of a failure, in bytes.
	wireText = 1024
)

// Socket is a listener or a connection, whose File duplicates its descriptor.
type Socket = interface{ File() (*os.File, error) }

// sendMessage sends a message with the descriptors of the sockets.
func sendMessage(to *net.UnixConn, kind byte, sockets ...Socket) error {
	var fds []int
	for _, socket := range sockets {
		f, err := socket.File()
		if err != nil {
			return err
		}
		defer f.Close()
		raw, err := f.SyscallConn() // Fd would make it block
		if err != nil {
			return err
		}
		raw.Control(func(fd uintptr) { fds = append(fds, int(fd)) })
	}
	to.SetWriteDeadline(time.Now().Add(wirePatience))
	_, _, err := to.WriteMsgUnix([]byte{kind}, syscall.UnixRights(fds...), nil)
	return err
}

// message is a received one. Its files are the receiver's.
type message struct {
	kind  byte
	text  string // of wireFailed
	files []*os.File
}

// receiveMessage waits for the next message; io.EOF: the peer has closed.
func receiveMessage(from *net.UnixConn) (message, error) {
	var body [1 + wireText]byte
	rights := make([]byte, syscall.CmsgSpace(4*wireMost))
	n, rn, flags, _, err := from.ReadMsgUnix(body[:], rights)
	if err != nil {
		return message{}, err
	}
	if n == 0 {
		return message{}, io.EOF
	}
	m := message{kind: body[0], text: string(body[1:n])}
	controls, err := syscall.ParseSocketControlMessage(rights[:rn])
	if err != nil {
		return message{}, err
	}
	for _, c := range controls {
		fds, err := syscall.ParseUnixRights(&c)
		if err != nil {
			return message{}, err
		}
		for _, fd := range fds {
			m.files = append(m.files, os.NewFile(uintptr(fd), "handed over"))
		}
	}
	if flags&syscall.MSG_CTRUNC != 0 {
		m.close()
		return message{}, errors.New("file descriptors were lost: the limit of open files is too low")
	}
	return m, nil
}

func (m message) close() {
	for _, f := range m.files {
		f.Close()
	}
}

// expectMessage is receiveMessage for one of a kind, within a time.
func expectMessage(from *net.UnixConn, within time.Duration, kinds ...byte) (message, error) {
	from.SetReadDeadline(time.Now().Add(within))
	defer from.SetReadDeadline(time.Time{})
	m, err := receiveMessage(from)
	if err != nil || slices.Contains(kinds, m.kind) {
		return m, err
	}
	m.close()
	return message{}, fmt.Errorf("message %q, want one of %q", m.kind, kinds)
}

// listeners makes listeners of the message's files.
func (m message) listeners() ([]*net.TCPListener, error) {
	defer m.close()
	var all []*net.TCPListener
	for _, f := range m.files {
		l, err := net.FileListener(f)
		tcp, ok := l.(*net.TCPListener)
		if !ok {
			closeAll(all)
			return nil, fmt.Errorf("not a TCP listener: %v", err)
		}
		all = append(all, tcp)
	}
	return all, nil
}

// connection makes a connection of the message's only file.
func (m message) connection() (*net.TCPConn, error) {
	defer m.close()
	if len(m.files) != 1 {
		return nil, fmt.Errorf("%d descriptors, want one", len(m.files))
	}
	c, err := net.FileConn(m.files[0])
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil, fmt.Errorf("not a TCP connection: %v", err)
	}
	return tcp, nil
}
