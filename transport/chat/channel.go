package chat

import (
	"time"
	"unicode/utf8"

	"github.com/pion/webrtc/v4"
)

const (
	bufferHigh = 1 << 20   // no more texts are put into a send buffer that holds this many bytes
	bufferLow  = 256 << 10 // sending continues when it holds this many

	heartbeat     = 2500 * time.Millisecond
	maxHeartbeats = 4 // so many in a row without a sign of life mean that the other side is gone

	maxQueued       = 1 << 16 // frames in the send buffer; a pipe, which sends the most at once, stops at a quarter (maxBacklog)
	maxFileMessages = 64      // that wait until the other side is let in
)

// queue bounds how many frames wait in the send buffer. BufferedAmount tells their bytes, but a frame of one byte occupies far more. A peer
// that sends pings or texts without end, and reads none of the answers, would fill the memory.
type queue struct {
	posted       uint64 // bytes, in all
	mark         uint64 // posted at the time when newer was 0
	older, newer int    // frames before and after mark
}

// add counts a frame that was put into the send buffer, which holds buffered bytes then.
func (q *queue) add(bytes int, buffered uint64) {
	q.posted += uint64(bytes)
	q.newer++
	if q.posted >= q.mark+buffered { // what was posted before mark is gone
		q.older, q.newer, q.mark = q.newer, 0, q.posted
	}
}

// full reports whether more frames may wait than an honest side ever causes.
func (q *queue) full() bool { return q.older+q.newer > maxQueued }

// channel is what a call knows of the channel for texts. web/src/call/framing.ts says how two sides use it.
type channel struct {
	isOpen    bool
	instance  string // of the other side; "" until its hello
	more      bool   // another hello of the other side follows, with what it has
	admitted  bool   // the other side is let in: what the person sends may pass
	has       *mark  // what the other side has said until then that it has,
	read      uint32 // … which text its person has seen last,
	taken     uint32 // … and which of its own texts has come last
	assembler assembler

	letter uint32 // id of the text that was begun last
	rest   string // what of it was not sent yet
	begun  bool   // rest is to be sent, also if it is empty

	types   bool      // what the other side was told last of this person's typing,
	typedAt time.Time // … and when

	sending      queue
	fileMessages []fileMessage // that have come before the other side was let in

	beats    *time.Timer
	lively   bool // something has come since the last heartbeat
	missed   int
	buffered uint64
	probes   []*time.Timer
	answers  []func(there bool)
}

// opened: frames can go out.
func (l *call) opened() {
	if l.isOpen {
		return
	}
	l.isOpen = true
	l.post(hello{Version: 1, Instance: l.with.instance, More: true}.frame())
	l.beats = l.chat.after(heartbeat, l.beat)
}

// post sends a frame. If the channel is closed, its end is told elsewhere.
func (l *call) post(frame []byte) {
	_ = l.texts.Send(frame)
	l.sending.add(len(frame), l.texts.BufferedAmount())
}

// postAdmitted sends what is meant for somebody who is let in.
func (l *call) postAdmitted(frame []byte) {
	if l.admitted && l.phase == open {
		l.post(frame)
	}
}

func (l *call) alive() { l.lively = true }

// beat sends a ping, and finds out whether the other side is gone. A send buffer that drains is a sign of life, too.
func (l *call) beat() {
	if l.phase == over {
		return
	}
	buffered := l.texts.BufferedAmount()
	if l.lively || buffered < l.buffered {
		l.missed = 0
	} else {
		l.missed++
	}
	l.lively, l.buffered = false, buffered
	if l.missed >= maxHeartbeats {
		l.failed()
		return
	}
	l.post([]byte{framePing})
	l.beats = l.chat.after(heartbeat, l.beat)
}

func (l *call) stopHeartbeat() {
	if l.beats != nil {
		l.beats.Stop()
	}
	l.answered(false)
}

// probe asks the other side whether it is there.
func (l *call) probe(answer func(there bool)) {
	l.answers = append(l.answers, answer)
	l.probes = append(l.probes, l.chat.after(probeTimeout, func() { l.answered(false) }))
	l.post([]byte{framePing})
}

