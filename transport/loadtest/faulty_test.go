package loadtest

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

// fault is a way in which a service cheats.
type fault string

const (
	none              fault = "none"
	drops             fault = "drops a frame"
	duplicates        fault = "delivers a frame twice"
	swaps             fault = "swaps two frames of a direction"
	misroutes         fault = "delivers a frame to somebody else"
	mirrors           fault = "delivers a frame to its sender"
	copies            fault = "delivers a frame to somebody else, too"
	corrupts          fault = "changes a byte of the payload"
	corruptsMark      fault = "changes a byte of what the tool knows a frame by"
	rewrites          fault = "changes a byte of the sender's login"
	truncates         fault = "cuts the end of a frame off"
	reformats         fault = "writes a frame anew, with a space in it"
	invents           fault = "makes up a frame of its own"
	replays           fault = "delivers an old frame again"
	overtakes         fault = "lets a frame of one direction wait for one of the other" // which it may
	refuses           fault = "answers a frame with an error"                           // which it may
	refusesSilently   fault = "answers a frame with an error that has no code"          // as services of the original protocol do
	liesAboutRefusal  fault = "answers a frame with an error, and delivers it"
	tellsTheWrongSide fault = "tells the receiver of an error, and not the sender"
)

// relayService is a service of the original protocol: a relay that has nothing in common with this project's own, and
// may cheat, in a way that depends on nothing but the order in which frames come.
type relayService struct {
	t     *testing.T
	url   string
	fault fault
	every int         // one frame in so many is treated badly
	times int         // but not more often than that
	done  func()      // called when all of that has been done
	rules serviceRule // what else it does

	spareFirst bool // the first frame of each sender is never treated badly

	listener net.Listener
	serving  sync.WaitGroup

	mu       sync.Mutex
	conns    map[*gws.Conn]string // logins
	logins   map[string]*gws.Conn
	frames   int // to be relayed
	begun    int // faults
	finished int
	held     map[string][]waitingFrame // by the login that sent it
	old      map[string]waitingFrame   // the first of each sender, which is never treated badly
	counted  serviceCount
}

// serviceCount is what a service did, as it counts itself.
type serviceCount struct {
	taken     int // frames that came to be relayed
	delivered int // frames that went out, right or wrong
	refused   int // answered with an error
}

// serviceRule changes what a service does with all that comes.
type serviceRule struct {
	loggingIn   func(c *gws.Conn)         // what it does before that
	answerLogin func(login string) string // what it says to a login; "" for nothing
	relay       func(text []byte) bool    // whether a frame is relayed at all
}

type waitingFrame struct {
	to   string
	text []byte
}

// newRelayService starts a service that cheats so many times.
func newRelayService(t *testing.T, f fault, every, times int, change ...func(*relayService)) *relayService {
	t.Helper()
	s := &relayService{
		t: t, fault: f, every: every, times: times, spareFirst: true, done: func() {},
		conns: map[*gws.Conn]string{}, logins: map[string]*gws.Conn{}, held: map[string][]waitingFrame{}, old: map[string]waitingFrame{},
	}
	s.rules.answerLogin = func(string) string { return `{"type":"login","success":true}` }
	s.rules.loggingIn = func(*gws.Conn) {}
	s.rules.relay = func([]byte) bool { return true }
	for _, c := range change {
		c(s)
	}
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	s.url = "ws://" + s.listener.Addr().String() + "/ws"
	upgrader := gws.NewUpgrader(s, &gws.ServerOption{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r)
		if err != nil {
			return // the client has gone
		}
		s.serving.Go(conn.ReadLoop)
	})}
	s.serving.Go(func() { _ = server.Serve(s.listener) })
	t.Cleanup(func() {
		s.vanish()
		_ = server.Close()
		s.serving.Wait()
	})
	return s
}

// vanish ends the service, without a word to anybody.
func (s *relayService) vanish() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.NetConn().Close()
	}
}

func (s *relayService) OnOpen(c *gws.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = ""
}

func (s *relayService) OnClose(c *gws.Conn, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if login := s.conns[c]; s.logins[login] == c {
		delete(s.logins, login)
	}
	delete(s.conns, c)
}

func (s *relayService) OnPing(c *gws.Conn, payload []byte) { _ = c.WritePong(payload) }
func (s *relayService) OnPong(*gws.Conn, []byte)           {}

