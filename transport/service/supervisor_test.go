package service

import (
	"context"
	"net"
	"runtime"
	"testing"
	"time"
)

// busy is a server that does not answer the watchdog.
type busy struct {
	arrivals uint64
	goesOn   bool // newcomers are still accepted
	serves   bool // its loops answer
}

func (b *busy) Arrivals() uint64 {
	if b.goesOn {
		b.arrivals++
	}
	return b.arrivals
}

func (b *busy) LoopsAnswer(ctx context.Context) bool {
	if !b.serves {
		<-ctx.Done()
	}
	return b.serves
}

// A flood of newcomers makes the watchdog's own question wait. The service must not be restarted for that.
func TestAServiceThatIsOverrunLives(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts, so connections wait in the system's queue
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const within = 50 * time.Millisecond
	for _, row := range []struct {
		server *busy
		lives  bool
	}{
		{&busy{goesOn: true, serves: true}, true},
		{&busy{goesOn: true}, false},
		{&busy{serves: true}, false},
		{&busy{}, false},
	} {
		if err := lives(l.Addr(), row.server, within); (err == nil) != row.lives {
			t.Errorf("%+v: %v, want it to live: %t", row.server, err, row.lives)
		}
	}
}

func TestARunningServiceAnswersTheWatchdog(t *testing.T) {
	s, l := start(t)
	defer s.Stop()
	const within = 30 * time.Second
	for range 3 {
		before := s.server.Arrivals()
		if err := lives(l.Addr(), s.server, within); err != nil {
			t.Fatal(err)
		}
		if now := s.server.Arrivals(); now == before {
			t.Error("the watchdog's connection is no arrival")
		}
	}
	before := s.server.Arrivals()
	socket, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if _, err := socket.Write([]byte("GET /ws HTTP/1.1\r\n")); err != nil { // a request that never ends
		t.Fatal(err)
	}
	for begun := time.Now(); s.server.Arrivals() == before; runtime.Gosched() {
		if time.Since(begun) > within {
			t.Fatal("a visitor is no arrival")
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if !s.server.LoopsAnswer(ctx) {
		t.Error("the loops do not answer")
	}
}
