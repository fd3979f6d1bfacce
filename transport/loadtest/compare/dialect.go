package main

import (
	"bytes"
	"fmt"
	"strings"
)

// dialect is the protocol that the clients of a service speak.
type dialect struct {
	target   func(login string) string // returns the target of the WebSocket request
	login    func(login string) string // returns the first message; empty: there is none
	accepted string                    // start of the message that confirms the session
	logout   func(login string) string // returns the last message; empty: there is none
	// envelope returns a frame around its payload: as it is sent, and as it arrives.
	envelope func(from, to, payload string) (sent, arrives string)
}

const (
	dialectJSON   = "json"
	dialectPeerJS = "peerjs"
)

func dialectOf(name string) dialect {
	if name == dialectPeerJS {
		// See https://github.com/peers/peerjs-server. To connect is to log in, and to close is to log out.
		return dialect{
			target:   func(login string) string { return "/peerjs?key=peerjs&id=" + login + "&token=secret&version=1.5.5" },
			login:    func(string) string { return "" },
			accepted: `{"type":"OPEN"}`,
			logout:   func(string) string { return "" },
			envelope: func(from, to, payload string) (sent, arrives string) {
				return fmt.Sprintf(`{"type":"OFFER","payload":%s,"dst":"%s"}`, payload, to),
					fmt.Sprintf(`{"type":"OFFER","src":"%s","dst":"%s","payload":%s}`, from, to, payload)
			},
		}
	}
	return dialect{
		target:   func(string) string { return "/ws" },
		login:    func(login string) string { return `{"type":"login","login":"` + login + `"}` },
		accepted: `{"type":"login","success":true}`,
		logout:   func(login string) string { return `{"type":"logout","login":"` + login + `"}` },
		envelope: func(from, to, payload string) (sent, arrives string) {
			sent = fmt.Sprintf(`{"type":"offer","offer":%s,"from":"%s","to":"%s"}`, payload, from, to)
			return sent, sent
		},
	}
}

// withToken returns the dialect with a token in each login. An empty token is none.
func (d dialect) withToken(token string) dialect {
	if plain := d.login; token != "" {
		d.login = func(login string) string {
			return strings.TrimSuffix(plain(login), "}") + `,"token":"` + token + `"}`
		}
	}
	return d
}

const (
	numberDigits = 16
	// sdpHead and sdpTail stand around a session description as Chromium writes it. The number behind o=- makes every
	// frame different. The lines between them give the frame its size.
	sdpHead = `{"type":"offer","sdp":"v=0\r\no=- `
	sdpBody = ` 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n` +
		`m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:rLzP\r\na=ice-pwd:q9O6BsxLNA2dKDCU8gLzpeby\r\n` +
		`a=ice-options:trickle\r\na=fingerprint:sha-256 1E:1B:E8:4A:C3:C4:F4:1D:0F:65:8F:A3:DD:12:78:8F:0D:EB:12:15:09:8F:03:C0:4C:F0:D4:2A:0D:2C:15:25\r\n` +
		`a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n`
	sdpLine = `a=candidate:842163049 1 udp 2122260223 192.168.178.23 51472 typ host generation 0 ufrag rLzP network-id 1 network-cost 10\r\n`
	sdpTail = `"}`
)

// frame is the next frame of a direction. Its number makes it different from every other frame.
type frame struct {
	text   []byte
	number []byte // the digits of the number, within text
}

func newFrame(text string) frame {
	f := frame{text: []byte(text)}
	at := strings.Index(text, sdpHead) + len(sdpHead)
	f.number = f.text[at : at+numberDigits]
	return f
}

// next turns f into the frame that follows it.
func (f frame) next() {
	for i := len(f.number) - 1; i >= 0; i-- {
		if f.number[i]++; f.number[i] <= '9' {
			return
		}
		f.number[i] = '0'
	}
}

// frames returns the first frame from one login to another, as it is sent and as it arrives. The frame sent has size
// bytes.
func (d dialect) frames(from, to string, size int) (sent, arrives frame) {
	make := func(filling string) (sent, arrives string) {
		return d.envelope(from, to, sdpHead+strings.Repeat("0", numberDigits)+filling+sdpTail)
	}
	empty, _ := make("")
	filling := sdpBody
	for len(filling) < size {
		filling += sdpLine
	}
	cut := []byte(filling[:max(0, size-len(empty))])
	if kept := bytes.TrimRight(cut, `\`); len(kept) < len(cut) {
		copy(cut[len(kept):], "..") // half an escape
	}
	s, a := make(string(cut))
	return newFrame(s), newFrame(a)
}
