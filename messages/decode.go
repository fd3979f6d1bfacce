package messages

import (
	"fmt"
	"sync"
	"unicode/utf8"

	"p2p-messaging/messages/internal/jsontext"
)

// Limits of a message. A message beyond one of them is refused as malformed.
const (
	MaxMessageBytes = 64 << 10 // bytes in a whole message, all its fragments together
	MaxDepth        = 64       // arrays and objects inside each other, the message's own object included
	MaxIDBytes      = 64       // bytes in the id of a ping that is a string, after unescaping
)

// Envelope holds the members of a client's message that the service reads.
//
// The values are unescaped. A value that was written without escapes aliases
// Text. Nearly all are. A value that was written with escapes is a copy. A
// member that the message's type does not need is nil and was not checked.
// From and To are nil in a message of [NewArrived].
type Envelope struct {
	Type  Type
	From  []byte // of a relayed message
	To    []byte // of a relayed message
	Login []byte // of a login or a logout
	RawTo []byte // To as the JSON string that was sent, with its quotes; an error repeats it
	RawID []byte // of a ping: its id as the JSON string or number that was sent, or nil; the pong repeats it
	Text  []byte // the whole message, unchanged

	Request *Request // of a login that asks for a kept session or brings a token, a ping with received, a watch or a token; otherwise nil
}

// DecodeError says why a message was refused.
type DecodeError struct {
	Code   Code   // [CodeMalformed] or [CodeUnknownType]
	Reason string // a sentence for people, from a fixed set; it never repeats the message
	Offset int    // the byte of the message where the fault was found; the message's length if something is missing

	// Login is set if the message is a login at which nothing else is wrong
	// than a character that JSON allows in its string and I-JSON does not. It
	// names that character. The message must then be answered with
	// [AppendLoginRefused].
	Login *LoginError

	// Uncounted says that the message is an I-JSON object whose type is one that a kept session does not count. See
	// [Type.Counted].
	Uncounted bool

	// NotUTF8 says that the message is not valid UTF-8. It does not matter
	// where, or whether Reason names another fault. The connection must then
	// be closed with [CloseInvalidPayload].
	NotUTF8 bool
}

// refuse returns a DecodeError about text. The scan stops at the first fault,
// so refuse checks the UTF-8 of the whole text. Most messages have no fault,
// so the scan itself does not do that.
func refuse(text []byte, code Code, why reason, offset int) *DecodeError {
	return &DecodeError{Code: code, Reason: string(why), Offset: offset, NotUTF8: !utf8.Valid(text)}
}

// Error returns the code, the place and the reason.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("%s at byte %d: %s", e.Code, e.Offset, e.Reason)
}

// Decode reads the envelope of a message and checks the whole message. Text
// must be one object in I-JSON (RFC 7493), within the limits that the package
// comment names, with the members that its type needs. Decode changes nothing.
//
// The error is always a [*DecodeError]. Callers need not check UTF-8 first: a
// text that Decode accepts is valid UTF-8, and the error says whether a
// refused text is.
//
// Decode takes time linear in the length of text. It allocates only for an
// error, and for a returned value that was written with escapes.
func Decode(text []byte) (e Envelope, err error) {
	err = e.decode(text)
	return e, err
}

// decode is Decode into e, which must be empty. Copying an Envelope takes a
// while.
func (e *Envelope) decode(text []byte) error {
	if len(text) > MaxMessageBytes {
		return refuse(text, CodeMalformed, reasonSize, MaxMessageBytes)
	}
	s := scanners.Get().(*scanner)
	s.reset(text)
	err := s.envelope(e)
	s.text = nil // the pool must not keep it alive
	scanners.Put(s)
	return err
}

// scanners is a pool of scanners and their memory.
var scanners = sync.Pool{New: func() any {
	return &scanner{names: names{open: make([]name, 0, 2*linear)}}
}}

// A member is one of the members of a message that Decode reads.
type member uint8

const (
	memberOther member = iota
	memberType
	memberFrom
	memberTo
	memberLogin
	memberID
	memberKeep
	memberResume
	memberReceived
	memberLogins
	memberToken
	members // how many there are
)

