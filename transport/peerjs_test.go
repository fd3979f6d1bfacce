package transport_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

const (
	peerOpen    = `{"type":"OPEN"}`
	peerIDTaken = `{"type":"ID-TAKEN","payload":{"msg":"ID is taken"}}`
)

// peerError returns the frame of an error.
func peerError(message string) string { return `{"type":"ERROR","payload":{"msg":"` + message + `"}}` }

// withPeers returns the carrier for a service whose PeerJS clients may do what inside says.
func (by carrier) withPeers(inside actors.PeerJS) carrier {
	by.peers = &inside
	return by
}

// servePeers makes a server serve PeerJS clients.
func servePeers(o *transport.Options) { o.PeerJS = new(transport.PeerJS) }

// openPeer opens the WebSocket of a PeerJS client, at a path with a query.
func (s *service) openPeer(t testing.TB, target string) *rawws.Conn {
	t.Helper()
	socket, err := s.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	c, err := rawws.Open(socket, rawws.Request(target, s.host, "Origin: https://anywhere.example"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ask opens the WebSocket of a PeerJS client that wants an id.
func (s *service) ask(t testing.TB, id, token string) *rawws.Conn {
	t.Helper()
	return s.openPeer(t, "/peerjs?key=peerjs&version=1.5.5&id="+url.QueryEscape(id)+"&token="+url.QueryEscape(token))
}

// peer opens the WebSocket of a PeerJS client that gets an id.
func (s *service) peer(t testing.TB, id, token string) *rawws.Conn {
	t.Helper()
	c := s.ask(t, id, token)
	wantText(t, c, peerOpen)
	return c
}

// wantRefusal checks that a client was told text, and that its connection was closed without a status code. The client closes its
// side, too, as PeerJS's does.
func wantRefusal(t testing.TB, c *rawws.Conn, text string) {
	t.Helper()
	wantText(t, c, text)
	_, _ = c.Write(rawws.Frame{Opcode: rawws.Close}.Append(nil))
	wantClose(t, c, 0)
}

// TestPeerJSRefusalWaitsForTheAnswer is for Firefox, which drops what came if the stream ends right behind the handshake.
func TestPeerJSRefusalWaitsForTheAnswer(t *testing.T) {
	inMemory(t, actors.PeerJS{}, func(t *testing.T, s *service) {
		s.peer(t, "holder", "1")
		for _, answers := range []bool{true, false} {
			c := s.ask(t, "holder", "2")
			wantText(t, c, peerIDTaken)
			if f, err := c.ReadFrame(); err != nil || f.Opcode != rawws.Close || len(f.Payload) > 0 {
				t.Fatalf("received %v, %v; want a close frame without a status code", f, err)
			}
			start := time.Now()
			_ = c.SetReadDeadline(start.Add(time.Second))
			if f, err := c.ReadFrame(); !isTimeout(err) {
				t.Fatalf("received %v, %v; want the stream open", f, err)
			}
			_ = c.SetReadDeadline(time.Time{})
			if answers {
				_, _ = c.Write(rawws.Frame{Opcode: rawws.Close}.Append(nil))
			}
			if f, err := c.ReadFrame(); !errors.Is(err, io.EOF) {
				t.Fatalf("received %v, %v; want the end of the stream", f, err)
			}
			if took := time.Since(start); answers && took > 2*time.Second || took > 4*time.Second {
				t.Errorf("the stream ended after %v", took)
			}
		}
	})
}

func eachPeerCarrier(t *testing.T, inside actors.PeerJS, test func(*testing.T, carrier)) {
	t.Helper()
	eachCarrier(t, func(t *testing.T, by carrier) { test(t, by.withPeers(inside)) })
}

// inMemory runs a test of PeerJS clients over a network in memory, on each carrier.
func inMemory(t *testing.T, inside actors.PeerJS, test func(*testing.T, *service)) {
	t.Helper()
	eachPeerCarrier(t, inside, func(t *testing.T, by carrier) {
		synctest.Test(t, func(t *testing.T) { test(t, by.listenInMemory(t, 64<<10, servePeers)) })
	})
}

func TestPeerJSAdmission(t *testing.T) {
	incomplete := peerError("No id, token, or key supplied to websocket server")
	eachPeerCarrier(t, actors.PeerJS{}, func(t *testing.T, by carrier) {
		s := by.listen(t, servePeers)
		s.peer(t, "taken", "t")
		for _, c := range []struct{ query, answer string }{
			{"key=peerjs&id=a&token=t&version=1.5.5", peerOpen},
			{"", incomplete},
			{"key=peerjs&id=b", incomplete},
			{"key=peerjs&token=t", incomplete},
			{"id=b&token=t", incomplete},
			{"key=peerjs&id=b&token=t&id=", incomplete},
			{"key=wrong&id=b&token=t", peerError("Invalid key provided")},
			{"key=wrong&id=&token=t", incomplete},
			{"key=Peerjs&id=b&token=t", peerError("Invalid key provided")},
			{"key=peerjs&id=taken&token=x", peerIDTaken},
			{"key=peerjs&id=free&id=taken&token=x", peerIDTaken},
			{"key=wrong&id=taken&token=x", peerError("Invalid key provided")},
			{"key=peerjs&id=Taken&token=x", peerOpen},
			{"key=peerjs&id=t%61ken&token=x", peerIDTaken},
			{"key=peerjs&id=%zz&token=;", peerOpen},
			{"key=peerjs&id=%25zz&token=%3B", ""},
		} {
			connection := s.openPeer(t, "/peerjs?"+c.query)
			switch c.answer {
			case "": // takes over the one before
				wantText(t, connection, peerOpen)
			case peerOpen:
				wantText(t, connection, c.answer)
			default:
				wantRefusal(t, connection, c.answer)
			}
		}
	})
}

func TestPeerJSKeyMayBeAny(t *testing.T) {
	s := onLoops.withPeers(actors.PeerJS{}).listen(t, func(o *transport.Options) { o.PeerJS = &transport.PeerJS{Key: "*", Path: "my/app"} })
	wantText(t, s.openPeer(t, "/my/app/peerjs?key=anything&id=a&token=t"), peerOpen)
	wantRefusal(t, s.openPeer(t, "/my/app/peerjs?id=b&token=t"), peerError("No id, token, or key supplied to websocket server"))
}

func TestPeerJSRelays(t *testing.T) {
	inMemory(t, actors.PeerJS{}, func(t *testing.T, s *service) {
		alice, bob := s.peer(t, "al ice", "a"), s.peer(t, "bob", "b")
		for _, c := range []struct{ send, want string }{
			{`{"type":"OFFER","dst":"bob","payload":{"n":12345678901234567890,"n":-0}}`, `{"type":"OFFER","src":"al ice","dst":"bob","payload":{"n":12345678901234567890,"n":-0}}`},
			{`{"type":"ANSWER","src":"mallory","dst":"bob","payload":null,"more":1}`, `{"type":"ANSWER","src":"al ice","dst":"bob","payload":null}`},
			{`{"type":"CANDIDATE","dst":"bob"}`, `{"type":"CANDIDATE","src":"al ice","dst":"bob"}`},
			{`{"type":"LEAVE","dst":"bob"}`, `{"type":"LEAVE","src":"al ice","dst":"bob"}`},
			{`{"type":"EXPIRE","dst":"bob"}`, `{"type":"EXPIRE","src":"al ice","dst":"bob"}`},
			{`{"type":"OFFER","dst":"bob","dst":"bob","payload":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`,
				`{"type":"OFFER","src":"al ice","dst":"bob","payload":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}`},
		} {
			write(t, alice, rawws.Message(c.send))
			wantText(t, bob, c.want)
			write(t, alice, rawws.Frame{Opcode: rawws.Binary, Payload: []byte(c.send)}.Append(nil))
			wantText(t, bob, c.want)
			half := len(c.send) / 2
			write(t, alice, rawws.Join(rawws.Frame{Opcode: rawws.Binary, More: true, Payload: []byte(c.send[:half])}, rawws.Frame{Payload: []byte(c.send[half:])}))
			wantText(t, bob, c.want)
		}
		// None of these has an effect.
		for _, ignored := range []string{
			`{"type":"HEARTBEAT"}`, `{"type":"OPEN","dst":"bob"}`, `{"type":"ERROR","dst":"bob"}`, `{"type":"ID-TAKEN","dst":"bob"}`, `{"type":"offer","dst":"bob"}`,
			`{"type":"NEWS","dst":"bob"}`, `{"dst":"bob"}`, `{"type":7,"dst":"bob"}`, `[]`, `null`, `1`, `"x"`, `true`, `not JSON`, ``, `{"type":"OFFER"}`, `{"type":"OFFER","dst":0}`,
			`{"type":"EXPIRE"}`, `{"type":"LEAVE","dst":"nobody"}`, `{"type":"EXPIRE","dst":"nobody"}`,
		} {
			write(t, alice, rawws.Message(ignored))
		}
		write(t, alice, rawws.Message(`{"type":"OFFER","dst":"al ice","payload":"to itself"}`))
		wantText(t, alice, `{"type":"OFFER","src":"al ice","dst":"al ice","payload":"to itself"}`)
		write(t, alice, rawws.Message(`{"type":"OFFER","dst":"bob","payload":"last"}`))
		wantText(t, bob, `{"type":"OFFER","src":"al ice","dst":"bob","payload":"last"}`)
	})
}

func TestPeerJSAndLoginsAreApart(t *testing.T) {
	inMemory(t, actors.PeerJS{}, func(t *testing.T, s *service) {
		peer, login, bob := s.peer(t, "alice", "t"), s.login(t, "alice"), s.login(t, "bob")
		write(t, bob, rawws.Message(`{"type":"offer","offer":1,"from":"bob","to":"alice"}`))
		wantText(t, login, `{"type":"offer","offer":1,"from":"bob","to":"alice"}`)
		write(t, bob, rawws.Message(`{"type":"offer","offer":1,"from":"bob","to":"\u0003alice"}`))
		if text, err := bob.ReadText(); err != nil || !strings.Contains(text, "peer-unavailable") {
			t.Errorf("received %s, %v; want peer-unavailable", text, err)
		}
		write(t, bob, rawws.Message(`{"type":"watch","logins":["\u0003alice"]}`))
		wantText(t, bob, `{"type":"presence","online":[],"offline":["\u0003alice"]}`)
		write(t, peer, rawws.Message(`{"type":"OFFER","dst":"bob"}`))
		wantText(t, peer, `{"type":"EXPIRE","src":"bob","dst":"alice"}`)
		if n := s.system.Sessions(); n != 3 {
			t.Errorf("there are %d sessions, want 3", n)
		}
		listed, _, err := s.system.List("", 10)
		if err != nil || len(listed) != 3 || !slices.ContainsFunc(listed, func(one actors.SessionState) bool { return one.PeerJS && one.Login == "alice" }) {
			t.Errorf("listed are %v, %v", listed, err)
		}
		if s.system.EndPeer("bob") || !s.system.EndPeer("alice") {
			t.Error("the operator ends the wrong sessions")
		}
		wantClose(t, peer, 4101)
		s.peer(t, "alice", "another")
	})
}

func TestPeerJSTakesOverWithTheSameToken(t *testing.T) {
	inMemory(t, actors.PeerJS{}, func(t *testing.T, s *service) {
		bob, old := s.peer(t, "bob", "b"), s.peer(t, "alice", "a")
		wantRefusal(t, s.ask(t, "alice", "other"), peerIDTaken)
		start := time.Now()
		alice := s.peer(t, "alice", "a")
		wantClose(t, old, 4100)
		if took := time.Since(start); took > 0 {
			t.Errorf("the stream of the old socket ended after %v", took)
		}
		write(t, old, rawws.Message(`{"type":"OFFER","dst":"bob","payload":"from the old socket"}`))
		write(t, bob, rawws.Message(`{"type":"OFFER","dst":"alice","payload":1}`))
		wantText(t, alice, `{"type":"OFFER","src":"bob","dst":"alice","payload":1}`)
		old.Close()
		synctest.Wait()
		wantRefusal(t, s.ask(t, "alice", "other"), peerIDTaken)
		write(t, alice, rawws.Message(`{"type":"ANSWER","dst":"bob","payload":2}`))
		wantText(t, bob, `{"type":"ANSWER","src":"alice","dst":"bob","payload":2}`)
	})
}

// A client closes its socket and comes back before the service can have seen the end of TCP.
func TestPeerJSIdIsFreeOnTheCloseFrame(t *testing.T) {
	eachPeerCarrier(t, actors.PeerJS{}, func(t *testing.T, by carrier) {
		s := by.listen(t, servePeers)
		for round := range 200 {
			id := fmt.Sprint("alice", round)
			c := s.peer(t, id, "a")
			write(t, c, rawws.Frame{Opcode: rawws.Close}.Append(nil)) // without a status code, as browsers do
			if round%2 == 0 {
				wantClose(t, c, 0)
				s.peer(t, id, "another") // the socket before lingers
				continue
			}
			s.peer(t, id, "a") // overtakes the close
		}
	})
}

func TestPeerJSLeave(t *testing.T) {
	for _, leave := range []string{`{"type":"LEAVE"}`, `{"type":"LEAVE","dst":""}`, `{"type":"LEAVE","dst":null,"payload":1}`} {
		inMemory(t, actors.PeerJS{Reserve: time.Hour}, func(t *testing.T, s *service) {
			bob, alice := s.peer(t, "bob", "b"), s.peer(t, "alice", "a")
			write(t, alice, slices.Concat(rawws.Message(`{"type":"OFFER","dst":"bob","payload":1}`), rawws.Message(leave), rawws.Message(`{"type":"OFFER","dst":"bob","payload":2}`)))
			wantText(t, bob, `{"type":"OFFER","src":"alice","dst":"bob","payload":1}`)
			wantClose(t, alice, 0)
			next := s.peer(t, "alice", "another")
			alice.Close()
			synctest.Wait()
			write(t, bob, rawws.Message(`{"type":"OFFER","dst":"alice","payload":3}`))
			wantText(t, next, `{"type":"OFFER","src":"bob","dst":"alice","payload":3}`)
			write(t, next, rawws.Message(`{"type":"OFFER","dst":"bob","payload":4}`))
			wantText(t, bob, `{"type":"OFFER","src":"alice","dst":"bob","payload":4}`)
		})
	}
}

func TestPeerJSMessagesWaitAndExpire(t *testing.T) {
	inMemory(t, actors.PeerJS{}, func(t *testing.T, s *service) {
		alice, bob := s.peer(t, "alice", "a"), s.peer(t, "bob", "b")
		start := time.Now()
		for i := range 3 {
			write(t, alice, rawws.Message(fmt.Sprintf(`{"type":"CANDIDATE","dst":"carol","payload":%d}`, i)))
			write(t, bob, rawws.Message(fmt.Sprintf(`{"type":"CANDIDATE","dst":"dora","payload":%d}`, i)))
		}
		write(t, alice, rawws.Message(`{"type":"OFFER","dst":5,"payload":1}`))
		synctest.Wait()
		time.Sleep(4 * time.Second)
		write(t, bob, rawws.Message(`{"type":"OFFER","dst":"dora"}`)) // does not prolong the wait
		carol := s.peer(t, "carol", "c")
		for i := range 3 {
			wantText(t, carol, fmt.Sprintf(`{"type":"CANDIDATE","src":"alice","dst":"carol","payload":%d}`, i))
		}
		write(t, alice, rawws.Message(`{"type":"OFFER","dst":"carol","payload":"live"}`))
		wantText(t, carol, `{"type":"OFFER","src":"alice","dst":"carol","payload":"live"}`)
		wantText(t, bob, `{"type":"EXPIRE","src":"dora","dst":"bob"}`)
		wantText(t, alice, `{"type":"EXPIRE","src":5,"dst":"alice"}`)
		if after := time.Since(start); after < 5*time.Second || after > 6*time.Second {
			t.Errorf("the messages have expired after %v", after)
		}
		write(t, bob, rawws.Message(`{"type":"OFFER","dst":"dora","payload":"again"}`))
		wantText(t, bob, `{"type":"EXPIRE","src":"dora","dst":"bob"}`)
		if after := time.Since(start); after < 10*time.Second || after > 12*time.Second {
			t.Errorf("the second group has expired after %v", after)
		}
		// A sender that has gone is not told. One that has come back is. What it has sent stays.
		write(t, bob, rawws.Message(`{"type":"OFFER","dst":"dora","payload":1}`))
		synctest.Wait()
		bob.Close()
		synctest.Wait()
		again := s.peer(t, "bob", "another")
		wantText(t, again, `{"type":"EXPIRE","src":"dora","dst":"bob"}`)
		write(t, again, rawws.Message(`{"type":"OFFER","dst":"dora","payload":2}`))
		synctest.Wait()
		again.Close()
		synctest.Wait()
		dora := s.peer(t, "dora", "d")
		wantText(t, dora, `{"type":"OFFER","src":"bob","dst":"dora","payload":2}`)
		synctest.Wait() // the message has come before it was counted out
		if f := s.system.Figures(); f.PeersAwaited != 0 || f.PeersAwaitedBytes != 0 || f.Peers != 3 {
			t.Errorf("%d ids are awaited, with %d bytes, and %d clients are there; want none and 3", f.PeersAwaited, f.PeersAwaitedBytes, f.Peers)
		}
	})
}

func TestPeerJSIdIsReserved(t *testing.T) {
	inMemory(t, actors.PeerJS{Reserve: 30 * time.Second, Limit: 2}, func(t *testing.T, s *service) {
		bob, alice := s.peer(t, "bob", "b"), s.peer(t, "alice", "a")
		alice.Close()
		synctest.Wait()
		wantRefusal(t, s.ask(t, "alice", "thief"), peerIDTaken)
		wantRefusal(t, s.ask(t, "carol", "c"), peerError("Server has reached its concurrent user limit"))
		write(t, bob, rawws.Message(`{"type":"OFFER","dst":"alice","payload":1}`))
		time.Sleep(4 * time.Second)
		alice = s.peer(t, "alice", "a")
		wantText(t, alice, `{"type":"OFFER","src":"bob","dst":"alice","payload":1}`)
		alice.Close()
		synctest.Wait()
		time.Sleep(29 * time.Second)
		wantRefusal(t, s.ask(t, "alice", "thief"), peerIDTaken)
		time.Sleep(2 * time.Second)
		s.peer(t, "alice", "another")
	})
}

func TestPeerJSLiveness(t *testing.T) {
	for _, alive := range []time.Duration{time.Second, 3 * time.Second, 90 * time.Second} {
		eachPeerCarrier(t, actors.PeerJS{}, func(t *testing.T, by carrier) {
			synctest.Test(t, func(t *testing.T) {
				s := by.listenInMemory(t, 64<<10, func(o *transport.Options) { o.PeerJS = &transport.PeerJS{AliveTimeout: alive} })
				pongs, beats, silent := s.peer(t, "pongs", "t"), s.peer(t, "beats", "t"), s.peer(t, "silent", "t")
				start := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() { // answers pings
					for time.Since(start) < 5*alive {
						f, err := pongs.ReadFrame()
						if err != nil || f.Opcode != rawws.Ping {
							t.Errorf("received %v, %v; want a ping", f, err)
							return
						}
						_, _ = pongs.Write(rawws.Frame{Opcode: rawws.Pong, Payload: f.Payload}.Append(nil))
					}
				})
				wg.Go(func() { // answers none, but sends heartbeats
					for time.Since(start) < 5*alive {
						_, _ = beats.Write(rawws.Message(`{"type":"HEARTBEAT"}`))
						time.Sleep(alive / 2)
					}
				})
				wantClose(t, silent, 0)
				if took := time.Since(start); took < alive || took > alive+3*time.Second {
					t.Errorf("the silent client was closed after %v", took)
				}
				synctest.Wait()
				s.peer(t, "silent", "another")
				wg.Wait()
				wantRefusal(t, s.ask(t, "pongs", "x"), peerIDTaken)
				wantRefusal(t, s.ask(t, "beats", "x"), peerIDTaken)
			})
		})
	}
}

// What is not UTF-8 ends the connection, as text and as binary, in one frame or several, whatever it says.
func TestPeerJSInvalidUTF8(t *testing.T) {
	inMemory(t, actors.PeerJS{}, func(t *testing.T, s *service) {
		for i, text := range []string{
			"{\"type\":\"OFFER\",\"dst\":\"a\",\"payload\":\"\xFF\"}", "{\"type\":\"HEARTBEAT\",\"\xC3\":1}", "\xFF", "{}\xF0\x9F\x98", "{\"type\":\"LEAVE\",\"dst\":\"\xED\xA0\x80\"}", "not JSON \xC0\xAF",
		} {
			half := len(text) / 2
			for j, frames := range [][]byte{
				rawws.Message(text),
				rawws.Frame{Opcode: rawws.Binary, Payload: []byte(text)}.Append(nil),
				rawws.Join(rawws.Frame{Opcode: rawws.Binary, More: true, Payload: []byte(text[:half])}, rawws.Frame{Payload: []byte(text[half:])}),
			} {
				c := s.peer(t, fmt.Sprint("id", i, j), "t")
				write(t, c, frames)
				wantClose(t, c, 1007)
			}
		}
		whole := s.peer(t, "whole", "t") // a character in two frames is one
		text := []byte(`{"type":"OFFER","dst":"whole","payload":"é"}`)
		cut := len(text) - 3
		for _, opcode := range []byte{rawws.Text, rawws.Binary} {
			write(t, whole, rawws.Join(rawws.Frame{Opcode: opcode, More: true, Payload: text[:cut]}, rawws.Frame{Payload: text[cut:]}))
			wantText(t, whole, `{"type":"OFFER","src":"whole","dst":"whole","payload":"é"}`)
		}
	})
}

// Ids have no syntax. They are compared byte for byte, and come out as they went in.
func TestPeerJSOddIDs(t *testing.T) {
	inMemory(t, actors.PeerJS{}, func(t *testing.T, s *service) {
		ids := []string{"a b", " a b", "a  b", "a\tb", "a\nb", "\x00", "\x01alice", "a\u00a0b", "été", "e\u0301te\u0301", "👩‍👩‍👧", "\u202Eabc", `"quoted"`, `back\slash`, "a/b?c#d", "a&b=c", "100%", "+", "%20",
			"<script>", "null", "0", "__proto__", "constructor", "_", "-", ".", "..", "\uFFFD", "\uFEFFa", "\uFFFF", strings.Repeat("x", 4000), strings.Repeat("é", 1000)}
		clients := make([]*rawws.Conn, len(ids))
		for i, id := range ids {
			clients[i] = s.peer(t, id, fmt.Sprint("token", i))
		}
		for i, id := range ids {
			wantRefusal(t, s.ask(t, id, "another"), peerIDTaken)
			from := clients[(i+1)%len(ids)]
			write(t, from, rawws.Message(`{"type":"OFFER","dst":`+quoted(t, id)+`,"payload":1}`))
			text, err := clients[i].ReadText()
			var m struct{ Src, Dst string }
			if err == nil {
				err = json.Unmarshal([]byte(text), &m)
			}
			if err != nil || m.Dst != id || m.Src != ids[(i+1)%len(ids)] {
				t.Errorf("to %q came %q, %v", id, text, err)
			}
		}
	})
}

// quoted returns a string as JSON.
func quoted(t testing.TB, s string) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// What a client has not read when its connection ends is lost, and nobody is told.
func TestPeerJSUndeliveredIsLost(t *testing.T) {
	inMemory(t, actors.PeerJS{}, func(t *testing.T, s *service) {
		alice, bob := s.peer(t, "alice", "a"), s.peer(t, "bob", "b")
		message := rawws.Message(`{"type":"OFFER","dst":"bob","payload":"` + strings.Repeat("x", 48<<10) + `"}`)
		feed(t, alice, slices.Values([][]byte{message, message, message})) // more than the network takes
		synctest.Wait()
		bob.Close()
		synctest.Wait()
		time.Sleep(30 * time.Second) // What waits has expired. A client that says nothing for a minute is disconnected.
		write(t, alice, rawws.Message(`{"type":"OFFER","dst":"alice","payload":"nothing before"}`))
		wantText(t, alice, `{"type":"OFFER","src":"alice","dst":"alice","payload":"nothing before"}`)
	})
}
