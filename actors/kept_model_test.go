package actors

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/messages"
)

// keeper is a model of a client of a kept session, as the protocol tells it to be. What it sends is under way until the test lets
// it arrive. What it is sent waits in its links until the test lets it read. So a test chooses what is lost with a connection,
// what comes late, and which reply is never read.
type keeper struct {
	t   *testing.T
	s   *System
	bob *peer

	lines  []*line // its connections, the newest last
	joined bool    // it has read the reply on the newest one
	left   bool    // it has logged out

	secret     string   // the newest
	received   uint64   // messages that it has acted on
	confirmed  uint64   // messages of its own that the service has acted on
	unsettled  []string // those behind, byte for byte
	fromBob    []int    // numbers, in the order in which they were acted on
	fromBobNow int      // how many messages bob has sent
	own        int      // how many messages it has made
	uncertain  map[int]bool
}

// line is one connection of a keeper.
type line struct {
	*peer
	underWay []string
	gone     bool // the service knows that it has ended
}

func newKeeper(t *testing.T, s *System) *keeper {
	bob := connect(s)
	bob.login = "bob"
	bob.send(t, `{"type":"login","login":"bob","token":"fresh"}`)
	bob.link.next(t)
	k := &keeper{t: t, s: s, bob: bob, secret: firstSecret, uncertain: map[int]bool{}}
	k.attempt()
	k.settle()
	return k
}

func (k *keeper) newest() *line { return k.lines[len(k.lines)-1] }

// attempt opens a connection and sends a login on it. From then on, the keeper takes nothing more from the others.
func (k *keeper) attempt() {
	if k.left { // what was queued before the logout still comes
		for k.read() {
		}
		k.left = false
	}
	p := connect(k.s)
	p.login = "alice"
	k.joined = false
	k.lines = append(k.lines, &line{peer: p, underWay: []string{
		fmt.Sprintf(`{"type":"login","login":"alice","keep":true,"token":"fresh","resume":%q,"received":%d}`, k.secret, k.received)}})
}

// arrive lets the next message on a line arrive, also if the service has closed the line: it may have been read before. It reports
// whether there was one.
func (k *keeper) arrive(l *line) bool {
	if l.gone || len(l.underWay) == 0 {
		return false
	}
	text := l.underWay[0]
	l.underWay = l.underWay[1:]
	l.send(k.t, text)
	synctest.Wait() // a timer may have decided about it, and still run the session
	return true
}

// drop tells the service that a line has ended. What was under way is lost.
func (k *keeper) drop(l *line) {
	if !l.gone {
		l.gone = true
		l.Closed(false)
	}
}

// read acts on the next message on the newest line. It reports whether there was one.
func (k *keeper) read() bool {
	l := k.newest()
	l.link.mu.Lock()
	if l.link.taken == len(l.link.texts) {
		l.link.mu.Unlock()
		return false
	}
	text := l.link.texts[l.link.taken]
	l.link.taken++
	l.link.mu.Unlock()
	var m struct {
		Type     string               `json:"type"`
		Code     string               `json:"code"`
		Offer    struct{ Number int } `json:"offer"`
		Received uint64               `json:"received"`
		Success  bool                 `json:"success"`
		Resumed  bool                 `json:"resumed"`
		Resume   string               `json:"resume"`
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		k.t.Fatal(err)
	}
	switch m.Type {
	case "login":
		k.reply(m.Success, m.Resumed, m.Received, m.Resume, text)
	case "offer":
		k.received++
		k.fromBob = append(k.fromBob, m.Offer.Number)
	case "token":
		k.received++
	case "pong":
		k.settled(m.Received)
	default:
		k.t.Fatalf("alice was sent %s", text)
	}
	return true
}

