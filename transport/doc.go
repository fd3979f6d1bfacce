// Package transport carries the signaling protocol over WebSocket (RFC 6455): it serves the client's page, accepts
// connections, reads frames from them and writes frames to them. What a message means is decided in package actors;
// what one looks like, in package messages.
//
// # The life of a connection
//
// [Server.ServeHTTP] checks the handshake and the origin, takes the socket away from net/http and starts one goroutine
// that reads it, by way of gws, until the end. The headers of its frames are followed before gws sees them, so that what
// is not acceptable is answered at once and never stored. Each text message is decoded and handed to the connection's
// [actors.Connection]; the way back is the connection's outbox, which any goroutine may add to without ever blocking,
// and which a goroutine of its own writes out while there is something in it.
//
// However a connection ends, it ends in the same steps: nothing more is taken for it, its session ends, what is queued
// and a close frame go out, the sending direction is closed, and what the client still sends is read and dropped for a
// moment, because a socket closed with unread input resets the connection and takes the close frame with it. Messages
// that were taken and cannot go out any more are handed back, and their senders told.
package transport
