package services

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/lxzan/gws"
)

// The form of the marks that the tool puts into its frames. They are written down here independently of package load.
const (
	MarkName   = `"loadtest":"`
	MarkLength = len("RRRRRRRR.PPPPPPP.D.SSSSSSSS.CCCCCCCC")
)

// Fault is a way in which a service cheats.
type Fault string

const (
	None              Fault = "none"
	Drops             Fault = "drops a frame"
	Duplicates        Fault = "delivers a frame twice"
	Swaps             Fault = "swaps two frames of a direction"
	Misroutes         Fault = "delivers a frame to somebody else"
	Mirrors           Fault = "delivers a frame to its sender"
	Copies            Fault = "delivers a frame to somebody else, too"
	Corrupts          Fault = "changes a byte of the payload"
	CorruptsMark      Fault = "changes a byte of what the tool knows a frame by"
	Rewrites          Fault = "changes a byte of the sender's login"
	Truncates         Fault = "cuts the end of a frame off"
	Reformats         Fault = "writes a frame anew, with a space in it" // which PeerJS's protocol allows
	Invents           Fault = "makes up a frame of its own"
	Replays           Fault = "delivers an old frame again"
	Overtakes         Fault = "lets a frame of one direction wait for one of the other" // which is allowed
	Refuses           Fault = "answers a frame with an error"                           // which is allowed
	RefusesSilently   Fault = "answers a frame with an error that has no code"          // like services of the original protocol
	LiesAboutRefusal  Fault = "answers a frame with an error, and delivers it"
	TellsTheWrongSide Fault = "tells the receiver of an error, and not the sender"
)

// Relay is a service of the original protocol, or of PeerJS's for those who connect to PeerJSURL. It shares no code with this project's service. It may cheat, in a way
// that depends only on the order in which frames come.
type Relay struct {
	t     *testing.T
	URL   string
	fault Fault
	every int    // of this many frames, one is concerned
	times int    // at most this many frames are concerned
	Done  func() // called after the last fault
	Rules Rules  // called with the lock of the Relay held, so they may use its fields

	SpareFirst bool // the first frame of each sender is never concerned

	listener net.Listener
	Serving  sync.WaitGroup

	mu       sync.Mutex
	conns    map[*gws.Conn]string // login of each connection
	peerJS   bool                 // a client of PeerJS has come
	Logins   map[string]*gws.Conn
	Frames   int // frames to be relayed so far
	Begun    int // faults so far; Finished are complete
	Finished int
	held     map[string][]waitingFrame // by the sender's login
	old      map[string]waitingFrame   // by login: the first frame of each sender, which is never concerned
	Counted  Count
}

// Count is what a Relay did, by its own count.
type Count struct {
	Taken     int // frames to be relayed
	Delivered int // frames delivered, right or wrong
	Refused   int // frames answered with an error
}

// Rules changes how a Relay treats every message.
type Rules struct {
	LoggingIn   func(c *gws.Conn)         // called before a login is answered
	AnswerLogin func(login string) string // returns the answer to a login; empty: no answer
	Open        string                    // greets a client of PeerJS
	Relay       func(text []byte) bool    // reports whether the frame is relayed
}

type waitingFrame struct {
	to   string
	text []byte
}

// NewRelay starts a Relay that cheats a number of times, with one frame of every few, as every says. It ends with the test.
func NewRelay(t *testing.T, f Fault, every, times int, change ...func(*Relay)) *Relay {
	t.Helper()
	s := &Relay{
		t: t, fault: f, every: every, times: times, SpareFirst: true, Done: func() {},
		conns: map[*gws.Conn]string{}, Logins: map[string]*gws.Conn{}, held: map[string][]waitingFrame{}, old: map[string]waitingFrame{},
	}
	s.Rules.AnswerLogin = func(string) string { return `{"type":"login","success":true}` }
	s.Rules.Open = `{"type":"OPEN"}`
	s.Rules.LoggingIn = func(*gws.Conn) {}
	s.Rules.Relay = func([]byte) bool { return true }
	for _, c := range change {
		c(s)
	}
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.URL = "ws://" + s.listener.Addr().String() + "/ws"
	upgrader := gws.NewUpgrader(s, &gws.ServerOption{Authorize: func(r *http.Request, session gws.SessionStorage) bool {
		if r.URL.Path == peerJSPath {
			session.Store(peerJSPath, r.URL.Query().Get("id"))
		}
		return true
	}})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // the client has gone
		}
		s.Serving.Go(conn.ReadLoop)
	})}
	s.Serving.Go(func() { _ = server.Serve(s.listener) })
	t.Cleanup(func() {
		s.Vanish()
		_ = server.Close()
		s.Serving.Wait()
	})
	return s
}

