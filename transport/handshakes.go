package transport

import (
	"container/list"
	"crypto/tls"
	"net"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	// maxHandshakes is how many TLS handshakes may take place at once. A handshake takes 8 to 25 KB, so all of them take 100 MB at
	// most.
	maxHandshakes = 4096
	// clientTime is how long a handshake waits for its client before it may be closed for another one. In this time a client can
	// answer over nearly every network. The time in which the service computes does not count.
	clientTime = time.Second
)

// handshakes are the connections of a server whose TLS handshakes take place. Each has a goroutine.
type handshakes struct {
	// turns bounds how many handshakes compute at once. A handshake takes as much time as some hundred relays. If a thousand of
	// them were ready to run, a loop would get its turn behind all of them.
	turns chan struct{}
	most  int

	mu    sync.Mutex
	under list.List // the handshakes, the longest first
}

// handshake is a connection whose handshake takes place.
type handshake struct {
	all    *handshakes
	socket net.Conn

	// These are guarded by the mutex of all.
	element *list.Element // nil after the end
	since   time.Time     // when the wait for the client began that goes on; zero for none
	waited  time.Duration // how long the earlier waits for the client took
}

func (h *handshakes) init() {
	h.turns = make(chan struct{}, runtime.GOMAXPROCS(0))
	h.most = maxHandshakes
}

// enter adds a handshake. If there are too many, it closes the longest of those that have waited long enough for their clients.
// While there is none, enter waits: newcomers wait in the system's queue, and no handshake is lost that has cost work.
func (h *handshakes) enter(socket net.Conn) *handshake {
	at := &handshake{all: h, socket: socket}
	for !h.tryToEnter(at) {
		time.Sleep(paceInterval)
	}
	return at
}

func (h *handshakes) tryToEnter(at *handshake) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if h.under.Len() >= h.most && !h.closeLongest(now) {
		return false
	}
	at.since = now
	at.element = h.under.PushBack(at)
	return true
}

// closeLongest closes the longest handshake that has waited long enough for its client, and reports whether there was one. The
// caller holds mu.
func (h *handshakes) closeLongest(now time.Time) bool {
	for e := h.under.Front(); e != nil; e = e.Next() {
		at := e.Value.(*handshake)
		if !at.since.IsZero() && at.waited+now.Sub(at.since) >= clientTime {
			h.under.Remove(e)
			at.element = nil
			_ = at.socket.Close()
			return true
		}
	}
	return false
}

// leave removes a handshake. It reports false if enter has closed it.
func (at *handshake) leave() bool {
	h := at.all
	h.mu.Lock()
	defer h.mu.Unlock()
	if at.element == nil {
		return false
	}
	h.under.Remove(at.element)
	at.element = nil
	return true
}

// work calls f when it is the handshake's turn.
func (at *handshake) work(f func() error) error {
	at.resume()
	defer at.pause()
	return f()
}

// pause gives the turn to another handshake, while this one waits for its client.
func (at *handshake) pause() {
	<-at.all.turns
	at.all.mu.Lock()
	defer at.all.mu.Unlock()
	at.since = time.Now()
}

// resume waits for a turn.
func (at *handshake) resume() {
	at.all.mu.Lock()
	at.waited += time.Since(at.since)
	at.since = time.Time{}
	at.all.mu.Unlock()
	at.all.turns <- struct{}{}
}

// configForTLS returns the TLS configuration for a server with these options. A handshake gives its turn to another one while it waits
// for a certificate, which may have to be fetched. Without TLS there is no configuration.
func configForTLS(o Options) *tls.Config {
	if o.TLS == nil {
		return nil
	}
	config := o.TLS.Clone()
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	config.NextProtos = slices.Clone(config.NextProtos)
	protocols := []string{"h2", "http/1.1"}
	if o.STUN != nil {
		protocols = append(protocols, "stun.turn") // RFC 7443
	}
	for _, protocol := range protocols {
		if !slices.Contains(config.NextProtos, protocol) {
			config.NextProtos = append(config.NextProtos, protocol)
		}
	}
	config.GetCertificate = unhurried(config.GetCertificate)
	config.GetConfigForClient = unhurried(config.GetConfigForClient)
	return config
}

// unhurried returns a function that calls get without the handshake's turn. It returns nil if get is nil.
func unhurried[T any](get func(*tls.ClientHelloInfo) (T, error)) func(*tls.ClientHelloInfo) (T, error) {
	if get == nil {
		return nil
	}
	return func(hello *tls.ClientHelloInfo) (T, error) {
		at := (*secured)(hello.Conn.(*wire)).handshake
		at.pause()
		defer at.resume()
		return get(hello)
	}
}
