package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/lxzan/gws"
)

// keeper is a client that keeps its session over dropped connections. One goroutine, run, makes one connection after another
// and writes to it. The reading goroutine of a connection calls take. Both end before the next connection is made.
type keeper struct {
	dial     func(ctx context.Context, l *line) (*connection, error)
	incoming chan<- delivery
	timing   timing
	comeback *comeback // belongs to run
	tokens   *tokens   // nil without tokens
	ctx      context.Context
	stop     context.CancelFunc // ends ctx when the client is closed
	wake     chan struct{}      // has an element if run has something to do
	done     chan struct{}      // closed when run has returned

	mu      sync.Mutex
	line    *line         // the newest connection
	session *session      // nil without a login
	changed chan struct{} // closed at the next change that somebody waits for; nil if nobody does
	err     error         // why the client ended
}

// line is what is known about one connection. Its fields are under the keeper's lock, except for those
// that never change once the connection is made: conn and made.
type line struct {
	conn      *connection
	made      time.Time // when the connection was made
	asked     time.Time // when the login was sent; zero before
	accepted  time.Time // when it was accepted; zero before
	pings     int       // pings that are not answered
	pinged    time.Time // when the oldest of them was sent, or a later one answered
	pingNow   bool      // the ping that follows the reply to the login is still to be sent
	leaving   bool      // the ping behind the logout was sent
	full      bool      // the reading goroutine waits for the caller to receive
	lastTaken time.Time // when it last had to wait
	written   uint64    // number of the last message that is written
}

func newKeeper(ctx context.Context, target *url.URL, s settings, incoming chan<- delivery) (*keeper, error) {
	k := &keeper{
		incoming: incoming,
		timing:   s.timing,
		comeback: newComeback(s.timing),
		wake:     make(chan struct{}, 1),
		done:     make(chan struct{}),
	}
	k.tokens = newTokens(s.token, k.renew)
	k.comeback.proves = k.tokens != nil
	k.dial = func(ctx context.Context, l *line) (*connection, error) {
		c, err := dial(ctx, target, s, func(c *connection, text []byte) { k.take(l, c, text) })
		if err == nil {
			c.writeTimeout = k.timing.answer
		}
		return c, err
	}
	k.ctx, k.stop = context.WithCancel(context.Background())
	first := &line{}
	k.line = first
	conn, err := k.dial(ctx, first)
	if err != nil {
		k.stop()
		return nil, err
	}
	first.conn, first.made = conn, time.Now()
	go k.run(first)
	return k, nil
}

// run makes connections and writes to them until the client has ended.
func (k *keeper) run(l *line) {
	defer close(k.done)
	defer k.tokens.stop()
	defer k.stop()
	for {
		k.serve(l)
		reason := l.conn.failure()
		l.conn.pongs.Wait()
		var err error
		if l, err = k.comeBack(reason, time.Since(l.made)); err != nil {
			k.finish(err)
			return
		}
	}
}

// serve writes to a connection what is to be written. It returns when the connection has ended.
func (k *keeper) serve(l *line) {
	timer := time.NewTimer(k.timing.silence)
	defer timer.Stop()
	for {
		text, next, err := k.step(l)
		if err == nil && text != nil {
			if err = l.conn.write(context.Background(), gws.OpcodeText, text); err == nil && k.wrote(l) {
				err = l.conn.answerHeld()
			}
			if err == nil {
				continue
			}
			err = fmt.Errorf("connection to the service lost: %w", err)
		}
		if err != nil {
			l.conn.end(err)
			l.conn.cutOff()
			return
		}
		timer.Reset(next)
		select {
		case <-l.conn.done:
			return
		case <-k.wake:
		case <-timer.C:
		}
	}
}

// step returns the next text to write. If there is none, next is how long to wait until there may be. It returns an error if the
// service does not answer.
func (k *keeper) step(l *line) (text []byte, next time.Duration, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	s := k.session
	if s == nil {
		return nil, k.timing.silence, nil
	}
	if l.asked.IsZero() {
		text, err := keptLoginText(s.login, s.token, s.secret, s.ledger.begin())
		if err != nil {
			return nil, 0, err
		}
		l.asked = now
		s.asked = true
		k.comeback.loggingIn(now)
		return text, 0, nil
	}
	if l.accepted.IsZero() {
		return k.await(l, l.asked, now)
	}
	text, again, ok := s.ledger.next()
	if s.gone && !ok { // the logout is out, so the session has nothing more to say
		return k.leave(l, s, now)
	}
	due := now.Add(k.timing.silence)
	if s.kept {
		due = k.pingDue(l, s, now)
	}
	switch {
	case ok && again:
		s.ledger.gave(now)
		return text, 0, nil
	case !due.After(now):
		l.pingNow = false
		l.awaitPong(now)
		return fmt.Appendf(nil, `{"type":"ping","received":%d}`, s.ledger.pinged()), 0, nil
	case ok:
		s.ledger.gave(now)
		return text, 0, nil
	case l.pings > 0:
		_, next, err = k.await(l, l.pinged, now)
	default:
		next = k.timing.silence
	}
	return nil, min(next, due.Sub(now)), err
}

