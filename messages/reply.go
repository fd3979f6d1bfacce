package messages

import (
	"strconv"
	"unicode/utf8"
)

// AppendLoginAccepted appends the reply to an accepted login to dst, with the ICE servers that the service has to offer.
func AppendLoginAccepted(dst []byte, servers []ICEServer) []byte {
	dst = append(dst, `{"type":"login","success":true`...)
	if len(servers) > 0 {
		dst = appendICEServers(dst, servers)
	}
	return append(dst, '}')
}

// KeptLogin is what the service says of a kept session in the reply to an accepted login.
type KeptLogin struct {
	Login    string // as the session spells it
	Resume   string // the next secret
	Window   int    // seconds that the session stays without a connection
	Brought  bool   // the login brought a secret
	Resumed  bool   // the session goes on, with Brought
	Received uint64 // messages of the client that were acted on, with Resumed
}

// AppendKeptLoginAccepted appends the reply to an accepted login of a kept session to dst.
func AppendKeptLoginAccepted(dst []byte, k KeptLogin, servers []ICEServer) []byte {
	dst = append(dst, `{"type":"login","success":true,"login":`...)
	dst = appendString(dst, k.Login)
	dst = append(dst, `,"resume":`...)
	dst = appendString(dst, k.Resume)
	dst = append(dst, `,"window":`...)
	dst = strconv.AppendInt(dst, int64(k.Window), 10)
	if k.Brought {
		dst = append(dst, `,"resumed":`...)
		dst = strconv.AppendBool(dst, k.Resumed)
	}
	if k.Brought && k.Resumed {
		dst = append(dst, `,"received":`...)
		dst = strconv.AppendUint(dst, k.Received, 10)
	}
	if len(servers) > 0 {
		dst = appendICEServers(dst, servers)
	}
	return append(dst, '}')
}

// AppendLoginRefused appends the reply to a refused login to dst. If message is
// empty, it uses code.Message().
func AppendLoginRefused(dst []byte, code Code, message string) []byte {
	dst = append(dst, `{"type":"login","success":false`...)
	dst = appendWhy(dst, code, message)
	return append(dst, '}')
}

// AppendTokenAccepted appends the answer to a token that holds to dst. Expires is when it ends, in Unix seconds, or 0 if it does not
// end.
func AppendTokenAccepted(dst []byte, expires int64) []byte {
	dst = append(dst, `{"type":"token","success":true`...)
	if expires != 0 {
		dst = append(dst, `,"expires":`...)
		dst = strconv.AppendInt(dst, expires, 10)
	}
	return append(dst, '}')
}

// AppendTokenRefused appends the answer to a token that does not hold to dst. If message is empty, it uses code.Message().
func AppendTokenRefused(dst []byte, code Code, message string) []byte {
	dst = append(dst, `{"type":"token","success":false`...)
	dst = appendWhy(dst, code, message)
	return append(dst, '}')
}

// AppendError appends an error to dst. If message is empty, it uses
// code.Message(). If the error is about a relayed message, rawTo is
// [Envelope.RawTo] of that message. Otherwise rawTo is nil.
func AppendError(dst []byte, code Code, message string, rawTo []byte) []byte {
	dst = append(dst, `{"type":"error"`...)
	dst = appendWhy(dst, code, message)
	if rawTo != nil {
		dst = append(dst, `,"to":`...)
		dst = append(dst, rawTo...)
	}
	return append(dst, '}')
}

// AppendPong appends the answer to a ping to dst. RawID is [Envelope.RawID] of
// the ping.
func AppendPong(dst, rawID []byte) []byte {
	return append(appendPong(dst, rawID), '}')
}

// AppendKeptPong appends the answer to a ping that confirms to dst. Received is how many messages of the client were acted on.
func AppendKeptPong(dst, rawID []byte, received uint64) []byte {
	dst = append(appendPong(dst, rawID), `,"received":`...)
	return append(strconv.AppendUint(dst, received, 10), '}')
}

func appendPong(dst, rawID []byte) []byte {
	dst = append(dst, `{"type":"pong"`...)
	if rawID != nil {
		dst = append(dst, `,"id":`...)
		dst = append(dst, rawID...)
	}
	return dst
}

// AppendPresence appends what a watcher is told to dst: which logins are online and which are offline.
func AppendPresence(dst []byte, online, offline []string) []byte {
	dst = append(dst, `{"type":"presence","online":`...)
	dst = appendStrings(dst, online)
	dst = append(dst, `,"offline":`...)
	return append(appendStrings(dst, offline), '}')
}

func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

func appendWhy(dst []byte, code Code, message string) []byte {
	if message == "" {
		message = code.Message()
	}
	dst = append(dst, `,"code":`...)
	dst = appendString(dst, string(code))
	dst = append(dst, `,"message":`...)
	return appendString(dst, message)
}

// appendString appends s as a JSON string. It replaces what I-JSON does not
// allow in a string (invalid UTF-8, noncharacters) with U+FFFD, so that the
// output is always valid.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[r>>4], hex[r&0xf])
		case isNoncharacter(r):
			dst = utf8.AppendRune(dst, utf8.RuneError)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return append(dst, '"')
}
