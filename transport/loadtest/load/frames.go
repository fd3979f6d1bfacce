package load

import (
	"bytes"
	"strconv"
	"strings"

	"p2p-messaging/messages"
)

// Four numbers determine a relayed frame: the run, the pair, the direction and the sequence number in that direction. A
// receiver can therefore compute every byte of the frame that it expects. The numbers stand at fixed places in the
// frame, in hexadecimal:
//
//	{"type":"offer","offer":{…,"loadtest":"RRRRRRRR.PPPPPPP.D.SSSSSSSS.CCCCCCCC"},"from":"lt-…","to":"lt-…"}
//
// In PeerJS's protocol it differs as it is sent and as it arrives:
//
//	{"type":"OFFER","payload":{…,"loadtest":"…"},"dst":"lt-…"}
//	{"type":"OFFER","src":"lt-…","dst":"lt-…","payload":{…,"loadtest":"…"}}
//
// R is the run, P the pair, D the direction, S the sequence number and C a checksum.

const (
	hexDigits = "0123456789abcdef"

	runDigits      = 8
	indexDigits    = 7
	sequenceDigits = 8

	// A login has the form lt-RRRRRRRR-kIIIIIIIs: run, kind, index, side (a or b).
	loginPrefix = "lt-"
	loginLength = len(loginPrefix) + runDigits + 1 + 1 + indexDigits + 1

	markName   = `"loadtest":"`
	markLength = runDigits + 1 + indexDigits + 1 + 1 + 1 + sequenceDigits + 1 + sequenceDigits
)

// Kinds of sessions, as they stand in logins. Sessions of different scenarios may have the same index, but not the same
// kind.
const (
	kindIdle   = 'i'
	kindRelay  = 'r'
	kindChurn  = 'c'
	kindStorm  = 's'
	kindAround = 'n' // bystanders of a storm
	kindSlow   = 'w'
	kindCall   = 'k'
	kindProbe  = 'p' // the session that finds out whether there is a service
)

// appendLogin appends the login of a session.
func appendLogin(b []byte, run uint32, kind byte, index uint32, side int) []byte {
	b = append(b, loginPrefix...)
	b = appendHex(b, run, runDigits)
	b = append(b, '-', kind)
	b = appendHex(b, index, indexDigits)
	return append(b, 'a'+byte(side))
}

func appendHex(b []byte, v uint32, digits int) []byte {
	for shift := 4 * (digits - 1); shift >= 0; shift -= 4 {
		b = append(b, hexDigits[v>>shift&0xF])
	}
	return b
}

func parseHex(b []byte) (v uint32, ok bool) {
	n, err := strconv.ParseUint(string(b), 16, 32)
	return uint32(n), err == nil && string(b) == strings.ToLower(string(b))
}

// identity determines a frame within a run.
type identity struct {
	kind      byte   // of the pair's sessions
	pair      uint32 // index of the pair
	direction int    // the side that sends: 0 or 1
	sequence  uint32 // number of the frame in its direction, from 0
}

// frames makes frames. It must be used by one goroutine only.
type frames struct {
	dialect dialect
	run     uint32
	kinds   [2][]frame // by direction; used in turn
}

// frame is one kind of frame. In some dialects it is the same text at both ends.
type frame struct{ sent, arrives template }

// template is a text with the places of its numbers.
type template struct {
	bytes          []byte
	from, to, mark int // from is -1 if the text does not have it
}

// These stand at the places of a template. No payload has them.
var (
	fromPlace = strings.Repeat("F", loginLength)
	toPlace   = strings.Repeat("T", loginLength)
	markPlace = strings.Repeat("M", markLength)
)

// newTemplate returns the template of a text with fromPlace, toPlace and markPlace in it.
func newTemplate(places string) template {
	return template{[]byte(places), strings.Index(places, fromPlace), strings.Index(places, toPlace), strings.Index(places, markPlace)}
}

// marked returns a payload, which is a JSON object, with the place of a mark.
func marked(payload string) string {
	return strings.TrimSuffix(payload, "}") + `,` + markName + markPlace + `"}`
}

