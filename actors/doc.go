// Package actors gives the messages of the signaling protocol their meaning. It knows no sockets.
//
// A [System] holds one registry actor, and under it one session actor for each login. A transport calls
// [System.Connect] with a [Link] for each connection, hands every decoded message to [Connection.Receive], and says
// [Connection.Closed] when the connection has ended. None of this blocks: where the next message of a client must wait
// for a decision, Receive says so, and [Link.Resume] follows.
//
//	Connection (reader) ── login ──▶ registry ── spawns ──▶ session, owner of the login
//	Connection (reader) ── Send ──▶ session of alice ── Deliver ──▶ session of bob ──▶ Link of bob
//	                                session of alice ◀── Return ─── (bob gone, or too much waits for him)
//
// The registry alone decides who owns a login. It publishes its decisions as a directory that sessions read without
// asking it. A login is free again when the session that held it has ended, not before.
//
// Life and death are tied both ways: the end of the connection ends the session, the end of the session closes the
// connection, unless the client logged out and keeps the connection for its next login. A session that panics is
// stopped, never restarted, and its connection is closed with 1011; the cause is logged once and nobody else notices.
//
// What the service holds for one client is bounded by one limit, [Options.QueueLimit]: messages of others beyond it are
// refused, and a client beyond it is not read.
//
// Actors run on the goroutine that sends to them, which is safe because none of them blocks; see mailbox.
package actors
