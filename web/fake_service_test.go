package web_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/lxzan/gws"

	"p2p-messaging/web"
)

// fakeService is one that does as a test says: it gives every login, relays, and can answer what the real one does not know yet,
// or what no honest one would send.
type fakeService struct {
	t      testing.TB
	server *httptest.Server
	// iceServers goes with each accepted login, if not nil.
	iceServers []map[string]any
	// relay, if not nil, says what is delivered in place of a frame.
	relay func(text string) []string

	mu      sync.Mutex
	clients map[string]*gws.Conn
	got     []map[string]any
	changed chan struct{}
}

func startFakeService(t testing.TB) *fakeService {
	f := &fakeService{t: t, clients: map[string]*gws.Conn{}, changed: make(chan struct{}, 1)}
	upgrader := gws.NewUpgrader(&fakeEvents{f: f}, nil)
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(web.Files()))
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		if socket, err := upgrader.Upgrade(w, r); err == nil {
			go socket.ReadLoop()
		}
	})
	f.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		f.server.CloseClientConnections()
		f.server.Close()
	})
	return f
}

type fakeEvents struct {
	gws.BuiltinEventHandler
	f *fakeService
}

func (e *fakeEvents) OnClose(socket *gws.Conn, _ error) {
	e.f.mu.Lock()
	defer e.f.mu.Unlock()
	for login, c := range e.f.clients {
		if c == socket {
			delete(e.f.clients, login)
		}
	}
}

func (e *fakeEvents) OnMessage(socket *gws.Conn, message *gws.Message) {
	defer message.Close()
	text, err := io.ReadAll(message)
	if err != nil {
		return
	}
	e.f.take(socket, text)
}

func (f *fakeService) take(socket *gws.Conn, text []byte) {
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		f.t.Errorf("the page has sent %.100q: %v", text, err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, fields)
	select {
	case f.changed <- struct{}{}:
	default:
	}
	if fields["type"] == "login" {
		f.clients[fields["login"].(string)] = socket
		reply := map[string]any{"type": "login", "success": true}
		if f.iceServers != nil {
			reply["iceServers"] = f.iceServers
		}
		f.write(socket, reply)
		return
	}
	to, _ := fields["to"].(string)
	if to == "" {
		return
	}
	receiver := f.clients[to]
	if receiver == nil {
		f.write(socket, map[string]any{"type": "error", "code": "peer-unavailable", "message": "Not here.", "to": to})
		return
	}
	out := []string{string(text)}
	if f.relay != nil {
		out = f.relay(string(text))
	}
	for _, one := range out {
		_ = receiver.WriteString(one) // Who is gone hears nothing.
	}
}

func (f *fakeService) write(socket *gws.Conn, fields map[string]any) {
	text, err := json.Marshal(fields)
	if err != nil {
		f.t.Error(err)
		return
	}
	_ = socket.WriteMessage(gws.OpcodeText, text) // Who is gone hears nothing.
}

// says sends a frame to whoever has a login.
func (f *fakeService) says(login string, fields map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if socket := f.clients[login]; socket != nil {
		f.write(socket, fields)
	}
}

// frames returns what has come of a type so far.
func (f *fakeService) frames(kind string) []map[string]any {
	f.mu.Lock()
	defer f.mu.Unlock()
	var found []map[string]any
	for _, fields := range f.got {
		if fields["type"] == kind {
			found = append(found, fields)
		}
	}
	return found
}

func (f *fakeService) open(login string) *page {
	f.t.Helper()
	p := newPage(f.t, login, f.server.URL+"/")
	p.join(login)
	return p
}

// cable is the network between one page and the service: TCP that can be cut.
type cable struct {
	listener net.Listener
	to       string

	mu    sync.Mutex
	cut   bool
	ends  []net.Conn
	group sync.WaitGroup
}

// cable returns a way to the service that can be cut.
func (s *service) cable() *cable {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	c := &cable{listener: listener, to: s.address}
	c.group.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			c.join(conn)
		}
	})
	s.t.Cleanup(func() {
		_ = listener.Close()
		c.set(true)
		c.group.Wait()
	})
	return c
}

func (c *cable) join(near net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	far, err := net.Dial("tcp", c.to)
	if c.cut || err != nil {
		_ = near.Close()
		if err == nil {
			_ = far.Close()
		}
		return
	}
	c.ends = append(c.ends, near, far)
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		c.group.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // Until one of them is closed.
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
}

// set cuts the cable or mends it.
func (c *cable) set(cut bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
	if !cut {
		return
	}
	for _, end := range c.ends {
		_ = end.Close()
	}
	c.ends = nil
}

func (c *cable) url() string { return "http://" + c.listener.Addr().String() + "/" }
