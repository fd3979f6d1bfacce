package client

import (
	"time"

	"p2p-messaging/messages"
)

// take handles one text message of a connection. It waits while the buffer is full.
func (k *keeper) take(l *line, c *connection, text []byte) {
	m, err := parse(text)
	if err != nil {
		c.fail(messages.CloseInvalidPayload, noMessage(err))
		return
	}
	k.mu.Lock()
	d := delivery{message: m}
	s := k.session
	switch {
	case l != k.line:
		k.mu.Unlock()
		return
	case s == nil || l.asked.IsZero():
	case l.accepted.IsZero():
		if !m.concernsLogin() {
			break
		}
		lost, err := k.answered(l, c, s, m)
		k.mu.Unlock()
		if lost != nil {
			select {
			case k.incoming <- delivery{err: lost}: // the caller must not miss it, so the end of the connection does not matter
			case <-k.ctx.Done():
			}
		}
		if err != nil {
			c.end(err)
			_ = c.socket.Close()
		}
		return
	case m.Type == typePong && l.leaving && m.id == leavingID:
		k.hasLeft()
		k.mu.Unlock()
		return
	case m.Type == typePong && m.received.ok:
		if l.pings > 0 {
			l.pings--
			l.pinged = time.Now()
		}
		err := s.ledger.confirm(m.received.n)
		k.announce()
		k.mu.Unlock()
		if err != nil {
			c.fail(messages.CloseProtocolError, err)
		}
		return
	case m.counted():
		number, again := s.ledger.came()
		if again {
			k.mu.Unlock()
			return
		}
		d.ledger, d.number = s.ledger, number
	}
	k.mu.Unlock()
	k.deliver(l, c, d)
}

// deliver gives a message to the caller. If the connection is given up before the caller takes it, the service will send it again.
func (k *keeper) deliver(l *line, c *connection, d delivery) {
	select {
	case k.incoming <- d:
		return
	default:
	}
	k.setFull(l, true)
	defer k.setFull(l, false)
	select {
	case k.incoming <- d:
	case <-c.closing:
		if d.ledger != nil {
			k.mu.Lock()
			defer k.mu.Unlock()
			d.ledger.leave()
		}
	}
}

func (k *keeper) setFull(l *line, full bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	l.full = full
	l.lastTaken = time.Now()
}
