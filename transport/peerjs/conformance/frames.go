package conformance

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"p2p-messaging/transport/internal/rawws"
)

func jsonString(text string) string {
	b, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// member returns a text member of a JSON object.
func member(t *testing.T, text, name string) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	value, _ := members[name].(string)
	return value
}

// two returns two sessions.
func two(t *testing.T, s *server) (a, b *peer) {
	return s.join(t, s.name("a"), "1"), s.join(t, s.name("b"), "1")
}

func ofFrames() []row {
	// arrives returns a rule: of a text that a sends, b gets that. A and B stand for their ids.
	arrives := func(title string, d delta, text, want string) row {
		return row{title, d, Settings{}, func(t *testing.T, s *server) {
			a, b := two(t, s)
			ids := strings.NewReplacer("$A", a.id, "$B", b.id)
			a.send(ids.Replace(text))
			b.want(ids.Replace(want))
			a.wantNothing()
			b.wantNothing()
		}}
	}
	// ignored returns a rule: nobody notices anything of a text, and the connection stays.
	ignored := func(title string, d delta, texts ...string) row {
		return row{title, d, Settings{}, func(t *testing.T, s *server) {
			a, b := two(t, s)
			for _, text := range texts {
				a.send(strings.NewReplacer("$A", a.id, "$B", b.id).Replace(text))
			}
			a.wantNothing()
			b.wantNothing()
			a.send(sent("ANSWER", b.id, `"still there"`))
			b.want(frame("ANSWER", a.id, b.id, `"still there"`))
		}}
	}
	payload := func(title string, d delta, text string) row {
		return arrives("payload: "+title, d, `{"type":"OFFER","payload":`+text+`,"dst":"$B"}`, `{"type":"OFFER","src":"$A","dst":"$B","payload":`+text+`}`)
	}
	rows := []row{
		arrives("the sender cannot choose who it is", same, `{"type":"OFFER","src":"somebody","dst":"$B","payload":1}`, `{"type":"OFFER","src":"$A","dst":"$B","payload":1}`),
		arrives("a src that is no text is replaced, too", same, `{"src":{"a":[1]},"type":"OFFER","dst":"$B","payload":1}`, `{"type":"OFFER","src":"$A","dst":"$B","payload":1}`),
		arrives("other members are dropped", same, `{"more":[{"dst":"x"}],"type":"CANDIDATE","dst":"$B","Payload":2,"payload":1,"token":"1","key":{}}`, `{"type":"CANDIDATE","src":"$A","dst":"$B","payload":1}`),
		arrives("no payload stays none", same, `{"type":"ANSWER","dst":"$B"}`, `{"type":"ANSWER","src":"$A","dst":"$B"}`),
		arrives("white space is allowed", same, "\t{ \"payload\" :\r\n{ \"a\" : [ 1 , 2 ] } ,\n \"dst\" : \"$B\" , \"type\" : \"OFFER\" }\n", `{"type":"OFFER","src":"$A","dst":"$B","payload":{"a":[1,2]}}`),
		arrives("names and words may be escaped", same, `{"\u0074ype":"OFF\u0045R","d\u0073t":"$B","p\u0061yload":1}`, `{"type":"OFFER","src":"$A","dst":"$B","payload":1}`),
		arrives("the last of a name that is repeated counts", same, `{"type":"ANSWER","dst":"nobody","payload":1,"dst":"$B","type":"OFFER","payload":2}`, `{"type":"OFFER","src":"$A","dst":"$B","payload":2}`),
		arrives("LEAVE is relayed", same, `{"type":"LEAVE","dst":"$B"}`, `{"type":"LEAVE","src":"$A","dst":"$B"}`),
		arrives("EXPIRE is relayed", same, `{"type":"EXPIRE","dst":"$B"}`, `{"type":"EXPIRE","src":"$A","dst":"$B"}`),
		payload("null", same, `null`),
		payload("texts", same, `"text"`),
		payload("empty", same, `{}`),
		payload("false", same, `false`),
		payload("a data offer", same, `{"sdp":{"type":"offer","sdp":"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n"},"type":"data","connectionId":"dc_1","label":"dc_1","reliable":false,"serialization":"binary","metadata":{"é":"✓","a":[null,true,1.5]}}`),
		payload("depth", same, strings.Repeat("[", 200)+strings.Repeat("]", 200)),
		payload("large numbers", untouched, `{"n":[12345678901234567890,1e400,-0,1.0,1E2,0.10]}`),
		payload("duplicate names", untouched, `{"b":1,"a":2,"b":3,"1":4,"0":5}`),
		payload("escapes", untouched, `"\u0041\/\u00e9\ud800\uDFFF\u2028"`),
		payload("noncharacters", untouched, "\"\\uffff\uffff\ufdd0\""),
		payload("64 KiB", same, `"`+strings.Repeat("x", 64<<10)+`"`),
		payload("200 KiB", same, `"`+strings.Repeat("y", 200<<10)+`"`),

		ignored("a heartbeat is not answered", same, `{"type":"HEARTBEAT"}`, `{"type":"HEARTBEAT","dst":"$B","payload":1}`),
		ignored("other types are ignored", same, `{"type":"OPEN","dst":"$B"}`, `{"type":"ERROR","dst":"$B","payload":{"msg":"x"}}`, `{"type":"ID-TAKEN","dst":"$B"}`, `{"type":"INVALID-KEY","dst":"$B"}`,
			`{"type":"offer","dst":"$B"}`, `{"type":"Offer","dst":"$B"}`, `{"type":"OFFER ","dst":"$B"}`, `{"type":"","dst":"$B"}`, `{"dst":"$B","payload":1}`, `{"type":"login","login":"$B"}`),
		ignored("a type that is no text is ignored", same, `{"type":1,"dst":"$B"}`, `{"type":null,"dst":"$B"}`, `{"type":["OFFER"],"dst":"$B"}`, `{"type":{"OFFER":1},"dst":"$B"}`, `{"type":true,"dst":"$B"}`),
		ignored("arrays are ignored", same, `[]`, `[{"type":"OFFER","dst":"$B"}]`),
		ignored("EXPIRE and LEAVE to nobody are dropped", same, `{"type":"EXPIRE","dst":"nobody"}`, `{"type":"LEAVE","dst":"nobody"}`),
		ignored("frames without a receiver are dropped", same, `{"type":"OFFER","payload":1}`, `{"type":"ANSWER","dst":""}`, `{"type":"CANDIDATE","dst":null}`, `{"type":"OFFER","dst":0}`, `{"type":"OFFER","dst":false}`,
			`{"type":"EXPIRE"}`, `{"type":"EXPIRE","dst":""}`, `{"type":"EXPIRE","dst":null}`, `{"type":"EXPIRE","dst":0}`, `{"type":"EXPIRE","dst":false}`),
		ignored("what is no object is ignored", lenient, `null`, `1`, `"OFFER"`, `true`),
		ignored("what is no JSON is ignored", lenient, ``, `{`, `OFFER`, `{"type":"OFFER","dst":"$B"`, `{'type':'OFFER'}`, `{"type":"OFFER","dst":"$B","payload":}`, `{"type":"OFFER","dst":"$B"}}`, `{"type":"OFFER","dst":"$B","payload":01}`, `{"type":"OFFER",}`),
	}
	return append(rows, []row{
		{"what is no JSON does not keep the id", lenient, Settings{}, func(t *testing.T, s *server) {
			for _, text := range []string{`OFFER`, `{`, `null`} {
				a := s.join(t, s.name("malformed"), "1")
				a.send(text)
				_ = a.Close()
				s.rejoin(t, a.id, "2").wantNothing()
			}
		}},
		{"binary frames are read as text, and answered as text", same, Settings{}, func(t *testing.T, s *server) {
			a, b := two(t, s)
			a.write(rawws.Frame{Opcode: rawws.Binary, Payload: []byte(sent("OFFER", b.id, `"é"`))})
			b.want(frame("OFFER", a.id, b.id, `"é"`))
		}},
		{"a message may come in pieces", same, Settings{}, func(t *testing.T, s *server) {
			a, b := two(t, s)
			text := []byte(sent("OFFER", b.id, `"pieces"`))
			a.write(rawws.Frame{Opcode: rawws.Text, Payload: text[:10], More: true})
			a.write(rawws.Frame{Opcode: rawws.Ping, Payload: []byte("between")})
			a.write(rawws.Frame{Opcode: rawws.Continuation, Payload: text[10:20], More: true})
			a.write(rawws.Frame{Opcode: rawws.Continuation, Payload: text[20:]})
			b.want(frame("OFFER", a.id, b.id, `"pieces"`))
			if f, err := a.ReadFrame(); err != nil || f.Opcode != rawws.Pong || string(f.Payload) != "between" {
				t.Errorf("a ping is answered with %v, %v", f, err)
			}
		}},
		{"a message to oneself arrives", same, Settings{}, func(t *testing.T, s *server) {
			a := s.join(t, s.name("self"), "1")
			for _, kind := range []string{"OFFER", "ANSWER", "CANDIDATE", "LEAVE", "EXPIRE"} {
				a.send(sent(kind, a.id, `1`))
				a.want(frame(kind, a.id, a.id, `1`))
			}
		}},
		{"frames arrive once, in order", same, Settings{}, func(t *testing.T, s *server) {
			a, b := two(t, s)
			const n = 300
			for i := range n {
				a.send(sent("CANDIDATE", b.id, fmt.Sprint(i)))
				b.send(sent("CANDIDATE", a.id, fmt.Sprint(i)))
			}
			for i := range n {
				b.want(frame("CANDIDATE", a.id, b.id, fmt.Sprint(i)))
				a.want(frame("CANDIDATE", b.id, a.id, fmt.Sprint(i)))
			}
			a.wantNothing()
			b.wantNothing()
		}},
		{"text that is no UTF-8 ends the connection", same, Settings{}, func(t *testing.T, s *server) {
			a := s.join(t, s.name("utf8"), "1")
			a.write(rawws.Frame{Opcode: rawws.Text, Payload: []byte("{\"type\":\"\xff\"}")})
			if code := a.wantClose(); code != 1007 {
				t.Errorf("the status code is %d", code)
			}
		}},
		{"a frame against the standard ends the connection", same, Settings{}, func(t *testing.T, s *server) {
			for what, f := range map[string]rawws.Frame{
				"not masked": {Opcode: rawws.Text, Payload: []byte(`{}`), Unmasked: true}, "a reserved bit": {Opcode: rawws.Text, Payload: []byte(`{}`), Reserved: 4},
				"an opcode of nobody": {Opcode: 3}, "a continuation of nothing": {Opcode: rawws.Continuation},
			} {
				a := s.join(t, s.name("rfc"), "1")
				a.write(f)
				if code := a.wantClose(); code != 1002 {
					t.Errorf("%s: the status code is %d", what, code)
				}
			}
		}},
		{"a frame of more than 256 KiB ends the connection", bounded, Settings{}, func(t *testing.T, s *server) {
			a := s.join(t, s.name("large"), "1")
			head := binary.BigEndian.AppendUint64([]byte{0x80 | rawws.Text, 0x80 | 127}, 257<<10)
			if _, err := a.Write(append(head, 1, 2, 3, 4)); err != nil {
				t.Fatal(err)
			}
			if code := a.wantClose(); code != 1009 {
				t.Errorf("the status code is %d", code)
			}
		}},
	}...)
}

