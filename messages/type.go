package messages

// Type is the kind of a client's message: its member "type". The zero value is
// not a type.
type Type uint8

const (
	TypeLogin        Type = iota + 1 // to the service: asks for a login
	TypeLogout                       // to the service: gives the login up
	TypeOffer                        // relayed: an RTCSessionDescription, made by createOffer
	TypeAnswer                       // relayed: an RTCSessionDescription, made by createAnswer
	TypeICECandidate                 // relayed: an RTCIceCandidate, or null after the last one
	TypeBye                          // relayed: ends or declines a call
	TypePing                         // to the service: asks for a pong
	TypeICEServers                   // to the service: asks for ICE servers with new credentials
	TypeWatch                        // to the service: asks who of some logins is there, and what changes
	TypeToken                        // to the service: brings a fresh token for the session
)

// String returns the spelling on the wire.
func (t Type) String() string {
	switch t {
	case TypeLogin:
		return "login"
	case TypeLogout:
		return "logout"
	case TypeOffer:
		return "offer"
	case TypeAnswer:
		return "answer"
	case TypeICECandidate:
		return "ice-candidate"
	case TypeBye:
		return "bye"
	case TypePing:
		return "ping"
	case TypeICEServers:
		return "ice-servers"
	case TypeWatch:
		return "watch"
	case TypeToken:
		return "token"
	}
	return "unknown"
}

// Relayed reports whether messages of this type are for another client. The
// service passes those on byte for byte. All others are for the service.
func (t Type) Relayed() bool { return t >= TypeOffer && t <= TypeBye }

// Counted reports whether a kept session counts messages of this type. It counts all but those of type login, ping, pong and
// presence.
func (t Type) Counted() bool { return t != TypeLogin && t != TypePing }

// parseType returns the type with this spelling on the wire, or 0.
func parseType(spelling []byte) Type {
	switch string(spelling) {
	case "login":
		return TypeLogin
	case "logout":
		return TypeLogout
	case "offer":
		return TypeOffer
	case "answer":
		return TypeAnswer
	case "ice-candidate":
		return TypeICECandidate
	case "bye":
		return TypeBye
	case "ping":
		return TypePing
	case "ice-servers":
		return TypeICEServers
	case "watch":
		return TypeWatch
	case "token":
		return TypeToken
	}
	return 0
}
