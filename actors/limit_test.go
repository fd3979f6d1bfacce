package actors

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// busy makes p's session stop in the middle of a delivery from another client. release lets it go on.
func (p *peer) busy(t *testing.T, from *peer) (release func()) {
	t.Helper()
	entered, released := make(chan struct{}), make(chan struct{})
	var first, last sync.Once
	p.link.onSend = func(string) {
		first.Do(func() {
			close(entered)
			<-released
			if p.fails {
				panic("a fault of the link's")
			}
		})
	}
	var sending sync.WaitGroup
	sending.Go(func() { from.send(t, from.offer(p.login, -1)) })
	<-entered
	release = func() {
		last.Do(func() { close(released) })
		sending.Wait()
	}
	t.Cleanup(release)
	return release
}

// long returns an offer with a number. It has a little more than size bytes.
func (p *peer) long(to string, number, size int) string {
	return fmt.Sprintf(`{"type":"offer","offer":{"number":%d,"rest":"%s"},"from":%q,"to":%q}`, number, strings.Repeat("x", size), p.login, to)
}

func TestABurstIntoABusySessionStaysBounded(t *testing.T) {
	s := newTestSystem(t, Options{QueueLimit: MinQueueLimit})
	alice, bob, carol := join(t, s, "alice"), join(t, s, "bob"), join(t, s, "carol")
	release := bob.busy(t, alice)
	held := 0
	var sent []string
	for next := true; next && len(sent) < 1000; {
		text := bob.long("carol", len(sent), 1000)
		next = bob.Receive(decoded(t, text))
		held += len(text)
		sent = append(sent, text)
	}
	if most := MinQueueLimit + len(sent[0]); held > most || held < MinQueueLimit {
		t.Fatalf("%d bytes of bob's were taken while his session was busy, want more than %d and at most %d", held, MinQueueLimit, most)
	}
	release()
	bob.link.awaitResume()
	if got := carol.link.rest(); !slices.Equal(got, sent) {
		t.Errorf("carol got %d messages, want the %d that bob sent, in order", len(got), len(sent))
	}
	last := bob.offer("carol", 1)
	if !bob.Receive(decoded(t, last)) {
		t.Error("bob still has to wait")
	}
	if got := carol.link.next(t); got != last {
		t.Errorf("carol got %s, want %s", got, last)
	}
}

// A client does not read. The messages for it wait in its link and in its session's mailbox. Both together count against the
// limit.
func TestWhatWaitsInTheLinkAndInTheMailboxIsOneSum(t *testing.T) {
	s := newTestSystem(t, Options{QueueLimit: MinQueueLimit})
	alice, bob, carol := join(t, s, "alice"), join(t, s, "bob"), join(t, s, "carol")
	bob.link.setStuck(true)
	for n := range 20 { // a third of the limit
		alice.send(t, alice.long("bob", n, 1000))
	}
	release := bob.busy(t, alice)
	waiting := bob.link.Waiting()

	taken := 0
	for n := 0; ; n++ {
		text := carol.long("bob", n, 1000)
		carol.send(t, text)
		if refused := carol.link.rest(); len(refused) > 0 {
			wantError(t, refused[0], messages.CodePeerOverloaded, "bob")
			break
		}
		if taken += len(text); taken > 2*MinQueueLimit {
			t.Fatal("nothing is refused")
		}
	}
	if total := waiting + taken; total > MinQueueLimit || total < MinQueueLimit-2000 {
		t.Errorf("%d bytes wait for bob, %d of them in his mailbox; want just under %d", total, taken, MinQueueLimit)
	}
	if bob.Receive(decoded(t, bob.long("carol", 0, 2000))) {
		t.Error("bob is read on, though more than the limit is held for him")
	}
	release()
	bob.link.awaitResume()
}

func TestAClientThatWaitsForItsSessionIsNotForgottenWhenThatEnds(t *testing.T) {
	for how, end := range map[string]func(*System, *peer){
		"the system stops":    func(s *System, p *peer) { s.root.Stop(p.session) },
		"the connection ends": func(_ *System, p *peer) { p.Closed(false) },
		"the session fails":   func(_ *System, p *peer) { p.fails = true },
	} {
		t.Run(how, func(t *testing.T) {
			s := newTestSystem(t, Options{QueueLimit: MinQueueLimit, Logger: slog.New(slog.DiscardHandler)})
			alice, bob := join(t, s, "alice"), join(t, s, "bob")
			release := bob.busy(t, alice)
			for bob.Receive(decoded(t, bob.long("alice", 0, 30_000))) {
			}
			end(s, bob)
			release()
			if how != "the connection ends" {
				bob.link.awaitResume()
				bob.Closed(false)
			}
			alice.mustLoginAgain(t, s, "bob")
		})
	}
}

// mustLoginAgain fails the test unless the login becomes free.
func (p *peer) mustLoginAgain(t *testing.T, s *System, login string) {
	t.Helper()
	for range 1 << 20 {
		q := connect(s)
		q.send(t, fmt.Sprintf(`{"type":"login","login":%q}`, login))
		if strings.Contains(q.link.next(t), `"success":true`) {
			return
		}
		q.Closed(false)
	}
	t.Errorf("the login %s is not free again", login)
}

// Messages that come back to a client count against the limit too, but they are never refused.
func TestWhatComesBackToAClientCountsForWhatItMaySend(t *testing.T) {
	r := &recorder{actor: new(crowdable)}
	m, returned := newMailbox(r)
	m.PostSystemMessage(&actor.SuspendMailbox{})
	text := messages.Envelope{Text: slices.Repeat([]byte{'x'}, 60)}
	for range 3 {
		m.PostUserMessage(&messages.Return{Envelope: text})
	}
	if len(*returned) != 0 || m.UserMessageCount() != 3 {
		t.Errorf("%d wait and %d were handed back, want 3 and none", m.UserMessageCount(), len(*returned))
	}
	m.PostUserMessage(&messages.Send{Envelope: messages.Envelope{Text: []byte("x")}})
	if n := r.actor.(*crowdable).crowds; n != 1 {
		t.Errorf("the client was told %d times to wait, want once", n)
	}
	m.PostSystemMessage(&actor.ResumeMailbox{})
	if m.backlog != nil {
		t.Errorf("a mailbox in which nothing waits keeps %+v", m.backlog)
	}
}

// crowdable is a client that counts calls of crowd.
type crowdable struct{ crowds int }

func (*crowdable) Receive(actor.Context)  {}
func (*crowdable) waiting() int           { return 0 }
func (c *crowdable) crowd(*messages.Send) { c.crowds++ }

func TestASessionTakesOneCacheLineAndAConnectionLess(t *testing.T) {
	if n := unsafe.Sizeof(session{}); n > 64 {
		t.Errorf("a session takes %d bytes, want one cache line", n)
	}
	if n := unsafe.Sizeof(Connection{}); n > 48 {
		t.Errorf("a connection takes %d bytes, want 48", n)
	}
}