func ofReceivers() []row {
	return []row{
		{"LEAVE without a receiver frees the id", same, Settings{}, func(t *testing.T, s *server) {
			for _, text := range []string{`{"type":"LEAVE"}`, `{"type":"LEAVE","dst":""}`, `{"type":"LEAVE","dst":null}`, `{"type":"LEAVE","dst":0,"payload":1}`, `{"type":"LEAVE","dst":false}`} {
				a := s.join(t, s.name("leaves"), "1")
				a.send(text)
				s.rejoin(t, a.id, "2").wantNothing()
			}
		}},
		{"LEAVE without a receiver closes the socket", leaves, Settings{}, func(t *testing.T, s *server) {
			a := s.join(t, s.name("left"), "1")
			a.send(`{"type":"LEAVE"}`)
			a.wantClose()
		}},
		{"the end of a session that left does not end the next", leaves, Settings{}, func(t *testing.T, s *server) {
			a, b := two(t, s)
			a.send(`{"type":"LEAVE"}`)
			next := s.rejoin(t, a.id, "2")
			a.wantEndAnyhow()
			_ = a.Close()
			b.send(sent("OFFER", next.id, `1`))
			next.want(frame("OFFER", b.id, next.id, `1`))
		}},
		{"a receiver that is no text is somebody who is absent", same, Settings{}, func(t *testing.T, s *server) {
			a := s.join(t, s.name("odd"), "1")
			for _, dst := range []string{`1`, `true`, `{"a":1}`, `["x"]`, `1.5`} {
				a.send(`{"type":"OFFER","dst":` + dst + `}`)
			}
			a.wantNothing()
		}},
	}
}
