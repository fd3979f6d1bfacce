// Package transport carries the signaling protocol over WebSocket (RFC 6455): it serves the client's page, accepts
// connections, reads frames from them and writes frames to them. What a message means is decided in package actors;
// what one looks like, in package messages.
//
// # The life of a connection
//
// [Server.Serve] looks at what has come on a new connection. A proper handshake is answered at once; everything else is
// net/http's, and so [Server.ServeHTTP]'s, which also takes the handshakes that came in pieces, and all of them where the
// Server is mounted in another one. From then on the connection has a carrier:
//
//   - over plain TCP, on Linux, one of a few epoll loops (package epoll) reads it, without a goroutine of its own: see
//     looped. What one round of a loop brings for a client leaves in one write at the round's end;
//   - over TLS, and elsewhere, a goroutine reads it by way of gws, and another one writes while there is something to
//     write: see blocking and gwsSocket. The headers of its frames are followed before gws sees them, so that what is not
//     acceptable is answered at once and never stored.
//
// Whatever carries it, each text message is decoded and handed to the connection's [actors.Connection]; the way back is
// the connection's outbox, which any goroutine may add to without ever blocking.
//
// However a connection ends, it ends in the same steps: nothing more is taken for it, its session ends, what is queued
// and a close frame go out, the sending direction is closed, and what the client still sends is read and dropped for a
// moment, because a socket closed with unread input resets the connection and takes the close frame with it. Messages
// that were taken and cannot go out any more are handed back, and their senders told.
package transport
