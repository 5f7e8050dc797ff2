package ftpload

import (
	"crypto/sha256"
	"io"
	"math/rand/v2"
)

// content is what session number uploads: bytes that no other session's file
// shares, so that a mix-up shows.
func content(number int, size int64) io.Reader {
	var seed [32]byte
	for i := range 8 {
		seed[i] = byte(uint64(number) >> (8 * i))
	}
	return io.LimitReader(rand.NewChaCha8(seed), size)
}

// digest is the checksum of what session number uploads.
func digest(number int, size int64) (sum [sha256.Size]byte) {
	h := sha256.New()
	// A hash never fails to write, and content never fails to read.
	_, _ = io.Copy(h, content(number, size))
	h.Sum(sum[:0])
	return sum
}
