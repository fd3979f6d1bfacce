package conformance

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"p2p-messaging/transport/internal/rawws"
)

// handshake is the request of a handshake, with some lines replaced. An empty line is left out.
func handshake(method, target, host string, version, key string, lines ...string) string {
	text := method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
	if version != "" {
		text += "Sec-WebSocket-Version: " + version + "\r\n"
	}
	if key != "" {
		text += "Sec-WebSocket-Key: " + key + "\r\n"
	}
	return text + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

const goodKey = "dGhlIHNhbXBsZSBub25jZQ=="

func atAdmission() []row {
	return slices.Concat(
		onBoth("a handshake of the standard is taken", same, func(t *testing.T, s *server) {
			for _, version := range []string{"13", "8"} {
				response := s.request(t, handshake("GET", s.target(s.name("v"), "1"), s.address, version, goodKey))
				if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
					t.Errorf("version %s: %s with the header %v", version, response.Status, response.Header)
				}
			}
		}),
		onBoth("another handshake is refused", same, func(t *testing.T, s *server) {
			for _, c := range []struct {
				method, version, key string
				status               int
			}{
				{"GET", "12", goodKey, 400}, {"GET", "7", goodKey, 400}, {"GET", "", goodKey, 400}, {"GET", "13", "", 400}, {"GET", "13", "short", 400},
				{"POST", "13", goodKey, 405}, {"PUT", "13", goodKey, 405},
			} {
				if response := s.request(t, handshake(c.method, s.target(s.name("w"), "1"), s.address, c.version, c.key)); response.StatusCode != c.status {
					t.Errorf("%+v: %s", c, response.Status)
				}
			}
		}),
		onBoth("the path of the WebSocket is exact", same, func(t *testing.T, s *server) {
			for _, path := range []string{"PEERJS", "peerjs/", "peerjs/x", "other"} {
				target := s.prefix() + path + "?key=" + s.keyOf() + "&id=" + s.name("p") + "&token=1"
				if response := s.request(t, handshake("GET", target, s.address, "13", goodKey)); response.StatusCode != http.StatusBadRequest {
					t.Errorf("%s: %s", path, response.Status)
				}
			}
		}),
		onBoth("any page may connect", same, func(t *testing.T, s *server) {
			for _, origin := range []string{"https://c.example", "null", "http://localhost:1234"} {
				s.dial(t, s.target(s.name("o"), "1"), "Origin: "+origin).want(opened)
			}
		}),
		onBoth("no extension is negotiated, and the first subprotocol is taken", same, func(t *testing.T, s *server) {
			response := s.request(t, handshake("GET", s.target(s.name("x"), "1"), s.address, "13", goodKey,
				"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits", "Sec-WebSocket-Protocol: one, two"))
			if got := response.Header.Get("Sec-WebSocket-Extensions"); response.StatusCode != 101 || got != "" {
				t.Errorf("%s with the extension %q", response.Status, got)
			}
			if got := response.Header.Get("Sec-WebSocket-Protocol"); got != "one" {
				t.Errorf("the subprotocol is %q", got)
			}
		}),
		onBoth("a free id is opened", same, func(t *testing.T, s *server) {
			s.join(t, s.name("free"), "1").wantNothing()
		}),
		onBoth("a query that lacks something is refused", same, func(t *testing.T, s *server) {
			for _, query := range []string{"", "key=KEY&id=ID", "key=KEY&token=1", "id=ID&token=1", "key=&id=ID&token=1", "key=KEY&id=&token=1", "key=KEY&id=ID&token=", "key=&id=&token=", "Key=KEY&ID=ID&Token=1"} {
				query = strings.NewReplacer("KEY", s.keyOf(), "ID", s.name("lacks")).Replace(query)
				s.dial(t, s.socket(query)).wantRefused(lacking)
			}
		}),
		onBoth("a wrong key is refused, before all else", same, func(t *testing.T, s *server) {
			holder := s.join(t, s.name("key"), "1")
			for _, key := range []string{"other", "PEERJS", "peerjs2", "Foo", "fo"} {
				s.dial(t, s.socket("key="+key+"&id="+holder.id+"&token=2")).wantRefused(wrong)
				s.dial(t, s.socket("key="+key+"&id=&token=2")).wantRefused(lacking)
			}
			holder.wantNothing()
		}),
		onBoth("an id that somebody has is taken", same, func(t *testing.T, s *server) {
			holder := s.join(t, s.name("taken"), "1")
			for _, token := range []string{"2", "11", "%31x"} {
				s.dial(t, s.target(holder.id, token)).wantRefused(taken)
			}
			holder.wantNothing()
		}),
		[]row{
			{"what a refused client sends is ignored", same, Settings{}, func(t *testing.T, s *server) {
				holder := s.join(t, s.name("holder"), "1")
				p := s.dial(t, s.target(holder.id, "2"))
				p.send(sent("OFFER", holder.id, `"from nobody"`))
				p.want(taken)
				p.send(sent("OFFER", holder.id, `"from nobody"`))
				if code := p.wantClose(); code != 0 {
					t.Errorf("the status code is %d", code)
				}
				holder.wantNothing()
			}},
			{"a full server says so, and lets a session come back", same, Settings{Limit: 2, Path: "/full"}, func(t *testing.T, s *server) {
				first, second := s.join(t, "first", "1"), s.join(t, "second", "1")
				s.dial(t, s.target("third", "1")).wantRefused(full)
				s.dial(t, s.target("first", "2")).wantRefused(taken)
				back := s.dial(t, s.target("first", "1"))
				back.id = "first"
				second.send(sent("OFFER", "first", `1`))
				for text := ""; text != frame("OFFER", "second", "first", `1`); { // the old socket may get it in between
					var err error
					if text, err = back.read(); err != nil {
						t.Fatal(err)
					}
				}
				_ = first
				second.leave()
				s.rejoinFull(t, "third")
			}},
		},
	)
}

