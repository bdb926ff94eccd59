package api

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// How long, and how much, a refused request may still send before its
// connection is cut.
const (
	lingerTime  = 5 * time.Second
	lingerBytes = 256 << 20
)

// lingeringListener gives connections that can linger.
type lingeringListener struct{ net.Listener }

// Accept waits for the next connection.
func (l lingeringListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		return &lingering{TCPConn: tcp}, nil
	}
	return conn, err
}

// lingering is a connection that, where asked to, reads on for a while when it
// is closed. Closing a connection with unread bytes resets it, and the sender of
// a body over the limit would see a broken pipe instead of the answer that says
// so.
type lingering struct {
	*net.TCPConn
	linger atomic.Bool
}

// Close ends the connection.
func (c *lingering) Close() error {
	if c.linger.Load() && c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.TCPConn, lingerBytes) // whatever ends it, the connection goes
	}
	return c.TCPConn.Close()
}
