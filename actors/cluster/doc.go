// Package cluster joins several services, its nodes: a login is unique among them, and a message finds its login on whichever node
// it is. It implements [actors.Cluster] with two engines. Etcd says which node owns a login. Package routes carries messages between
// the nodes.
//
// Each node has a lease in etcd. A login is one key under the lease, which is put only if there is none. Its value has the address
// of the node. A node that dies loses its logins when its lease ends. A node that cannot renew its lease has given up its logins
// before that: see lease. So no login ever has two owners.
//
//	registry ── Claim ──▶ ownership ── up to 64 logins in one step ──▶ Store (etcd)
//	session ── Deliver ──▶ relay ── Find, once for each login ──▶ ownership
//	                       relay ── by the address in the key ──▶ routes ──▶ other node: System.Arrive
//
// A kept session goes where its client comes back: see moving. Presence follows the keys in etcd while somebody watches.
//
// The messages of one sender to one login keep their order, wherever both go. While some are on their way to a node or wait to go there,
// later ones wait behind them, even if the login has come to this node by then: see relay.Landing.
//
// A node remembers each message that it has sent until the other node says that its client has it. So when the other node dies, the
// senders of what it had not passed on are told.
package cluster
