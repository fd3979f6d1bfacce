package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"p2p-messaging/messages"
)

var (
	// ErrClosed is the error of a client that was closed by its own side.
	ErrClosed = errors.New("the client was closed")
	// ErrNotLoggedIn is the error of what needs a login when there is none.
	ErrNotLoggedIn = errors.New("not logged in")
)

// HandshakeError tells that the service did not accept the WebSocket connection.
type HandshakeError struct {
	StatusCode int // of the HTTP response; 403 where the origin may not connect
}

func (e *HandshakeError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the service did not accept the connection: HTTP status %d %s",
		e.StatusCode, http.StatusText(e.StatusCode)))
}

// RefusedError tells that the service refused a login. Code and Message are empty when the service gave none, as the
// original service does.
type RefusedError struct {
	Code    messages.Code
	Message string // for people
}

func (e *RefusedError) Error() string { return "refused" + explained(e.Code, e.Message) }

// ServiceError is an error that the service reports about something that was sent.
type ServiceError struct {
	Code    messages.Code // empty when the service gave none
	Message string        // for people
	To      string        // the addressee of what was not delivered, when it concerns a relay
}

func (e *ServiceError) Error() string {
	concerning := ""
	if e.To != "" {
		concerning = fmt.Sprintf(", to %q", e.To)
	}
	return "the service reports an error" + concerning + explained(e.Code, e.Message)
}

func explained(code messages.Code, message string) string {
	switch {
	case code == "" && message == "":
		return ""
	case code == "":
		return ": " + message
	case message == "":
		return ": " + string(code)
	}
	return fmt.Sprintf(": %s (%s)", message, code)
}

// closeNoStatus stands for a close frame without a code (RFC 6455, section 7.1.5).
const closeNoStatus messages.CloseCode = 1005

// CloseError tells that the service closed the connection with a close frame. Code is 1005 where the frame had none.
type CloseError struct {
	Code   messages.CloseCode
	Reason string
}

func (e *CloseError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("the service closed the connection with code %d", e.Code)
	}
	return fmt.Sprintf("the service closed the connection with code %d: %s", e.Code, e.Reason)
}
