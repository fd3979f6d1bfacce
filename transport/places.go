package transport

import (
	"container/list"
	"log/slog"
	"math"
	"net"
	"reflect"
	"runtime"
	"sync"
	"time"

	"p2p-messaging/messages"
)

// retryAfter is the value of the header Retry-After for a client that finds the service full, in seconds.
const retryAfter = "10"

const reasonFull = "the service is full, and you have been here longest without a login: please come back later"

const (
	// scarceInterval is the least time between two warnings that places are scarce.
	scarceInterval = time.Minute
	// paceInterval is the time after which the goroutine that accepts connections looks again whether it may go on.
	paceInterval = time.Millisecond
	// leaveTimeout is how long it waits for clients that were sent away to be told, before it cuts them off.
	leaveTimeout = 100 * paceInterval
)

// places counts the sockets of a server. When there are no more places, it makes room: it sends away the clients that have
// been there longest without a login. A client that has not even asked for a WebSocket has no login either. Clients with a
// login are never sent away.
type places struct {
	logger *slog.Logger
	most   int // clients that may stay
	spare  int // clients that may be leaving besides; the server keeps back the files for their sockets

	mu       sync.Mutex
	taken    int       // sockets that are open
	waiting  list.List // places of clients without a login, the longest first
	leaving  list.List // places of clients that were sent away and whose sockets are still open, the longest first
	visitors map[net.Conn]*place
	scarce   bool      // there were no more places, and more than half of them are still taken
	warned   time.Time // when the last warning was logged
}

// place is the place of a client without a login.
type place struct {
	client  guest
	element *list.Element // in waiting or leaving; nil after leave
}

// guest is a client that can be sent away. Its methods are called with the mutex of places held, even when its socket is closed
// already. So a client is never sent away after it has learned of its login. See [actors.Link].
type guest interface {
	sendAway() // tells the client that it must go
	hurry()    // closes its socket if the client has been told
	cut()      // closes its socket
}

// init sets the number of places. If connections is 0, it follows from the number of files that the process may open.
func (p *places) init(logger *slog.Logger, connections, files int) {
	p.logger = logger
	p.visitors = make(map[net.Conn]*place)
	// Besides its connections, the process needs two files for each loop and some others.
	p.spare = min(max(files/8, 16), 128)
	p.most = math.MaxInt
	if files < math.MaxInt {
		p.most = max(files-p.spare-2*runtime.GOMAXPROCS(0)-16, 1)
	}
	if connections > 0 {
		p.most = min(p.most, connections)
	}
}

// enter notes that a socket was opened.
func (p *places) enter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken++
}

// leave notes that a socket was closed.
func (p *places) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	p.scarce = p.scarce && p.taken > p.most/2
}

// await returns the place of a client that has no login from now on.
func (p *places) await(client guest) *place {
	at := &place{client: client}
	p.mu.Lock()
	defer p.mu.Unlock()
	at.element = p.waiting.PushBack(at)
	return at
}

// release notes that a client has a login now, or that its socket is closed. At may be nil.
func (p *places) release(at *place) {
	if at == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting.Remove(at.element) // does nothing if the element is in the other list
	p.leaving.Remove(at.element)
}

// makeRoom reports whether there is a place for one more client. If there is none, it sends away those clients that have been
// there longest without a login. Own is the place that the client itself has already, or nil.
func (p *places) makeRoom(own *place) bool {
	room, warn := p.tryToMakeRoom(own)
	if warn {
		p.logger.Warn("the service is full: clients without a login are sent away, then new ones are refused", slog.Int("connections", p.most))
	}
	return room
}

// tryToMakeRoom is makeRoom, and reports whether the operator must be warned.
func (p *places) tryToMakeRoom(own *place) (room, warn bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	staying := p.taken - p.leaving.Len()
	if own != nil {
		staying--
	}
	if staying < p.most {
		return true, false
	}
	for longest := p.waiting.Front(); staying >= p.most && longest != nil; {
		at := longest.Value.(*place)
		longest = longest.Next()
		if at != own {
			p.dismiss(at)
			staying--
		}
	}
	// Those that are leaving are given time to close their side, unless they are many.
	p.eachLeaving(p.leaving.Len()-p.spare/2, guest.hurry)
	return staying < p.most, p.becomesScarce()
}

