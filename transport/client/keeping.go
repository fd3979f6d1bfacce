package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lxzan/gws"

	"p2p-messaging/messages"
)

// The methods of this file are the operations of a [Client] with [WithKeep]. Any goroutine may call them.

var (
	errNoConnection = errors.New("there is no connection, and no login that would wait for one")
	errUseLogin     = errors.New("a client that keeps its session must know of logins and logouts: use Login and Logout")
)

func (k *keeper) logIn(ctx context.Context, login string) error {
	s := &session{
		login:  login,
		secret: newSecret(),
		result: make(chan error, 1),
		ledger: &ledger{},
		left:   make(chan struct{}),
	}
	var err error
	if s.token, err = k.tokens.get(ctx, login); err != nil {
		return fmt.Errorf("no token: %w", err)
	}
	for {
		before, gone := k.begin(s)
		if before == nil {
			break
		}
		if !gone {
			return &RefusedError{Code: messages.CodeAlreadyLoggedIn, Message: messages.CodeAlreadyLoggedIn.Message()}
		}
		if err := k.waitFor(ctx, before.left); err != nil {
			return err
		}
	}
	select {
	case err := <-s.result:
		return err
	case <-ctx.Done():
	case <-k.done:
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case err := <-s.result:
		return err
	default:
	}
	if err := ctx.Err(); err != nil {
		k.giveUp(s)
		return err
	}
	return k.err
}

// begin makes s the current session. If there is another one, begin returns that instead, and whether it is being given up.
func (k *keeper) begin(s *session) (before *session, gone bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.session != nil {
		return k.session, k.session.gone
	}
	k.session = s
	k.poke()
	return nil, false
}

// waitFor waits until a channel is closed. It returns an error if ctx or the client ends before.
func (k *keeper) waitFor(ctx context.Context, closed <-chan struct{}) error {
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-k.done:
		select {
		case <-closed:
			return nil
		default:
			return k.failure()
		}
	}
}

func (k *keeper) logOut(ctx context.Context) error {
	k.mu.Lock()
	s := k.session
	if s == nil || !s.known || s.gone {
		k.mu.Unlock()
		return ErrNotLoggedIn
	}
	k.giveUp(s)
	k.mu.Unlock()
	return k.waitFor(ctx, s.left)
}

func (k *keeper) loggedInAs() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.session; s != nil && s.known && !s.gone {
		return s.login
	}
	return ""
}

// send queues a message for the current session.
func (k *keeper) send(ctx context.Context, text []byte) error {
	return k.queue(ctx, text, func(*session) {})
}

// watch queues a watch. Lasting says that it watches somebody.
func (k *keeper) watch(ctx context.Context, text []byte, lasting bool) error {
	return k.queue(ctx, text, func(s *session) {
		s.watch = nil
		if lasting {
			s.watch = text
		}
	})
}

// queue adds text to the current session's messages, once there is room. It calls queued under the lock.
func (k *keeper) queue(ctx context.Context, text []byte, queued func(*session)) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := k.failure(); err != nil {
			return err
		}
		k.mu.Lock()
		s := k.session
		if s == nil || !s.known || s.gone {
			k.mu.Unlock()
			return ErrNotLoggedIn
		}
		if s.ledger.hasRoom(len(text)) {
			s.ledger.add(text)
			queued(s)
			k.poke()
			k.mu.Unlock()
			return nil
		}
		changed := k.change()
		k.mu.Unlock()
		if err := k.waitFor(ctx, changed); err != nil {
			return err
		}
	}
}

func (k *keeper) sendText(ctx context.Context, text []byte) error {
	envelope, err := messages.Decode(text)
	if err == nil && (envelope.Type == messages.TypeLogin || envelope.Type == messages.TypeLogout) {
		return errUseLogin
	}
	if k.loggedInAs() != "" && isCounted(text) {
		return k.send(ctx, bytes.Clone(text))
	}
	return k.pass(ctx, text)
}

// pass sends a message that is not counted, or belongs to no session, behind those that were queued before.
func (k *keeper) pass(ctx context.Context, text []byte) error {
	var queued uint64
	var of *ledger
	for {
		k.mu.Lock()
		conn := k.line.conn
		if s := k.session; s != nil && s.known {
			if of != s.ledger {
				of, queued = s.ledger, s.ledger.added()
			}
			if k.line.accepted.IsZero() || k.line.written < queued {
				conn = nil
			}
		} else if conn == nil {
			k.mu.Unlock()
			return errNoConnection
		}
		changed := k.change()
		k.mu.Unlock()
		if conn != nil {
			return conn.write(ctx, gws.OpcodeText, text)
		}
		if err := k.waitFor(ctx, changed); err != nil {
			return err
		}
	}
}

// handled tells that the caller has received a message.
func (k *keeper) handled(d delivery) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	d.ledger.handle(d.number, len(d.message.Text), now)
	if u := &d.ledger.in; u.messages == 1 || u.messages >= confirmMessages || u.bytes >= confirmBytes {
		k.poke()
	}
}

// failure returns why the client ended. It is nil before that.
func (k *keeper) failure() error { return errorAfter(k.done, &k.mu, &k.err) }

// close gives the login up and closes the connection.
func (k *keeper) close() error {
	if k.failure() != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	k.mu.Lock()
	s := k.session
	if s != nil {
		k.giveUp(s)
	}
	k.mu.Unlock()
	var err error
	if s != nil && k.waitFor(ctx, s.left) != nil {
		err = errors.New("close: the login could not be given up; the service keeps it for a while")
	}
	k.stop()
	k.mu.Lock()
	conn := k.line.conn
	k.mu.Unlock()
	if conn != nil {
		deadline, _ := ctx.Deadline()
		err = errors.Join(err, conn.close(time.Until(deadline)))
	}
	<-k.done
	return err
}

// closeNow cuts off the connection.
func (k *keeper) closeNow() {
	k.stop()
	k.mu.Lock()
	conn := k.line.conn
	k.mu.Unlock()
	if conn != nil {
		conn.cutOff()
	}
	<-k.done
}

// isCounted reports whether a kept session counts text, which the client sends. Both sides must agree on that, so it asks the
// service's own decoder.
func isCounted(text []byte) bool {
	e, err := messages.Decode(text)
	if refused, is := errors.AsType[*messages.DecodeError](err); is {
		return !refused.Uncounted
	}
	return e.Type.Counted()
}
