package actors

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asynkron/protoactor-go/actor"

	"p2p-messaging/messages"
)

// owner returns a session that has a name and no actor.
func owner(login string) *session {
	name := sessionName("$1", messages.Login{Shown: login, Key: login})
	s := new(session)
	s.mailbox.invoker = addressed{pid: actor.NewPID("here", name)}
	return s
}

type addressed struct {
	invoker
	pid *actor.PID
}

func (a addressed) Self() *actor.PID { return a.pid }

func TestTheDirectoryHoldsWhatAMapWould(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	d, want := newDirectory(), make(map[string]*session)
	check := func(login string) {
		t.Helper()
		if got := d.owner([]byte(login)); got != want[login] {
			t.Fatalf("the owner of %s is %p, want %p", login, got, want[login])
		}
	}
	// A few sessions come and go. Then many come. Then nearly all of them go, and others come.
	for _, phase := range []struct{ steps, logins, joins int }{{20_000, 100, 50}, {50_000, 20_000, 90}, {50_000, 20_000, 10}, {20_000, 40_000, 50}} {
		for range phase.steps {
			login := fmt.Sprint("login", random.IntN(phase.logins))
			switch join := random.IntN(100) < phase.joins; {
			case join && want[login] == nil:
				want[login] = owner(login)
				d.put([]byte(login), want[login])
			case !join:
				if got := d.remove([]byte(login)); got != want[login] {
					t.Fatalf("%p was removed as the owner of %s, want %p", got, login, want[login])
				}
				delete(want, login)
			}
			check(login)
		}
		for n := range phase.logins {
			check(fmt.Sprint("login", n))
		}
		live := 0
		for i := range d.parts {
			table := d.parts[i].Load()
			live += table.live
			if table.used > len(table.tags)*7/8 || len(table.tags) > 512 {
				t.Fatalf("a table of %d slots has %d in use", len(table.tags), table.used)
			}
		}
		if live != len(want) {
			t.Errorf("%d sessions are counted, want %d", live, len(want))
		}
	}
}

func TestLoginsWithTheSameTagAreToldApart(t *testing.T) {
	const tag = 7
	table, alice, bob := newTable(smallestTable), owner("alice"), owner("bob")
	table.put(tag, alice)
	table.put(tag, bob)
	for login, want := range map[string]*session{"alice": alice, "bob": bob, "carol": nil} {
		if got, _ := table.find([]byte(login), tag); got != want {
			t.Errorf("the owner of %s is %p, want %p", login, got, want)
		}
	}
}

// A session that stays is found at any moment. No session is found under another login.
func TestTheDirectoryIsReadWhileItIsWritten(t *testing.T) {
	d := newDirectory()
	const staying = 500
	for n := range staying {
		login := fmt.Sprint("stays", n)
		d.put([]byte(login), owner(login))
	}
	var done atomic.Bool
	var reading sync.WaitGroup
	for reader := range 2 {
		reading.Go(func() {
			for n := reader; !done.Load(); n++ {
				login := fmt.Sprint("stays", n%staying)
				if s := d.owner([]byte(login)); s == nil || s.key() != login {
					t.Errorf("%s is not found while others come and go", login)
					return
				}
				login = fmt.Sprint("comes", n%5000)
				if s := d.owner([]byte(login)); s != nil && s.key() != login {
					t.Errorf("%s is found as %s", s.key(), login)
					return
				}
			}
		})
	}
	for range 3 {
		for n := range 5000 {
			login := fmt.Sprint("comes", n)
			d.put([]byte(login), owner(login))
		}
		for n := range 5000 {
			d.remove(fmt.Append(nil, "comes", n))
		}
	}
	done.Store(true)
	reading.Wait()
}

func TestASessionsNameTellsItsLogin(t *testing.T) {
	for _, login := range []messages.Login{
		{Shown: "alice", Key: "alice"},
		{Shown: "Alice", Key: "alice"},
		{Shown: "Zoë/1", Key: "zoë/1"},
		{Shown: "a/b$c", Key: "a/b$c"},
	} {
		s := &session{connection: &Connection{link: discard{}}}
		s.mailbox.invoker = addressed{pid: actor.NewPID("here", "$1/"+sessionName("$2", login))}
		if got := s.key(); got != login.Key {
			t.Errorf("the session of %q has the key %q, want %q", login.Shown, got, login.Key)
		}
		for _, own := range []string{login.Shown, login.Key} {
			if !s.owns([]byte(own)) {
				t.Errorf("the session of %q does not own %q", login.Shown, own)
			}
		}
		for _, other := range []string{"", "b", "lice", "1", "c", "alice2", login.Key + string(shownMark) + login.Shown, s.pid().Id} {
			if s.owns([]byte(other)) {
				t.Errorf("the session of %q owns %q", login.Shown, other)
			}
		}
	}
}