// rejoinFull joins a server as soon as it has room.
func (s *server) rejoinFull(t *testing.T, id string) *peer {
	t.Helper()
	for {
		p := s.dial(t, s.target(id, "1"))
		p.id = id
		switch text, err := p.read(); {
		case err == nil && text == opened:
			return p
		case err != nil || text != full:
			t.Fatalf("%q, %v", text, err)
		}
		_ = p.Close()
	}
}

func ofQueries() []row {
	// becomes returns a rule: a query gives the session this id.
	becomes := func(query, id string) row {
		return row{fmt.Sprintf("query %s", query), same, Settings{}, func(t *testing.T, s *server) {
			p := s.dial(t, s.socket(query))
			p.want(opened)
			p.send(fmt.Sprintf(`{"type":"OFFER","dst":%s}`, jsonString(id)))
			text, err := p.read()
			if err != nil || member(t, text, "src") != id {
				t.Errorf("the id is another than %q: %q, %v", id, text, err)
			}
		}}
	}
	return []row{
		becomes("key=peerjs&id=plus+sign&token=1", "plus sign"),
		becomes("key=peerjs&id=percent%20sign&token=1", "percent sign"),
		becomes("key=peerjs&id=broken%zz%2&token=1", "broken%zz%2"),
		becomes("key=peerjs&id=semi;colon&token=1", "semi;colon"),
		becomes("key=peerjs&id=first&id=last&token=1", "last"),
		becomes("key=other&key=peerjs&id=lastkey&token=&token=1", "lastkey"),
		becomes("token=1&id=order&version=1.5.5&more&=&&key=peerjs", "order"),
		becomes("key=peerjs&id=equals=sign=&token=a=b", "equals=sign="),
		becomes("key=peerjs&i%64=named&token=1", "named"),
		becomes("key=peerjs&id=%C3%A9t%C3%A9&token=1", "été"),
		becomes("key=peerjs&id=%E2%9C%93%20%22quoted%22%5C&token=1", `✓ "quoted"\`),
		becomes("key=peerjs&id=bad%FFbyte&token=1", "bad\uFFFDbyte"),
		becomes("key=peerjs&id=%3Cscript%3E&token=1", "<script>"),
		becomes("key=peerjs&id=slash/question?&token=1", "slash/question?"),
		becomes("%6Bey=peerjs&id=50%25&token=1", "50%"),
		becomes("key=peerjs&id=-_%20.~&token=1", "-_ .~"),
		becomes("key=peerjs&id="+strings.Repeat("long", 100)+"&token=1", strings.Repeat("long", 100)),
		{"ids heed case", same, Settings{}, func(t *testing.T, s *server) {
			lower, upper := s.name("case"), ""
			upper = strings.ToUpper(lower)
			s.join(t, lower, "1")
			p := s.join(t, upper, "2")
			p.wantNothing()
		}},
		{"nothing of an id is normalized", same, Settings{}, func(t *testing.T, s *server) {
			for _, id := range []string{"caf%C3%A9", "cafe%CC%81", "+padded", "padded", "padded+"} {
				s.dial(t, s.target(id, "token-of-"+id)).want(opened)
			}
		}},
	}
}

func atTakeover() []row {
	return []row{
		{"a session that comes back with its token gets what is sent", same, Settings{}, func(t *testing.T, s *server) {
			other, old := s.join(t, s.name("other"), "1"), s.join(t, s.name("back"), "1")
			back := s.dial(t, s.target(old.id, "1"))
			back.id = old.id
			back.wantNothingAfterOpen()
			other.send(sent("OFFER", old.id, `"for the new one"`))
			back.want(frame("OFFER", other.id, old.id, `"for the new one"`))
			_ = old.Close() // its end does not matter
			other.send(sent("OFFER", old.id, `"still there"`))
			back.want(frame("OFFER", other.id, old.id, `"still there"`))
			other.wantNothing() // nobody is told
			s.dial(t, s.target(old.id, "2")).wantRefused(taken)
		}},
		{"the end of the one that came back frees the id", same, Settings{}, func(t *testing.T, s *server) {
			old := s.join(t, s.name("frees"), "1")
			back := s.dial(t, s.target(old.id, "1"))
			back.id = old.id
			back.wantNothingAfterOpen()
			back.leave()
			s.rejoin(t, old.id, "2").wantNothing()
		}},
		{"a session that comes back is opened", opens, Settings{}, func(t *testing.T, s *server) {
			id := s.name("opens")
			old := s.join(t, id, "1")
			for range 20 {
				next := s.join(t, id, "1")
				_ = old.Close()
				old = next
			}
			old.wantNothing()
		}},
		{"the old socket is closed", oneOwner, Settings{}, func(t *testing.T, s *server) {
			old := s.join(t, s.name("closes"), "1")
			s.join(t, old.id, "1")
			old.wantClose()
		}},
		{"the old socket no longer speaks for the id", oneOwner, Settings{}, func(t *testing.T, s *server) {
			other, old := s.join(t, s.name("other"), "1"), s.join(t, s.name("spoofs"), "1")
			back := s.join(t, old.id, "1")
			_, _ = old.Write(rawws.Message(sent("OFFER", other.id, `"from the old one"`)))
			_, _ = old.Write(rawws.Message(`{"type":"LEAVE"}`))
			old.wantEndAnyhow()
			back.send(sent("OFFER", other.id, `"from the new one"`))
			other.want(frame("OFFER", back.id, other.id, `"from the new one"`))
			back.wantNothing()
		}},
		{"disconnect and reconnect in one go, over and over", opens, Settings{}, func(t *testing.T, s *server) {
			p := s.join(t, s.name("reconnects"), "1")
			for range 200 {
				next := s.dialBehind(t, p)
				next.want(opened)
				p = next
			}
			p.wantNothing()
		}},
		{"a session that has ended frees its id at once, and tells nobody", same, Settings{}, func(t *testing.T, s *server) {
			other, p := s.join(t, s.name("other"), "1"), s.join(t, s.name("ends"), "1")
			p.leave()
			s.rejoin(t, p.id, "2")
			other.wantNothing()
		}},
		{"a TCP connection that ends frees the id", same, Settings{}, func(t *testing.T, s *server) {
			p := s.join(t, s.name("drops"), "1")
			_ = p.Close()
			s.rejoin(t, p.id, "2")
		}},
		{"a close frame frees the id within a second", frees, Settings{}, func(t *testing.T, s *server) {
			p := s.join(t, s.name("closeframe"), "1")
			p.write(rawws.Frame{Opcode: rawws.Close}) // and the TCP connection stays open
			began := time.Now()
			s.rejoin(t, p.id, "2")
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v", took)
			}
		}},
		{"a protocol error frees the id within a second", frees, Settings{}, func(t *testing.T, s *server) {
			p := s.join(t, s.name("broken"), "1")
			p.write(rawws.Frame{Opcode: rawws.Text, Payload: []byte(`{}`), Unmasked: true})
			began := time.Now()
			s.rejoin(t, p.id, "2")
			if took := time.Since(began); took > time.Second {
				t.Errorf("it took %v", took)
			}
		}},
	}
}

// dialBehind ends a peer with a close frame, does not wait, and opens another WebSocket with the same id and token.
func (s *server) dialBehind(t *testing.T, p *peer) *peer {
	t.Helper()
	p.write(rawws.Frame{Opcode: rawws.Close})
	next := s.dial(t, s.target(p.id, "1"))
	next.id = p.id
	_ = p.Close()
	return next
}

// wantNothingAfterOpen checks that nothing has come but perhaps an OPEN.
func (p *peer) wantNothingAfterOpen() {
	p.t.Helper()
	p.send(sent("OFFER", p.id, `"mark"`))
	text, err := p.read()
	if text == opened {
		text, err = p.read()
	}
	if err != nil || text != frame("OFFER", p.id, p.id, `"mark"`) {
		p.t.Fatalf("%q reads %q, %v", p.id, text, err)
	}
}

// wantEndAnyhow reads until the connection ends.
func (p *peer) wantEndAnyhow() {
	p.t.Helper()
	for {
		f, err := p.ReadFrame()
		switch {
		case errors.Is(err, io.EOF), err != nil && !strings.Contains(err.Error(), "timeout"):
			return
		case err != nil:
			p.t.Fatal(err)
		case f.Opcode == rawws.Text:
			p.t.Errorf("the old socket reads %q", f.Payload)
		case f.Opcode == rawws.Close:
			_, _ = p.Write(rawws.Frame{Opcode: rawws.Close, Payload: f.Payload}.Append(nil))
		}
	}
}

func underRaces() []row {
	return []row{
		{"of many that want an id, one gets it", same, Settings{}, func(t *testing.T, s *server) {
			for range 5 {
				id := s.name("race")
				all := make([]*peer, 20)
				for i := range all {
					all[i] = &peer{Conn: &rawws.Conn{Conn: s.connect(t)}, t: t, id: id}
				}
				answers := make([]string, len(all))
				var racing sync.WaitGroup
				for i, p := range all {
					racing.Go(func() {
						conn, err := rawws.Open(p.Conn.Conn, rawws.Request(s.target(id, fmt.Sprint("token", i)), s.address))
						if err != nil {
							answers[i] = err.Error()
							return
						}
						p.Conn = conn
						answers[i], _ = conn.ReadText()
					})
				}
				racing.Wait()
				slices.Sort(answers)
				if answers[0] != taken || answers[len(answers)-2] != taken || answers[len(answers)-1] != opened {
					t.Fatalf("the answers are %q", answers)
				}
			}
		}},
		{"the limit holds under a rush", same, Settings{Limit: 10, Path: "/rush"}, func(t *testing.T, s *server) {
			conns := make([]*peer, 40)
			for i := range conns {
				conns[i] = &peer{Conn: &rawws.Conn{Conn: s.connect(t)}, t: t}
			}
			answers := make([]string, len(conns))
			var rushing sync.WaitGroup
			for i, p := range conns {
				rushing.Go(func() {
					conn, err := rawws.Open(p.Conn.Conn, rawws.Request(s.target(fmt.Sprint("rush", i), "1"), s.address))
					if err != nil {
						answers[i] = err.Error()
						return
					}
					answers[i], _ = conn.ReadText()
				})
			}
			rushing.Wait()
			count := map[string]int{}
			for _, a := range answers {
				count[a]++
			}
			if count[opened] != 10 || count[full] != 30 {
				t.Errorf("the answers are %v", count)
			}
		}},
	}
}
