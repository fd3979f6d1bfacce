// Package admin is the port for the operator of a service: what the service does, in the format of Prometheus, whether it is healthy,
// profiles of the program, and who is connected.
//
// The other packages count, and know nothing of Prometheus. A scrape reads their figures. So a metric costs a relayed message no more
// than an addition (see [transport.Options.Measure]).
//
//	GET /metrics             what the service does, for Prometheus
//	GET /healthz             200 while the program runs
//	GET /readyz              200 while the service takes connections, 503 while it drains
//	GET /debug/pprof/        profiles, for go tool pprof
//	GET /sessions            who is connected, if that is allowed
//	GET /sessions/LOGIN      one of them
//	DELETE /sessions/LOGIN   ends the session, with close code 4101
//
// A login that cannot stand in a path stands in a parameter: /sessions?login=LOGIN. The id of a PeerJS client does so, too:
// /sessions?peerjs=ID.
//
// The port asks for no password. It is meant for a loopback address, or for a network that only the operator reaches. Pages in a
// browser of the operator get nothing from it: see guard.
package admin
