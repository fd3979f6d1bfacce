// Package peerjs is the grammar of PeerJS clients (npm peerjs 1.x): what such a client says in the address of its WebSocket, the frames
// that it sends, and those that the service sends to it. What a frame does is decided in package actors. PROTOCOL.md is the contract.
//
// A client opens a WebSocket whose query has its id, its token and the key of the service ([ParseQuery]). The service answers with [Open], or
// with [IDTaken] or an error ([AppendError]) and the end of the connection.
//
// A frame is a JSON object (RFC 8259), of which the service reads the members type, dst and payload ([Read]). A frame of type OFFER, ANSWER or
// CANDIDATE goes to the client with the id dst, or waits for it. One of type LEAVE or EXPIRE goes there or nowhere. A payload is passed on byte
// for byte. If a client does not come in time, who has sent something to it is told ([AppendExpire]).
package peerjs
