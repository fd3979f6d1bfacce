package transport

import (
	"fmt"
	"log/slog"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/files"
)

// standIn is a client without a login. It notes what is done to it.
type standIn struct {
	name string
	done *[]string
}

func (g standIn) sendAway(string) { *g.done = append(*g.done, "away "+g.name) }
func (g standIn) overstay() bool {
	*g.done = append(*g.done, "overdue "+g.name)
	return true
}
func (g standIn) hurry() { *g.done = append(*g.done, "hurry "+g.name) }
func (g standIn) cut()   { *g.done = append(*g.done, "cut "+g.name) }

// newPlaces returns the places of a server for so many connections, with room for so many that are leaving.
func newPlaces(log *lockedBuffer, most, spare int) *places {
	p := new(places)
	p.init(slog.New(slog.NewTextHandler(log, nil)), math.MaxInt)
	p.setLimits(Limits{MaxConnections: most})
	p.spare = spare
	return p
}

// come takes a place for a new client, as the server does.
func (p *places) come(done *[]string, name string) *place {
	if p.makeRoom(nil, unknown, 0) != roomFree {
		*done = append(*done, "refused "+name)
		return nil
	}
	p.enter(unknown)
	return p.await(standIn{name: name, done: done}, unknown)
}

// depart notes that the socket of a client is closed.
func (p *places) depart(at *place) {
	p.release(at)
	p.leave(unknown)
}

func TestTheNumberOfPlacesFollowsFromTheFiles(t *testing.T) {
	loops := 2 * runtime.GOMAXPROCS(0)
	for _, tt := range []struct{ connections, files, most, spare int }{
		{0, math.MaxInt, math.MaxInt, 128},
		{0, 1 << 20, 1<<20 - 128 - loops - 16, 128},
		{0, 300, 300 - 37 - loops - 16, 37},
		{0, 10, 1, 16},
		{5, 300, 5, 37},
		{1000, 300, 300 - 37 - loops - 16, 37},
		{1000, math.MaxInt, 1000, 128},
	} {
		p := new(places)
		p.init(slog.Default(), tt.files)
		p.setLimits(Limits{MaxConnections: tt.connections})
		if p.most != tt.most || p.spare != tt.spare {
			t.Errorf("with %d files and a limit of %d: %d places and %d spare, want %d and %d", tt.files, tt.connections, p.most, p.spare, tt.most, tt.spare)
		}
	}
	if n := files.Limit(); n < 16 {
		t.Errorf("this process may have %d files open", n)
	}
}

func TestWhoHasBeenThereLongestWithoutALoginGoesFirst(t *testing.T) {
	log := new(lockedBuffer)
	p := newPlaces(log, 4, 100)
	var done []string
	places := make(map[string]*place)
	for _, name := range []string{"a", "b", "c", "d"} {
		places[name] = p.come(&done, name)
	}
	p.release(places["a"]) // a logs in
	p.release(places["c"]) // c logs in, and out again
	places["c"] = p.await(places["c"].client, unknown)
	for _, name := range []string{"e", "f", "g"} {
		places[name] = p.come(&done, name)
		p.release(places[name])
	}
	if p.come(&done, "h") != nil {
		t.Error("a client got the place of one that has a login")
	}
	if want := []string{"away b", "away d", "away c", "refused h"}; !slices.Equal(done, want) {
		t.Errorf("the clients were treated so: %q, want %q", done, want)
	}
	for _, name := range []string{"b", "d", "c"} { // their sockets are closed
		p.depart(places[name])
	}
	if p.come(&done, "i") != nil {
		t.Error("a client got a place although four with a login are there")
	}
	p.leave(unknown) // a leaves
	if p.come(&done, "j") == nil {
		t.Error("a client did not get the place that is free")
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("%d warnings, want one:\n%s", n, log)
	}
}

func TestAClientThatAsksForAWebSocketIsNotSentAwayForItself(t *testing.T) {
	p := newPlaces(new(lockedBuffer), 2, 100)
	var done []string
	first := p.come(&done, "first")
	own := p.come(&done, "own")
	p.release(first) // it logs in
	p.release(p.come(&done, "second"))
	if len(done) != 1 || done[0] != "away own" {
		t.Fatalf("the clients were treated so: %q, want own sent away", done)
	}
	p.depart(own)
	// Its place is the third, and both others have a login.
	p.enter(unknown)
	own = p.await(standIn{name: "own", done: &done}, unknown)
	if p.makeRoom(own, unknown, 0) == roomFree {
		t.Error("there is room though two have a login")
	}
	p.leave(unknown)
	if p.makeRoom(own, unknown, 0) != roomFree || len(done) != 1 {
		t.Errorf("there is no room for the second of two, or the clients were treated so: %q", done)
	}
}

