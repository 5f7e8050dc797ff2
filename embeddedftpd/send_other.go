//go:build !linux

package embeddedftpd

import (
	"net"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

func (t *transfer) send(conn net.Conn, _ int64) error      { return t.copyOut(conn) }
func (*transfer) sendNow(int64) (over bool, err error)     { return false, nil }
func (t *transfer) receiveSpliced(conn passive.Conn) error { return t.copyIn(conn) }
