package web_test

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"p2p-messaging/web"
)

// fakeService is one that does as a test says: it gives out the page and every login, relays until it is told not to, and can say
// what the real one does not know yet, or what no honest one would.
type fakeService struct {
	gws.BuiltinEventHandler
	server *httptest.Server
	// iceServers goes with each accepted login, if not nil.
	iceServers []map[string]any
	// relay, if not nil, says what is delivered in place of a frame.
	relay func(text string) []string

	mu      sync.Mutex
	t       testing.TB
	clients map[string]*gws.Conn // by login
	// reply, if not nil, is what the next login gets in place of an answer.
	reply func(socket *gws.Conn, login string)
	// silent: nothing is relayed.
	silent  bool
	got     []map[string]any // frames from pages
	changed chan struct{}
}

func startFakeService(t testing.TB) *fakeService {
	t.Helper()
	f := &fakeService{t: t, clients: map[string]*gws.Conn{}, changed: make(chan struct{}, 1)}
	upgrader := gws.NewUpgrader(f, nil)
	var reading sync.WaitGroup
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServerFS(web.Files()))
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		socket, err := upgrader.Upgrade(w, r)
		if err != nil {
			t.Errorf("the page's connection: %v", err)
			return
		}
		reading.Go(socket.ReadLoop)
	})
	f.server = &httptest.Server{Listener: listenAgain(t), Config: &http.Server{Handler: mux}}
	f.server.Start()
	t.Cleanup(func() {
		f.mu.Lock()
		for _, socket := range f.clients {
			_ = socket.NetConn().Close()
		}
		f.mu.Unlock()
		f.server.Close()
		reading.Wait()
	})
	return f
}

func (f *fakeService) OnMessage(socket *gws.Conn, message *gws.Message) {
	defer message.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	var frame map[string]any
	if err := json.Unmarshal(message.Bytes(), &frame); err != nil {
		f.t.Errorf("a page has sent %.200q: %v", message.Bytes(), err)
		return
	}
	f.got = append(f.got, frame)
	select {
	case f.changed <- struct{}{}:
	default:
	}
	login, _ := frame["login"].(string)
	to, _ := frame["to"].(string)
	switch {
	case frame["type"] == "login":
		f.clients[login] = socket
		if reply := f.reply; reply != nil {
			f.reply = nil
			reply(socket, login)
			return
		}
		answer := map[string]any{"type": "login", "success": true}
		if f.iceServers != nil {
			answer["iceServers"] = f.iceServers
		}
		f.write(socket, answer)
	case frame["type"] == "ping":
		f.write(socket, map[string]any{"type": "pong"})
	case to == "" || f.silent:
	case f.clients[to] == nil:
		f.write(socket, map[string]any{"type": "error", "code": "peer-unavailable", "message": "Not here.", "to": to})
	default:
		out := []string{string(message.Bytes())}
		if f.relay != nil {
			out = f.relay(out[0])
		}
		for _, one := range out {
			_ = f.clients[to].WriteString(one) // Who is gone hears nothing.
		}
	}
}

func (f *fakeService) OnClose(socket *gws.Conn, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	maps.DeleteFunc(f.clients, func(_ string, client *gws.Conn) bool { return client == socket })
}

func (f *fakeService) write(socket *gws.Conn, fields map[string]any) {
	text, err := json.Marshal(fields)
	if err != nil {
		f.t.Error(err)
		return
	}
	_ = socket.WriteMessage(gws.OpcodeText, text) // Who is gone hears nothing.
}

// failing has t fail from now on if something goes wrong. Several tests may share the service, one after the other.
func (f *fakeService) failing(t testing.TB) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.t = t
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

// relayed waits for a frame of a type from a login and returns it.
func (f *fakeService) relayed(kind, from string) map[string]any {
	f.t.Helper()
	late := time.After(patience)
	for {
		f.mu.Lock()
		for _, frame := range f.got {
			if frame["type"] == kind && frame["from"] == from {
				f.mu.Unlock()
				return frame
			}
		}
		f.mu.Unlock()
		select {
		case <-f.changed:
		case <-late:
			f.t.Fatalf("%s has sent no %s within %v", from, kind, patience)
		}
	}
}

// socket returns a login's connection.
func (f *fakeService) socket(login string) *gws.Conn {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	socket := f.clients[login]
	if socket == nil {
		f.t.Fatalf("%s is not here", login)
	}
	return socket
}

// isBack reports whether a login has another connection than before.
func (f *fakeService) isBack(login string, before *gws.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	socket := f.clients[login]
	return socket != nil && socket != before
}

// says sends a login any text.
func (f *fakeService) says(login, text string) {
	f.t.Helper()
	if err := f.socket(login).WriteString(text); err != nil {
		f.t.Fatalf("to %s: %v", login, err)
	}
}

// frame sends a login a frame.
func (f *fakeService) frame(login string, fields map[string]any) {
	f.t.Helper()
	text, err := json.Marshal(fields)
	if err != nil {
		f.t.Fatal(err)
	}
	f.says(login, string(text))
}

func (f *fakeService) open(login string) *page {
	f.t.Helper()
	p := newPage(f.t, login, f.server.URL+"/")
	p.join(login)
	return p
}

func (f *fakeService) pair() (alice, bob *page) {
	f.t.Helper()
	alice, bob = f.open("alice"), f.open("bob")
	alice.meets(bob)
	return alice, bob
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
