package transport

import (
	"container/list"
	"log/slog"
	"math"
	"net"
	"net/http"
	"runtime"
	"sync"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/files"
)

// retryAfter is the value of the header Retry-After for a client that finds the service full, in seconds.
const retryAfter = "10"

const (
	reasonFull    = "the service is full, and you have been here longest without a login: please come back later"
	reasonCrowded = "too many connections come from your network, and this one has been here longest without a login: please come back later"

	// adviceCrowded is for the operator.
	adviceCrowded = "if this is the address of a proxy, trust it with --trusted-proxy; if so many people come from there, raise --connections-per-address"
)

// room says whether there is a place for one more client.
type room uint8

const (
	roomFree    room = iota
	roomFull         // there are as many clients as there are places
	roomCrowded      // there are as many clients from this address as may come from one
)

// tell answers a request for which there is no room.
func (r room) tell(w http.ResponseWriter) {
	w.Header().Set("Retry-After", retryAfter)
	w.Header().Set("Connection", "close")
	words := "The service is full. Come back later."
	if r == roomCrowded {
		words = "Too many connections come from your network. Close some, or come back later."
	}
	http.Error(w, words, http.StatusServiceUnavailable)
}

const (
	// scarceInterval is the least time between two warnings that places are scarce.
	scarceInterval = time.Minute
	// paceInterval is the time after which the goroutine that accepts connections looks again whether it may go on.
	paceInterval = time.Millisecond
	// answerTime is how long a visitor has to be told that there is no room.
	answerTime = 250 * time.Millisecond
	// leaveTimeout is how long it waits for clients that were sent away to be told, before it cuts them off.
	leaveTimeout = 100 * paceInterval
)

// places counts the sockets of a server, and those of each address. When there are no more places, it makes room: it sends away
// the clients that have been there longest without a login. A client that has not even asked for a WebSocket has no login
// either. Clients with a login are never sent away.
type places struct {
	logger  *slog.Logger
	files   int // clients that may stay for the number of files
	spare   int // clients that may be leaving besides; the server keeps back the files for their sockets
	reserve files.Reserve

	mu       sync.Mutex
	most     int           // clients that may stay
	share    AddressLimit  // clients of one address that may stay
	timeout  time.Duration // for clients without a login; 0: no limit
	taken    int           // sockets that are open
	arrived  uint64        // sockets that were opened
	waiting  list.List     // places of clients without a login, the longest first
	leaving  list.List     // places of clients that were sent away and whose sockets are still open, the longest first
	crowds   map[address]crowd
	visitors map[net.Conn]*place
	late     int       // visitors whose sockets are files that are kept back
	scarce   bool      // there were no more places, and more than half of them are still taken
	warned   time.Time // when the last warning was logged
}

// number returns the number of the visitor's socket. It is 0 if there is no place, or the number is not known.
func (at *place) number() int {
	if at == nil {
		return 0
	}
	return at.file
}

// crowd is what there is of one address. Addresses of which nothing is open have none.
type crowd struct {
	taken   int32      // sockets that are open
	leaving int32      // those of clients that were sent away
	waiting *list.List // places of clients without a login, the longest first; nil for none
}

// place is the place of a client without a login.
type place struct {
	client  guest
	from    address
	element *list.Element // in waiting or leaving of places
	beside  *list.Element // in waiting of its crowd; nil in none
	leaves  bool          // it is in leaving
	visits  bool          // the client has not asked for a WebSocket
	file    int           // the number of a visitor's socket; 0 if it is not known
	late    bool          // the visitor counts in late
	since   time.Time     // when the client began to have no login
}

// guest is a client that can be sent away. Its methods are called with the mutex of places held, even when its socket is closed
// already. So a client is never sent away after it has learned of its login. See [actors.Link].
type guest interface {
	sendAway(reason string) // tells the client that it must go, because its place is needed
	overstay() bool         // tells it that it must go, because it has not logged in; false if it has other time limits
	hurry()                 // closes its socket if the client has been told
	cut()                   // closes its socket
}

// init prepares the places of a process that may open so many files.
func (p *places) init(logger *slog.Logger, limit int) {
	p.logger = logger
	p.visitors = make(map[net.Conn]*place)
	p.spare, p.reserve = files.Spare(limit), files.NewReserve(limit)
	p.files = math.MaxInt
	if limit < math.MaxInt {
		// Besides its connections, the process needs two files for each loop and some others.
		p.files = max(limit-p.spare-2*runtime.GOMAXPROCS(0)-16, 1)
	}
	p.most = p.files
}

