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
// The end of a connection ends its session, unless the session is kept. Then the session stays for a while without a connection,
// and another connection takes it over with a secret. The end of a session closes its connection, with one exception: after a
// logout the connection stays open for the next login. A session that panics is stopped and never restarted. Its connection is
// closed with 1011, and the cause is logged once. Nobody else notices.
//
// A kept session is the same actor all the while. It is in one of these states:
//
//	state   connection           next
//	here    its client's         away: the connection ends, however; or the token ends, which closes the connection
//	                             here: another connection takes over with a secret that holds
//	                             ending: a logout; or the connection ends with something that the client would do again;
//	                             or too many errors are unconfirmed; or a secret that holds comes with a count that does not
//	away    stands for none      here: a connection takes over with a secret that holds
//	                             ending: the window passes, or there is no more room, or the count does not hold
//	                             (the end of the token changes nothing)
//	ending  stays as it was      the session ends; claims on its login are decided afterwards
//
// In any state the session ends with its System, and if it panics. What a superseded connection still brings is dropped: each
// message says on which connection it came, and the session acts on those of its present one only.
//
// A login that brings a secret is decided by the session that owns the login, because only the session knows its secrets. If that
// session is ending, the registry decides when it has ended.
//
//	Connection (reader) ── login with a secret ──▶ registry ── takeOver ──▶ session ── reply, what was missed ──▶ Link
//
// If the service wants tokens, the token of a login is looked at before anybody is asked for the login. So a login that is refused
// because of its token changes nothing. The look may take long. The client's next message waits for it, and nobody else does. A
// client that stays brings a fresh token before the old one ends. See [Authenticate] and tokens.
//
//	Connection (reader) ── login with a token ──▶ Authenticate ── it holds ──▶ registry
//	Connection (reader) ── fresh token ──▶ Authenticate ── what became of it ──▶ session ── reply ──▶ Link
//
// A PeerJS id is in the directory, too, under a key that no login has. Its session is another actor, which also holds what waits for
// the id: see peerSession, and for several nodes peercluster.go. The connection is a [Peer].
//
// A session may watch logins. The registry notes the logins that come and go, and the watchers are told in rounds: see presence.
//
// Several services may share their logins: see [Cluster]. The registry then asks the cluster for each login that none of its
// sessions has, and goes on meanwhile. Later claims on that login wait. A session sends to a login of another node as it sends to
// one of its own: a process of the actor system stands for the sessions of other nodes. Each time a session acts, it looks whether
// its node still owns its logins.
//
//	Connection (reader) ── login ──▶ registry ── Claim ──▶ Cluster ── claimed ──▶ registry ── spawns ──▶ session
//	session of alice ── Deliver ──▶ remote ──▶ Cluster ──▶ … other node: Arrive ── Deliver ──▶ session of bob
//
// A kept session moves when its client comes back to another node with a secret that holds. The owner stops the session and hands its
// state over. The other node then takes the login in one step, and says so. The owner ends its session without a word. See HandOver.
//
// A kept session tells its client that the service has a message only when the message has its outcome. So it counts what is on its way
// to other nodes. A claim that would resume the session, and a request to hand it over, wait until nothing is. See underway.
//
// One limit bounds what the service holds for one client: [Options.QueueLimit]. Beyond it, messages of others are refused,
// and the client's own messages are not read.
//
// An actor runs on the goroutine that sends to it. That is safe because no actor blocks. See mailbox.
package actors
