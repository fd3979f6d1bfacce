package peerjs

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"p2p-messaging/messages"
)

func TestRead(t *testing.T) {
	for _, c := range []struct {
		name, frame string
		kind        Kind
		text, key   string // of a relayed frame
		waits       bool
	}{
		{"an offer", `{"type":"OFFER","dst":"bob","payload":{"a":1}}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":"bob","payload":{"a":1}}`, "bob", true},
		{"an answer", `{"type":"ANSWER","dst":"bob","payload":[]}`, Relayed, `{"type":"ANSWER","src":"al\"ice","dst":"bob","payload":[]}`, "bob", true},
		{"a candidate", `{"type":"CANDIDATE","payload":"x","dst":"bob"}`, Relayed, `{"type":"CANDIDATE","src":"al\"ice","dst":"bob","payload":"x"}`, "bob", true},
		{"a leave", `{"type":"LEAVE","dst":"bob"}`, Relayed, `{"type":"LEAVE","src":"al\"ice","dst":"bob"}`, "bob", false},
		{"an expire", `{"type":"EXPIRE","dst":"bob"}`, Relayed, `{"type":"EXPIRE","src":"al\"ice","dst":"bob"}`, "bob", false},
		{"other members are dropped", `{"src":"mallory","x":{"type":"LEAVE"},"type":"OFFER","dst":"bob","payload":1,"y":[]}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":"bob","payload":1}`, "bob", true},
		{"no payload", `{"type":"OFFER","dst":"bob"}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":"bob"}`, "bob", true},
		{"a payload that is null", `{"type":"OFFER","dst":"bob","payload":null}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":"bob","payload":null}`, "bob", true},
		{"the tokens of a payload stay", "{\"type\":\"OFFER\",\"dst\":\"bob\",\"payload\": { \"n\":12345678901234567890,\"n\":-0, \"e\":1e400,\"s\":\"\\ud800 \\/ \uFFFF\"}\n}", Relayed,
			"{\"type\":\"OFFER\",\"src\":\"al\\\"ice\",\"dst\":\"bob\",\"payload\":{ \"n\":12345678901234567890,\"n\":-0, \"e\":1e400,\"s\":\"\\ud800 \\/ \uFFFF\"}}", "bob", true},
		{"of a name twice the last counts", `{"type":"LEAVE","dst":"eve","payload":1,"type":"OFFER","dst":"bob","payload":{}}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":"bob","payload":{}}`, "bob", true},
		{"escapes in names and values", `{"\u0074ype":"\u004fFFER","ds\u0074":"b\u006fb","p\u0061yload":1}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":"b\u006fb","payload":1}`, "bob", true},
		{"a pair of surrogates", `{"type":"OFFER","dst":"\ud83d\ude00"}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":"\ud83d\ude00"}`, "😀", true},
		{"half a pair", `{"type":"OFFER","dst":"\ud83d\u0041"}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":"\ud83d\u0041"}`, "\xED\xA0\xBDA", true},
		{"a dst that is a number", `{"type":"OFFER","dst":5}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":5}`, "\xFF5", true},
		{"a dst that is true", `{"type":"OFFER","dst":true}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":true}`, "\xFFtrue", true},
		{"a dst that is an object", `{"type":"OFFER","dst":{}}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":{}}`, "\xFF{}", true},
		{"a dst with a NUL is an id", `{"type":"OFFER","dst":"\u0000"}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":"\u0000"}`, "\x00", true},
		{"no dst", `{"type":"OFFER"}`, Ignored, "", "", false},
		{"an empty dst", `{"type":"OFFER","dst":""}`, Ignored, "", "", false},
		{"a dst that is null", `{"type":"OFFER","dst":null}`, Ignored, "", "", false},
		{"a dst that is 0", `{"type":"ANSWER","dst":-0.0e5}`, Ignored, "", "", false},
		{"a dst that is nearly 0", `{"type":"ANSWER","dst":1e-400}`, Ignored, "", "", false},
		{"a dst that is false", `{"type":"EXPIRE","dst":false}`, Ignored, "", "", false},
		{"a leave without dst", `{"type":"LEAVE"}`, Left, "", "", false},
		{"a leave with an empty dst", `{"type":"LEAVE","dst":""}`, Left, "", "", false},
		{"a leave with null", `{"dst":null,"type":"LEAVE","payload":1}`, Left, "", "", false},
		{"a heartbeat", `{"type":"HEARTBEAT"}`, Ignored, "", "", false},
		{"a heartbeat with a dst", `{"type":"HEARTBEAT","dst":"bob"}`, Ignored, "", "", false},
		{"types of the service", `{"type":"OPEN","dst":"bob"}`, Ignored, "", "", false},
		{"other case", `{"type":"offer","dst":"bob"}`, Ignored, "", "", false},
		{"no type", `{"dst":"bob"}`, Ignored, "", "", false},
		{"a type that is no string", `{"type":5,"dst":"bob"}`, Ignored, "", "", false},
		{"an array", `[{"type":"LEAVE"}]`, Ignored, "", "", false},
		{"null", `null`, Ignored, "", "", false},
		{"nothing", ``, Ignored, "", "", false},
		{"no JSON", `{"type":"LEAVE"`, Ignored, "", "", false},
		{"a second value", `{"type":"LEAVE"} {}`, Ignored, "", "", false},
		{"a BOM", "\uFEFF" + `{"type":"LEAVE"}`, Ignored, "", "", false},
		{"no UTF-8", "{\"type\":\"LEAVE\",\"x\":\"\xFF\"}", Ignored, "", "", false},
		{"a name inside the payload", `{"type":"OFFER","dst":"bob","payload":{"dst":"eve","type":"LEAVE"}}`, Relayed, `{"type":"OFFER","src":"al\"ice","dst":"bob","payload":{"dst":"eve","type":"LEAVE"}}`, "bob", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, kind := Read([]byte(c.frame), `al"ice`)
			if kind != c.kind {
				t.Fatalf("the kind is %d, not %d", kind, c.kind)
			}
			if kind != Relayed {
				return
			}
			defer m.Release()
			if string(m.Text) != c.text {
				t.Errorf("the text is\n%s\nand not\n%s", m.Text, c.text)
			}
			if key := messages.PeerKey(c.key); string(m.To) != key {
				t.Errorf("the key is %q and not %q", m.To, key)
			}
			if Waits(m.Type) != c.waits {
				t.Errorf("it waits: %v", Waits(m.Type))
			}
		})
	}
}