func parseMember(name []byte) member {
	switch string(name) {
	case "type":
		return memberType
	case "from":
		return memberFrom
	case "to":
		return memberTo
	case "login":
		return memberLogin
	case "id":
		return memberID
	case "keep":
		return memberKeep
	case "resume":
		return memberResume
	case "received":
		return memberReceived
	case "logins":
		return memberLogins
	case "token":
		return memberToken
	}
	return memberOther
}

// A value says where the value of a member stands in the text.
type value struct {
	start, end int // includes the quotes of a string; 0, 0: the member is missing
	kind       kind
	escaped    bool // the string has an escape
}

// A kind is a kind of JSON value.
type kind uint8

const (
	kindOther kind = iota // end is not that of the value
	kindString
	kindNumber
	kindTrue
)

// envelope scans the message and fills in e, which is empty. It changes e only
// if the message has no fault.
func (s *scanner) envelope(e *Envelope) error {
	if !s.message() {
		return refuse(s.text, CodeMalformed, s.reason, s.offset)
	}
	spelling, ok := s.stringOf(memberType)
	if s.unfit != 0 {
		refused := refuse(s.text, CodeMalformed, s.reason, s.offset)
		if parseType(spelling) == TypeLogin {
			refused.Login = &LoginError{RuleCharacter, s.unfit}
		}
		return refused
	}
	if !ok {
		return s.missing(memberType, reasonType)
	}
	t := parseType(spelling)
	if t == 0 {
		refused := refuse(s.text, CodeUnknownType, reasonUnknownType, s.found[memberType].start)
		refused.Uncounted = string(spelling) == "pong" || string(spelling) == "presence"
		return refused
	}
	var (
		login, rawID []byte
		request      *Request
	)
	switch {
	case t.Relayed():
		from, ok := s.stringOf(memberFrom)
		if !ok {
			return s.missing(memberFrom, reasonFrom)
		}
		to, ok := s.stringOf(memberTo)
		if !ok {
			return s.missing(memberTo, reasonTo)
		}
		v := &s.found[memberTo]
		e.Type, e.From, e.To, e.RawTo, e.Text = t, from, to, s.text[v.start:v.end:v.end], s.text
		return nil
	case t == TypeICEServers:
	case t == TypePing:
		if rawID, ok = s.id(); !ok {
			refused := s.missing(memberID, reasonID)
			refused.Uncounted = true
			return refused
		}
		request = s.confirmation()
	case t == TypeWatch:
		logins, ok := s.watched()
		if !ok {
			return s.missing(memberLogins, reasonLogins)
		}
		request = &Request{Logins: logins}
	case t == TypeToken:
		token, ok := s.stringOf(memberToken)
		if !ok {
			return s.missing(memberToken, reasonToken)
		}
		request = &Request{Token: token}
	default:
		if login, ok = s.stringOf(memberLogin); !ok {
			refused := s.missing(memberLogin, reasonLogin)
			refused.Uncounted = !t.Counted()
			return refused
		}
		if t == TypeLogin {
			request = s.loginRequest()
		}
	}
	e.Type, e.Login, e.RawID, e.Text, e.Request = t, login, rawID, s.text, request
	return nil
}

// id returns the id of a ping as it was sent, or nil if there is none. It
// returns false if the id is not one that a ping may have.
func (s *scanner) id() ([]byte, bool) {
	v := &s.found[memberID]
	if v.end == 0 {
		return nil, true
	}
	if content, ok := s.stringOf(memberID); ok && len(content) > MaxIDBytes || v.kind != kindString && v.kind != kindNumber {
		return nil, false
	}
	return s.text[v.start:v.end:v.end], true
}

// stringOf returns the unescaped value of a member, and false if it is not a
// string.
func (s *scanner) stringOf(m member) ([]byte, bool) {
	v := &s.found[m]
	if v.kind != kindString {
		return nil, false
	}
	return s.unescaped(v.start, v.end, v.escaped), true
}

// unescaped returns the value of the string from start to end, its quotes
// included.
func (s *scanner) unescaped(start, end int, escaped bool) []byte {
	content := s.text[start+1 : end-1 : end-1]
	if escaped {
		content = jsontext.AppendUnescaped(make([]byte, 0, len(content)), content)
	}
	return content
}

// missing returns the error for a member that is missing or not as its type
// needs it.
func (s *scanner) missing(m member, why reason) *DecodeError {
	offset := len(s.text)
	if v := s.found[m]; v.end != 0 {
		offset = v.start
	}
	return refuse(s.text, CodeMalformed, why, offset)
}