func (l *call) answered(there bool) {
	answers, probes := l.answers, l.probes
	l.answers, l.probes = nil, nil
	for _, timer := range probes {
		timer.Stop()
	}
	for _, answer := range answers {
		answer(there)
	}
}

// take acts on a message of the channel for texts.
func (l *call) take(m webrtc.DataChannelMessage) error {
	l.alive()
	if m.IsString || len(m.Data) == 0 {
		return errGarbled
	}
	kind, body := m.Data[0], m.Data[1:]
	switch kind {
	case frameHello:
		h, err := parseHello(body)
		if err != nil {
			return err
		}
		l.greeted(h)
	case framePing:
		l.post([]byte{framePong})
	case framePong:
		l.answered(true)
	case frameGoodbye:
		l.over(endLeft)
	case frameAway:
		l.over(endAway)
	case frameText:
		return l.takeText(body)
	case frameReceipt:
		id, err := parseID(body)
		if err == nil {
			l.with.confirm(id)
		}
		return err
	case frameRead:
		id, err := parseID(body)
		if err != nil || l.instance == "" {
			return err
		}
		if l.admitted {
			l.with.wasRead(id)
		} else {
			l.read = max(l.read, id)
		}
	case frameNext:
		if len(body) != 32 {
			return errGarbled
		}
		l.with.announced(l, fingerprintText(body))
	case frameFile:
		if l.instance == "" {
			return errGarbled
		}
		m, err := parseFileMessage(body)
		if err != nil {
			return err
		}
		return l.with.takeFile(l, m)
	}
	return nil // frames of other kinds are of later versions
}

// greeted: the other side has said hello, for the first or the second time.
func (l *call) greeted(h hello) {
	switch {
	case l.instance == "":
		l.instance, l.more, l.has = h.Instance, h.More, h.Received
		l.setup.Stop()
		l.phase, l.wasOpen = open, true
		l.with.opened(l)
	case l.more && h.Instance == l.instance:
		l.more = false
		if l.admitted {
			l.with.confirmMark(h.Received)
			l.flush()
		} else {
			l.has = h.Received
		}
	}
}

// admit lets the other side in. What it has said counts now.
func (l *call) admit() {
	if l.admitted || l.phase != open {
		return
	}
	l.admitted = true
	l.post(hello{Version: 1, Instance: l.with.instance, Received: l.with.received}.frame())
	if l.taken > 0 {
		l.with.took(l.instance, l.taken)
		l.post(idFrame(frameReceipt, l.taken))
		l.with.markRead(l)
	}
	l.with.confirmMark(l.has)
	if l.read > 0 {
		l.with.wasRead(l.read)
	}
	l.flush()
}

func (l *call) takeText(body []byte) error {
	if l.instance == "" {
		return errGarbled
	}
	id, text, complete, err := l.assembler.add(body)
	if err != nil || !complete {
		return err
	}
	isNew := !l.with.hasTaken(l.instance, id) && id > l.taken
	if l.admitted {
		l.with.took(l.instance, id)
	} else {
		l.taken = max(l.taken, id)
	}
	if isNew {
		l.chat.screen.said(l.with.peer, text)
		if l.chat.finished {
			return nil
		}
	}
	if l.admitted {
		l.post(idFrame(frameReceipt, id))
		l.with.markRead(l)
	}
	return nil
}

// flush sends the texts that wait, as far as the send buffer has room.
func (l *call) flush() {
	for l.admitted && !l.more && l.phase == open && l.texts.BufferedAmount() < bufferHigh {
		if !l.begun && !l.next() {
			return
		}
		part := l.rest
		if len(part) > chunkBytes {
			part = part[:chunkBytes]
		}
		l.rest = l.rest[len(part):]
		l.begun = l.rest != ""
		l.post(textFrame(l.letter, !l.begun, part))
	}
}

// next begins the next text that waits.
func (l *call) next() bool {
	for _, waiting := range l.with.waiting {
		if waiting.id > l.letter {
			l.letter, l.rest, l.begun = waiting.id, waiting.text, true
			return true
		}
	}
	return false
}

// validText returns a text as it may be sent.
func validText(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return string([]rune(text)) // each wrong byte becomes U+FFFD
}
