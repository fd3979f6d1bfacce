package swarm

import (
	"errors"
	"fmt"
)

var (
	// ErrTimeout tells that the service did not answer in time: to the handshake, or to a close frame.
	ErrTimeout = errors.New("the service did not answer in time")
	// ErrStopped tells that the Swarm was stopped.
	ErrStopped = errors.New("the swarm was stopped")
	// ErrFull tells that as much waits on a connection as may: the service does not take it.
	ErrFull = errors.New("the service does not take what is sent to it")
	// ErrNotOpen tells that a connection is not open, or no longer.
	ErrNotOpen = errors.New("the connection is not open")
)

// CloseError tells that the service closed the connection with a close frame. Code is 1005 where the frame had none
// (RFC 6455, section 7.1.5).
type CloseError struct {
	Code   uint16
	Reason string
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("the service closed the connection with code %d", e.Code)
	}
	return fmt.Sprintf("the service closed the connection with code %d: %s", e.Code, e.Reason)
}

// HandshakeError tells that the handshake was not answered as RFC 6455 wants it. Status is the HTTP status; 0 where the
// answer was no HTTP.
type HandshakeError struct {
	Status int
	Reason string
}

func (e *HandshakeError) Error() string {
	if e.Status == 0 {
		return "the answer to the WebSocket handshake is no HTTP: " + e.Reason
	}
	return fmt.Sprintf("the WebSocket handshake was answered with HTTP status %d: %s", e.Status, e.Reason)
}

// ProtocolError tells that the service broke RFC 6455, or sent what no service of this protocol sends.
type ProtocolError struct{ Reason string }

func (e *ProtocolError) Error() string {
	return "the service broke the WebSocket protocol: " + e.Reason
}
