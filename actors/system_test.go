package actors

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"
	"go.uber.org/goleak"

	"p2p-messaging/messages"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newTestSystem(t testing.TB, o Options) *System {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(failingLog{t}, nil))
	}
	s := NewSystem(o)
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stopping: %v", err)
		}
		if n := s.Sessions(); n != 0 {
			t.Errorf("%d sessions are left after Stop, want none", n)
		}
	})
	return s
}

// failingLog fails its test when anything is logged.
type failingLog struct{ testing.TB }

func (l failingLog) Write(line []byte) (int, error) {
	l.Errorf("logged: %s", line)
	return len(line), nil
}

func TestALoginBelongsToOneConnectionUntilItIsGivenUp(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice := join(t, s, "alice")
	other := connect(s)

	other.send(t, `{"type":"login","login":"alice"}`)
	wantRefused(t, other.link.next(t), messages.CodeLoginTaken)

	alice.logout(t)
	other.mustLogin(t, "alice")
	alice.send(t, `{"type":"login","login":"alice"}`)
	wantRefused(t, alice.link.next(t), messages.CodeLoginTaken)

	other.Closed(false)
	alice.mustLogin(t, "alice")
}

func TestLoginsThatCompareEqualAreTheSame(t *testing.T) {
	s := newTestSystem(t, Options{})
	zoe := join(t, s, "Zoë")
	for _, login := range []string{"zoë", "ZOË", "zoe\u0308", "  Zoë "} {
		c := connect(s)
		c.send(t, fmt.Sprintf(`{"type":"login","login":%q}`, login))
		wantRefused(t, c.link.next(t), messages.CodeLoginTaken)
	}
	bob := join(t, s, "bob")
	offer := bob.offer("ZOË", 1)
	bob.send(t, offer)
	if got := zoe.link.next(t); got != offer {
		t.Errorf("got %s, want %s", got, offer)
	}
	answer := `{"type":"answer","answer":{},"from":"zoe` + "\u0308" + `","to":"Bob"}`
	zoe.send(t, answer)
	if got := bob.link.next(t); got != answer {
		t.Errorf("got %s, want %s", got, answer)
	}
}

func TestARefusedLoginSaysWhy(t *testing.T) {
	s := newTestSystem(t, Options{})
	join(t, s, "bob")
	alice := join(t, s, "alice")
	anonymous := connect(s)
	for _, c := range []struct {
		who   *peer
		login string
		code  messages.Code
	}{
		{anonymous, "bob", messages.CodeLoginTaken},
		{anonymous, "", messages.CodeLoginInvalid},
		{anonymous, "   ", messages.CodeLoginInvalid},
		{anonymous, strings.Repeat("a", 10_000), messages.CodeLoginInvalid},
		{anonymous, "a\u200bb", messages.CodeLoginInvalid},
		{anonymous, `a\u0007b`, messages.CodeLoginInvalid},
		{alice, "carol", messages.CodeAlreadyLoggedIn},
		{alice, "alice", messages.CodeAlreadyLoggedIn},
	} {
		c.who.send(t, `{"type":"login","login":"`+c.login+`"}`)
		wantRefused(t, c.who.link.next(t), c.code)
	}
}

func TestTheTwentiethRefusedLoginClosesTheConnection(t *testing.T) {
	s := newTestSystem(t, Options{})
	c := connect(s)
	for n := 1; n <= 20; n++ {
		if code, _ := c.link.closedWith(); code != 0 {
			t.Fatalf("closed with %d before refusal %d", code, n)
		}
		c.send(t, `{"type":"login","login":""}`)
	}
	if code, _ := c.link.closedWith(); code != messages.ClosePolicyViolation {
		t.Errorf("after 20 refusals: close code %d, want 1008", code)
	}
	if n := len(c.link.rest()); n != 20 {
		t.Errorf("%d refusals were answered, want 20", n)
	}
}

