package transport

import (
	"container/list"
	"crypto/tls"
	"net"
	"runtime"
	"slices"
	"sync"
)

// maxHandshakes is how many TLS handshakes may take place at once. Each takes about 20 KB. A client in good faith needs less
// than a second for its handshake, so it is not the longest of a thousand even while others begin handshakes and do not go on.
const maxHandshakes = 1024

// handshakes are the connections of a server whose TLS handshakes take place. Each has a goroutine.
type handshakes struct {
	// turns bounds how many handshakes compute at once. A handshake takes as much time as some hundred relays. If a thousand of
	// them were ready to run, a loop would get its turn behind all of them.
	turns chan struct{}
	most  int

	mu    sync.Mutex
	under list.List // their sockets, the longest first
}

func (h *handshakes) init() {
	h.turns = make(chan struct{}, runtime.GOMAXPROCS(0))
	h.most = maxHandshakes
}

// enter adds a socket. If there are too many, it closes the one whose handshake takes longest.
func (h *handshakes) enter(socket net.Conn) *list.Element {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.under.Len() >= h.most {
		_ = h.under.Remove(h.under.Front()).(net.Conn).Close()
	}
	return h.under.PushBack(socket)
}

// leave removes a socket.
func (h *handshakes) leave(at *list.Element) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.under.Remove(at) // does nothing if enter has removed it
}

// config returns the TLS configuration for a server with these options. A handshake gives up its turn while it waits for a
// certificate, which may have to be fetched.
func (h *handshakes) config(o Options) *tls.Config {
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
	config.GetCertificate = unhurried(h, config.GetCertificate)
	config.GetConfigForClient = unhurried(h, config.GetConfigForClient)
	return config
}

// unhurried returns a function that calls get without a turn. Its caller has one. It returns nil if get is nil.
func unhurried[T any](h *handshakes, get func(*tls.ClientHelloInfo) (T, error)) func(*tls.ClientHelloInfo) (T, error) {
	if get == nil {
		return nil
	}
	return func(hello *tls.ClientHelloInfo) (T, error) {
		<-h.turns
		defer func() { h.turns <- struct{}{} }()
		return get(hello)
	}
}
