package load

// The messages that Chromium 140 sends to set up a call with a data channel: their payloads, as JSON.stringify writes
// them. The identifiers are random. The candidates are those of a machine with an IPv4 and an IPv6 network, with and
// without mDNS names, with a STUN and a TURN server.
const (
	browserOffer = `{"type":"offer","sdp":"v=0\r\no=- 6802433541291912628 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n` +
		`a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n` +
		`a=ice-ufrag:rLzP\r\na=ice-pwd:q9O6BsxLNA2dKDCU8gLzpeby\r\na=ice-options:trickle\r\na=fingerprint:sha-256 ` +
		`1E:1B:E8:4A:C3:C4:F4:1D:0F:65:8F:A3:DD:12:78:8F:0D:EB:12:15:09:8F:03:C0:4C:F0:D4:2A:0D:2C:15:25\r\n` +
		`a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n"}`
	browserAnswer = `{"sdp":"v=0\r\no=- 2084028719666154417 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n` +
		`a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n` +
		`a=ice-ufrag:OmoB\r\na=ice-pwd:2Z8Xh7cxdk6x/hsS45qQAiY+\r\na=ice-options:trickle\r\na=fingerprint:sha-256 ` +
		`54:9C:66:03:67:DD:C3:7B:EE:39:6A:6A:0A:72:53:CC:9F:BA:F5:3B:24:E2:85:E0:36:A6:10:DC:A9:E9:39:8C\r\n` +
		`a=setup:active\r\na=mid:0\r\na=sctp-port:5000\r\na=max-message-size:262144\r\n","type":"answer"}`
)

// browserCandidates returns the candidates of one side, in the order in which a browser finds them.
func browserCandidates() []string {
	const (
		head = `{"candidate":"candidate:`
		tail = `","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"rLzP"}`
	)
	lines := []string{
		`2404133045 1 udp 2113937151 b1cb3f47-6d95-4e93-8c54-16058580666a.local 33904 typ host generation 0 ufrag rLzP network-cost 999`,
		`1143662933 1 udp 2113942271 c2786e30-066e-4bfb-b4f0-9d9b34a6e6ce.local 38382 typ host generation 0 ufrag rLzP network-cost 999`,
		`842163049 1 udp 2122260223 192.168.178.23 51472 typ host generation 0 ufrag rLzP network-id 1 network-cost 10`,
		`559267639 1 udp 2122202367 2001:db8:85a3::8a2e:370:7334 60769 typ host generation 0 ufrag rLzP network-id 2 network-cost 10`,
		`1510613869 1 udp 2122129151 10.0.8.2 49203 typ host generation 0 ufrag rLzP network-id 3 network-cost 50`,
		`842163049 1 udp 1686052607 203.0.113.141 51472 typ srflx raddr 192.168.178.23 rport 51472 generation 0 ufrag rLzP network-id 1 network-cost 10`,
		`1510613869 1 udp 1685921535 203.0.113.141 49203 typ srflx raddr 10.0.8.2 rport 49203 generation 0 ufrag rLzP network-id 3 network-cost 50`,
		`1876313031 1 tcp 1518280447 192.168.178.23 9 typ host tcptype active generation 0 ufrag rLzP network-id 1 network-cost 10`,
		`344579997 1 tcp 1518222591 2001:db8:85a3::8a2e:370:7334 9 typ host tcptype active generation 0 ufrag rLzP network-id 2 network-cost 10`,
		`394597713 1 tcp 1518149375 10.0.8.2 9 typ host tcptype active generation 0 ufrag rLzP network-id 3 network-cost 50`,
		`3745641921 1 udp 41885695 198.51.100.17 50833 typ relay raddr 203.0.113.141 rport 51472 generation 0 ufrag rLzP network-id 1 network-cost 10`,
		`1122334455 1 udp 25108223 198.51.100.17 61204 typ relay raddr 203.0.113.141 rport 53110 generation 0 ufrag rLzP network-id 1 network-cost 10`,
	}
	for i, line := range lines {
		lines[i] = head + line + tail
	}
	return lines
}