func TestWhatAClientMayNotDoIsAnErrorAndChangesNothing(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice, bob, anonymous := join(t, s, "alice"), join(t, s, "bob"), connect(s)
	for _, c := range []struct {
		who  *peer
		text string
		code messages.Code
		to   []byte // as in the error; nil: none
	}{
		{anonymous, `{"type":"offer","offer":{},"from":"alice","to":"bob"}`, messages.CodeNotLoggedIn, []byte(`"bob"`)},
		{anonymous, `{"type":"logout","login":"alice"}`, messages.CodeNotLoggedIn, nil},
		{alice, `{"type":"offer","offer":{},"from":"bob","to":"bob"}`, messages.CodeWrongFrom, []byte(`"bob"`)},
		{alice, `{"type":"bye","from":"","to":"bob"}`, messages.CodeWrongFrom, []byte(`"bob"`)},
		{alice, `{"type":"logout","login":"bob"}`, messages.CodeWrongLogin, nil},
		{alice, `{"type":"answer","answer":{},"from":"alice","to":"nobody"}`, messages.CodePeerUnavailable, []byte(`"nobody"`)},
		{alice, `{"type":"answer","answer":{},"from":"alice","to":""}`, messages.CodePeerUnavailable, []byte(`""`)},
		{alice, `{"type":"answer","answer":{},"from":"alice","to":"n\u006fbody"}`, messages.CodePeerUnavailable, []byte(`"n\u006fbody"`)},
	} {
		c.who.send(t, c.text)
		if got, want := c.who.link.next(t), string(messages.AppendError(nil, c.code, "", c.to)); got != want {
			t.Errorf("%s: got  %s\nwant %s", c.text, got, want)
		}
	}
	if rest := bob.link.rest(); len(rest) != 0 {
		t.Errorf("bob got %q, want nothing", rest)
	}
	if n := s.Sessions(); n != 2 {
		t.Errorf("%d sessions, want 2", n)
	}
}

func TestPeerUnavailableReadsTheSameForOneWhoLeftAndOneWhoNeverCame(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice, bob := join(t, s, "alice"), join(t, s, "bob")
	ask := func() string {
		alice.send(t, alice.offer("bob", 0))
		return alice.link.next(t)
	}
	bob.logout(t)
	afterLogout := ask()
	bob.mustLogin(t, "bob")
	bob.Closed(false)
	afterClose := ask()
	wantError(t, afterLogout, messages.CodePeerUnavailable, "bob")
	if afterClose != afterLogout {
		t.Errorf("after the connection's end: %s\nafter logout: %s", afterClose, afterLogout)
	}
}

func TestWhatFollowsALogoutSeesItsEffect(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice, bob := join(t, s, "alice"), join(t, s, "bob")
	alice.send(t, alice.offer("bob", 1))
	alice.logout(t)
	alice.send(t, alice.offer("bob", 2))
	wantError(t, alice.link.next(t), messages.CodeNotLoggedIn, "bob")
	if got := bob.link.rest(); len(got) != 1 {
		t.Errorf("bob got %q, want the first offer only", got)
	}
	alice.mustLogin(t, "carol")
	carolsOffer := alice.offer("bob", 3)
	alice.send(t, carolsOffer)
	if got := bob.link.next(t); got != carolsOffer {
		t.Errorf("bob got %s, want %s", got, carolsOffer)
	}
}

// A client that has seen its login accepted may tell a friend. From that moment the friend can send to it. Nothing reaches
// the client before.
func TestALoginIsReachableOnceItIsAcceptedAndNotBefore(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice, bob := join(t, s, "alice"), connect(s)
	bob.login = "bob"
	var early atomic.Bool
	bob.link.onSend = func(text string) {
		if found, _, _ := s.find([]byte("bob")); strings.HasPrefix(text, `{"type":"login"`) && found == nil {
			early.Store(true)
		}
	}
	stop := make(chan struct{})
	var calling sync.WaitGroup
	calling.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				alice.send(t, alice.offer("bob", i))
			}
		}
	})
	for range 500 {
		bob.send(t, `{"type":"login","login":"bob"}`)
		bob.logout(t)
	}
	close(stop)
	calling.Wait()
	if early.Load() {
		t.Error("a login was accepted while nobody could send to it")
	}
	in := false
	for _, text := range bob.link.rest() {
		switch {
		case strings.HasPrefix(text, `{"type":"login"`):
			in = true
		case !in:
			t.Fatalf("bob got %s before any login was accepted", text)
		}
	}
}

func TestOneMayWriteToOneself(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice := join(t, s, "alice")
	offer := alice.offer("alice", 1)
	alice.send(t, offer)
	if got := alice.link.next(t); got != offer {
		t.Errorf("got %s, want %s", got, offer)
	}
}

