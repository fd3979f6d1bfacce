package messages

// ICEServer is one STUN or TURN server that a client may use, as RTCPeerConnection takes it (W3C, WebRTC, RTCIceServer).
type ICEServer struct {
	URLs       []string // as in RFC 7064 and RFC 7065
	Username   string   // "" together with Credential: the server asks for none
	Credential string
}

// AppendICEServers appends the answer to an ice-servers message to dst.
func AppendICEServers(dst []byte, servers []ICEServer) []byte {
	dst = append(dst, `{"type":"ice-servers"`...)
	return append(appendICEServers(dst, servers), '}')
}

// appendICEServers appends the member iceServers.
func appendICEServers(dst []byte, servers []ICEServer) []byte {
	dst = append(dst, `,"iceServers":[`...)
	for i, server := range servers {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, `{"urls":`...)
		dst = appendStrings(dst, server.URLs)
		if server.Username != "" {
			dst = append(dst, `,"username":`...)
			dst = appendString(dst, server.Username)
			dst = append(dst, `,"credential":`...)
			dst = appendString(dst, server.Credential)
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}