// leave is step for a session whose logout is out. A pong shows that the service has read it.
func (k *keeper) leave(l *line, s *session, now time.Time) (text []byte, next time.Duration, err error) {
	switch {
	case !s.kept:
		k.hasLeft()
		return nil, k.timing.silence, nil
	case l.leaving:
		return k.await(l, l.pinged, now)
	}
	l.leaving, l.pingNow = true, false
	l.awaitPong(now)
	return []byte(`{"type":"ping","id":"` + leavingID + `"}`), 0, nil
}

// awaitPong counts a ping that is sent now.
func (l *line) awaitPong(now time.Time) {
	if l.pings++; l.pings == 1 {
		l.pinged = now
	}
}

// await returns how long to wait for an answer to what was sent at a time. It returns an error if that time is over. Whatever comes is
// a sign of life. While the reading goroutine waits, nothing can come.
func (k *keeper) await(l *line, sent, now time.Time) (text []byte, next time.Duration, err error) {
	if l.full {
		return nil, k.timing.answer, nil
	}
	for _, sign := range []time.Time{l.conn.socket.lastHeard(), l.lastTaken} {
		if sign.After(sent) {
			sent = sign
		}
	}
	if next = sent.Add(k.timing.answer).Sub(now); next <= 0 {
		return nil, 0, errNoAnswer
	}
	return nil, next, nil
}

// pingDue returns when the next ping is due.
func (k *keeper) pingDue(l *line, s *session, now time.Time) time.Time {
	if l.pingNow {
		return now
	}
	last := l.accepted
	for _, sign := range []time.Time{l.conn.socket.lastHeard(), l.lastTaken} {
		if sign.After(last) {
			last = sign
		}
	}
	due := last.Add(k.timing.silence)
	if l.full || l.pings > 0 {
		due = now.Add(k.timing.silence)
	}
	if at, ok := s.ledger.pingDue(k.timing.confirm); ok && at.Before(due) {
		due = at
	}
	return due
}

// wrote tells that what step returned is written. It returns true once the service knows that this client confirms by itself.
func (k *keeper) wrote(l *line) (confirms bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.announce()
	if s := k.session; s != nil && !l.accepted.IsZero() {
		l.written = s.ledger.cursor
		if !s.kept {
			_ = s.ledger.confirm(l.written) // nobody will ever say more about it
		}
		return !l.pingNow
	}
	return false
}

// comeBack makes the next connection. It waits before each attempt. It returns an error if the client should stay away, or is
// closed.
func (k *keeper) comeBack(reason error, held time.Duration) (*line, error) {
	for {
		wait, ok := k.comeback.after(reason, held, time.Now())
		if k.ctx.Err() != nil || errors.Is(reason, ErrClosed) {
			return nil, ErrClosed
		}
		if !ok {
			return nil, reason
		}
		l := k.nextLine()
		if !k.sleep(wait) {
			return nil, ErrClosed
		}
		ctx, cancel := context.WithTimeout(k.ctx, k.timing.dial)
		err := k.refresh(ctx)
		var conn *connection
		if err == nil {
			conn, err = k.dial(ctx, l)
		}
		cancel()
		if err == nil {
			k.mu.Lock()
			l.conn, l.made = conn, time.Now()
			k.announce()
			k.mu.Unlock()
			if k.ctx.Err() != nil { // nobody else would end this connection
				conn.cutOff()
				return nil, ErrClosed
			}
			return l, nil
		}
		reason, held = err, 0
	}
}

// nextLine makes room for the next connection. Nothing more is taken from the one before.
func (k *keeper) nextLine() *line {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.line = &line{}
	return k.line
}

// sleep waits. A login that is to be given up ends the wait. It returns false if the client is closed.
func (k *keeper) sleep(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return true
		case <-k.ctx.Done():
			return false
		case <-k.wake:
			if k.hurries() {
				return true
			}
		}
	}
}

// hurries reports whether a login is to be given up that no attempt was made for yet.
func (k *keeper) hurries() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.session == nil || !k.session.hurry {
		return false
	}
	k.session.hurry = false
	return true
}

// finish ends the client.
func (k *keeper) finish(reason error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = reason
	if s := k.session; s != nil && s.known {
		if lost := s.lost(reason); len(lost.Unknown)+len(lost.Unsent) > 0 {
			k.err = lost
		}
	}
}

// poke wakes run.
func (k *keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// change returns a channel that is closed at the next change. The caller holds the lock.
func (k *keeper) change() <-chan struct{} {
	if k.changed == nil {
		k.changed = make(chan struct{})
	}
	return k.changed
}

// announce tells those that wait that something has changed. The caller holds the lock.
func (k *keeper) announce() {
	if k.changed != nil {
		close(k.changed)
		k.changed = nil
	}
}
