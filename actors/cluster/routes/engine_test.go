package routes

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// scripted is a connection on which everything that NATS says can be read, and to which anything can be written.
type scripted struct {
	net.Conn
	said    interface{ Read([]byte) (int, error) }
	written bytes.Buffer
}

func (s *scripted) Read(p []byte) (int, error)  { return s.said.Read(p) }
func (s *scripted) Write(p []byte) (int, error) { return s.written.Write(p) }
func (s *scripted) Close() error                { return nil }

// TestTheEngineIsUnderstood reads what NATS says, however it is cut.
func TestTheEngineIsUnderstood(t *testing.T) {
	long := strings.Repeat("long\r\n", MaxBody/6)
	var said strings.Builder
	said.WriteString("INFO {\"server_id\":\"x\"}\r\n+OK\r\nPONG\r\n")
	message := func(subject string, id int, reply, data string) {
		fmt.Fprintf(&said, "MSG %s %d%s %d\r\n%s\r\n", subject, id, reply, len(data), data)
	}
	message("to.a", subscribedTo, " back.b.c.1.1.1", "one")
	message("all", subscribedAll, "", "two\r\nMSG to.a 0 1\r\n!")
	said.WriteString("PING\r\nINFO {}\r\n")
	message("to.a", subscribedTo, "", long)
	header := "NATS/1.0 503\r\nNats-Subject: to.b\r\n\r\n"
	fmt.Fprintf(&said, "HMSG back.a.b.1.2.3 %d %d %d\r\n%s\r\n", subscribedBack, len(header), len(header), header)
	message("back.a.b.1.2.3", subscribedBack, "", "a stranger's answer")
	fmt.Fprintf(&said, "HMSG to.a %d 12 15\r\nNATS/1.0\r\n\r\nabc\r\n", subscribedTo)
	message("to.a", subscribedTo, "", "")
	want := []string{"0 to.a one", "1 all two\r\nMSG to.a 0 1\r\n!", "0 to.a " + long, "2 back.a.b.1.2.3 ", "0 to.a "}
	for name, cut := range map[string]func(*scripted){
		"whole":  func(s *scripted) { s.said = strings.NewReader(said.String()) },
		"halves": func(s *scripted) { s.said = iotest.HalfReader(strings.NewReader(said.String())) },
		"bytes":  func(s *scripted) { s.said = iotest.OneByteReader(strings.NewReader(said.String())) },
		"late":   func(s *scripted) { s.said = iotest.DataErrReader(strings.NewReader(said.String())) },
	} {
		t.Run(name, func(t *testing.T) {
			s := new(scripted)
			cut(s)
			e := newEngine(func() (net.Conn, error) { return s, nil }, "token", [subscriptions]string{"to.a", "all", "back.a.>"}, slog.New(slog.DiscardHandler))
			var got []string
			for id := range e.act {
				e.act[id] = func(subject, data []byte) {
					if id == subscribedBack {
						data = nil
					}
					got = append(got, fmt.Sprintf("%d %s %s", id, subject, data))
				}
			}
			w, err := e.connect()
			for err == nil {
				_, err = e.step(w)
			}
			if fmt.Sprint(err) != "EOF" {
				t.Errorf("reading ended with %v", err)
			}
			if len(got) != len(want) {
				t.Fatalf("%d messages came, want %d", len(got), len(want))
			}
			for i := range want {
				if got[i] != want[i] {
					t.Errorf("message %d is %.40q, want %.40q", i, got[i], want[i])
				}
			}
			if hello := s.written.String(); !strings.HasPrefix(hello, "CONNECT {") || !strings.HasSuffix(hello, "SUB to.a 0\r\nSUB all 1\r\nSUB back.a.> 2\r\nPING\r\nPONG\r\n") {
				t.Errorf("the engine was told %q", hello)
			}
			if cap(w.buffer) > MaxBody+2*chunkSize {
				t.Errorf("the buffer has grown to %d bytes", cap(w.buffer))
			}
		})
	}
}

func TestWhatTheEngineCannotSayEndsTheConnection(t *testing.T) {
	for _, said := range []string{
		"MSG to.a\r\n", "MSG to.a 0 x\r\n", "MSG to.a 9 1\r\nx\r\n", "MSG to.a 0 -1\r\n", fmt.Sprintf("MSG to.a 0 %d\r\n", 1<<40), strings.Repeat("x", 2*readBuffer),
	} {
		s := &scripted{said: strings.NewReader("INFO {}\r\nPONG\r\n" + said)}
		e := newEngine(func() (net.Conn, error) { return s, nil }, "", [subscriptions]string{"to.a", "all", "back.a.>"}, slog.New(slog.DiscardHandler))
		w, err := e.connect()
		if err == nil {
			_, err = e.step(w)
		}
		if err != errEngine {
			t.Errorf("%.30q ended with %v", said, err)
		}
	}
}

// TestTheConnectionToTheEngineIsMadeAgain breaks the connections of two nodes to their engines while they send to each other.
func TestTheConnectionToTheEngineIsMadeAgain(t *testing.T) {
	t.Parallel()
	a := start(t, config("a"))
	b := start(t, config("b", a.Listening()))
	together(t, a, b)
	for range 20 {
		for _, r := range []*Routes{a, b} {
			r.conn.mu.Lock()
			if r.conn.conn != nil {
				_ = r.conn.conn.Close()
			}
			r.conn.mu.Unlock()
		}
		if o := send(a, b.Address(), "hello"); o != Accepted && o != Lost && o != NoNode {
			t.Fatalf("a message over a broken connection ended with %v", o)
		}
		for end := time.Now().Add(10 * time.Second); send(a, b.Address(), "hello") != Accepted; {
			if time.Now().After(end) {
				t.Fatal("nothing arrives after a connection has broken")
			}
		}
	}
	if err := a.conn.flush(context.Background()); err != nil {
		t.Error(err)
	}
}
