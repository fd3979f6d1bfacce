package conformance

import (
	"testing"
	"time"

	"p2p-messaging/transport/internal/rawws"
)

// strict is a server that soon gives a silent session up.
var strict = Settings{Alive: time.Second}

// closing bounds how long after its time-out a session ends.
const closing = 3 * time.Second

func ofLiveness() []row {
	// lives returns a rule: a session stays that does this again and again. It reads meanwhile.
	lives := func(title string, d delta, silent bool, again func(p *peer)) row {
		return row{title, d, strict, func(t *testing.T, s *server) {
			p := s.join(t, s.name("lives"), "1")
			p.silent = silent
			ended := make(chan string, 1)
			go func() {
				text, err := p.read()
				if err != nil {
					text = err.Error()
				}
				ended <- text
			}()
			ticker := time.NewTicker(strict.Alive / 4)
			defer ticker.Stop()
			for range 12 { // three times as long as a silent session has
				select {
				case text := <-ended:
					t.Fatalf("it reads %q", text)
				case <-ticker.C:
					again(p)
				}
			}
			p.send(sent("OFFER", p.id, `1`))
			if text := <-ended; text != frame("OFFER", p.id, p.id, `1`) {
				t.Errorf("it reads %q", text)
			}
		}}
	}
	return []row{
		lives("a heartbeat is a sign of life", same, true, func(p *peer) { p.send(`{"type":"HEARTBEAT"}`) }),
		lives("a pong is a sign of life", anyLife, false, func(*peer) {}),
		lives("a message is a sign of life", anyLife, true, func(p *peer) { p.send(`{"type":"OFFER","dst":""}`) }),
		lives("a ping is a sign of life", anyLife, true, func(p *peer) { p.write(rawws.Frame{Opcode: rawws.Ping}) }),
		lives("a pong that nobody has asked for is a sign of life", anyLife, true, func(p *peer) { p.write(rawws.Frame{Opcode: rawws.Pong}) }),
		{"a silent session ends, and its id is free", same, strict, func(t *testing.T, s *server) {
			began := time.Now()
			p := s.join(t, s.name("silent"), "1")
			p.silent = true
			if text, err := p.read(); err == nil {
				t.Fatalf("it reads %q", text)
			}
			if took := time.Since(began); took < strict.Alive || took > strict.Alive+closing {
				t.Errorf("it took %v", took)
			}
			s.rejoin(t, p.id, "2")
		}},
		{"a session that comes back has all of its time", clockReset, strict, func(t *testing.T, s *server) {
			old := s.join(t, s.name("reset"), "1")
			old.silent = true
			timer := time.NewTimer(strict.Alive * 8 / 10)
			defer timer.Stop()
			<-timer.C
			began := time.Now()
			p := s.join(t, old.id, "1")
			p.silent = true
			if text, err := p.read(); err == nil {
				t.Fatalf("it reads %q", text)
			}
			if took := time.Since(began); took < strict.Alive {
				t.Errorf("it ended after %v", took)
			}
		}},
	}
}
