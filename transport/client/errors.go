package client

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"p2p-messaging/messages"
)

var (
	// ErrClosed says that [Client.Close] or [Client.CloseNow] has closed the client.
	ErrClosed = errors.New("the client was closed")
	// ErrNotLoggedIn says that the operation needs a login and the client has none.
	ErrNotLoggedIn = errors.New("not logged in")
)

// HandshakeError says that the service did not accept the WebSocket connection.
type HandshakeError struct {
	StatusCode int           // status of the HTTP response; 403 if the service does not accept the origin
	RetryAfter time.Duration // how long the service wants the client to wait; 0 if it does not say
}

func (e *HandshakeError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("the service did not accept the connection: HTTP status %d %s",
		e.StatusCode, http.StatusText(e.StatusCode)))
}

// RefusedError says that the service refused a login. If the service gives no code or message, the field is empty. The
// original service gives neither.
type RefusedError struct {
	Code    messages.Code
	Message string // for people
}

func (e *RefusedError) Error() string { return "refused" + explained(e.Code, e.Message) }

// ServiceError is an error that the service reports about a message that was sent.
type ServiceError struct {
	Code    messages.Code // empty if the service gave none
	Message string        // for people
	To      string        // the receiver of a message that was not delivered; otherwise empty
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

// CloseError says that the service closed the connection with a close frame. Code is 1005 if the frame had none.
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

// SessionLostError says that the service did not resume a kept session: it had ended, or the client may not come back to it. What
// had not been confirmed is not sent again, because it could arrive twice then. It is for the caller to say it again, or not.
type SessionLostError struct {
	// Unknown are the messages that may or may not have arrived, in the order in which they were sent.
	Unknown [][]byte
	// Unsent are the messages behind them, which the service did not get.
	Unsent [][]byte
	// Err is why the client has ended. It is nil if the client goes on with a new session under the same login.
	Err error
}

func (e *SessionLostError) Error() string {
	text := fmt.Sprintf("the session was lost: %d messages may or may not have arrived, %d have not", len(e.Unknown), len(e.Unsent))
	if e.Err == nil {
		return text + "; a new session has begun"
	}
	return text + ": " + e.Err.Error()
}

func (e *SessionLostError) Unwrap() error { return e.Err }

// breachError says that the service broke the protocol. It would do so again.
type breachError struct{ err error }

func (e *breachError) Error() string { return e.err.Error() }

func (e *breachError) Unwrap() error { return e.err }

// noMessage returns the error for a text that cannot be read as a message.
func noMessage(err error) error {
	return fmt.Errorf("the service sent a text that is no message: %w", err)
}

// errorAfter returns *err, which mu guards, once done is closed. It returns nil before.
func errorAfter(done <-chan struct{}, mu *sync.Mutex, err *error) error {
	select {
	case <-done:
	default:
		return nil
	}
	mu.Lock()
	defer mu.Unlock()
	return *err
}
