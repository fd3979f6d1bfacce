// Package routes joins the nodes of a cluster and carries messages between them. The engine is core NATS. Each node embeds it, and
// speaks to it in NATS's own protocol without a socket. The nodes are joined by routes: one connection between each two of them. The
// package knows nothing of logins or sessions.
//
// Each process that calls [Start] gets an [Address] that no other process ever has. So a message for a process that has ended
// reaches nobody, not even the process that follows it on the same node. Who wants to reach a login stores the address of
// its owner where others can look it up, and keeps what it has looked up. If [Routes.Send] ends with [NoNode] or [Gone], the
// address is out of date.
//
//	Send ──▶ queue of the address ──▶ one NATS message for all that waits ──route──▶ Config.Receive, one message after another
//	Receipt ◀── how far, and which messages were not accepted ◀── with the next messages back, or after a moment
//
// The package promises this:
//
//   - A message is received at most once.
//   - The messages from one process to another are received in the order of the calls of Send.
//   - Each call of Send gets exactly one [Outcome]. If a message or the answer to it is lost, the outcome says so.
//   - What waits for one address occupies at most [MaxWaiting] bytes. So a process that does not answer costs its peers no more memory,
//     and does not hold up what goes to others. What waits is copied only when it is published, and little is published before the
//     process answers. So a text that waits stands once in memory.
//
// There is a NATS subject for each address, and none for each login. A subject for each login is what NATS is made for, and was measured
// with version 2.15.3 (messages of 300 bytes, 200 pairs of clients, CPU time of both nodes for each message and its answer):
//
//	                          subject for each login       subject for each address
//	one message on its way    19 µs                        18 µs
//	200 on their way          13 µs                        0.9 µs
//	3,200 on their way        10 µs                        0.9 µs
//	memory for a login        1,053 bytes on its node,     none
//	                          656 on each other node
//
// So messages for different logins travel together here. The price is that a sender must know on which node a login is.
package routes
