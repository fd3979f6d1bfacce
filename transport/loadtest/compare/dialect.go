package main

import (
	"bytes"
	"fmt"
	"strings"
)

// dialect is a protocol as its clients speak it.
type dialect struct {
	target   func(login string) string // of the WebSocket's request
	login    func(login string) string // the first message; "": none
	accepted string                    // what tells that the session is there
	logout   func(login string) string // the last message; "": none
	// envelope is a frame around its payload: as it is sent, and as it arrives.
	envelope func(from, to, payload string) (sent, arrives string)
}

const (
	dialectJSON   = "json"
	dialectPeerJS = "peerjs"
)

func dialectOf(name string) dialect {
	if name == dialectPeerJS {
		// https://github.com/peers/peerjs-server: the connection is the login, and a closed one the logout.
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

const (
	numberDigits = 16
	// sdpHead and sdpTail are around a session description as Chromium writes it. The number behind o=- tells frames
	// apart; the lines between them fill the frame up.
	sdpHead = `{"type":"offer","sdp":"v=0\r\no=- `
	sdpBody = ` 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n` +
		`m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:rLzP\r\na=ice-pwd:q9O6BsxLNA2dKDCU8gLzpeby\r\n` +
		`a=ice-options:trickle\r\na=fingerprint:sha-256 1E:1B:E8:4A:C3:C4:F4:1D:0F:65:8F:A3:DD:12:78:8F:0D:EB:12:15:09:8F:03:C0:4C:F0:D4:2A:0D:2C:15:25\r\n` +
		`a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n`
	sdpLine = `a=candidate:842163049 1 udp 2122260223 192.168.178.23 51472 typ host generation 0 ufrag rLzP network-id 1 network-cost 10\r\n`
	sdpTail = `"}`
)

// A frame is the next one of a direction: numbered, so that none is taken for another.
type frame struct {
	text   []byte
	number []byte // in text
}

func newFrame(text string) frame {
	f := frame{text: []byte(text)}
	at := strings.Index(text, sdpHead) + len(sdpHead)
	f.number = f.text[at : at+numberDigits]
	return f
}

// next makes f the frame after it.
func (f frame) next() {
	for i := len(f.number) - 1; i >= 0; i-- {
		if f.number[i]++; f.number[i] <= '9' {
			return
		}
		f.number[i] = '0'
	}
}

// frames returns the first frame from one login to another: as it is sent, in so many bytes, and as it arrives.
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
