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

// What the tool marks its frames with: see load/frames.go, with which this shares nothing.
const (
	MarkName   = `"loadtest":"`
	MarkLength = len("RRRRRRRR.PPPPPPP.D.SSSSSSSS.CCCCCCCC")
)

// fault is a way in which a service cheats.
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
	Reformats         Fault = "writes a frame anew, with a space in it"
	Invents           Fault = "makes up a frame of its own"
	Replays           Fault = "delivers an old frame again"
	Overtakes         Fault = "lets a frame of one direction wait for one of the other" // which it may
	Refuses           Fault = "answers a frame with an error"                           // which it may
	RefusesSilently   Fault = "answers a frame with an error that has no code"          // as services of the original protocol do
	LiesAboutRefusal  Fault = "answers a frame with an error, and delivers it"
	TellsTheWrongSide Fault = "tells the receiver of an error, and not the sender"
)

// relayService is a service of the original protocol: a relay that has nothing in common with this project's own, and
// may cheat, in a way that depends on nothing but the order in which frames come.
type Relay struct {
	t     *testing.T
	URL   string
	fault Fault
	every int    // one frame in so many is treated badly
	times int    // but not more often than that
	Done  func() // called when all of that has been done
	Rules Rules  // what else it does

	SpareFirst bool // the first frame of each sender is never treated badly

	listener net.Listener
	Serving  sync.WaitGroup

	mu       sync.Mutex
	conns    map[*gws.Conn]string // logins
	Logins   map[string]*gws.Conn
	Frames   int // to be relayed
	Begun    int // faults
	Finished int
	held     map[string][]waitingFrame // by the login that sent it
	old      map[string]waitingFrame   // the first of each sender, which is never treated badly
	Counted  Count
}

// serviceCount is what a service did, as it counts itself.
type Count struct {
	Taken     int // frames that came to be relayed
	Delivered int // frames that went out, right or wrong
	Refused   int // answered with an error
}

// serviceRule changes what a service does with all that comes.
type Rules struct {
	LoggingIn   func(c *gws.Conn)         // what it does before that
	AnswerLogin func(login string) string // what it says to a login; "" for nothing
	Relay       func(text []byte) bool    // whether a frame is relayed at all
}

type waitingFrame struct {
	to   string
	text []byte
}

// newRelayService starts a service that cheats so many times.
func NewRelay(t *testing.T, f Fault, every, times int, change ...func(*Relay)) *Relay {
	t.Helper()
	s := &Relay{
		t: t, fault: f, every: every, times: times, SpareFirst: true, Done: func() {},
		conns: map[*gws.Conn]string{}, Logins: map[string]*gws.Conn{}, held: map[string][]waitingFrame{}, old: map[string]waitingFrame{},
	}
	s.Rules.AnswerLogin = func(string) string { return `{"type":"login","success":true}` }
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
	upgrader := gws.NewUpgrader(s, &gws.ServerOption{})
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

// vanish ends the service, without a word to anybody.
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
	var fields struct{ Type, Login, From, To string }
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
	default:
		s.t.Errorf("the tool sent a message of type %q", fields.Type)
	}
}

func (s *Relay) Write(c *gws.Conn, text string) {
	_ = c.WriteString(text) // a connection that has ended is noticed by OnClose
}

func (s *Relay) deliver(f waitingFrame) {
	if c := s.Logins[f.to]; c != nil {
		s.Counted.Delivered++
		s.Write(c, string(f.text))
	}
}

func (s *Relay) Refuse(c *gws.Conn, code string) {
	s.Counted.Refused++
	s.Write(c, `{"type":"error"`+code+`,"message":"The service does not want to."}`)
}

// relay relays a frame, unless its turn has come to be treated badly.
func (s *Relay) relay(c *gws.Conn, from string, f waitingFrame) {
	// Where the wrong side is told, it is always the same of a pair: lies about both could cancel each other out.
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
	// Two directions that wait for each other would do so for ever.
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
		change(`"from":"lt-`, `"from":"lT-`)
	case Truncates:
		s.deliver(waitingFrame{f.to, f.text[:len(f.text)-1]})
	case Reformats:
		change(`","to":`, `", "to":`)
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

// finish counts a fault that is complete.
func (s *Relay) finish() {
	if s.Finished++; s.Finished == s.times {
		s.Done()
	}
}

// stranger returns a login that has to do with neither of these.
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
