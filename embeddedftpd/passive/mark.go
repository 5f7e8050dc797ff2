package passive

import "crypto/rand"

// Mark is the identity of one control connection inside TLS tickets: 128
// random bits, never used twice.
type Mark struct{ id markID }

type markID [16]byte

// NewMark draws the mark of a new control connection.
func NewMark() *Mark {
	m := new(Mark)
	rand.Read(m.id[:])
	return m
}
