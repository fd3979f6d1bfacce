package swarm

import (
	"errors"
	"fmt"
)

var (
	// ErrTimeout says that the service did not answer a handshake or a close frame in time.
	ErrTimeout = errors.New("the service did not answer in time")
	// ErrStopped says that [Swarm.Stop] ended the connection.
	ErrStopped = errors.New("the swarm was stopped")
	// ErrFull says that too many bytes wait on a connection, because the service does not read them.
	ErrFull = errors.New("the service does not take what is sent to it")
	// ErrNotOpen says that a connection is not open yet, or not open any more.
	ErrNotOpen = errors.New("the connection is not open")
)

// CloseError says that the service closed the connection with a close frame. Code is 1005 if the frame had none (RFC 6455,
// section 7.1.5).
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

// HandshakeError says that the service did not answer the handshake as RFC 6455 demands. Status is the HTTP status. It is 0
// if the answer could not be read as HTTP.
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

// ProtocolError says that the service broke RFC 6455, or sent a frame that a signaling service never sends.
type ProtocolError struct{ Reason string }

func (e *ProtocolError) Error() string {
	return "the service broke the WebSocket protocol: " + e.Reason
}
