package messages

// CloseCode is the status code in a WebSocket close frame (RFC 6455, section
// 7.4). The number alone tells a client whether to come back:
//
//	1000            the other side asked for it    stay away
//	1001, 1012      the service is going down      come back after the delay in the reason, "retry=2300" (ms)
//	1002 to 1009    what the client sent is wrong  stay away: it would be wrong again (but see [ReasonUnfinished])
//	1005, 1006      no close frame has these       come back: the connection dropped
//	1011            the session failed             come back, with back-off
//	1013            the service is full            come back, with back-off
//	4000 to 4099    the connection is at fault     come back
//	4100 to 4199    the session was taken away     stay away
type CloseCode uint16

const (
	CloseNormal          CloseCode = 1000 // either side has finished
	CloseGoingAway       CloseCode = 1001 // the service is shutting down
	CloseProtocolError   CloseCode = 1002 // a violation of RFC 6455
	CloseUnsupportedData CloseCode = 1003 // a binary message
	CloseInvalidPayload  CloseCode = 1007 // a text message that is not UTF-8
	ClosePolicyViolation CloseCode = 1008 // refused too often, [ReasonUnfinished] or [ReasonNoLogin]
	CloseMessageTooBig   CloseCode = 1009 // a message over [MaxMessageBytes]
	CloseInternalError   CloseCode = 1011 // the session failed; the cause is in the service's log
	CloseServiceRestart  CloseCode = 1012 // the service is restarting
	CloseTryAgainLater   CloseCode = 1013 // the service is full
	CloseTooSlow         CloseCode = 4000 // the client does not read what is sent to it
	CloseNoSignOfLife    CloseCode = 4001 // nothing came from the client for 60 s, not even a pong
	CloseTokenEnded      CloseCode = 4002 // the token of the session has ended
	CloseTakenOver       CloseCode = 4100 // another connection took this session over
	CloseEnded           CloseCode = 4101 // the operator has ended this session
)

// ReasonUnfinished is the reason in a close frame with 1008 if the client has begun a message and has not finished it in time.
// That is no fault of the client if the network was away. So it should come back, other than after any other 1008.
const ReasonUnfinished = "a message begun and not finished"

// ReasonNoLogin is the reason in a close frame with 1008 if the client has not logged in in time. It should come back when it has
// somebody to log in.
const ReasonNoLogin = "no login came in time"

// These two codes never stand in a close frame. A WebSocket library reports
// them if a close frame without a code came, or none (RFC 6455, section 7.4.1).
const (
	CloseNoStatus CloseCode = 1005 // the service closes so if the words before say why
	closeAbnormal CloseCode = 1006
)

// Retry reports whether a client should connect again by itself after a
// connection that ended with c. It should after one that ended without a close
// frame, because that connection has dropped.
func (c CloseCode) Retry() bool {
	switch c {
	case CloseGoingAway, CloseNoStatus, closeAbnormal, CloseInternalError, CloseServiceRestart, CloseTryAgainLater:
		return true
	}
	return c >= 4000 && c < 4100
}