func (k *keeper) reply(success, resumed bool, received uint64, secret, text string) {
	if !success {
		k.t.Fatalf("alice was refused with %s", text)
	}
	k.joined = true
	k.secret = secret
	if resumed {
		k.settled(received)
		k.newest().underWay = append(k.newest().underWay, k.unsettled...)
		return
	}
	for _, text := range k.unsettled {
		k.uncertain[number(text)] = true
	}
	k.received, k.confirmed, k.unsettled = 0, 0, nil
}

// settled lets go the own messages that the service has acted on.
func (k *keeper) settled(received uint64) {
	if received < k.confirmed || received-k.confirmed > uint64(len(k.unsettled)) {
		k.t.Fatalf("the service has acted on %d messages; alice knows of %d to %d", received, k.confirmed, k.confirmed+uint64(len(k.unsettled)))
	}
	k.unsettled = k.unsettled[received-k.confirmed:]
	k.confirmed = received
}

func (k *keeper) sends() {
	if !k.joined || k.left {
		return
	}
	k.own++
	text := k.newest().offer("bob", k.own)
	k.unsettled = append(k.unsettled, text)
	k.newest().underWay = append(k.newest().underWay, text)
}

// renews sends a fresh token.
func (k *keeper) renews() {
	if !k.joined || k.left {
		return
	}
	const text = `{"type":"token","token":"fresh"}`
	k.unsettled = append(k.unsettled, text)
	k.newest().underWay = append(k.newest().underWay, text)
}

// tokenEnds lets the token of the session end.
func (k *keeper) tokenEnds() {
	if s := k.s.directory.owner([]byte("alice")); s != nil {
		k.s.tokens.set(s, time.Now())
		synctest.Wait()
	}
}

func (k *keeper) pings() {
	if k.joined && !k.left {
		k.newest().underWay = append(k.newest().underWay, fmt.Sprintf(`{"type":"ping","received":%d}`, k.received))
	}
}

// logsOut gives the login up. Without a connection the keeper first resumes.
func (k *keeper) logsOut() {
	if k.left {
		return
	}
	k.settle()
	k.left = true
	l := k.newest()
	l.underWay = append(l.underWay, `{"type":"logout","login":"alice"}`)
	for k.arrive(l) {
	}
	for _, text := range k.unsettled {
		k.uncertain[number(text)] = true
	}
	for k.read() {
	}
	k.received, k.confirmed, k.unsettled = 0, 0, nil
	k.secret = fmt.Sprintf("another-first-secret-%d", len(k.lines))
}

func number(text string) int {
	var m struct{ Offer struct{ Number int } }
	_ = json.Unmarshal([]byte(text), &m)
	return m.Offer.Number
}

// settle makes the keeper join, if it has not, and lets everything come.
func (k *keeper) settle() {
	for range 4 {
		code, _ := k.newest().link.closedWith()
		if k.left || k.newest().gone || code != 0 {
			k.attempt()
		}
		k.pings()
		for again := true; again; {
			again = false
			for _, l := range k.lines {
				again = k.arrive(l) || again
			}
			again = k.read() || again
		}
	}
}

// steps are what can happen.
var steps = []struct {
	name string
	do   func(*keeper)
}{
	{"bob sends", func(k *keeper) { k.fromBobNow++; k.bob.send(k.t, k.bob.offer("alice", k.fromBobNow)) }},
	{"alice sends", (*keeper).sends},
	{"alice attempts", (*keeper).attempt},
	{"a message arrives", func(k *keeper) { k.arrive(k.newest()) }},
	{"a message arrives on the line before", func(k *keeper) { k.arrive(k.before()) }},
	{"alice reads", func(k *keeper) { k.read() }},
	{"alice confirms", (*keeper).pings},
	{"the line drops", func(k *keeper) { k.drop(k.newest()) }},
	{"the line before drops", func(k *keeper) { k.drop(k.before()) }},
	{"the window passes", (*keeper).waits},
	{"the token ends", (*keeper).tokenEnds},
	{"alice brings a fresh token", (*keeper).renews},
	{"alice logs out", (*keeper).logsOut},
}

