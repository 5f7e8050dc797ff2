package embeddedftpd

import (
	"context"
	"time"

	"golang.org/x/sys/unix"
)

// onHangUp calls cancel once the client hangs up, until done, and finds that behind
// commands sent ahead. It reads nothing, and the session must not meanwhile.
func (s *session) onHangUp(cancel context.CancelFunc) (done func()) {
	raw, _ := s.tcp.SyscallConn()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		raw.Read(func(fd uintptr) bool {
			asked := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
			n, _ := unix.Poll(asked, 0)
			if n > 0 {
				cancel()
			}
			return n > 0
		})
	}()
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.tcp.SetReadDeadline(time.Unix(1, 0))
		<-ended
		s.rearm()
	}
}