func TestOfManyConnectionsRacingForOneLoginExactlyOneGetsIt(t *testing.T) {
	s := newTestSystem(t, Options{})
	const racers, rounds = 50, 20
	peers := make([]*peer, racers)
	for i := range peers {
		peers[i] = connect(s)
	}
	for round := range rounds {
		var won atomic.Int32
		var winner atomic.Pointer[peer]
		var racing sync.WaitGroup
		for _, p := range peers {
			racing.Go(func() {
				p.refusals = 0 // or twenty rounds would be twenty refusals
				p.send(t, `{"type":"login","login":"alice"}`)
				if strings.Contains(p.link.next(t), `"success":true`) {
					won.Add(1)
					winner.Store(p)
				}
			})
		}
		racing.Wait()
		if n := won.Load(); n != 1 {
			t.Fatalf("round %d: %d connections got the login, want 1", round, n)
		}
		winner.Load().login = "alice"
		winner.Load().logout(t)
	}
}

func TestEveryPairSeesItsMessagesOnceInOrderAndUnmodified(t *testing.T) {
	s := newTestSystem(t, Options{QueueLimit: 1 << 30}) // the senders are faster than any reader
	const senders, each = 16, 1000
	bob := join(t, s, "bob")
	var sending sync.WaitGroup
	for n := range senders {
		p := join(t, s, fmt.Sprintf("sender%d", n))
		sending.Go(func() {
			for i := range each {
				m, err := messages.NewRelay([]byte(p.offer("bob", i)))
				if err != nil {
					t.Error(err)
					return
				}
				p.Receive(m)
			}
		})
	}
	sending.Wait()
	next := make(map[string]int)
	for range senders * each {
		got := bob.link.next(t)
		var number int
		var from string
		if _, err := fmt.Sscanf(got, `{"type":"offer","offer":{"number":%d},"from":%q,"to":"bob"}`, &number, &from); err != nil {
			t.Fatalf("got %s, which nobody sent: %v", got, err)
		}
		if number != next[from] {
			t.Fatalf("from %s came number %d, want %d", from, number, next[from])
		}
		next[from]++
	}
	if rest := bob.link.rest(); len(rest) != 0 {
		t.Errorf("%d more messages came than were sent", len(rest))
	}
}

// The receiver logs out and in all the time. Each message to it must be delivered or refused.
func TestNoMessageVanishesWhileItsAddresseeComesAndGoes(t *testing.T) {
	s := newTestSystem(t, Options{})
	const senders, each = 4, 3000
	bob := connect(s)
	bob.login = "bob"
	var sending sync.WaitGroup
	peers := make([]*peer, senders)
	for n := range peers {
		peers[n] = join(t, s, fmt.Sprintf("sender%d", n))
		sending.Go(func() {
			for i := range each {
				peers[n].send(t, peers[n].offer("bob", i))
			}
		})
	}
	done := make(chan struct{})
	go func() { sending.Wait(); close(done) }()
	for coming := true; coming; {
		select {
		case <-done:
			coming = false
		default:
		}
		bob.send(t, `{"type":"login","login":"bob"}`)
		bob.logout(t)
	}
	var delivered, refused int
	for _, text := range bob.link.rest() {
		if strings.HasPrefix(text, `{"type":"offer"`) {
			delivered++
		}
	}
	// The last messages may still wait in their sender's mailbox. When the pong comes, each of them has been delivered or handed back.
	// A session acts on a logout after everything that was handed back before it. The answer comes when the session has ended.
	for _, p := range peers {
		p.send(t, `{"type":"ping"}`)
		for p.link.next(t) != `{"type":"pong"}` {
			refused++
		}
		p.logout(t)
		refused += len(p.link.rest())
	}
	if delivered+refused != senders*each {
		t.Errorf("%d delivered and %d refused, together %d, want %d", delivered, refused, delivered+refused, senders*each)
	}
}

func TestAReaderThatDoesNotReadCostsItsSendersAnErrorAndNobodyElseAnything(t *testing.T) {
	s := newTestSystem(t, Options{QueueLimit: MinQueueLimit})
	alice, bob, carol := join(t, s, "alice"), join(t, s, "bob"), join(t, s, "carol")
	bob.link.setStuck(true)
	offer := alice.offer("bob", 1)
	fits := MinQueueLimit / len(offer)
	for range fits {
		alice.send(t, offer)
	}
	if rest := alice.link.rest(); len(rest) != 0 {
		t.Fatalf("below the limit alice got %q, want nothing", rest)
	}
	alice.send(t, offer)
	wantError(t, alice.link.next(t), messages.CodePeerOverloaded, "bob")

	toCarol := alice.offer("carol", 2)
	alice.send(t, toCarol)
	if got := carol.link.next(t); got != toCarol {
		t.Errorf("carol got %s, want %s", got, toCarol)
	}
	if n := len(bob.link.rest()); n != fits {
		t.Errorf("bob's link took %d messages, want %d", n, fits)
	}
	bob.link.setStuck(false)
	alice.send(t, offer)
	if got := bob.link.next(t); got != offer {
		t.Errorf("after draining bob got %s, want %s", got, offer)
	}
}