// waits lets the window pass. A login that is under way for as long on an old line never arrives: it would begin another session.
func (k *keeper) waits() {
	for _, l := range k.lines[:len(k.lines)-1] {
		l.underWay = nil
	}
	time.Sleep(window + time.Millisecond)
	synctest.Wait()
}

func (k *keeper) before() *line { return k.lines[max(0, len(k.lines)-2)] }

// check checks that nothing was lost in silence, nothing came twice, and everything came in order.
func (k *keeper) check() {
	k.settle()
	told, toBob := 0, []int{}
	for _, text := range k.bob.link.rest() {
		switch {
		case strings.Contains(text, `"type":"offer"`):
			toBob = append(toBob, number(text))
		case strings.Contains(text, string(messages.CodePeerUnavailable)):
			told++
		default:
			k.t.Fatalf("bob was sent %s", text)
		}
	}
	for _, list := range [][]int{toBob, k.fromBob} {
		if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			k.t.Fatalf("in disorder, or twice: to bob %v, from bob %v", toBob, k.fromBob)
		}
	}
	if len(k.fromBob)+told < k.fromBobNow {
		k.t.Fatalf("of %d messages of bob's, alice has %v, and bob was told of %d", k.fromBobNow, k.fromBob, told)
	}
	for n := range k.own {
		if !k.uncertain[n+1] && !slices.Contains(toBob, n+1) {
			k.t.Fatalf("of alice's %d messages, bob has %v; unknown were %v", k.own, toBob, k.uncertain)
		}
	}
	if n := k.s.Sessions(); n != 2 {
		k.t.Fatalf("there are %d sessions, want 2", n)
	}
}

// follow makes the steps of a path happen, and checks what became of everything.
func follow(t *testing.T, s *System, path []int) {
	k := newKeeper(t, s)
	defer func() {
		if t.Failed() {
			for _, step := range path {
				t.Log(steps[step].name)
			}
		}
	}()
	for _, step := range path {
		steps[step].do(k)
		if n := k.s.Sessions(); n > 2 {
			t.Fatalf("there are %d sessions", n)
		}
	}
	k.check()
	k.logsOut()
	for _, l := range k.lines {
		k.drop(l)
	}
	k.bob.Closed(false)
	if n := s.Sessions(); n != 0 {
		t.Fatalf("%d sessions are left", n)
	}
}

// long says whether tests have their full length, as they do in .ci/run.
func long() bool { return os.Getenv("P2P_TEST_LONG") != "" }

// depth is how many steps the exhaustive test takes. With P2P_TEST_LONG there are 13 times as many paths. With the race detector, which
// makes each path ten times as slow, there are 13 times fewer.
func depth() int {
	steps := 4
	if long() {
		steps++
	}
	if raceEnabled {
		steps--
	}
	return steps
}

func TestNothingIsLostOnAnyPath(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{ResumeWindow: window, Authenticate: holds(24 * time.Hour)})
		path := make([]int, depth())
		for {
			follow(t, s, path)
			i := len(path) - 1
			for ; i >= 0 && path[i] == len(steps)-1; i-- {
				path[i] = 0
			}
			if i < 0 {
				return
			}
			path[i]++
		}
	})
}

func TestNothingIsLostOnLongPaths(t *testing.T) {
	random := rand.New(rand.NewPCG(18, 2026))
	paths := 500
	if long() && raceEnabled {
		paths = 2_000
	} else if long() {
		paths = 20_000
	}
	synctest.Test(t, func(t *testing.T) {
		s := newTestSystem(t, Options{ResumeWindow: window, Authenticate: holds(24 * time.Hour)})
		for range paths {
			path := make([]int, 10+random.IntN(50))
			for i := range path {
				path[i] = random.IntN(len(steps) - 1 + random.IntN(2)) // a logout is rarer
			}
			follow(t, s, path)
		}
	})
}
