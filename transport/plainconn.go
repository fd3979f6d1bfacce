package transport

import "net"

// plainConn is a connection without TLS, or the one beneath it, of which the first bytes were read.
type plainConn struct {
	net.Conn
	client net.Addr // what the PROXY header says; nil for nothing
	head   untaken
}

// Read implements net.Conn.
func (c *plainConn) Read(p []byte) (int, error) { return c.head.read(p, c.Conn) }

// untaken are bytes that were read from a connection, and that nobody has taken.
type untaken []byte

// read reads them, and then from socket.
func (u *untaken) read(p []byte, socket net.Conn) (int, error) {
	if len(*u) == 0 {
		return socket.Read(p)
	}
	n := copy(p, *u)
	if *u = (*u)[n:]; len(*u) == 0 {
		*u = nil
	}
	return n, nil
}

// RemoteAddr implements net.Conn. It returns the client's address.
func (c *plainConn) RemoteAddr() net.Addr {
	if c.client != nil {
		return c.client
	}
	return c.Conn.RemoteAddr()
}

// CloseWrite closes the sending direction of the socket, if it can be closed alone.
func (c *plainConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// bare returns the connection beneath a plainConn, or socket itself. The bytes that were read must have been taken.
func bare(socket net.Conn) net.Conn {
	if c, ok := socket.(*plainConn); ok {
		return c.Conn
	}
	return socket
}
