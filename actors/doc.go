// Package actors decides what the messages of the signaling protocol do. It knows nothing of sockets.
//
// A [System] has one registry actor. The registry has one session actor for each login as a child. A transport uses the
// package in three steps:
//
//   - It calls [System.Connect] with a [Link] for each connection.
//   - It passes every decoded message to [Connection.Receive].
//   - It calls [Connection.Closed] when the connection has ended.
//
// No call blocks. If the next message of a client must wait, Receive says so, and [Link.Resume] ends the wait.
//
//	Connection (reader) ── login ──▶ registry ── spawns ──▶ session, owner of the login
//	Connection (reader) ── Send ──▶ session of alice ── Deliver ──▶ session of bob ──▶ Link of bob
//	                                session of alice ◀── Return ─── (bob gone, or too much waits for him)
//
// Only the registry decides who owns a login. It publishes its decisions in a directory, which sessions read without asking
// the registry. A login is free again only when the session that owned it has ended.
//
// The end of a connection ends its session. The end of a session closes its connection, with one exception: after a logout
// the connection stays open for the next login. A session that panics is stopped and never restarted. Its connection is closed
// with 1011, and the cause is logged once. Nobody else notices.
//
// One limit bounds what the service holds for one client: [Options.QueueLimit]. Beyond it, messages of others are refused,
// and the client's own messages are not read.
//
// An actor runs on the goroutine that sends to it. That is safe because no actor blocks. See mailbox.
package actors
