// Package transport carries the signaling protocol over WebSocket (RFC 6455). It serves the client's page, accepts
// connections, reads frames from them and writes frames to them. Package actors decides what a message means, and package
// messages knows what one looks like.
//
// # How a connection begins
//
// On a listener for TCP, where there are loops, [Server.Serve] looks at the first bytes of a new connection. If they are a
// whole and valid handshake, it answers at once. It leaves every other connection to net/http, which calls
// [Server.ServeHTTP]. So ServeHTTP answers the handshakes that arrive in pieces. If the Server is mounted in another HTTP
// server, ServeHTTP answers all handshakes.
//
// With [Options.TLS], each new connection first has a goroutine for its TLS handshake (greeting). The goroutine reads the first
// bytes behind the handshake, and answers a whole handshake for a WebSocket. Bytes of STUN go to [Options.STUN]. All else goes to
// net/http: HTTP/2, and other requests. Then the goroutine ends. With [Options.ProxyProtocol] the same goroutine first reads the
// PROXY header of a trusted proxy, also without TLS (greeter). Handshakes are bounded in number, in time, and in how many
// compute at once (handshakes).
//
// Every socket takes a place. When there are no more places, clients without a login are sent away, those first that have been
// there longest (places). The same holds for the places of one address. An address is that of the client, also behind a trusted
// proxy (addresses). The logins of one address are bounded, too. All limits can be replaced while the server runs (Limits).
// TURN opens files too: a socket with one of the last numbers shows that there are hardly any left (package files). A client that
// has not asked for a WebSocket is a visitor; it has a moment to be told that there is no room (visitors).
//
// A PeerJS client ([Options.PeerJS]) begins with the same steps. The query of its address asks for an id, so its connection asks
// for that before it reads (conn.begin). From then on it is a connection like any other, with its own grammar (conn.peerText), its own
// bound of a message and its own rhythm of pings (conn.rhythm).
//
// # The layers
//
// After its handshake a connection has a carrier, which moves its bytes:
//
//   - On Linux, one of a few epoll loops reads the socket, so a connection has no goroutine of its own (looped, package
//     epoll). A loop works in rounds: it reads what has arrived on many sockets, then writes. The frames that a round produced
//     for a client leave in one write.
//   - Over TLS that the listener or the HTTP server around this one speaks, and on other systems, one goroutine reads the
//     socket. A second goroutine writes to it, and exists only while there is something to write (blocking). Package gws
//     answers the handshake.
//
// Above the carrier everything is the same:
//
//	layer    what it is                where reading is    where writing is
//	session  actors.Connection         its method Receive  actors.Link: Send, Deliver, Close
//	conn     messages, rate, states    reading.go          writing.go
//	framing  package frame             inbox.go            outbox.go
//	carrier  looped or blocking        looped.go, blocking.go
//	(TLS)    secured                   Receive             Write
//	socket   epoll.Socket or net.Conn  package epoll, package net
//
// Package frame decides whether a frame is acceptable (Reader.Peek). The function farewell in reading.go answers one that is
// not with a close frame.
//
// TLS on a loop is a layer between carrier and socket (secured). To the socket it is an [epoll.Handler]. To the connection it is
// a descriptor. It reads and writes with a tls.Conn, over a connection that never blocks (wire): if nothing has arrived, its
// Read returns a temporary error, and the tls.Conn goes on later. A byte counts as written when the socket has taken the whole
// record that it is in. So messages whose record was not sent whole are handed back, as over plain TCP. The end of the sending
// direction is close_notify and then that of the socket.
//
// # How a connection ends
//
// A connection that is not cut ends in these steps:
//
//   - The outbox is sealed. It takes no more frames for the client.
//   - The reading finishes. The session ends, and bytes that still arrive are dropped.
//   - The queued frames and a close frame are written. The sending direction is closed. For
//     a PeerJS client that may not have its id, this waits for its answer.
//   - The connection lingers for a moment, and the client's last bytes are dropped. If a socket is closed with unread input,
//     the system resets the connection, and the client may lose the close frame.
//   - The connection is removed.
//
// If the connection is cut, nothing more is written, and the other steps remain. Messages that were taken and cannot be
// written any more are handed back, and their senders are told.
//
// These words have one meaning each in this package. (A socket's Close and Shutdown are those of the operating system.)
//
//	word      who        what
//	Close     anybody    the service wants the connection to end, with a status code: seal, then release
//	seal      anybody    the outbox takes no more frames; if it has a close frame, that is the last
//	release   anybody    a flusher starts for a sealed outbox that has none
//	hold      reader     seal, but the close frame is still to come
//	finish    reader     the reading ends: hold, end the session, then add the close frame and release; later bytes are dropped
//	hang up   reader     the client has gone while its frames wait for the rate: drop them, then finish
//	send away anybody    Close with 1013 a connection without a login, because a newcomer needs its place
//	overstay  sweep      Close with 1008 a connection without a login, because it has been there for too long
//	give up   flusher    the client takes nothing: seal with 4000; all but a half-written frame is handed back.
//	                     If a write on a loop waits for room, the loop gives up.
//	abandon   session    a kept session goes on without this connection: seal with 4100 unless it is sealed; what waits is dropped,
//	                     but for the rest of a frame that was begun and the close frame
//	cut       anybody    the connection ends at once; a flusher then loses the waiting frames
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