// nest returns a JSON value of this depth, in which arrays and objects alternate irregularly.
func nest(depth int) string {
	var open, end strings.Builder
	ends := make([]byte, 0, depth)
	for i := range depth {
		if i%3 == 0 || i%7 == 0 {
			open.WriteByte('[')
			ends = append(ends, ']')
		} else {
			open.WriteString(`{"a":`)
			ends = append(ends, '}')
		}
	}
	open.WriteByte('1')
	for i := range ends {
		end.WriteByte(ends[len(ends)-1-i])
	}
	return open.String() + end.String()
}

func TestReadTakesAnyDepth(t *testing.T) {
	for _, depth := range []int{0, 1, 62, 63, 64, 65, 126, 127, 128, 129, 300, 5000} {
		payload := nest(depth)
		m, kind := Read([]byte(`{"dst":"bob","payload":`+payload+`,"type":"OFFER"}`), "alice")
		if kind != Relayed {
			t.Errorf("a payload of depth %d is not relayed", depth)
			continue
		}
		if want := `{"type":"OFFER","src":"alice","dst":"bob","payload":` + payload + `}`; string(m.Text) != want {
			t.Errorf("a payload of depth %d has changed", depth)
		}
		wrong := []byte(payload)
		if i := bytes.LastIndexByte(wrong, '}'); i >= 0 {
			wrong[i] = ']'
			if _, kind := Read([]byte(`{"dst":"bob","payload":`+string(wrong)+`,"type":"OFFER"}`), "alice"); kind != Ignored {
				t.Errorf("a payload of depth %d that ends wrongly is relayed", depth)
			}
		}
	}
}

func TestReadDoesNotAllocate(t *testing.T) {
	frame := []byte(`{"type":"CANDIDATE","payload":{"candidate":{"candidate":"candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n"}},"dst":"bob"}`)
	if n := testing.AllocsPerRun(100, func() {
		m, _ := Read(frame, "alice")
		m.Release()
	}); n > 0 && !raceEnabled {
		t.Errorf("%v allocations", n)
	}
}

