package transport

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"p2p-messaging/messages/peerjs"
)

const (
	// readSize is how many bytes are read at once.
	readSize = 1 << 10
	// progressChecks is the number of parts into which the write timeout is divided. After each part the flusher checks
	// whether the client has taken anything. So a client counts as stalled after the timeout, no matter at which point of a
	// write it stopped.
	progressChecks = 4
	// maxTLSPlaintext is the most bytes that one record of TLS carries (RFC 8446, section 5.1).
	maxTLSPlaintext = 16 << 10
)

// blocking carries a connection over a socket whose reads and writes block. One goroutine is the reader for the whole life
// of the connection. A second goroutine is the flusher. It exists only while there is something to write.
type blocking struct {
	conn
	socket net.Conn
	awoken sync.Cond // a state may have changed; its lock is that of the outbox
}

// newBlocking returns the carrier of a connection that has no session yet.
func newBlocking(s *Server, socket net.Conn) *blocking {
	c := &blocking{conn: conn{server: s}, socket: socket}
	c.carrier = c
	c.awoken.L = &c.outbox.mu
	return c
}

// start implements carrier.
func (c *blocking) start(any) { go c.flush() }

// press implements carrier. The flusher writes already.
func (c *blocking) press() {}

// wake implements carrier. If the connection is ending, wake also interrupts a reader that waits for bytes. A reader that
// drops bytes is not interrupted.
func (c *blocking) wake() {
	c.outbox.mu.Lock()
	defer c.outbox.mu.Unlock()
	if !c.outbox.isOpen() && c.inbox.state() < dropping {
		_ = c.socket.SetReadDeadline(time.Unix(1, 0))
	}
	c.awoken.Broadcast()
}

// abort implements carrier.
func (c *blocking) abort() { closeNow(c.socket) }

// closeNow closes a socket without waiting.
func closeNow(socket net.Conn) {
	if secure, ok := socket.(*tls.Conn); ok {
		socket = secure.NetConn() // the TLS connection's Close would wait to send its alert
	}
	_ = socket.Close()
}

// read is the reader's goroutine. Hello is that of a PeerJS client, or nil. Ahead is what net/http has read beyond the handshake.
func (c *blocking) read(hello *peerjs.Hello, ahead []byte) {
	c.inbox.become(reading)
	c.begin(hello)
	if len(ahead) > 0 {
		c.received(ahead, c.server.now())
	}
	timed := false // the reads have a deadline
	for buffer := make([]byte, readSize); c.mayRead(); {
		if ahead := c.inbox.state() == awaitingRate; ahead || timed {
			c.limitRead(ahead)
			timed = ahead
		}
		n, err := c.socket.Read(buffer)
		if n > 0 {
			c.received(buffer[:n], c.server.now())
		}
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			c.hungUp = true
			c.mayRead() // bytes that came together with the error, as over TLS, may have to wait
			break
		}
	}
	c.finishAndRemove()
}

// mayRead waits while the reader must wait and does not read ahead. It returns true if the reader may read more, and false if
// the connection is ending.
func (c *blocking) mayRead() bool {
	for {
		c.goOn(c.server.now())
		c.hangUp()
		switch {
		case !c.outbox.isOpen() || c.inbox.state() >= dropping:
			return false
		case c.inbox.state() == reading || c.readsAhead():
			return true
		}
		c.outbox.mu.Lock()
		for !c.ready(c.server.now()) && c.outbox.isOpen() {
			c.awoken.Wait()
		}
		c.outbox.mu.Unlock()
	}
}

// limitRead makes a read that reads ahead end when the rate allows the next frame. Any other read has no deadline. If the
// connection is ending, wake has set a deadline, which stays.
func (c *blocking) limitRead(ahead bool) {
	var deadline time.Time
	if ahead {
		deadline = c.server.time(c.allowedAt)
	}
	c.outbox.mu.Lock()
	defer c.outbox.mu.Unlock()
	if c.outbox.isOpen() {
		_ = c.socket.SetReadDeadline(deadline)
	}
}

