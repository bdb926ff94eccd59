package api

import (
	"crypto/tls"
	"errors"
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
	ended  atomic.Bool
}

// Read reads what came, and remembers the other side's end: fasthttp takes it for
// the end of a body that comes in chunks.
func (c *lingering) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if errors.Is(err, io.EOF) {
		c.ended.Store(true)
	}
	return n, err
}

// Ended reports whether the other side has closed.
func (c *lingering) Ended() bool { return c.ended.Load() }

// Linger makes Close wait for what is on its way.
func (c *lingering) Linger() { c.linger.Store(true) }

// Close ends the connection.
func (c *lingering) Close() error {
	if c.linger.Load() && c.CloseWrite() == nil && c.SetReadDeadline(time.Now().Add(lingerTime)) == nil {
		_, _ = io.CopyN(io.Discard, c.TCPConn, lingerBytes) // whatever ends it, the connection goes
	}
	return c.TCPConn.Close()
}

// secureListener encrypts the connections of a listener.
type secureListener struct {
	net.Listener

	config *tls.Config
}

// Accept waits for the next connection.
func (l secureListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &secured{Conn: tls.Server(conn, l.config)}, nil
}

// secured is an encrypted connection that remembers its other side's end.
type secured struct {
	*tls.Conn

	ended atomic.Bool
}

// Read reads what came.
func (c *secured) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if errors.Is(err, io.EOF) {
		c.ended.Store(true)
	}
	return n, err
}

// Ended reports whether the other side has closed.
func (c *secured) Ended() bool { return c.ended.Load() }

// Linger makes Close wait for what is on its way.
func (c *secured) Linger() {
	if conn, ok := c.NetConn().(*lingering); ok {
		conn.Linger()
	}
}
