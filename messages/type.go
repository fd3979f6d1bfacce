package messages

// Type is the kind of a message that a client sends, its member "type".
// The zero value is no type.
type Type uint8

const (
	TypeLogin        Type = iota + 1 // to the service: asks for a login
	TypeLogout                       // to the service: gives the login up
	TypeOffer                        // relayed: an RTCSessionDescription, made by createOffer
	TypeAnswer                       // relayed: an RTCSessionDescription, made by createAnswer
	TypeICECandidate                 // relayed: an RTCIceCandidate, or null after the last one
	TypeBye                          // relayed: ends or declines a call
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
	}
	return "unknown"
}

// Relayed reports whether messages of this type are for another client and
// are passed on to it, byte for byte. The others are for the service.
func (t Type) Relayed() bool { return t >= TypeOffer && t <= TypeBye }

// parseType returns the type that is spelled so on the wire, and 0 for none.
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
	}
	return 0
}
