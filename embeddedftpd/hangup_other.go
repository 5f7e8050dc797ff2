//go:build !linux

package embeddedftpd

import "context"

// onHangUp: elsewhere than on Linux a wait ends by itself.
func (s *session) onHangUp(context.CancelFunc) (done func()) { return func() {} }