func TestManyThatAreLeavingAreHurried(t *testing.T) {
	p := newPlaces(new(lockedBuffer), 1, 4)
	var done []string
	for i := range 6 {
		p.come(&done, fmt.Sprint(i))
	}
	want := []string{
		"away 0", "away 1", "away 2", "hurry 0", "away 3", "hurry 0", "hurry 1", "away 4", "hurry 0", "hurry 1", "hurry 2",
	}
	if !slices.Equal(done, want) {
		t.Errorf("the clients were treated so: %q, want %q", done, want)
	}
}

func TestWhoAcceptsWaitsUntilSocketsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(new(lockedBuffer), 1, 2)
		var done []string
		for i := range 3 {
			p.come(&done, fmt.Sprint(i))
			p.pace() // there is a file for each
		}
		p.come(&done, "3")
		done = nil
		paced := make(chan struct{})
		go func() {
			p.pace()
			close(paced)
		}()
		for range 2 {
			time.Sleep(leaveTimeout - 1)
			select {
			case <-paced:
				t.Fatal("another client is accepted before there is a file for it")
			default:
			}
			p.mu.Lock() // which is held while clients are treated
			done := slices.Clone(done)
			p.mu.Unlock()
			end := "hurry "
			if len(done) > 3*int(leaveTimeout/paceInterval) {
				end = "cut "
			}
			if n := len(done); n < 3 || !slices.Equal(done[n-3:], []string{end + "0", end + "1", end + "2"}) {
				t.Errorf("the clients were treated so: %q, want the last three: %s", done, end)
			}
		}
		p.depart(p.leaving.Front().Value.(*place))
		<-paced
	})
}

func TestAServiceIsFullOnlyWhileNobodyCanGiveUpAPlace(t *testing.T) {
	p := newPlaces(new(lockedBuffer), 2, 2)
	var done []string
	want := func(own *place, want bool) {
		t.Helper()
		if got := p.look(own, unknown) == roomFull; got != want {
			t.Errorf("with %d of 2 places taken, %d of them without a login, it is full: %t", p.taken, p.waiting.Len(), got)
		}
	}
	want(nil, false)
	first, second := p.come(&done, "first"), p.come(&done, "second")
	want(nil, false) // first would go
	p.release(first)
	want(nil, false)
	want(second, false) // it has a place of its own
	p.release(second)
	want(nil, true)
	p.leave(unknown)
	want(nil, false)
}

func TestThereIsOneWarningEachTimeThatPlacesBecomeScarce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := new(lockedBuffer)
		p := newPlaces(log, 4, 100)
		for _, pause := range []time.Duration{0, time.Second, 2 * time.Minute} {
			time.Sleep(pause)
			var done []string
			var there []*place
			for i := range 20 {
				there = append(there, p.come(&done, fmt.Sprint(i)))
			}
			for _, at := range there {
				p.depart(at)
			}
		}
		if n := strings.Count(log.String(), "level=WARN"); n != 2 {
			t.Errorf("%d warnings, want two:\n%s", n, log)
		}
	})
}

func TestFilesAreMadeFreeWhenThereAreNone(t *testing.T) {
	p := newPlaces(new(lockedBuffer), 100, 100)
	var done []string
	for i := range 10 {
		p.come(&done, fmt.Sprint(i))
	}
	p.freeFiles()
	p.freeFiles()
	want := []string{"away 0", "away 1", "away 2", "away 3", "away 4", "away 5", "away 6", "away 7",
		"cut 0", "cut 1", "cut 2", "cut 3", "cut 4", "cut 5", "cut 6", "cut 7"}
	if !slices.Equal(done, want) {
		t.Errorf("the clients were treated so: %q, want %q", done, want)
	}
}

// eager is a session that accepts a login. It calls accepted before Receive returns.
type eager struct {
	returns
	link     actors.Link
	accepted func()
	loggedIn bool
}

func (e *eager) Receive(m *messages.Relay) bool {
	m.Release()
	e.link.LoggedIn()
	e.loggedIn = true
	e.accepted()
	return true
}

func (e *eager) LoggedIn() bool { return e.loggedIn }

func TestAClientIsNotSentAwayOnceItCanKnowOfItsLogin(t *testing.T) {
	e := new(eager)
	m := simulateWith(t, e)
	m.connections.places.most = 1
	m.connections.places.logger = slog.New(slog.DiscardHandler)
	c := m.adopt()
	e.link = c
	e.accepted = func() {
		if m.connections.places.makeRoom(nil, unknown, 0) == roomFree || !c.outbox.isOpen() {
			t.Error("a client that has a login was sent away")
		}
	}
	m.connections.enter(unknown)
	m.openLooped(c, unknown, entry{key: sampleKey}, nil)
	m.opening.run()
	m.receive(c, loginMessage)
	if !c.loggedIn || c.place != nil {
		t.Error("the login was not noted")
	}
	m.close(c)
	if n := m.connections.places.taken; n != 0 {
		t.Errorf("%d places are taken, want none", n)
	}
	_ = m.connections.wait(t.Context())
}