func TestAppendExpire(t *testing.T) {
	for _, c := range []struct{ frame, want string }{
		{`{"type":"OFFER","dst":"b\"ob"}`, `{"type":"EXPIRE","src":"b\"ob","dst":"al\nice"}`},
		{`{"type":"OFFER","dst":"\ud800x\udfff"}`, `{"type":"EXPIRE","src":"\ud800x\udfff","dst":"al\nice"}`},
		{`{"type":"OFFER","dst":5e0}`, `{"type":"EXPIRE","src":5e0,"dst":"al\nice"}`},
		{`{"type":"OFFER","dst":"\u0001\u001f\b\f\n\r\t\\é"}`, `{"type":"EXPIRE","src":"\u0001\u001f\b\f\n\r\t\\é","dst":"al\nice"}`},
	} {
		m, _ := Read([]byte(c.frame), "x")
		if got := AppendExpire(nil, string(m.To), "al\nice"); string(got) != c.want {
			t.Errorf("%s and not %s", got, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"type":"OFFER","dst":"bob","payload":{"a":[1,-0.5e+7,true,false,null,"\u00e9\ud800"]}}`, `{"type":"LEAVE","dst":null}`, `{"dst":0,"dst":{},"type":"EXPIRE"}`,
		nest(130), `{"type":"ANSWER","payload":` + nest(70) + `,"dst":"\n"}`, "{\"type\":\"OFFER\",\"dst\":\"\\ud83d\\ude00\"}\n", `[]`, "{\"\xFF\":1}",
	} {
		f.Add([]byte(seed), "al\"ice")
	}
	f.Fuzz(func(t *testing.T, frame []byte, src string) {
		if !utf8.ValidString(src) {
			return
		}
		before := bytes.Clone(frame)
		m, kind := Read(frame, src)
		if !bytes.Equal(frame, before) {
			t.Fatal("the frame was changed")
		}
		var all map[string]json.RawMessage
		err := json.Unmarshal(frame, &all)
		valid := err == nil && all != nil && utf8.Valid(frame)
		if _, deep := err.(*json.SyntaxError); deep && strings.Contains(err.Error(), "depth") {
			return // encoding/json has a limit
		}
		if !valid {
			if kind != Ignored {
				t.Fatalf("what is no JSON object is of kind %d", kind)
			}
			return
		}
		var spelling, dst any
		_ = json.Unmarshal(all["type"], &spelling)
		if raw, ok := all["dst"]; ok && json.Unmarshal(raw, &dst) != nil {
			dst = 1.0 // too large a number
		}
		falsy := dst == nil || dst == "" || dst == 0.0 || dst == false
		want := Ignored
		switch {
		case (spelling == offer || spelling == answer || spelling == candidate || spelling == leave || spelling == expire) && !falsy:
			want = Relayed
		case spelling == leave:
			want = Left
		}
		if kind != want {
			t.Fatalf("the kind is %d, not %d", kind, want)
		}
		if kind != Relayed {
			return
		}
		defer m.Release()
		var relayed map[string]json.RawMessage
		if err := json.Unmarshal(m.Text, &relayed); err != nil {
			t.Fatalf("what is relayed is no JSON: %v", err)
		}
		var from string
		_ = json.Unmarshal(relayed["src"], &from)
		payload, has := all["payload"]
		if from != src || string(relayed["dst"]) != string(all["dst"]) || string(relayed["payload"]) != string(payload) || len(relayed) != 3+map[bool]int{true: 1}[has] {
			t.Fatalf("the frame %q is relayed as %q", frame, m.Text)
		}
		if id, ok := dst.(string); ok && !strings.Contains(id, "\uFFFD") && string(m.To) != messages.PeerKey(id) {
			t.Fatalf("the key is %q", m.To)
		}
		if expire := AppendExpire(nil, string(m.To), src); !json.Valid(expire) {
			t.Fatalf("%q is no JSON", expire)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	frame := []byte(`{"type":"OFFER","payload":{"sdp":{"type":"offer","sdp":"` + strings.Repeat(`a=candidate:1 1 udp\r\n`, 10) + `"}},"dst":"bob"}`)
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		m, _ := Read(frame, "alice")
		m.Release()
	}
}