// setLimits sets the number of places. If there is no limit of connections, it follows from the number of files.
func (p *places) setLimits(l Limits) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most, p.share, p.timeout = p.files, l.ConnectionsPerAddress, l.LoginTimeout
	if l.MaxConnections > 0 {
		p.most = min(p.files, l.MaxConnections)
	}
}

// enter notes that a socket was opened.
func (p *places) enter(from address) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(from, 1)
}

// leave notes that a socket was closed.
func (p *places) leave(from address) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count(from, -1)
	p.scarce = p.scarce && p.taken > p.most/2
}

// count adds n to the sockets that are open. The caller holds mu.
func (p *places) count(from address, n int) {
	p.taken += n
	p.arrived += uint64(max(n, 0))
	p.change(from, func(c *crowd) { c.taken += int32(n) })
}

// change changes the crowd of an address, if that is known. The caller holds mu.
func (p *places) change(from address, f func(*crowd)) {
	if from == unknown {
		return
	}
	c := p.crowds[from]
	if f(&c); c != (crowd{}) {
		if p.crowds == nil {
			p.crowds = make(map[address]crowd)
		}
		p.crowds[from] = c
	} else if delete(p.crowds, from); len(p.crowds) == 0 {
		p.crowds = nil // a map that has been large stays large
	}
}

// await returns the place of a client that has no login from now on.
func (p *places) await(client guest, from address) *place {
	at := &place{client: client, from: from, since: time.Now()}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.add(at)
	return at
}

// add adds a place to those that wait. The caller holds mu.
func (p *places) add(at *place) {
	at.element = p.waiting.PushBack(at)
	p.join(at)
}

// join adds a place to those that wait in its crowd. The caller holds mu.
func (p *places) join(at *place) {
	p.change(at.from, func(c *crowd) {
		if c.waiting == nil {
			c.waiting = list.New()
		}
		at.beside = c.waiting.PushBack(at)
	})
}

// part removes a place from those that wait in its crowd. The caller holds mu.
func (p *places) part(at *place) {
	if at.beside == nil {
		return
	}
	p.change(at.from, func(c *crowd) {
		if c.waiting.Remove(at.beside); c.waiting.Len() == 0 {
			c.waiting = nil
		}
	})
	at.beside = nil
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
	p.part(at)
	if at.leaves {
		at.leaves = false
		p.change(at.from, func(c *crowd) { c.leaving-- })
	}
}

// makeRoom reports whether there is a place for one more client from an address. If there is none, it sends away those clients
// that have been there longest without a login. Own is the place that the client itself has already, or nil. File is the number of
// its socket, or 0 if it is not known. Other parts of the process open files too, so there may be none left before all places are
// taken. The number shows that.
func (p *places) makeRoom(own *place, from address, file int) room {
	room, warn := p.tryToMakeRoom(own, from, file)
	if warn > 0 {
		p.logger.Warn("the service is full: clients without a login are sent away, then new ones are refused", slog.Int("connections", warn))
	}
	return room
}

// tryToMakeRoom is makeRoom. If the operator must be warned, it returns the number of places too, and otherwise 0.
func (p *places) tryToMakeRoom(own *place, from address, file int) (room room, warn int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// Those that are leaving are given time to close their side, unless they are many.
	defer func() { p.eachLeaving(p.leaving.Len()-p.spare/2, guest.hurry) }()
	now := time.Now()
	if p.share.holds(from) {
		if q := p.queueOf(from, own, now); !q.fits() {
			return roomCrowded, 0
		} else if q.over() {
			p.dismissFrom(q, own, now, reasonCrowded)
		}
	}
	q := p.queue(own, file, now)
	if !q.over() {
		return roomFree, 0
	}
	if p.becomesScarce() {
		warn = q.most
	}
	if !q.fits() {
		return roomFull, warn
	}
	p.dismissFrom(q, own, now, reasonFull)
	return roomFree, warn
}

// look reports whether makeRoom would find room, and changes nothing.
func (p *places) look(own *place, from address) room {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.share.holds(from) && !p.queueOf(from, own, now).fits() {
		return roomCrowded
	}
	if !p.queue(own, own.number(), now).fits() {
		return roomFull
	}
	return roomFree
}

// queue is what a newcomer meets.
type queue struct {
	most    int        // clients that may stay
	staying int        // those that do, without the newcomer
	waiting *list.List // those without a login; nil for none
	going   int        // how many of these may be sent away for the newcomer
	answers bool       // visitors that are being answered are not sent away
}

// over reports whether there is no place for the newcomer.
func (q *queue) over() bool { return q.staying >= q.most }