func TestTheLongestMessageFitsIntoTheSmallestQueue(t *testing.T) {
	s := newTestSystem(t, Options{QueueLimit: 1})
	alice, bob := join(t, s, "alice"), join(t, s, "bob")
	const envelope = `{"type":"offer","offer":"","from":"alice","to":"bob"}`
	offer := `{"type":"offer","offer":"` + strings.Repeat("v", messages.MaxMessageBytes-len(envelope)) + `","from":"alice","to":"bob"}`
	alice.send(t, offer)
	if got := bob.link.next(t); got != offer {
		t.Errorf("got %d bytes, want %d", len(got), len(offer))
	}
}

func TestTheSenderIsToldOfAMessageThatNeverWentOut(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice, bob := join(t, s, "alice"), join(t, s, "bob")
	alice.send(t, alice.offer("bob", 1))
	taken := bob.link.next(t)
	bob.Undelivered([]byte(taken), alice.session, false)
	wantError(t, alice.link.next(t), messages.CodePeerUnavailable, "bob")
	bob.Closed(false)
	bob.Undelivered([]byte(taken), alice.session, false)
	wantError(t, alice.link.next(t), messages.CodePeerUnavailable, "bob")
	gone := alice.session
	alice.logout(t)
	bob.Undelivered([]byte(taken), gone, false)
	if rest := alice.link.rest(); len(rest) != 0 {
		t.Errorf("after logout alice got %q, want nothing", rest)
	}
}

// noting records what comes with a message.
type noting struct {
	discard
	sender, via any
}

func (n *noting) Deliver(m *messages.Deliver) bool {
	n.sender, n.via = m.Sender, m.Via
	return true
}

func TestALinkIsToldWhoSentAMessageAndWhatItsReaderNoted(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice, link := join(t, s, "alice"), new(noting)
	s.Connect(link).Receive(decoded(t, `{"type":"login","login":"bob"}`))
	m := decoded(t, alice.offer("bob", 1))
	m.Via = "what was noted"
	alice.Receive(m)
	if link.sender != alice.session || link.via != "what was noted" {
		t.Errorf("the link was told of %v and %v, want alice's session and what was noted", link.sender, link.via)
	}
	alice.send(t, alice.offer("bob", 2))
	if link.via != nil {
		t.Errorf("the next message came with %v, want nothing", link.via)
	}
}

func TestAMessageForAConnectionThatIsBeingClosedIsRefused(t *testing.T) {
	s := newTestSystem(t, Options{})
	alice, bob := join(t, s, "alice"), join(t, s, "bob")
	bob.link.Close(messages.CloseTooSlow, "")
	alice.send(t, alice.offer("bob", 1))
	wantError(t, alice.link.next(t), messages.CodePeerUnavailable, "bob")
}

func TestAPanicInOneSessionEndsThatSessionAndNobodyElseNotices(t *testing.T) {
	var logged bytes.Buffer
	s := newTestSystem(t, Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	alice, bob, mallory := join(t, s, "alice"), join(t, s, "bob"), join(t, s, "mallory")
	mallory.link.onSend = func(string) { panic("mallory's link is broken") }

	stop := make(chan struct{})
	var talking sync.WaitGroup
	talking.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			offer := alice.offer("bob", i)
			alice.send(t, offer)
			if got := bob.link.next(t); got != offer {
				t.Errorf("bob got %s, want %s", got, offer)
			}
		}
	})
	carol := join(t, s, "carol")
	carol.send(t, carol.offer("mallory", 1)) // runs mallory's session on carol's goroutine
	if code, _ := mallory.link.closedWith(); code != messages.CloseInternalError {
		t.Errorf("mallory's connection: close code %d, want 1011", code)
	}
	close(stop)
	talking.Wait()

	if n := strings.Count(logged.String(), "mallory's link is broken"); n != 1 {
		t.Errorf("the cause was logged %d times, want once:\n%s", n, &logged)
	}
	if strings.Contains(logged.String(), "number") {
		t.Errorf("the log has a message's content:\n%s", &logged)
	}
	wantError(t, carol.link.next(t), messages.CodePeerUnavailable, "mallory") // for the message that mallory failed on
	for _, p := range []*peer{alice, bob, carol} {
		if code, _ := p.link.closedWith(); code != 0 {
			t.Errorf("%s: closed with %d", p.login, code)
		}
	}
	carol.send(t, carol.offer("mallory", 2))
	wantError(t, carol.link.next(t), messages.CodePeerUnavailable, "mallory")
	mallory.Closed(false)
	join(t, s, "mallory")
}

