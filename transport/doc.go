// Package transport carries the signaling protocol over WebSocket (RFC 6455). It serves the client's page, accepts
// connections, reads frames from them and writes frames to them. Package actors decides what a message means, and package
// messages knows what one looks like.
//
// # How a connection begins
//
// [Server.Serve] looks at what has come on a new connection. It answers a proper handshake at once and leaves everything
// else to net/http, and so to [Server.ServeHTTP]. That takes the handshakes that came in pieces, and all of them where
// the Server is mounted in another one.
//
// # The layers
//
// From then on a connection has a carrier, which moves its bytes:
//
//   - Over plain TCP, on Linux, one of a few epoll loops reads the socket, without a goroutine for each (looped, package
//     epoll). What one round of a loop brings for a client leaves in one write at the round's end.
//   - Over TLS, and on other systems, one goroutine reads the socket, and another one writes to it while there is
//     something to write (blocking). Package gws answers the handshake.
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
// A layer that changes the bytes, such as TLS on a loop, fits between carrier and socket: to the socket it is an
// [epoll.Handler], to the connection a descriptor.
//
// # How a connection ends
//
// However a connection ends, it ends in the same steps. The outbox is sealed: nothing more is taken for the client. The
// reading finishes: the session ends, and what still comes is dropped. What is queued and a close frame go out, and the
// sending direction is closed. The connection lingers for a moment while the client's last bytes are dropped, because a
// socket that is closed with unread input resets the connection and takes the close frame with it. Then the connection is
// removed. Messages that were taken and cannot go out any more are handed back, and their senders told.
//
// These words have one meaning each, in comments and in names:
//
//	word      who        what
//	Close     anybody    the service wants the connection to end, with a status code: seal, then release
//	seal      anybody    the outbox takes nothing more; a close frame is the last that it has
//	release   anybody    what is sealed goes out, though nobody was writing
//	finish    reader     the reading is over: the session ends, what comes is dropped; seals and releases
//	give up   flusher    the client takes nothing: all is handed back but half a frame; seals with 4000
//	cut       anybody    the connection ends at once; what waits is lost
//	lose      flusher    what waits on a connection that is cut is handed back to its senders
//	linger    flusher    everything is out or lost; the client may still close its side
//	remove    carrier    the socket is closed and the server knows the connection no more
//	abort     cut        both directions of the socket end: shutdown(2) on a loop, close for a goroutine
//	Shutdown  operator   the Server ends: it Closes every connection, and cuts those that stay
//
//	reader    the connection's loop, or its reading goroutine
//	flusher   whoever writes what is queued: a task on a loop, or a goroutine; one at a time
//	act       the reader does what a frame asks for
//	wait      the reader leaves what comes alone: for the rate, for a decision, or for room
//	wake      the carrier has the reader look at the states again
//	press     so much is queued that the carrier should write before its round ends
package transport
