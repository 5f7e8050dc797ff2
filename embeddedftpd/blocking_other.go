//go:build !linux

package embeddedftpd

import (
	"os"

	"github.com/pasvctl/pasvctl/embeddedftpd/passive"
)

func (*transfer) sendChunk(*passive.Socket, *os.File, int64) (int64, error) { return 0, errPolled }
