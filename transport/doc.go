// Package transport carries the signaling protocol over WebSocket (RFC 6455). It serves the client's page, accepts
// connections, reads frames from them and writes frames to them. Package actors decides what a message means, and package
// messages knows what one looks like.
//
// # How a connection begins
//
// [Server.Serve] looks at the first bytes of a new connection. If they are a whole and valid handshake, it answers at once.
// It leaves every other connection to net/http, which calls [Server.ServeHTTP]. So ServeHTTP answers the handshakes that
// arrive in pieces. If the Server is mounted in another HTTP server, ServeHTTP answers all handshakes.
//
// # The layers
//
// From then on a connection has a carrier, which moves its bytes:
//
//   - Over plain TCP, on Linux, one of a few epoll loops reads the socket, so a connection has no goroutine of its own
//     (looped, package epoll). At the end of a round, the frames that the round produced for a client leave in one write.
//   - Over TLS, and on other systems, one goroutine reads the socket. A second goroutine writes to it, and exists only while
//     there is something to write (blocking). Package gws answers the handshake.
//
// Above the carrier everything is the same:
//
//	layer    what it is                reading            writing
//	session  actors.Connection         Receive            Send, Deliver, Close (actors.Link)
//	conn     messages, rate, states    reading.go         writing.go
//	framing  package frame             inbox              outbox
//	carrier  looped or blocking        received, goOn     begin, next, wrote
//	socket   epoll.Socket or net.Conn  Receive or Read    Write
//
// A layer that changes the bytes, such as TLS on a loop, fits between carrier and socket. The socket uses it as an
// [epoll.Handler]. The connection uses it as a descriptor.
//
// # How a connection ends
//
// Every connection ends in the same steps:
//
//   - The outbox is sealed. It takes no more frames for the client.
//   - The reading finishes. The session ends, and bytes that still arrive are dropped.
//   - The queued frames and a close frame are written. The sending direction is closed.
//   - The connection lingers for a moment, and the client's last bytes are dropped. If a socket is closed with unread input,
//     the system resets the connection, and the client may lose the close frame.
//   - The connection is removed.
//
// If messages that were taken cannot be written any more, they are handed back, and their senders are told.
//
// These words have one meaning each, in comments and in names:
//
//	word      who        what
//	Close     anybody    the service wants the connection to end, with a status code: seal, then release
//	seal      anybody    the outbox takes no more frames; if it has a close frame, that is the last
//	release   anybody    a flusher starts for a sealed outbox that has none
//	finish    reader     the reading ends: seal, end the session, then release; later bytes are dropped
//	give up   flusher    the client takes nothing: seal with 4000; all but a half-written frame is handed back
//	cut       anybody    the connection ends at once; the waiting frames are lost
//	lose      flusher    the waiting messages of a connection that is cut are handed back to their senders
//	linger    flusher    all frames are written or lost; the client may still close its side
//	remove    carrier    the socket is closed and the server knows the connection no more
//	abort     cut        both directions of the socket end: shutdown(2) on a loop, close for a goroutine
//	Shutdown  operator   the Server ends: it Closes every connection, and cuts those that stay
//
//	reader    the connection's loop, or its reading goroutine
//	flusher   a task on a loop, or a goroutine, that writes the queued frames; one at a time
//	act       the reader does what a frame asks for
//	wait      the reader acts on no frame, until the rate allows it, a session has decided, or there is room
//	wake      the carrier makes the reader look at the states again
//	press     the carrier is asked to write before its round ends, because many bytes are queued
package transport