// The bubble fails the test if anything is left when the system has stopped.
func TestAMessageToAnActorThatHasStoppedLeavesNothingBehind(t *testing.T) {
	for name, send := range map[string]func(s *System, stopped *actor.PID){
		"a message of the client's":  func(s *System, stopped *actor.PID) { s.root.Send(stopped, caughtUp{&Connection{}}) },
		"a message of another kind":  func(s *System, stopped *actor.PID) { s.root.Send(stopped, "a message of another kind") },
		"a message to stop":          func(s *System, stopped *actor.PID) { s.root.Stop(stopped) },
		"a message of the library's": func(s *System, stopped *actor.PID) { s.root.Poison(stopped) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newTestSystem(t, Options{})
				p := join(t, s, "alice")
				stopped := p.session
				p.Closed(true)
				send(s, stopped)
			})
		})
	}
}

func TestAPanicWhileAClosingSessionIsClosedStopsNothing(t *testing.T) {
	var logged bytes.Buffer
	s := NewSystem(Options{Logger: slog.New(slog.NewTextHandler(&logged, nil))})
	link := panickingLink{newFakeLink()}
	s.Connect(link).Receive(decoded(t, `{"type":"login","login":"mallory"}`))
	if err := s.Stop(context.Background()); err != nil {
		t.Errorf("stopping: %v", err)
	}
	if !strings.Contains(logged.String(), "closing is broken") {
		t.Errorf("the cause was not logged: %s", &logged)
	}
}

type panickingLink struct{ *fakeLink }

func (panickingLink) Close(messages.CloseCode, string) { panic("closing is broken") }

func TestAPanicAtLoginOrLogoutIsAnsweredByClosingTheConnection(t *testing.T) {
	s := newTestSystem(t, Options{Logger: slog.New(slog.DiscardHandler)})
	c := connect(s)
	c.link.onSend = func(string) { panic("broken") }
	c.send(t, `{"type":"login","login":"mallory"}`)
	if code, _ := c.link.closedWith(); code != messages.CloseInternalError {
		t.Errorf("close code %d, want 1011", code)
	}
	c.Closed(false)
	join(t, s, "mallory")

	d := join(t, s, "dave")
	d.link.onSend = func(string) { panic("broken") }
	d.send(t, `{"type":"logout","login":"mallory"}`) // the refusal panics
	if code, _ := d.link.closedWith(); code != messages.CloseInternalError {
		t.Errorf("close code %d, want 1011", code)
	}
}

func TestStopClosesEveryConnectionAndRefusesNewLogins(t *testing.T) {
	s := NewSystem(Options{})
	var peers []*peer
	for n := range 100 {
		peers = append(peers, join(t, s, fmt.Sprintf("peer%d", n)))
	}
	late := connect(s)
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	late.send(t, `{"type":"login","login":"late"}`)
	for _, p := range append(peers, late) {
		if code, _ := p.link.closedWith(); code != messages.CloseGoingAway {
			t.Errorf("%s: close code %d, want 1001", p.login, code)
		}
		p.Closed(false)
	}
	if n := s.Sessions(); n != 0 {
		t.Errorf("%d sessions are left, want none", n)
	}
	if err := s.Stop(context.Background()); err != nil {
		t.Errorf("stopping again: %v", err)
	}
}

// discard is a client that reads everything immediately.
type discard struct{}

func (discard) Send([]byte) bool                 { return true }
func (discard) Deliver(*messages.Deliver) bool   { return true }
func (discard) Waiting() int                     { return 0 }
func (discard) Close(messages.CloseCode, string) {}
func (discard) LoggedIn()                        {}
func (discard) Charge(int)                       {}
func (discard) Ping()                            {}
func (discard) Admit(bool) bool                  { return true }
func (discard) Exhausted() bool                  { return false }
func (discard) CountLogin()                      {}
func (discard) Address() uint64                  { return 0 }
func (discard) Abandon()                         {}
func (discard) Resume()                          {}

