package transport

import (
	"net"
	"reflect"
	"time"

	"p2p-messaging/transport/internal/files"
)

// visit gives a place to a connection from an address that has not asked for a WebSocket yet. It makes room for it if it can.
// If the connection has a place already, visit returns that.
func (p *places) visit(socket net.Conn, from address) *place {
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
	below, _ := beneath(socket)
	at = &place{client: visitor{socket}, from: from, since: time.Now(), visits: true, file: files.Number(below)}
	p.mu.Lock()
	p.count(from, 1)
	p.add(at)
	p.visitors[socket] = at
	if at.late = p.reserve.Holds(at.file, p.leaving.Len()); at.late {
		p.late++
	}
	p.mu.Unlock()
	p.makeRoom(at, from, at.file)
	for waited := time.Duration(0); p.makeWay(at) && waited < answerTime; waited += paceInterval {
		time.Sleep(paceInterval)
	}
	p.pace()
	return at
}

// makeWay sends away clients without a login that are not being answered, if there is no place for a new visitor. The visitor gets
// no place by that. It gets a file, so that it can be told that there is no room. MakeWay reports whether too many are being answered.
func (p *places) makeWay(own *place) (many bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.share.holds(own.from) {
		p.dismissFrom(p.queueOf(own.from, own, now), own, now, reasonCrowded)
	}
	q := p.queue(own, own.file, now)
	p.dismissFrom(q, own, now, reasonFull)
	return q.over() && p.answered(&p.waiting, own, now) >= p.spare/2
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
	if at != nil && at.late {
		p.late--
	}
	p.mu.Unlock()
	if at != nil {
		p.release(at)
		p.leave(at.from)
	}
}

// locate notes where a visitor comes from, if its place is known and it is not leaving.
func (p *places) locate(socket net.Conn, from address) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.visitors[unread(socket)]
	if at == nil || at.leaves {
		return
	}
	p.part(at)
	p.change(at.from, func(c *crowd) { c.taken-- })
	at.from = from
	p.change(at.from, func(c *crowd) { c.taken++ })
	p.join(at)
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

func (v visitor) sendAway(string) { closeNow(v.socket) }
func (v visitor) overstay() bool  { return false }
func (v visitor) hurry()          { closeNow(v.socket) }
func (v visitor) cut()            { closeNow(v.socket) }