// isFull reports whether there is no place for one more client, and nobody without a login who could give one up. Own is the place
// that the client itself has already, or nil.
func (p *places) isFull(own *place) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	staying, waiting := p.taken-p.leaving.Len(), p.waiting.Len()
	if own != nil {
		staying, waiting = staying-1, waiting-1
	}
	return staying >= p.most && waiting <= 0
}

// becomesScarce notes that places are scarce, and reports whether to warn of it. The caller holds mu.
func (p *places) becomesScarce() (warn bool) {
	if p.scarce {
		return false
	}
	p.scarce = true
	if now := time.Now(); p.warned.IsZero() || now.Sub(p.warned) >= scarceInterval {
		p.warned, warn = now, true
	}
	return warn
}

// dismiss sends a client away. The caller holds mu.
func (p *places) dismiss(at *place) {
	p.waiting.Remove(at.element)
	at.element = p.leaving.PushBack(at)
	at.client.sendAway()
}

// pace holds up the goroutine that accepts connections while more clients are leaving than there are files for. Clients may
// come faster than sockets can be closed.
func (p *places) pace() {
	for waited := time.Duration(0); p.tooManyLeave(waited >= leaveTimeout); waited += paceInterval {
		time.Sleep(paceInterval)
	}
}

// tooManyLeave reports whether more clients are leaving than there are files for. It hurries them, or cuts them off.
func (p *places) tooManyLeave(cut bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken-p.spare <= p.most || p.leaving.Len() == 0 {
		return false
	}
	end := guest.hurry
	if cut {
		end = guest.cut
	}
	p.eachLeaving(p.leaving.Len(), end)
	return true
}

// freeFiles makes some files free, because the process can open no more. The limit may be lower than it was, or other parts
// of the process need many.
func (p *places) freeFiles() {
	const some = 8
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eachLeaving(some, guest.cut)
	for range some - p.leaving.Len() {
		if longest := p.waiting.Front(); longest != nil {
			p.dismiss(longest.Value.(*place))
		}
	}
}

// eachLeaving calls end with the n clients that have been leaving longest. The caller holds mu.
func (p *places) eachLeaving(n int, end func(guest)) {
	for e := p.leaving.Front(); e != nil && n > 0; e = e.Next() {
		end(e.Value.(*place).client)
		n--
	}
}

// visit gives a place to a connection that has not asked for a WebSocket yet. It makes room for it if it can. If the
// connection has a place already, visit returns that.
func (p *places) visit(socket net.Conn) *place {
	socket = unread(socket)
	if !reflect.TypeOf(socket).Comparable() { // it cannot be the key of a map
		return nil
	}
	p.mu.Lock()
	at := p.visitors[socket] // TLS connections get a place before net/http sees them
	p.mu.Unlock()
	if at != nil {
		return at
	}
	at = p.await(visitor{socket})
	p.mu.Lock()
	p.taken++
	p.visitors[socket] = at
	p.mu.Unlock()
	p.makeRoom(at)
	p.pace()
	return at
}

// visited takes back the place of a connection that has asked for a WebSocket, or is closed.
func (p *places) visited(socket net.Conn) {
	socket = unread(socket)
	if !reflect.TypeOf(socket).Comparable() {
		return
	}
	p.mu.Lock()
	at := p.visitors[socket]
	delete(p.visitors, socket)
	p.mu.Unlock()
	if at != nil {
		p.release(at)
		p.leave()
	}
}

// settle notes that the client of a visitor has shown the credentials of a login.
func (p *places) settle(socket net.Conn) {
	p.mu.Lock()
	at := p.visitors[socket]
	p.mu.Unlock()
	p.release(at)
}

// visitor is a connection that has not asked for a WebSocket. Nothing can be said to its client before it has asked.
type visitor struct{ socket net.Conn }

func (v visitor) sendAway() { closeNow(v.socket) }
func (v visitor) hurry()    { closeNow(v.socket) }
func (v visitor) cut()      { closeNow(v.socket) }

// sendAway implements guest.
func (c *conn) sendAway() { c.Close(messages.CloseTryAgainLater, reasonFull) }

// hurry implements guest.
func (c *conn) hurry() {
	if c.outbox.isLingering() {
		c.cut()
	}
}