const peerJSPath = "/peerjs"

// PeerJSURL returns the address for clients of PeerJS.
func (s *Relay) PeerJSURL() string { return strings.Replace(s.URL, "/ws", peerJSPath, 1) }

// Vanish ends the service without a close handshake.
func (s *Relay) Vanish() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.NetConn().Close()
	}
}

func (s *Relay) OnOpen(c *gws.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = ""
	if id, ok := c.Session().Load(peerJSPath); ok {
		s.peerJS = true
		s.conns[c], s.Logins[id.(string)] = id.(string), c
		s.Write(c, s.Rules.Open)
	}
}

func (s *Relay) OnClose(c *gws.Conn, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if login := s.conns[c]; s.Logins[login] == c {
		delete(s.Logins, login)
	}
	delete(s.conns, c)
}

func (s *Relay) OnPing(c *gws.Conn, payload []byte) { _ = c.WritePong(payload) }
func (s *Relay) OnPong(*gws.Conn, []byte)           {}

func (s *Relay) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	text := bytes.Clone(m.Bytes())
	var fields struct {
		Type, Login, From, To, Dst string
		Payload                    json.RawMessage
	}
	if err := json.Unmarshal(text, &fields); err != nil {
		s.t.Errorf("the tool sent %q, which is no JSON: %v", text, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch fields.Type {
	case "login":
		s.Rules.LoggingIn(c)
		answer := s.Rules.AnswerLogin(fields.Login)
		if strings.Contains(answer, `"success":true`) {
			s.conns[c], s.Logins[fields.Login] = fields.Login, c
		}
		if answer != "" {
			s.Write(c, answer)
		}
	case "logout":
		if s.conns[c] != fields.Login {
			s.t.Errorf("%q logs %q out", s.conns[c], fields.Login)
		}
		delete(s.Logins, fields.Login)
		s.conns[c] = ""
	case "offer", "answer", "ice-candidate":
		if s.conns[c] != fields.From {
			s.t.Errorf("%q sends in the name of %q", s.conns[c], fields.From)
		}
		s.Counted.Taken++
		if s.Rules.Relay(text) {
			s.relay(c, fields.From, waitingFrame{fields.To, text})
		}
	case "OFFER", "ANSWER", "CANDIDATE":
		from := s.conns[c]
		s.Counted.Taken++
		s.relay(c, from, waitingFrame{fields.Dst, fmt.Appendf(nil, `{"type":"%s","src":"%s","dst":"%s","payload":%s}`, fields.Type, from, fields.Dst, fields.Payload)})
	case "HEARTBEAT": // a client of PeerJS sends one every few seconds
		if !s.peerJS {
			s.t.Error("the tool sent a heartbeat to a service of this project's protocol")
		}
	default:
		s.t.Errorf("the tool sent a message of type %q", fields.Type)
	}
}

func (s *Relay) Write(c *gws.Conn, text string) {
	_ = c.WriteString(text) // OnClose notices the end of a connection
}

func (s *Relay) deliver(f waitingFrame) {
	if c := s.Logins[f.to]; c != nil {
		s.Counted.Delivered++
		s.Write(c, string(f.text))
	}
}

func (s *Relay) Refuse(c *gws.Conn, code string) {
	s.Counted.Refused++
	if s.peerJS {
		s.Write(c, `{"type":"EXPIRE","src":"somebody","dst":"`+s.conns[c]+`"}`)
		return
	}
	s.Write(c, `{"type":"error"`+code+`,"message":"The service does not want to."}`)
}

// relay relays a frame, or treats it badly if it is one of those concerned.
func (s *Relay) relay(c *gws.Conn, from string, f waitingFrame) {
	// If the wrong side is told, it must always be the same side of a pair: errors to both could cancel each other out.
	spared := s.fault == None || s.fault == TellsTheWrongSide && strings.HasSuffix(from, "b")
	if !spared {
		s.Frames++
	}
	if waiting := s.held[from]; s.fault == Swaps && len(waiting) > 0 {
		delete(s.held, from)
		s.deliver(f)
		s.deliver(waiting[0])
		s.finish()
		return
	} else if s.fault == Overtakes && len(waiting) > 0 {
		s.held[from] = append(waiting, f)
		return
	}
	// Two directions that wait for each other would wait forever.
	spared = spared || s.fault == Overtakes && len(s.held[f.to]) > 0
	if spared || s.Frames%s.every != 0 || s.Begun == s.times || s.SpareFirst && s.old[from].text == nil {
		s.deliver(f)
		if waiting := s.held[f.to]; len(waiting) > 0 && s.fault == Overtakes {
			delete(s.held, f.to)
			for _, w := range waiting {
				s.deliver(w)
			}
			s.finish()
		}
		if s.old[from].text == nil {
			s.old[from] = f
		}
		return
	}
	s.Begun++
	change := func(old, replacement string) {
		changed := bytes.Replace(f.text, []byte(old), []byte(replacement), 1)
		if bytes.Equal(changed, f.text) {
			s.t.Errorf("%s has no %s to be changed", f.text, old)
		}
		s.deliver(waitingFrame{f.to, changed})
	}
	switch s.fault {
	case Drops:
	case Duplicates:
		s.deliver(f)
		s.deliver(f)
	case Swaps, Overtakes:
		s.held[from] = []waitingFrame{f}
		return
	case Misroutes:
		s.deliver(waitingFrame{s.stranger(from, f.to), f.text})
	case Mirrors:
		s.deliver(waitingFrame{from, f.text})
	case Copies:
		s.deliver(f)
		s.deliver(waitingFrame{s.stranger(from, f.to), f.text})
	case Corrupts:
		change(`"sdp`, `"sdq`)
	case CorruptsMark:
		at := bytes.Index(f.text, []byte(MarkName)) + len(MarkName) + s.Begun%MarkLength
		changed := bytes.Clone(f.text)
		changed[at] ^= 1
		s.deliver(waitingFrame{f.to, changed})
	case Rewrites:
		change(`":"lt-`, `":"lT-`)
	case Truncates:
		s.deliver(waitingFrame{f.to, f.text[:len(f.text)-1]})
	case Reformats:
		change(`,"`, `, "`)
	case Invents:
		s.deliver(waitingFrame{f.to, []byte(`{"type":"offer","offer":{"sdp":"never sent"},"from":"` + from + `","to":"` + f.to + `"}`)})
		s.deliver(f)
	case Replays:
		s.deliver(f)
		s.deliver(s.old[from])
	case Refuses:
		s.Refuse(c, `,"code":"peer-unavailable"`)
	case RefusesSilently:
		s.Refuse(c, "")
	case LiesAboutRefusal:
		s.Refuse(c, `,"code":"peer-overloaded"`)
		s.deliver(f)
	case TellsTheWrongSide:
		s.Refuse(s.Logins[f.to], `,"code":"peer-unavailable"`)
	}
	s.finish()
}

// finish counts a complete fault.
func (s *Relay) finish() {
	if s.Finished++; s.Finished == s.times {
		s.Done()
	}
}

// stranger returns a login other than these two.
func (s *Relay) stranger(from, to string) string {
	for _, login := range slices.Sorted(maps.Keys(s.Logins)) {
		if login != from && login != to {
			return login
		}
	}
	s.t.Error("there is nobody else")
	return to
}

func (s *Relay) Count() Count {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Counted
}

func (s *Relay) String() string { return fmt.Sprintf("a service that %s", s.fault) }
