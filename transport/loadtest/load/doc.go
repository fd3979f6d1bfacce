// Package load puts load on a service. An [Engine] runs one process's part of a run: it opens sessions, has them do what
// the scenarios say, verifies what arrives, and reports what it counted and measured.
//
// Every connection belongs to a loop of a swarm, and everything on one loop to a shard. The scenario call is an exception:
// its sessions are clients with WebRTC peers, and have goroutines of their own.
package load