func (s *relayService) OnMessage(c *gws.Conn, m *gws.Message) {
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
		s.rules.loggingIn(c)
		answer := s.rules.answerLogin(fields.Login)
		if strings.Contains(answer, `"success":true`) {
			s.conns[c], s.logins[fields.Login] = fields.Login, c
		}
		if answer != "" {
			s.write(c, answer)
		}
	case "logout":
		if s.conns[c] != fields.Login {
			s.t.Errorf("%q logs %q out", s.conns[c], fields.Login)
		}
		delete(s.logins, fields.Login)
		s.conns[c] = ""
	case "offer", "answer", "ice-candidate":
		if s.conns[c] != fields.From {
			s.t.Errorf("%q sends in the name of %q", s.conns[c], fields.From)
		}
		s.counted.taken++
		if s.rules.relay(text) {
			s.relay(c, fields.From, waitingFrame{fields.To, text})
		}
	default:
		s.t.Errorf("the tool sent a message of type %q", fields.Type)
	}
}

func (s *relayService) write(c *gws.Conn, text string) {
	_ = c.WriteString(text) // a connection that has ended is noticed by OnClose
}

func (s *relayService) deliver(f waitingFrame) {
	if c := s.logins[f.to]; c != nil {
		s.counted.delivered++
		s.write(c, string(f.text))
	}
}

func (s *relayService) refuse(c *gws.Conn, code string) {
	s.counted.refused++
	s.write(c, `{"type":"error"`+code+`,"message":"The service does not want to."}`)
}

// relay relays a frame, unless its turn has come to be treated badly.
func (s *relayService) relay(c *gws.Conn, from string, f waitingFrame) {
	// Where the wrong side is told, it is always the same of a pair: lies about both could cancel each other out.
	spared := s.fault == none || s.fault == tellsTheWrongSide && strings.HasSuffix(from, "b")
	if !spared {
		s.frames++
	}
	if waiting := s.held[from]; s.fault == swaps && len(waiting) > 0 {
		delete(s.held, from)
		s.deliver(f)
		s.deliver(waiting[0])
		s.finish()
		return
	} else if s.fault == overtakes && len(waiting) > 0 {
		s.held[from] = append(waiting, f)
		return
	}
	// Two directions that wait for each other would do so for ever.
	spared = spared || s.fault == overtakes && len(s.held[f.to]) > 0
	if spared || s.frames%s.every != 0 || s.begun == s.times || s.spareFirst && s.old[from].text == nil {
		s.deliver(f)
		if waiting := s.held[f.to]; len(waiting) > 0 && s.fault == overtakes {
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
	s.begun++
	change := func(old, replacement string) {
		changed := bytes.Replace(f.text, []byte(old), []byte(replacement), 1)
		if bytes.Equal(changed, f.text) {
			s.t.Errorf("%s has no %s to be changed", f.text, old)
		}
		s.deliver(waitingFrame{f.to, changed})
	}
	switch s.fault {
	case drops:
	case duplicates:
		s.deliver(f)
		s.deliver(f)
	case swaps, overtakes:
		s.held[from] = []waitingFrame{f}
		return
	case misroutes:
		s.deliver(waitingFrame{s.stranger(from, f.to), f.text})
	case mirrors:
		s.deliver(waitingFrame{from, f.text})
	case copies:
		s.deliver(f)
		s.deliver(waitingFrame{s.stranger(from, f.to), f.text})
	case corrupts:
		change(`"sdp`, `"sdq`)
	case corruptsMark:
		at := bytes.Index(f.text, []byte(markName)) + len(markName) + s.begun%markLength
		changed := bytes.Clone(f.text)
		changed[at] ^= 1
		s.deliver(waitingFrame{f.to, changed})
	case rewrites:
		change(`"from":"lt-`, `"from":"lT-`)
	case truncates:
		s.deliver(waitingFrame{f.to, f.text[:len(f.text)-1]})
	case reformats:
		change(`","to":`, `", "to":`)
	case invents:
		s.deliver(waitingFrame{f.to, []byte(`{"type":"offer","offer":{"sdp":"never sent"},"from":"` + from + `","to":"` + f.to + `"}`)})
		s.deliver(f)
	case replays:
		s.deliver(f)
		s.deliver(s.old[from])
	case refuses:
		s.refuse(c, `,"code":"peer-unavailable"`)
	case refusesSilently:
		s.refuse(c, "")
	case liesAboutRefusal:
		s.refuse(c, `,"code":"peer-overloaded"`)
		s.deliver(f)
	case tellsTheWrongSide:
		s.refuse(s.logins[f.to], `,"code":"peer-unavailable"`)
	}
	s.finish()
}

// finish counts a fault that is complete.
func (s *relayService) finish() {
	if s.finished++; s.finished == s.times {
		s.done()
	}
}

// stranger returns a login that has to do with neither of these.
func (s *relayService) stranger(from, to string) string {
	for _, login := range slices.Sorted(maps.Keys(s.logins)) {
		if login != from && login != to {
			return login
		}
	}
	s.t.Error("there is nobody else")
	return to
}

func (s *relayService) count() serviceCount {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counted
}

func (s *relayService) String() string { return fmt.Sprintf("a service that %s", s.fault) }