// fits reports whether there is one, or somebody who can be sent away for it.
func (q *queue) fits() bool { return q.staying-q.going < q.most }

// queue returns what a newcomer meets that has a place of its own, or nil, and whose socket has a number. The caller holds mu.
func (p *places) queue(own *place, file int, now time.Time) *queue {
	q := &queue{most: p.most, staying: p.taken - p.leaving.Len(), waiting: &p.waiting}
	if late := p.reserve.Holds(file, p.leaving.Len()); late {
		q.most, q.answers = min(q.most, q.staying), true
	}
	p.leaveOut(q, own, own != nil, now)
	return q
}

// queueOf returns the queue of the newcomer's own address. The caller holds mu.
func (p *places) queueOf(from address, own *place, now time.Time) *queue {
	c := p.crowds[from]
	q := &queue{most: p.share.Most, staying: int(c.taken - c.leaving), waiting: c.waiting}
	p.leaveOut(q, own, own != nil && own.from == from, now)
	return q
}

// leaveOut leaves the newcomer out if it counts. If all others have a login, or there are no files, it also leaves out the visitors
// that are being answered, so that each newcomer hears that there is no room. The caller holds mu.
func (p *places) leaveOut(q *queue, own *place, counts bool, now time.Time) {
	if counts {
		q.staying--
		if q.answers {
			q.most = min(q.most, q.staying)
		}
	}
	if q.waiting == nil || !q.over() {
		return
	}
	q.going = q.waiting.Len()
	if counts && !own.leaves {
		q.going--
	}
	if q.answers = q.answers || !q.fits(); q.answers {
		q.going -= p.answered(q.waiting, own, now)
	}
}

// answered returns how many visitors of a list are being answered, up to half of the sockets that may be leaving. The caller holds mu.
func (p *places) answered(waiting *list.List, own *place, now time.Time) (n int) {
	looked := 0
	for e := waiting.Back(); e != nil && n < p.spare/2 && looked < 2*p.spare; e = e.Prev() {
		at := e.Value.(*place)
		if now.Sub(at.since) >= answerTime {
			break
		}
		if looked++; at != own && at.visits {
			n++
		}
	}
	return n
}

// dismissFrom sends clients away, those first that have been there longest, until there is a place for the newcomer. Own stays in
// any case. The caller holds mu.
func (p *places) dismissFrom(q *queue, own *place, now time.Time, reason string) {
	if q.waiting == nil {
		return
	}
	for longest := q.waiting.Front(); q.over() && longest != nil; {
		at := longest.Value.(*place)
		longest = longest.Next()
		if at != own && !(q.answers && at.visits && now.Sub(at.since) < answerTime) {
			p.dismiss(at)
			at.client.sendAway(reason)
			q.staying--
		}
	}
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

// dismiss notes that a client is sent away. The caller holds mu.
func (p *places) dismiss(at *place) {
	p.waiting.Remove(at.element)
	at.element = p.leaving.PushBack(at)
	p.part(at)
	at.leaves = true
	p.change(at.from, func(c *crowd) { c.leaving++ })
}

// dismissOverdue sends the clients away that have been without a login for longer than they may.
func (p *places) dismissOverdue(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timeout == 0 {
		return
	}
	for e := p.waiting.Front(); e != nil; {
		at := e.Value.(*place)
		if now.Sub(at.since) < p.timeout {
			return
		}
		if e = e.Next(); at.client.overstay() {
			p.dismiss(at)
		}
	}
}

// pace holds up the goroutine that accepts connections while more clients are leaving than there are files for. Clients may
// come faster than sockets can be closed. It also gives those time who are being told that there is no file for them.
func (p *places) pace() {
	for waited := time.Duration(0); p.tooManyLeave(waited >= leaveTimeout) || waited < leaveTimeout && p.tooManyAreLate(); waited += paceInterval {
		time.Sleep(paceInterval)
	}
}

// tooManyAreLate reports whether half of the files that are kept back are taken by visitors.
func (p *places) tooManyAreLate() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.late >= p.spare/2
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
			at := longest.Value.(*place)
			p.dismiss(at)
			at.client.sendAway(reasonFull)
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

// sendAway implements guest.
func (c *conn) sendAway(reason string) { c.Close(messages.CloseTryAgainLater, reason) }

// overstay implements guest.
func (c *conn) overstay() bool {
	c.Close(messages.ClosePolicyViolation, messages.ReasonNoLogin)
	return true
}

// hurry implements guest.
func (c *conn) hurry() {
	if c.outbox.isLingering() {
		c.cut()
	}
}
