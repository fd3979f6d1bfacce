package client

import (
	"crypto/tls"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"p2p-messaging/messages"
)

// timing says how long a client that comes back waits for what.
type timing struct {
	dial    time.Duration // for a connection, its handshake included
	answer  time.Duration // for the answer to a login or a ping, and for the write of one frame
	confirm time.Duration // until something unconfirmed is confirmed, or asked for
	silence time.Duration // for any byte of the service before the client pings; the service pings every 25 s
	base    time.Duration // the longest wait before the first attempt to come back; it doubles with each attempt …
	limit   time.Duration // … up to this
	holds   time.Duration // a connection that lasted for so long holds: the waits begin again with base
}

func defaultTiming() timing {
	return timing{
		dial:    10 * time.Second,
		answer:  10 * time.Second,
		confirm: 5 * time.Second,
		silence: 30 * time.Second,
		base:    500 * time.Millisecond,
		limit:   30 * time.Second,
		holds:   10 * time.Second,
	}
}

const (
	// longestRetry bounds the wait that a service may ask for.
	longestRetry = time.Hour
	// lateAttempt is how long an attempt to log in may be on its way to the service (messages/PROTOCOL.md, "Keeping a session").
	lateAttempt = time.Minute
	// mostUnproven is how many tokens may be refused before the client stays away. One that was refused may hold a little later, and a
	// fresh one may hold.
	mostUnproven = 5
)

// errNoAnswer says that the service has not answered in time. The connection has probably dropped in silence.
var errNoAnswer = errors.New("connection to the service lost: no answer")

// comeback decides whether and when a client comes back after a connection has ended. It must be used by one goroutine.
type comeback struct {
	timing   timing
	random   func(n time.Duration) time.Duration // returns a random time from 0 up to n
	proves   bool                                // each login brings a fresh token
	unproven int                                 // tokens that were refused in a row
	failures int                                 // attempts and connections in a row that did not hold

	// Times at which logins were sent; zero before the first.
	login, loginBefore time.Time // the last one, and the one before on another connection
	returned           time.Time // when the client last came back after another connection had taken the session over
}

func newComeback(t timing) *comeback {
	return &comeback{timing: t, random: func(n time.Duration) time.Duration {
		if n <= 0 {
			return 0
		}
		return rand.N(n)
	}}
}

// loggingIn tells that a login is sent on a new connection.
func (b *comeback) loggingIn(now time.Time) { b.loginBefore, b.login = b.login, now }

// after returns how long to wait before the next attempt. Ok is false if the client should not come back by itself. Reason is why the
// connection ended or could not be made. Held is how long it lasted, or 0.
func (b *comeback) after(reason error, held time.Duration, now time.Time) (wait time.Duration, ok bool) {
	if held >= b.timing.holds {
		b.failures, b.unproven = 0, 0
	}
	if _, is := errors.AsType[*breachError](reason); is {
		return 0, false
	}
	if _, is := errors.AsType[*tls.CertificateVerificationError](reason); is {
		return 0, false
	}
	if closed, is := errors.AsType[*CloseError](reason); is {
		if !b.returnsAfter(closed, now) {
			return 0, false
		}
		if wait, asked := retryWait(closed); asked {
			return wait, true
		}
	}
	if refused, is := errors.AsType[*RefusedError](reason); is && !isPassing(refused.Code) {
		if !b.proves || refused.Code != messages.CodeAuthFailed || b.unproven == mostUnproven {
			return 0, false
		}
		b.unproven++
	}
	least := time.Duration(0)
	if failed, is := errors.AsType[*HandshakeError](reason); is {
		if !isPassingStatus(failed.StatusCode) {
			return 0, false
		}
		least = failed.RetryAfter
	}
	if errors.Is(reason, errNoAnswer) && b.failures == 0 {
		b.failures++
		return 0, true // the service is not what made the connection end
	}
	bound := b.timing.base << min(b.failures, 20)
	b.failures++
	return least + b.random(min(bound, b.timing.limit)), true
}

// returnsAfter reports whether the client comes back after a close frame of the service.
func (b *comeback) returnsAfter(closed *CloseError, now time.Time) bool {
	switch {
	case closed.Code == messages.CloseTakenOver:
		// An earlier attempt of this client may have come late and taken the session over from the later one. It is not alive.
		// If it was another client, both must not take the session from each other for ever.
		if b.loginBefore.IsZero() || now.Sub(b.loginBefore) >= lateAttempt {
			return false
		}
		if !b.returned.IsZero() && now.Sub(b.returned) < lateAttempt {
			return false
		}
		b.returned = now
		return true
	case closed.Code == messages.ClosePolicyViolation:
		return closed.Reason == messages.ReasonUnfinished
	}
	return closed.Code.Retry()
}

// retryWait returns the wait that the reason of a close frame asks for, as in "retry=2300". The service has chosen it at random.
func retryWait(closed *CloseError) (wait time.Duration, asked bool) {
	digits, found := strings.CutPrefix(closed.Reason, "retry=")
	if !found {
		return 0, false
	}
	ms, err := strconv.ParseUint(digits, 10, 32)
	if err != nil {
		return 0, false
	}
	return min(time.Duration(ms)*time.Millisecond, longestRetry), true
}

// isPassing reports whether a login that was refused with code may be accepted a little later.
func isPassing(code messages.Code) bool {
	return code == messages.CodeCapacity || code == messages.CodeTooMany
}

// isPassingStatus reports whether a handshake that was answered with an HTTP status may succeed a little later. A proxy answers
// like that while the service behind it restarts.
func isPassingStatus(status int) bool {
	return status >= 500 || status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}
