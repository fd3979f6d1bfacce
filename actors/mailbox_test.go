package actors

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// recorder is an actor that records what its mailbox gives it.
type recorder struct {
	handled   []string
	escalated []any
	onUser    func(message any)
	actor     actor.Actor
}

func (r *recorder) InvokeSystemMessage(message any) {
	r.handled = append(r.handled, fmt.Sprintf("system %v", message))
}

func (r *recorder) InvokeUserMessage(message any) {
	r.handled = append(r.handled, fmt.Sprint(message))
	if r.onUser != nil {
		r.onUser(message)
	}
}

func (r *recorder) Self() *actor.PID   { return nil }
func (r *recorder) Actor() actor.Actor { return r.actor }

func (r *recorder) EscalateFailure(reason, _ any) { r.escalated = append(r.escalated, reason) }

func newMailbox(r *recorder) (m *mailbox, returned *[]string) {
	returned = new([]string)
	m = &mailbox{terms: &terms{limit: 100, handBack: func(message any, reason messages.Code) {
		if d, ok := message.(*messages.Deliver); ok {
			message = string(d.Text)
		}
		*returned = append(*returned, fmt.Sprintf("%v: %s", message, reason))
	}}}
	m.RegisterHandlers(r, nil)
	m.Start()
	return m, returned
}

func wantHandled(t *testing.T, r *recorder, want ...string) {
	t.Helper()
	if !slices.Equal(r.handled, want) {
		t.Errorf("handled %q, want %q", r.handled, want)
	}
}

func TestMessagesSentWhileTheActorRunsAreHandledAfterwardsSystemMessagesFirst(t *testing.T) {
	r := new(recorder)
	m, _ := newMailbox(r)
	r.onUser = func(message any) {
		if message == "first" {
			m.PostUserMessage("second")
			m.PostUserMessage("third")
			m.PostSystemMessage("stop")
			wantHandled(t, r, "first")
			if n := m.UserMessageCount(); n != 2 {
				t.Errorf("%d user messages wait, want 2", n)
			}
		}
	}
	m.PostUserMessage("first")
	wantHandled(t, r, "first", "system stop", "second", "third")
}

func TestASuspendedMailboxHandlesSystemMessagesOnly(t *testing.T) {
	r := new(recorder)
	m, _ := newMailbox(r)
	m.PostSystemMessage(&actor.SuspendMailbox{})
	m.PostUserMessage("user")
	m.PostSystemMessage("watch")
	wantHandled(t, r, "system watch")
	m.PostSystemMessage(&actor.ResumeMailbox{})
	wantHandled(t, r, "system watch", "user")
}

func TestAClosedMailboxHandsBackWhatWaitsAndWhatComesLater(t *testing.T) {
	r := new(recorder)
	m, returned := newMailbox(r)
	m.PostSystemMessage(&actor.SuspendMailbox{})
	m.PostUserMessage("waiting")
	m.close()
	m.PostUserMessage("late")
	m.PostSystemMessage(&actor.ResumeMailbox{})
	wantHandled(t, r)
	want := []string{"waiting: peer-unavailable", "late: peer-unavailable"}
	if !slices.Equal(*returned, want) {
		t.Errorf("handed back %q, want %q", *returned, want)
	}
}

func TestDeliveriesBeyondTheLimitAreHandedBackAndOtherMessagesAreNot(t *testing.T) {
	r := new(recorder)
	m, returned := newMailbox(r)
	deliver := func(n int) *messages.Deliver {
		return &messages.Deliver{Envelope: messages.Envelope{Text: slices.Repeat([]byte{'x'}, n)}}
	}
	m.PostSystemMessage(&actor.SuspendMailbox{})
	m.PostUserMessage(deliver(60))
	m.PostUserMessage(deliver(41))
	m.PostUserMessage("logout")
	m.PostUserMessage(deliver(40))
	if n := m.UserMessageCount(); n != 3 || len(*returned) != 1 {
		t.Fatalf("%d wait and %d were handed back, want 3 and 1", n, len(*returned))
	}
	m.PostSystemMessage(&actor.ResumeMailbox{})
	if m.backlog != nil {
		t.Errorf("a mailbox in which nothing waits keeps %+v", m.backlog)
	}
	m.PostSystemMessage(&actor.SuspendMailbox{})
	m.PostUserMessage(deliver(100))
	if n := m.UserMessageCount(); n != 1 || len(*returned) != 1 {
		t.Errorf("%d wait and %d were handed back, want 1 and still 1", n, len(*returned))
	}
}

func TestAPanicIsEscalatedAndDoesNotReachTheSender(t *testing.T) {
	r := new(recorder)
	m, _ := newMailbox(r)
	r.onUser = func(message any) {
		if message == "bad" {
			m.PostUserMessage("next")
			panic("cause")
		}
	}
	m.PostUserMessage("bad")
	wantHandled(t, r, "bad", "next")
	if !slices.Equal(r.escalated, []any{"cause"}) {
		t.Errorf("escalated %v, want the cause once", r.escalated)
	}
}

func TestABusyActorIsHandedOverToAnotherGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := new(recorder)
		m, _ := newMailbox(r)
		const rounds = 3 * handOver
		var n atomic.Int32
		released := make(chan struct{})
		r.onUser = func(any) {
			switch n.Add(1) {
			case rounds - 1:
				<-released // the sender gets past this only if another goroutine waits here
				fallthrough
			default:
				m.PostUserMessage("more")
			case rounds:
			}
		}
		m.PostUserMessage("first")
		close(released)
		synctest.Wait()
		if got := n.Load(); got != rounds {
			t.Errorf("%d messages were handled, want %d", got, rounds)
		}
	})
}

func TestAMailboxHandlesOneMessageAtATimeInTheOrderOfEachSender(t *testing.T) {
	r := new(recorder)
	m, _ := newMailbox(r)
	const senders, each = 8, 2000
	type numbered struct{ sender, n int }
	var next [senders]int
	left := senders * each
	done := make(chan struct{})
	r.onUser = func(message any) {
		got := message.(numbered)
		if next[got.sender] != got.n {
			t.Errorf("from sender %d came %d, want %d", got.sender, got.n, next[got.sender])
		}
		next[got.sender] = got.n + 1
		if left--; left == 0 {
			close(done)
		}
	}
	var sending sync.WaitGroup
	for sender := range senders {
		sending.Go(func() {
			for n := range each {
				m.PostUserMessage(numbered{sender, n})
			}
		})
	}
	sending.Wait()
	<-done
}

func TestAQueueInWhichSomethingAlwaysWaitsDoesNotGrow(t *testing.T) {
	var q queue
	next := 0
	for n := range 10_000 {
		q.put(n)
		if n < 10 {
			continue
		}
		if got := q.take(); got != next {
			t.Fatalf("took %v, want %d", got, next)
		}
		next++
	}
	if n := cap(q.messages); n > 64 {
		t.Errorf("ten waiting messages have room for %d", n)
	}
	if n := q.len(); n != 10 {
		t.Errorf("%d wait, want 10", n)
	}
}
