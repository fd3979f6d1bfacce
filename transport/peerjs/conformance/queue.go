package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"p2p-messaging/transport/internal/rawws"
)

// manyWait is fewer messages than a server lets wait for an id that is absent.
const manyWait = 512

// hasty is a server that soon gives up what waits.
var hasty = Settings{Expire: time.Second}

func ofQueues() []row {
	return []row{
		{"what waits is delivered behind OPEN, in order", same, Settings{}, func(t *testing.T, s *server) {
			a, b := two(t, s)
			late := s.name("late")
			for i := range 20 {
				a.send(sent("CANDIDATE", late, fmt.Sprint(i)))
			}
			a.wantNothing()
			b.send(sent("OFFER", late, `"b"`))
			b.wantNothing()
			p := s.join(t, late, "1")
			for i := range 20 {
				p.want(frame("CANDIDATE", a.id, late, fmt.Sprint(i)))
			}
			p.want(frame("OFFER", b.id, late, `"b"`))
			a.send(sent("ANSWER", late, `"live"`))
			p.want(frame("ANSWER", a.id, late, `"live"`))
			p.wantNothing()
		}},
		{"what waits is delivered once", same, Settings{}, func(t *testing.T, s *server) {
			a, late := s.join(t, s.name("a"), "1"), s.name("once")
			a.send(sent("OFFER", late, `1`))
			a.wantNothing()
			p := s.join(t, late, "1")
			p.want(frame("OFFER", a.id, late, `1`))
			p.leave()
			s.rejoin(t, late, "1").wantNothing()
		}},
		{"what waits survives its sender", same, Settings{}, func(t *testing.T, s *server) {
			a, late := s.join(t, s.name("gone"), "1"), s.name("late")
			a.send(sent("OFFER", late, `"kept"`))
			a.wantNothing()
			a.leave()
			s.join(t, late, "1").want(frame("OFFER", a.id, late, `"kept"`))
		}},
		{"an id waits for its own messages only", same, Settings{}, func(t *testing.T, s *server) {
			a, late := s.join(t, s.name("a"), "1"), s.name("Late")
			a.send(sent("OFFER", late, `1`))
			a.wantNothing()
			s.join(t, strings.ToLower(late), "1").wantNothing()
			s.join(t, late, "1").want(frame("OFFER", a.id, late, `1`))
		}},
		{"a session that was there a moment ago gets what was sent meanwhile", same, Settings{}, func(t *testing.T, s *server) {
			a, b := two(t, s)
			b.leave()
			stop, stopped := make(chan struct{}), make(chan int)
			go func() {
				n := 0
				defer func() { stopped <- n }()
				for ; n < manyWait; n++ {
					select {
					case <-stop:
						return
					default:
						_, _ = a.Write(rawws.Message(sent("CANDIDATE", b.id, fmt.Sprint(n))))
					}
				}
			}()
			p := s.rejoin(t, b.id, "1")
			close(stop)
			n := <-stopped
			a.send(sent("CANDIDATE", b.id, fmt.Sprint(n)))
			// Those sent before the server heard of the end are lost. All others arrive in order, across the queue and behind it.
			text, err := p.read()
			if err != nil {
				t.Fatal(err)
			}
			from, err := strconv.Atoi(payloadOf(t, text))
			if err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			for i := from + 1; i <= n; i++ {
				p.want(frame("CANDIDATE", a.id, b.id, fmt.Sprint(i)))
			}
			a.wantNothing()
			p.wantNothing()
		}},
		{"what waits too long is given up, and each sender is told once", same, hasty, func(t *testing.T, s *server) {
			a, b := two(t, s)
			nobody := s.name("nobody")
			began := time.Now()
			for range 3 {
				a.send(sent("OFFER", nobody, `1`))
				a.send(sent("CANDIDATE", nobody, `2`))
			}
			b.send(sent("OFFER", nobody, `3`))
			a.want(expired(nobody, a.id))
			if took := time.Since(began); took < hasty.Expire || took > hasty.Expire+3*time.Second {
				t.Errorf("it took %v", took)
			}
			b.want(expired(nobody, b.id))
			a.wantNothing()
			b.wantNothing()
			s.join(t, nobody, "1").wantNothing()
		}},
		{"each absent peer is told of on its own", same, hasty, func(t *testing.T, s *server) {
			a := s.join(t, s.name("a"), "1")
			waits := map[string]bool{}
			for range 5 {
				id := s.name("absent")
				a.send(sent("OFFER", id, `1`))
				waits[expired(id, a.id)] = true
			}
			for len(waits) > 0 {
				text, err := a.read()
				if err != nil || !waits[text] {
					t.Fatalf("%q, %v; wanted one of %v", text, err, waits)
				}
				delete(waits, text)
			}
			a.wantNothing()
		}},
		{"nobody is told who has left", same, hasty, func(t *testing.T, s *server) {
			a, witness := two(t, s)
			nobody := s.name("nobody")
			a.send(sent("OFFER", nobody, `1`))
			a.wantNothing()
			a.leave()
			s.rejoinAnother(t)
			witness.send(sent("OFFER", nobody, `1`))
			witness.want(expired(nobody, witness.id))
			s.rejoin(t, a.id, "1").wantNothing()
		}},
		{"what waits again is told of again", same, hasty, func(t *testing.T, s *server) {
			a, nobody := s.join(t, s.name("a"), "1"), s.name("nobody")
			for range 2 {
				a.send(sent("OFFER", nobody, `1`))
				a.want(expired(nobody, a.id))
			}
		}},
		{"a receiver that is a number is told of as such", same, hasty, func(t *testing.T, s *server) {
			a := s.join(t, s.name("a"), "1")
			number := 1000 + s.names.Add(1)
			a.send(fmt.Sprintf(`{"type":"OFFER","dst":%d}`, number))
			a.want(fmt.Sprintf(`{"type":"EXPIRE","src":%d,"dst":%q}`, number, a.id))
			a.wantNothing()
		}},
		{"pairs whose ids look alike are told apart", paired, hasty, func(t *testing.T, s *server) {
			x := s.name("x")
			a, b := s.join(t, x, "1"), s.join(t, x+"_y", "1")
			a.send(sent("OFFER", "y_z", `1`))
			b.send(sent("OFFER", "z", `1`))
			a.want(expired("y_z", a.id))
			b.want(expired("z", b.id))
		}},
		{"a second of patience is not enough by default", same, Settings{}, func(t *testing.T, s *server) {
			a, late := s.join(t, s.name("a"), "1"), s.name("patient")
			a.send(sent("OFFER", late, `1`))
			timer := time.NewTimer(time.Second)
			defer timer.Stop()
			<-timer.C
			a.wantNothing()
			s.join(t, late, "1").want(frame("OFFER", a.id, late, `1`))
		}},
		{"a flood for somebody absent is bounded", bounded, Settings{Path: "/flood"}, flood},
	}
}