func TestStoppingWithAnExpiredContextReportsNothingWhereAllHasEnded(t *testing.T) {
	s := NewSystem(Options{})
	if err := s.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	expired, cancel := context.WithCancel(context.Background())
	cancel()
	for range 100 {
		if err := s.Stop(expired); err != nil {
			t.Fatalf("got %v, want nothing", err)
		}
	}
}

func TestLoginsAndLogoutsLeaveNothingBehind(t *testing.T) {
	s := newTestSystem(t, Options{})
	c := connect(s)
	for range 1000 {
		c.mustLogin(t, "alice")
		c.logout(t)
	}
	for i := range s.directory.parts {
		if table := s.directory.parts[i].Load(); table.live != 0 || len(table.tags) != smallestTable {
			t.Errorf("the directory holds %d logins with room for %d, want none", table.live, len(table.tags))
		}
	}
	if rest := c.link.rest(); !slices.Equal(rest, nil) {
		t.Errorf("unexpected %q", rest)
	}
}

// A client pays for comparing logins. A login of 64 characters that each stand for 18 takes as long as many messages.
func TestWhoeverNamesLoginsThatTakeLongToCompareIsChargedForThem(t *testing.T) {
	long := strings.Repeat("\uFDFA", messages.MaxLoginCharacters)
	for name, c := range map[string]struct {
		message string
		charged int
	}{
		"to nobody":                {`{"type":"bye","from":"alice","to":"` + long + `"}`, 16},
		"to somebody":              {`{"type":"bye","from":"alice","to":"zo\u00eb"}`, 0},
		"to somebody, otherwise":   {`{"type":"bye","from":"alice","to":"ZO\u00cb ZO\u00cb ZO\u00cb"}`, 1},
		"to nobody, in ASCII":      {`{"type":"bye","from":"alice","to":"` + strings.Repeat("X", 64) + `"}`, 0},
		"from somebody else":       {`{"type":"bye","from":"` + long + `","to":"alice"}`, 16},
		"a logout that is not his": {`{"type":"logout","login":"` + long + `"}`, 16},
		"from oneself, otherwise":  {`{"type":"bye","from":"Alice","to":"zo\u00eb"}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestSystem(t, Options{})
			alice := join(t, s, "alice")
			join(t, s, "zo\u00eb")
			join(t, s, "zo\u00eb zo\u00eb zo\u00eb")
			alice.Receive(decoded(t, c.message))
			alice.link.mu.Lock()
			defer alice.link.mu.Unlock()
			if got := alice.link.charged; got != c.charged {
				t.Errorf("charged for %d messages more, want %d", got, c.charged)
			}
		})
	}
	s := newTestSystem(t, Options{})
	c := connect(s)
	c.Receive(decoded(t, `{"type":"login","login":"`+long+`"}`))
	if got := c.link.charged; got != 16 {
		t.Errorf("a login is charged for as %d messages more, want 16", got)
	}
	c = connect(s)
	c.Receive(decoded(t, `{"type":"login","login":"`+long[:len(long)-len("\uFDFA")]+"\u0640"+`"}`))
	if got := c.link.charged; got != 30 {
		t.Errorf("a login in which the character at fault must be found is charged for as %d messages more, want 30", got)
	}
}

// Ended sessions must not keep their connections alive, even if many sessions come before any goes.
func TestSessionsThatHaveEndedKeepNoConnections(t *testing.T) {
	s := newTestSystem(t, Options{})
	const count = 1000
	var gone atomic.Int32
	func() {
		var all []*Connection
		for i := range count {
			c := s.Connect(&collected{})
			runtime.AddCleanup(c.link.(*collected), func(struct{}) { gone.Add(1) }, struct{}{})
			c.Receive(decoded(t, fmt.Sprintf(`{"type":"login","login":"user %d"}`, i)))
			all = append(all, c)
		}
		for _, c := range all {
			c.Closed(false)
		}
	}()
	for s.Sessions() > 0 {
		runtime.Gosched()
	}
	// The last session to end may still be on the stack of some goroutine.
	for range 100 {
		runtime.GC()
		if gone.Load() >= count-2 {
			return
		}
		runtime.Gosched()
	}
	t.Errorf("of %d connections that ended %d are gone", count, gone.Load())
}

// collected is a client whose collection the garbage collector reports. It has a size, because a type without one is never
// reported.
type collected struct {
	discard
	_ [64]byte
}
