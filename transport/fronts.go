package transport

import (
	"net"
	"net/http"
	"sync"
)

// fronts are the listeners of a server that net/http accepts connections from.
type fronts struct {
	mu      sync.Mutex
	closed  bool
	open    map[net.Listener]struct{}
	serving sync.WaitGroup
}

// serve lets server accept connections from l until that fails or close is called. Then the error is [http.ErrServerClosed].
func (f *fronts) serve(server *http.Server, l net.Listener) error {
	if !f.add(l) {
		_ = l.Close()
		return http.ErrServerClosed
	}
	err := server.Serve(l)
	if f.remove(l) {
		return http.ErrServerClosed
	}
	return err
}

func (f *fronts) add(l net.Listener) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return false
	}
	if f.open == nil {
		f.open = make(map[net.Listener]struct{})
	}
	f.open[l] = struct{}{}
	f.serving.Add(1)
	return true
}

// remove forgets a listener, and reports whether close was called.
func (f *fronts) remove(l net.Listener) (closed bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, l)
	f.serving.Done()
	return f.closed
}

// close closes the listeners. It returns when each connection that was accepted has been given to who serves it.
func (f *fronts) close() {
	f.mu.Lock()
	f.closed = true
	for l := range f.open {
		_ = l.Close()
	}
	f.mu.Unlock()
	f.serving.Wait()
}
