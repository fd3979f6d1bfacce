package messages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"
)

// Messages as browsers send them, and messages that only an attacker sends.
var (
	candidateMessage = message("ice-candidate", `{"candidate":"candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 ufrag EsAw network-cost 999","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"EsAw"}`)
	offerMessage     = message("offer", `{"type":"offer","sdp":"`+offerSDP+`"}`)
	shortOffer       = message("offer", `{"type":"offer","sdp":"v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:EsAw\r\na=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n"}`)
	byeMessage       = []byte(`{"type":"bye","reason":"left","from":"alice","to":"bob"}`)
	loginMessage     = []byte(`{"type":"login","login":"alice"}`)
	unicodeMessage   = message("offer", `{"text":"`+strings.Repeat("\u65e5\u672c\u8a9e Zo\u00eb \U0001F389 ", 60)+`"}`)

	manyNames    = hostile(shortName)
	escapedNames = hostile(escapedName)
	alikeNames   = hostile(func(i int) string { return fmt.Sprintf(`"aaaaaaaa%04xaaaaaaaa":0,`, i) })
	smallObjects = hostile(func(i int) string {
		return fmt.Sprintf(`"%x":{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0,"j":0,"k":0,"l":0,"m":0,"n":0,"o":0,"p":0},`, i)
	})
	largeObjects   = hostile(largeObject)
	emptyObjects   = hostile(func(i int) string { return fmt.Sprintf(`"%x":[{},{},{},{},{},{},{},{},{},{},{},{}],`, i) })
	escapes        = hostile(func(i int) string { return fmt.Sprintf(`"%x":"`+strings.Repeat(`\ud83d\ude00\n`, 40)+`",`, i) })
	closeToTheEdge = hostile(func(i int) string { return fmt.Sprintf(`"%x":1.79769313486231580793728971405303e308,`, i) })
	nested         = []byte(`{"type":"bye","from":"alice","to":"bob","x":` + strings.Repeat(`{"a":`, 63) + `0` + strings.Repeat(`}`, 64))
)

// offerSDP is the text of an offer with a data channel and an audio track,
// shortened so that the message has about 2 KB.
var offerSDP = `v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n` +
	`m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n` +
	`a=ice-options:trickle\r\na=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:5E:EA:6F:AF:52:CE:E6:0F\r\na=setup:actpass\r\na=mid:0\r\n` +
	`a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\na=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n` +
	`a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n` +
	`a=sendrecv\r\na=msid:- 1f3c2a44-6f3e-4a9f-9d8b-2f1f6f1f4a1d\r\na=rtcp-mux\r\na=rtcp-rsize\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n` +
	`a=fmtp:111 minptime=10;useinbandfec=1\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n` +
	`a=rtpmap:13 CN/8000\r\na=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\na=ssrc:1001 cname:4TOk42mSjXCkVIa6\r\n` +
	`m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=ice-options:trickle\r\n` +
	`a=fingerprint:sha-256 D2:FA:0E:C3:22:59:5E:14:95:69:92:3D:13:B4:84:24:2C:C2:A2:C0:3E:FD:34:8E:5E:EA:6F:AF:52:CE:E6:0F\r\na=setup:actpass\r\na=mid:1\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n` +
	`a=candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr 0.0.0.0 rport 0 generation 0 network-cost 999\r\n` +
	`a=candidate:1467250027 1 udp 2122260223 192.0.2.17 46154 typ host generation 0 network-id 1 network-cost 999\r\n` +
	`a=candidate:1853887674 1 udp 1518280447 2001:db8::1 9 typ host tcptype active generation 0 network-id 2\r\n` +
	`a=end-of-candidates\r\n`

func shortName(i int) string   { return fmt.Sprintf(`"%x":0,`, i) }
func escapedName(i int) string { return fmt.Sprintf(`"\u00%02x%x":0,`, 0x61+i%26, i) }
func largeObject(i int) string {
	return fmt.Sprintf(`"%x":{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0,"j":0,"k":0,"l":0,"m":0,"n":0,"o":0,"p":0,"q":0},`, i)
}

func message(typ, payload string) []byte {
	return []byte(`{"type":"` + typ + `","` + typ + `":` + payload + `,"from":"alice","to":"bob","call":"7f3a9c"}`)
}

// hostile returns a message that is filled with members up to the limit.
func hostile(memberAt func(int) string) []byte { return filled(MaxMessageBytes, memberAt) }

