package passive

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
)

// Mark is the identity of one control connection inside TLS session tickets: 128 random
// bits. Only its client knows the ticket's secret.
type Mark struct{ id markID }

type markID [16]byte

// NewMark draws the mark of a new control connection.
func NewMark() *Mark {
	m := new(Mark)
	rand.Read(m.id[:])
	return m
}

// markTag tells our entry of tls.SessionState.Extra from anybody else's.
var markTag = []byte("pasvctl passive mark 1\x00")

// ControlConfig is Config.TLS for one control connection, with m in every ticket.
func (p *Pool) ControlConfig(m *Mark) *tls.Config {
	base := p.config.TLS
	c := base.Clone()
	// Through base, whose ticket keys the data connections use too.
	c.UnwrapSession = base.DecryptTicket
	c.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		m.id.write(ss)
		return base.EncryptTicket(cs, ss)
	}
	return c
}

// write adds the mark to a fresh ticket's state.
func (id markID) write(ss *tls.SessionState) {
	ss.Extra = append(ss.Extra, append(bytes.Clone(markTag), id[:]...))
}

// readMark finds the mark of a ticket's state.
func readMark(ss *tls.SessionState) (id markID, ok bool) {
	for _, entry := range ss.Extra {
		if mark, ours := bytes.CutPrefix(entry, markTag); ours && len(mark) == len(id) {
			return markID(mark), true
		}
	}
	return id, false
}
