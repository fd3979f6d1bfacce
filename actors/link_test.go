package actors

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"p2p-messaging/messages"
)

// fakeLink is a client whose connection is a slice.
type fakeLink struct {
	mu      sync.Mutex
	changed *sync.Cond
	texts   []string
	taken   int // number of texts that next has returned
	stuck   bool
	waiting int
	closed  messages.CloseCode
	reason  string
	resumed int // number of calls of Resume that nobody has waited for
	charged int
	// admits has what each call of Admit was told. If refuses is set, none is allowed.
	admits  []bool
	refuses bool
	counted int // calls of CountLogin
	address uint64
	pings   []int // for each call of Ping, how many texts were there
	// loggedIn is the number of calls of LoggedIn.
	loggedIn int
	// onSend runs before a text is taken, if it is set. Tests panic in it.
	onSend func(text string)
}

func newFakeLink() *fakeLink {
	l := new(fakeLink)
	l.changed = sync.NewCond(&l.mu)
	return l
}

func (l *fakeLink) Deliver(m *messages.Deliver) bool { return l.Send(m.Text) }

func (l *fakeLink) Resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.resumed++
	l.changed.Broadcast()
}

func (l *fakeLink) LoggedIn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.loggedIn++
}

func (l *fakeLink) Charge(messages int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.charged += messages
}

func (l *fakeLink) Ping() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pings = append(l.pings, len(l.texts))
}

func (l *fakeLink) Admit(brings bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.admits = append(l.admits, brings)
	return !l.refuses
}

func (l *fakeLink) Exhausted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refuses
}

func (l *fakeLink) CountLogin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counted++
}

func (l *fakeLink) Address() uint64 { return l.address }

func (l *fakeLink) Abandon() { l.Close(messages.CloseTakenOver, "") }

// awaitResume waits for one call of Resume and counts it as seen.
func (l *fakeLink) awaitResume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.resumed == 0 {
		l.changed.Wait()
	}
	l.resumed--
}

func (l *fakeLink) Send(text []byte) bool {
	if l.onSend != nil {
		l.onSend(string(text))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed != 0 {
		return false
	}
	l.texts = append(l.texts, string(text))
	if l.stuck {
		l.waiting += len(text)
	}
	l.changed.Broadcast()
	return true
}

func (l *fakeLink) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting
}

func (l *fakeLink) Close(code messages.CloseCode, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed == 0 {
		l.closed, l.reason = code, reason
	}
	l.changed.Broadcast()
}

func (l *fakeLink) setStuck(stuck bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stuck = stuck
	if !stuck {
		l.waiting = 0
	}
}

// next waits for the next text and returns it.
func (l *fakeLink) next(t testing.TB) string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	giveUp := time.AfterFunc(30*time.Second, l.changed.Broadcast)
	defer giveUp.Stop()
	for start := time.Now(); l.taken == len(l.texts); l.changed.Wait() {
		if l.closed != 0 {
			t.Fatalf("the link was closed with %d (%s) where a text was wanted", l.closed, l.reason)
		}
		if time.Since(start) > 29*time.Second {
			t.Fatal("no text came in 30 s")
		}
	}
	l.taken++
	return l.texts[l.taken-1]
}

// rest returns the texts that next has not returned yet.
func (l *fakeLink) rest() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := slices.Clone(l.texts[l.taken:])
	l.taken = len(l.texts)
	return rest
}

func (l *fakeLink) closedWith() (messages.CloseCode, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed, l.reason
}

// peer is a connection and the client at its other end.
type peer struct {
	*Connection
	link  *fakeLink
	login string
	fails bool // the link panics when busy is over
}

func connect(s *System) *peer {
	link := newFakeLink()
	return &peer{Connection: s.Connect(link), link: link}
}

// join connects and logs in.
func join(t testing.TB, s *System, login string) *peer {
	t.Helper()
	p := connect(s)
	p.mustLogin(t, login)
	return p
}

func (p *peer) mustLogin(t testing.TB, login string) {
	t.Helper()
	p.send(t, fmt.Sprintf(`{"type":"login","login":%q}`, login))
	if got, want := p.link.next(t), `{"type":"login","success":true}`; got != want {
		t.Fatalf("login as %q: got %s, want %s", login, got, want)
	}
	p.login = login
}

func (p *peer) logout(t testing.TB) {
	t.Helper()
	p.send(t, fmt.Sprintf(`{"type":"logout","login":%q}`, p.login))
}

// send sends text from the client and returns when the next text may follow. Text must be well-formed.
func (p *peer) send(t testing.TB, text string) {
	t.Helper()
	if !p.Receive(decoded(t, text)) {
		p.link.awaitResume()
	}
}

func decoded(t testing.TB, text string) *messages.Relay {
	t.Helper()
	m, err := messages.NewRelay([]byte(text))
	if err != nil {
		t.Fatalf("decoding %s: %v", text, err)
	}
	return m
}

// offer returns an offer from p that carries a number.
func (p *peer) offer(to string, number int) string {
	return fmt.Sprintf(`{"type":"offer","offer":{"number":%d},"from":%q,"to":%q}`, number, p.login, to)
}

// wantError fails unless text is an error with that code and, if to is not empty, with that "to".
func wantError(t testing.TB, text string, code messages.Code, to string) {
	t.Helper()
	want := string(messages.AppendError(nil, code, "", quoted(to)))
	if text != want {
		t.Fatalf("got  %s\nwant %s", text, want)
	}
}

func quoted(s string) []byte {
	if s == "" {
		return nil
	}
	return fmt.Appendf(nil, "%q", s)
}

func wantRefused(t testing.TB, text string, code messages.Code) {
	t.Helper()
	if want := fmt.Sprintf(`{"type":"login","success":false,"code":%q,`, code); !strings.HasPrefix(text, want) {
		t.Fatalf("got %s, want %s…", text, want)
	}
}