// payloadOf returns the payload of a frame.
func payloadOf(t *testing.T, text string) string {
	t.Helper()
	var m struct{ Payload json.RawMessage }
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return string(m.Payload)
}

// rejoinAnother makes a round trip, so that the server has seen the end of a session before.
func (s *server) rejoinAnother(t *testing.T) {
	t.Helper()
	s.join(t, s.name("other"), "1").leave()
}

// flood sends 64 MB to somebody who is absent. Within 3 s the server must say something: EXPIRE, a close, or that it reads no more.
func flood(t *testing.T, s *server) {
	a, nobody := s.join(t, s.name("floods"), "1"), s.name("nobody")
	message := rawws.Message(sent("OFFER", nobody, `"`+strings.Repeat("x", 60<<10)+`"`))
	heard := make(chan string, 1)
	var reading sync.WaitGroup
	reading.Go(func() {
		text, err := a.read()
		heard <- fmt.Sprint(text, err)
	})
	began, stopped := time.Now(), false
	_ = a.SetWriteDeadline(began.Add(3 * time.Second))
	for n := 0; n < 64<<20 && !stopped; n += len(message) {
		_, err := a.Write(bytes.Clone(message))
		timeout, ok := errors.AsType[net.Error](err)
		switch {
		case ok && timeout.Timeout():
			stopped = true // it reads no more
		case err != nil:
			stopped = true // it has closed
		}
	}
	if !stopped {
		select {
		case text := <-heard:
			if !strings.HasPrefix(text, expired(nobody, a.id)) && !strings.Contains(text, "close") {
				t.Errorf("the server says %q", clip(text))
			}
		case <-time.After(3 * time.Second):
			t.Error("the server took 64 MB for somebody absent, and says nothing")
		}
	}
	_ = a.Close()
	reading.Wait()
	b, c := two(t, s) // and all goes on
	b.send(sent("OFFER", c.id, `1`))
	c.want(frame("OFFER", b.id, c.id, `1`))
}
