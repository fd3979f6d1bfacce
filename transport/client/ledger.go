package client

import (
	"errors"
	"time"
)

const (
	// retainedBytes is how many bytes a client retains for the service to confirm. It is what the service retains for a client.
	retainedBytes = 256 << 10
	// entryBytes counts for a retained message on top of its text.
	entryBytes = 64

	// A client confirms, and asks for confirmation, once so much is unconfirmed in one direction (messages/PROTOCOL.md,
	// "Keeping a session").
	confirmMessages = 64
	confirmBytes    = 32 << 10
)

// errCounts says that a count of the service cannot be true.
var errCounts = errors.New("the service confirms what was not sent, or asks for what it has confirmed")

// ledger counts the messages of one session in both directions, as both sides do. It retains those of the client until the service
// has confirmed them. The first message of each direction has the number 1.
//
// The connection of a session may change. So a ledger tells apart what was added for sending, what was on any connection, and
// what this connection has had; and, in the other direction, what was taken from a connection and what was handled.
//
// It must be used under a lock. The zero value belongs to a session that has just begun.
type ledger struct {
	retained  [][]byte // the messages behind confirmed
	bytes     int      // of retained, with entryBytes for each
	confirmed uint64   // number of the last message that the service has confirmed
	sent      uint64   // number of the last message that was given to any connection; not below confirmed
	cursor    uint64   // number of the last message that was given to this connection; not above sent

	position uint64 // number of the last message that came on this connection
	taken    uint64 // number of the last message that was taken from any connection
	handled  uint64 // number of the last message that the caller has

	out, in unconfirmed
}

// unconfirmed is what one direction had since the last ping.
type unconfirmed struct {
	messages int
	bytes    int
	since    time.Time // when the first of them came
}

func (u *unconfirmed) add(size int, now time.Time) {
	if u.messages == 0 {
		u.since = now
	}
	u.messages++
	u.bytes += size
}

// due returns when a ping is due because of u. Ok is false if there is nothing to confirm.
func (u *unconfirmed) due(after time.Duration) (at time.Time, ok bool) {
	switch {
	case u.messages == 0:
		return time.Time{}, false
	case u.messages >= confirmMessages || u.bytes >= confirmBytes:
		return u.since, true
	}
	return u.since.Add(after), true
}

// hasRoom reports whether a message of size bytes may be added. A message that is too long for any ledger may be alone in one.
func (l *ledger) hasRoom(size int) bool {
	return len(l.retained) == 0 || l.bytes+size+entryBytes <= retainedBytes
}

// add adds a message that is to be sent and returns its number. It keeps text.
func (l *ledger) add(text []byte) (number uint64) {
	l.retained = append(l.retained, text)
	l.bytes += len(text) + entryBytes
	return l.added()
}

// added returns the number of the last message that was added.
func (l *ledger) added() uint64 { return l.confirmed + uint64(len(l.retained)) }

// next returns the message that is to be given to this connection next. Again reports whether an earlier connection had it.
func (l *ledger) next() (text []byte, again, ok bool) {
	if l.cursor == l.added() {
		return nil, false, false
	}
	return l.retained[l.cursor-l.confirmed], l.cursor < l.sent, true
}

// gave counts the message that next returned as given to this connection. It must be called before a byte of it is written.
func (l *ledger) gave(now time.Time) {
	text, _, _ := l.next()
	l.cursor++
	l.sent = max(l.sent, l.cursor)
	l.out.add(len(text), now)
}

// confirm lets go of the messages up to number n, which the service has confirmed. It ignores a number that is lower than one
// before.
func (l *ledger) confirm(n uint64) error {
	if n > l.cursor {
		return errCounts
	}
	for l.confirmed < n {
		l.bytes -= len(l.retained[0]) + entryBytes
		l.retained[0] = nil
		l.retained = l.retained[1:]
		l.confirmed++
	}
	if len(l.retained) == 0 {
		l.retained = nil
	}
	return nil
}

// begin prepares for a login on another connection. It returns how many messages the client has: the service is to begin behind
// them.
func (l *ledger) begin() (received uint64) {
	l.position = l.handled
	return l.handled
}

// resume goes on on a new connection. The service has acted on the messages up to number m.
func (l *ledger) resume(m uint64) error {
	if m < l.confirmed || m > l.sent {
		return errCounts
	}
	l.cursor = l.sent
	err := l.confirm(m)
	l.cursor = m
	l.out, l.in = unconfirmed{}, unconfirmed{}
	return err
}

// came counts a message that came on this connection, and returns its number. Again reports whether it was taken before.
func (l *ledger) came() (number uint64, again bool) {
	l.position++
	again = l.position <= l.taken
	l.taken = max(l.taken, l.position)
	return l.position, again
}

// leave undoes the last came, whose message nobody has taken.
func (l *ledger) leave() {
	l.position--
	l.taken--
}

// handle counts the message with a number as handled by the caller, and those before it.
func (l *ledger) handle(number uint64, size int, now time.Time) {
	if number > l.handled {
		l.handled = number
		l.in.add(size, now)
	}
}

// pinged returns what a ping confirms. It counts as sent.
func (l *ledger) pinged() (received uint64) {
	l.out, l.in = unconfirmed{}, unconfirmed{}
	return l.handled
}

// pingDue returns when the next ping is due, if something is unconfirmed for as long as after. Ok is false if nothing is.
func (l *ledger) pingDue(after time.Duration) (at time.Time, ok bool) {
	out, hasOut := l.out.due(after)
	in, hasIn := l.in.due(after)
	switch {
	case !hasOut || hasIn && in.Before(out):
		return in, hasIn
	default:
		return out, true
	}
}

// lost returns what the service has not confirmed: the messages that were on a connection, and those behind them that were not.
func (l *ledger) lost() (unknown, unsent [][]byte) {
	n := l.sent - l.confirmed
	return l.retained[:n:n], l.retained[n:]
}
