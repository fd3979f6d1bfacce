package client

import (
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"time"

	"p2p-messaging/messages"
)

func newTestComeback() *comeback {
	b := newComeback(defaultTiming())
	b.random = func(n time.Duration) time.Duration { return n }
	return b
}

func TestTheWaitsGrowUntilAConnectionHolds(t *testing.T) {
	b := newTestComeback()
	now := time.Unix(1000, 0)
	for i, want := range []time.Duration{500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000} {
		if wait, ok := b.after(io.EOF, time.Second, now); !ok || wait != want*time.Millisecond {
			t.Errorf("attempt %d: %v, %v; wanted %v", i, wait, ok, want*time.Millisecond)
		}
	}
	if wait, _ := b.after(io.EOF, 10*time.Second, now); wait != 500*time.Millisecond {
		t.Errorf("after a connection that held: %v; wanted the first wait", wait)
	}
	for range 100 { // nothing overflows
		_, _ = b.after(io.EOF, 0, now)
	}
	if wait, ok := b.after(io.EOF, 0, now); !ok || wait != 30*time.Second {
		t.Errorf("after 100 attempts: %v, %v; wanted 30 s", wait, ok)
	}
}

func TestTheWaitsAreRandom(t *testing.T) {
	b := newComeback(defaultTiming())
	seen := map[time.Duration]bool{}
	for range 20 {
		wait, ok := b.after(io.EOF, time.Hour, time.Unix(1000, 0))
		if !ok || wait < 0 || wait > 500*time.Millisecond {
			t.Fatalf("%v, %v; wanted up to 500 ms", wait, ok)
		}
		seen[wait] = true
	}
	if len(seen) < 10 {
		t.Errorf("20 waits are %v; wanted them to differ", seen)
	}
}

func TestReasonsSayWhetherToComeBack(t *testing.T) {
	for name, c := range map[string]struct {
		reason error
		wait   time.Duration // -1: the client stays away
	}{
		"the network":               {errors.New("connection reset"), 500 * time.Millisecond},
		"no answer":                 {errNoAnswer, 0},
		"a proxy without a service": {&HandshakeError{StatusCode: 502}, 500 * time.Millisecond},
		"full":                      {&HandshakeError{StatusCode: 503, RetryAfter: 7 * time.Second}, 7500 * time.Millisecond},
		"too many requests":         {&HandshakeError{StatusCode: 429}, 500 * time.Millisecond},
		"the origin is refused":     {&HandshakeError{StatusCode: 403}, -1},
		"no service":                {&HandshakeError{StatusCode: 404}, -1},
		"a certificate":             {&tls.CertificateVerificationError{Err: errors.New("expired")}, -1},
		"a breach":                  {&breachError{errors.New("binary")}, -1},
		"capacity":                  {&RefusedError{Code: messages.CodeCapacity}, 500 * time.Millisecond},
		"too many":                  {&RefusedError{Code: messages.CodeTooMany}, 500 * time.Millisecond},
		"taken":                     {&RefusedError{Code: messages.CodeLoginTaken}, -1},
		"refused without a code":    {&RefusedError{}, -1},
		"retry":                     {&CloseError{Code: messages.CloseServiceRestart, Reason: "retry=2300"}, 2300 * time.Millisecond},
		"retry, very long":          {&CloseError{Code: messages.CloseServiceRestart, Reason: "retry=4294967295"}, time.Hour},
		"retry, too long":           {&CloseError{Code: messages.CloseServiceRestart, Reason: "retry=99999999999"}, 500 * time.Millisecond},
		"retry, no number":          {&CloseError{Code: messages.CloseServiceRestart, Reason: "retry=1e3"}, 500 * time.Millisecond},
		"no code":                   {&CloseError{Code: closeNoStatus}, 500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			wait, ok := newTestComeback().after(c.reason, 0, time.Unix(1000, 0))
			if ok != (c.wait >= 0) || ok && wait != c.wait {
				t.Errorf("%v, %v; wanted %v", wait, ok, c.wait)
			}
		})
	}
}

func TestOnlyAnAttemptOfItsOwnBringsAClientBackAfterATakeOver(t *testing.T) {
	takenOver := &CloseError{Code: messages.CloseTakenOver}
	for name, c := range map[string]struct {
		logins []int // seconds at which logins are sent
		at     []int // seconds at which the session is taken over
		want   []bool
	}{
		"the only login":        {[]int{0}, []int{1}, []bool{false}},
		"another one before":    {[]int{0, 10}, []int{11}, []bool{true}},
		"a minute before":       {[]int{0, 60}, []int{60}, []bool{false}},
		"once":                  {[]int{0, 10}, []int{11, 12}, []bool{true, false}},
		"long after, once more": {[]int{0, 10, 100, 110}, []int{11, 111}, []bool{true, true}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newTestComeback()
			at := func(s int) time.Time { return time.Unix(1000+int64(s), 0) }
			for i, s := range c.at {
				for len(c.logins) > 0 && c.logins[0] <= s {
					b.loggingIn(at(c.logins[0]))
					c.logins = c.logins[1:]
				}
				if _, ok := b.after(takenOver, time.Second, at(s)); ok != c.want[i] {
					t.Errorf("taken over at %d s: comes back %v; wanted %v", s, ok, c.want[i])
				}
				b.loggingIn(at(s))
			}
		})
	}
}