func filled(size int, memberAt func(int) string) []byte {
	const end = `"from":"alice","to":"bob"}`
	b := []byte(`{"type":"bye",`)
	for i := 0; ; i++ {
		m := memberAt(i)
		if len(b)+len(m)+len(end) > size {
			return append(b, end...)
		}
		b = append(b, m...)
	}
}

var benchmarks = []struct {
	name    string
	message []byte
}{
	{"login", loginMessage},
	{"bye", byeMessage},
	{"candidate", candidateMessage},
	{"short offer", shortOffer},
	{"offer", offerMessage},
	{"unicode", unicodeMessage},
	{"hostile/many names", manyNames},
	{"hostile/escaped names", escapedNames},
	{"hostile/names alike", alikeNames},
	{"hostile/objects of 16", smallObjects},
	{"hostile/objects of 17", largeObjects},
	{"hostile/empty objects", emptyObjects},
	{"hostile/escapes", escapes},
	{"hostile/large numbers", closeToTheEdge},
	{"hostile/nested", nested},
}

func BenchmarkDecode(b *testing.B) {
	type envelope struct {
		Type  string `json:"type"`
		From  string `json:"from"`
		To    string `json:"to"`
		Login string `json:"login"`
	}
	readers := []struct {
		name string
		read func([]byte) error
	}{
		{"this", func(text []byte) error { _, err := Decode(text); return err }},
		{"jsonv2", func(text []byte) error { var e envelope; return jsonv2.Unmarshal(text, &e) }},
		{"encoding-json", func(text []byte) error { var e envelope; return json.Unmarshal(text, &e) }},
	}
	for _, bm := range benchmarks {
		for _, r := range readers {
			b.Run(fmt.Sprintf("%s %dB/%s", bm.name, len(bm.message), r.name), func(b *testing.B) {
				b.SetBytes(int64(len(bm.message)))
				b.ReportAllocs()
				for b.Loop() {
					if err := r.read(bm.message); err != nil && bm.name != "hostile/large numbers" {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// A service reads messages that differ. In BenchmarkDecode the processor learns
// to predict every branch of the one message.
func BenchmarkDecodeOfMessagesThatDiffer(b *testing.B) {
	for _, bm := range benchmarks[:5] {
		random := rand.New(rand.NewPCG(1, 2))
		messages := make([][]byte, 256)
		for i := range messages {
			messages[i] = varied(random, bm.message)
		}
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := Decode(messages[i%len(messages)]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// varied returns a message like another one, with words and logins of other
// lengths.
func varied(random *rand.Rand, message []byte) []byte {
	var b []byte
	for _, c := range message {
		if b = append(b, c); c == ' ' {
			b = append(b, "1234567"[:random.IntN(8)]...)
		}
	}
	for _, login := range []string{`"alice"`, `"bob"`} {
		b = bytes.Replace(b, []byte(login), []byte(`"`+"somebody.else"[:1+random.IntN(13)]+`"`), 1)
	}
	return b
}

// U+FDFA stands for 18 characters. No character stands for more.
func BenchmarkLogin(b *testing.B) {
	buf := make([]byte, 0, 4*MaxLoginCharacters)
	for _, login := range []string{"alice", "Alice B", "Zo\u00eb", "zo\u00eb", "ZOE\u0308", strings.Repeat("\u65e5", MaxLoginCharacters), strings.Repeat("\uFDFA", MaxLoginCharacters), "Anna \u2764\uFE0F", strings.Repeat("\U0001F468\u200D\U0001F469\uFE0F", MaxLoginCharacters/4), strings.Repeat("\uFDFA", MaxLoginCharacters-1) + "\u0640", strings.Repeat("\u0DDD", MaxLoginCharacters),
		strings.Repeat("\u0301", 30_000), strings.Repeat(" ", 60_000), strings.Repeat("\u3000", 20_000), strings.Repeat("\xff", 60_000)} {
		name, login := fmt.Sprintf("%+.1q %dB", login, len(login)), []byte(login)
		b.Run("key/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				LoginKey(buf, login)
			}
		})
		b.Run("parse/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ParseLogin(login)
			}
		})
	}
}

func BenchmarkAppendError(b *testing.B) {
	buf := make([]byte, 0, 512)
	b.ReportAllocs()
	for b.Loop() {
		AppendError(buf, CodePeerUnavailable, "", []byte(`"bob"`))
	}
}