// newFrames returns frames like those of a browser. If size is not 0, all frames are candidates of which exactly size bytes are
// sent instead.
func newFrames(d dialect, run uint32, size int) *frames {
	f := &frames{dialect: d, run: run}
	candidates := browserCandidates()
	if size != 0 {
		candidate := func(filling string) frame {
			return d.frame(messages.TypeICECandidate, `{"candidate":"`+filling+`","sdpMid":"0","sdpMLineIndex":0}`)
		}
		filled := candidate(strings.Repeat("x", max(0, size-len(candidate("").sent.bytes))))
		f.kinds = [2][]frame{{filled}, {filled}}
		return f
	}
	for direction, first := range []frame{d.frame(messages.TypeOffer, browserOffer), d.frame(messages.TypeAnswer, browserAnswer)} {
		f.kinds[direction] = append(f.kinds[direction], first)
		for _, c := range candidates {
			f.kinds[direction] = append(f.kinds[direction], d.frame(messages.TypeICECandidate, c))
		}
	}
	return f
}

// make returns the text of a frame as it arrives. It is valid until the next call of make or sent.
func (f *frames) make(id identity) []byte { return f.fill(&f.kind(id).arrives, id) }

// sent returns the text of a frame as it is sent. It is valid until the next call of make or sent.
func (f *frames) sent(id identity) []byte { return f.fill(&f.kind(id).sent, id) }

func (f *frames) kind(id identity) *frame {
	kinds := f.kinds[id.direction]
	return &kinds[int(id.sequence)%len(kinds)]
}

func (f *frames) fill(t *template, id identity) []byte {
	if t.from >= 0 {
		appendLogin(t.bytes[t.from:t.from], f.run, id.kind, id.pair, id.direction)
	}
	appendLogin(t.bytes[t.to:t.to], f.run, id.kind, id.pair, 1-id.direction)
	f.appendMark(t.bytes[t.mark:t.mark], id)
	return t.bytes
}

func (f *frames) appendMark(b []byte, id identity) []byte {
	b = appendHex(b, f.run, runDigits)
	b = append(b, '.')
	b = appendHex(b, id.pair, indexDigits)
	b = append(b, '.', '0'+byte(id.direction), '.')
	b = appendHex(b, id.sequence, sequenceDigits)
	b = append(b, '.')
	return appendHex(b, f.check(id), sequenceDigits)
}

// check returns a checksum over the numbers of a frame. If a number in a mark is changed, the checksum no longer fits.
func (f *frames) check(id identity) uint32 {
	h := uint64(f.run)<<32 | uint64(id.sequence)
	h = (h ^ uint64(id.pair)<<8 ^ uint64(id.kind)<<40 ^ uint64(id.direction)) * 0x9E3779B97F4A7C15
	h ^= h >> 29
	return uint32(h * 0xBF58476D1CE4E5B9 >> 32)
}

// mark is what a frame says about itself. It has all numbers that determine the frame, except for the kind.
type mark struct {
	run   uint32
	id    identity
	check uint32
}

// readMark reads the mark of a text. Found is false if the text has no mark. Whole is false if the mark is damaged.
func readMark(text []byte) (m mark, found, whole bool) {
	at := bytes.Index(text, []byte(markName))
	if at < 0 || len(text) < at+len(markName)+markLength {
		return m, false, false
	}
	b := text[at+len(markName):][:markLength]
	var ok [4]bool
	m.run, ok[0] = parseHex(b[:runDigits])
	rest := b[runDigits+1:]
	m.id.pair, ok[1] = parseHex(rest[:indexDigits])
	direction := rest[indexDigits+1]
	m.id.direction = int(direction) - '0'
	m.id.sequence, ok[2] = parseHex(rest[indexDigits+3:][:sequenceDigits])
	m.check, ok[3] = parseHex(b[markLength-sequenceDigits:])
	return m, true, ok == [4]bool{true, true, true, true} && (direction == '0' || direction == '1')
}

// identify tells which frame a text is. Intact reports whether every byte is as it should arrive. Known is false if the text
// has no mark, or the mark of another run.
func (f *frames) identify(text []byte) (id identity, intact, known bool) {
	text = f.dialect.canonical(text)
	m, found, whole := readMark(text)
	switch {
	case !found:
		return id, false, false
	case m.run != f.run:
		// If the logins are those of this run, the mark was changed.
		return id, false, bytes.Contains(text, appendHex([]byte(loginPrefix), f.run, runDigits))
	case !whole:
		return id, false, true
	}
	// The mark does not have the kind. If the checksum fits none of them, the frame was changed.
	for _, kind := range []byte{kindRelay, kindAround, kindSlow} {
		id = m.id
		id.kind = kind
		if f.check(id) == m.check {
			return id, bytes.Equal(f.make(id), text), true
		}
	}
	return id, false, true
}
