package messages

import (
	"fmt"
	"sync"
	"unicode/utf8"
)

// Limits of a message. A message beyond one of them is refused as malformed.
const (
	MaxMessageBytes = 64 << 10 // bytes in a whole message, all its fragments together
	MaxDepth        = 64       // arrays and objects inside each other, the message's own object included
)

// Envelope is what the service reads of a message that a client sent.
//
// The values are unescaped. They alias Text where no escape stands in them,
// which is nearly always; where one does, they are copies. What the message's
// type does not need is nil, and was not looked at.
type Envelope struct {
	Type  Type
	From  []byte // of a relayed message
	To    []byte // of a relayed message
	Login []byte // of a login or a logout
	RawTo []byte // To as the JSON string that was sent, quotes included, to be echoed in an error
	Text  []byte // the whole message, untouched
}

// DecodeError says why a message was refused.
type DecodeError struct {
	Code   Code   // [CodeMalformed] or [CodeUnknownType]
	Reason string // a sentence for people, one of a fixed set: it never repeats the message
	Offset int    // the byte of the message at which the reason was found; its length where something is missing

	// NotUTF8 says that the message is not valid UTF-8, wherever in it and
	// whatever the reason: the connection is to be closed with
	// [CloseInvalidPayload].
	NotUTF8 bool
}

// refuse returns a DecodeError about text. The reason is the first that there
// is, so that for UTF-8 the rest is still to be looked at; that happens here
// and not while scanning, because most messages are right.
func refuse(text []byte, code Code, why reason, offset int) *DecodeError {
	return &DecodeError{code, string(why), offset, !utf8.Valid(text)}
}

// Error returns the reason with the place.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("%s at byte %d: %s", e.Code, e.Offset, e.Reason)
}

// Decode reads the envelope of a message and checks the rest of it: text must
// be one object in I-JSON (RFC 7493) within the limits, as the package comment
// has it, with the members that its type needs. Nothing else in it is
// looked at, and nothing is changed.
//
// The error is always a [*DecodeError]. A text that Decode accepts is valid
// UTF-8, and of one that it refuses the error says whether it is: nobody needs
// to check that before.
//
// Decode takes time linear in the length of text, whatever it is. It
// allocates only for an error, and for a value that it returns and that is
// written with escapes.
func Decode(text []byte) (e Envelope, err error) {
	if len(text) > MaxMessageBytes {
		return Envelope{}, refuse(text, CodeMalformed, reasonSize, MaxMessageBytes)
	}
	s := scanners.Get().(*scanner)
	s.reset(text)
	err = s.envelope(&e)
	s.text = nil // the pool is not to keep it alive
	scanners.Put(s)
	return e, err
}

// scanners holds scanners between messages, with the memory that they use.
var scanners = sync.Pool{New: func() any {
	return &scanner{names: names{open: make([]name, 0, 2*linear)}}
}}

// A member is one of the members of a message that are read.
type member uint8

const (
	memberOther member = iota
	memberType
	memberFrom
	memberTo
	memberLogin
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
	}
	return memberOther
}

// A value is where a member's value stands in the text.
type value struct {
	start, end int // with the quotes, if it is a string; 0, 0: the member is missing
	isString   bool
	escaped    bool // an escape stands in the string
}

// envelope scans the message and sets e to what was found.
func (s *scanner) envelope(e *Envelope) error {
	if !s.message() {
		return refuse(s.text, CodeMalformed, s.reason, s.offset)
	}
	spelling, ok := s.stringOf(memberType)
	if !ok {
		return s.missing(memberType, reasonType)
	}
	t := parseType(spelling)
	if t == 0 {
		return refuse(s.text, CodeUnknownType, reasonUnknownType, s.found[memberType].start)
	}
	var from, to, rawTo, login []byte
	if t.Relayed() {
		if from, ok = s.stringOf(memberFrom); !ok {
			return s.missing(memberFrom, reasonFrom)
		}
		if to, ok = s.stringOf(memberTo); !ok {
			return s.missing(memberTo, reasonTo)
		}
		v := s.found[memberTo]
		rawTo = s.text[v.start:v.end:v.end]
	} else if login, ok = s.stringOf(memberLogin); !ok {
		return s.missing(memberLogin, reasonLogin)
	}
	*e = Envelope{Type: t, From: from, To: to, Login: login, RawTo: rawTo, Text: s.text}
	return nil
}

// stringOf returns a member's value, unescaped; false if it is no string.
func (s *scanner) stringOf(m member) ([]byte, bool) {
	v := &s.found[m]
	if !v.isString {
		return nil, false
	}
	content := s.text[v.start+1 : v.end-1 : v.end-1]
	if v.escaped {
		content = appendUnescaped(make([]byte, 0, len(content)), content)
	}
	return content, true
}

// missing says that a member is missing or no string.
func (s *scanner) missing(m member, why reason) error {
	offset := len(s.text)
	if v := s.found[m]; v.end != 0 {
		offset = v.start
	}
	return refuse(s.text, CodeMalformed, why, offset)
}