// finishAndRemove ends the reader. It finishes the reading, and drops all bytes until the client closes its side or its time
// is over. Then it waits until the outbox lingers, and removes the connection.
func (c *blocking) finishAndRemove() {
	c.finish(nil)
	c.drop()
	c.boundDropping()
	if c.outbox.awaitsAnswer() {
		_, _ = c.socket.Read(make([]byte, 1))
		c.untilLingering()
		c.closeWrite()
	}
	_, _ = io.Copy(io.Discard, c.socket)
	c.inbox.become(ended)
	c.untilLingering()
	c.outbox.remove()
	_ = c.socket.Close()
	c.server.connections.remove(&c.conn)
}

// untilLingering waits until the outbox lingers.
func (c *blocking) untilLingering() {
	c.outbox.mu.Lock()
	defer c.outbox.mu.Unlock()
	for c.outbox.state != lingering {
		c.awoken.Wait()
	}
}

// closeWrite closes the sending direction.
func (c *blocking) closeWrite() {
	if half, ok := c.socket.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// boundDropping sets the time until which the reader drops bytes. It is lingerTimeout after all frames were written. If they
// are not written yet, it is lingerTimeout after the time by which they must be.
func (c *blocking) boundDropping() {
	c.outbox.mu.Lock()
	defer c.outbox.mu.Unlock()
	deadline := c.server.time(c.outbox.deadline)
	if c.outbox.state != lingering {
		deadline = deadline.Add(lingerTimeout)
	}
	_ = c.socket.SetReadDeadline(deadline)
}

// flush is the flusher's goroutine. It writes all queued frames in one write, and repeats this until none is queued.
func (c *blocking) flush() {
	progress := time.Now()
	for do, b, _ := c.outbox.begin(scheduled); ; do, b, _ = c.outbox.next() {
		switch do {
		case stepWrite:
			if c.outbox.phase() == phaseSealed {
				b, _ = c.outbox.shorten(&c.server.buffers, 0)
			}
			if len(b) == 0 {
				continue // nothing is left of a write that was abandoned
			}
			progress = c.write(b, progress)
		case stepFinish:
			if !c.outbox.awaitsAnswer() {
				c.closeWrite()
			}
			c.outbox.linger(c.lingerDeadline())
			if c.inbox.state() >= dropping {
				c.boundDropping()
			}
			c.wake()
			return
		case stepLose:
			c.lose()
			return
		case stepDone:
			return
		}
	}
}

// write writes b or a part of it, or gives up on the client, or cuts the connection. Progress is the time of the last
// progress. The result is the new one.
func (c *blocking) write(b []byte, progress time.Time) time.Time {
	timeout := c.server.options.WriteTimeout
	deadline := time.Now().Add(timeout / progressChecks)
	// After a write has timed out, a TLS connection cannot be used any more, because a record may be half written. So each
	// record gets a whole write timeout.
	_, final := c.socket.(*tls.Conn)
	if final {
		b, deadline = b[:min(len(b), maxTLSPlaintext)], c.recordDeadline()
	}
	_ = c.socket.SetWriteDeadline(deadline)
	n, err := c.socket.Write(b)
	c.wrote(n)
	now := time.Now()
	if n > 0 {
		progress = now
	}
	if err == nil {
		return now
	}
	// A timeout before the deadline is left over from an earlier write. Then too the socket cannot be used any more.
	final = final || n == 0 && now.Before(deadline) || !errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case final || c.overdue(now):
		c.cut()
	case now.Sub(progress) >= timeout:
		c.giveUp(0)
	}
	return progress
}

// recordDeadline returns the time by which the write of a record that begins now must be done.
func (c *blocking) recordDeadline() time.Time {
	deadline := time.Now().Add(c.server.options.WriteTimeout)
	if closeBy, sealed := c.outbox.sealedUntil(); sealed && c.server.time(closeBy).Before(deadline) {
		return c.server.time(closeBy)
	}
	return deadline
}

// overdue reports whether all frames of a sealed outbox should have been written by now.
func (c *blocking) overdue(now time.Time) bool {
	closeBy, sealed := c.outbox.sealedUntil()
	return sealed && !now.Before(c.server.time(closeBy))
}
