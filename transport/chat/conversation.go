package chat

import (
	"crypto/rand"
	"fmt"
	"math"
	mathrand "math/rand/v2"
	"time"
)

const (
	restoreWithin = 180 * time.Second // how long a lost call is restored
	returnWithin  = 20 * time.Second  // the same where the service says soon that nobody has the login any more
	closedWithin  = 40 * time.Second  // how soon that is
	reloadWithin  = 40 * time.Second  // the same for a page that is being closed or loaded again
	firstWait     = time.Second       // the bound of the wait before the first attempt
	longestWait   = 5 * time.Second
)

// letter is a text that waits to be delivered.
type letter struct {
	id   uint32
	text string
}

// trust is who the other end of the open call proves to be.
type trust struct {
	fingerprint string
	verified    bool
	accepted    bool // otherwise nothing is sent until the person has decided
}

// loss is a call that was lost and is being restored.
type loss struct {
	call   string
	began  time.Time
	until  time.Time
	closed bool // the other page has said that it is being closed or loaded again
	gone   bool // the service has said soon that nobody has the login any more
	wait   time.Duration
}

// conversation is what there is with one other login. Its methods run on the goroutine of the chat.
type conversation struct {
	chat      *chat
	peer      string // the login as it is shown
	key       string
	instance  string // names this side of the conversation
	sent      uint32 // id of the last text
	waiting   []letter
	received  *mark // the last text of the other side
	delivered uint32
	seen      uint32 // the last text that the other person has seen
	reading   bool   // a read mark is about to go out

	call  *call
	trust *trust // with an open call
	loss  *loss
	met   bool // a call has been open

	in  *inbox
	out *outbox
}

func (c *chat) conversation(peer string) *conversation {
	key := keyOf(peer)
	if w := c.conversations[key]; w != nil {
		return w
	}
	w := &conversation{chat: c, peer: peer, key: key, instance: rand.Text()}
	w.in, w.out = newInbox(w), newOutbox(w)
	c.conversations[key] = w
	return w
}

// name returns the login as it may be shown in a line.
func (w *conversation) name() string { return oneLine(w.peer) }

// say sends a text, now or when there is a connection.
func (w *conversation) say(text string) {
	w.sent++
	w.waiting = append(w.waiting, letter{w.sent, validText(text)})
	if w.call != nil {
		w.call.flush()
	}
}

// confirm: the other side has this text and all before it.
func (w *conversation) confirm(id uint32) {
	before := len(w.waiting)
	for len(w.waiting) > 0 && w.waiting[0].id <= id {
		w.delivered = w.waiting[0].id
		w.waiting = w.waiting[1:]
	}
	if len(w.waiting) < before {
		w.chat.screen.progress(w.name(), "delivered")
		w.chat.moved()
	}
}

// confirmMark: the other side has said on a new channel what it has.
func (w *conversation) confirmMark(m *mark) {
	if m != nil && m.Instance == w.instance {
		w.confirm(m.ID)
	}
}

// wasRead: the person there has seen this text and all before it. A text that was not delivered cannot have been read.
func (w *conversation) wasRead(id uint32) {
	if id = min(id, w.delivered); id > w.seen {
		w.seen = id
		w.chat.screen.progress(w.name(), "read")
	}
}

func (w *conversation) hasTaken(instance string, id uint32) bool {
	return w.received != nil && w.received.Instance == instance && id <= w.received.ID
}

func (w *conversation) took(instance string, id uint32) {
	if !w.hasTaken(instance, id) {
		w.received = &mark{instance, id}
	}
}

// markRead tells the other side that the person has seen all its texts: once after a burst of them, and only if there is a person.
func (w *conversation) markRead(l *call) {
	if w.reading || !w.chat.screen.seen() {
		return
	}
	w.reading = true
	w.chat.after(50*time.Millisecond, func() {
		w.reading = false
		if w.call == l && w.received != nil && w.received.Instance == l.instance {
			l.postAdmitted(idFrame(frameRead, w.received.ID))
		}
	})
}

// opened: texts can pass. First it is found out who is at the other end.
func (w *conversation) opened(l *call) {
	c := w.chat
	fingerprint := l.proves()
	if fingerprint == "" {
		l.finish(endUnproven)
		return
	}
	w.loss = nil
	what, verified, err := c.contacts.meet(c.me.Key, w.key, fingerprint)
	if err != nil {
		c.screen.note("what is known of %s cannot be written: %v", w.name(), err)
	}
	w.trust = &trust{fingerprint: fingerprint, verified: verified}
	switch what {
	case isNew, isKnown:
		state := "not verified: compare /safety"
		if verified {
			state = "verified"
		}
		again := ""
		if w.met {
			again = " again"
		}
		c.screen.note("connected to %s%s (%s)", w.name(), again, state)
		w.trusted(l)
	case isChanged:
		before := ""
		if verified {
			before = " The one before was verified."
		}
		c.doubt(w, l, fmt.Sprintf("%s has another certificate than before.%s It may be somebody else, or %[1]s with another browser or file. "+
			"Nothing is sent until you decide", w.name(), before))
	case isUnread:
		c.doubt(w, l, fmt.Sprintf("what is remembered of %s in %s cannot be read, so nobody knows who this is. "+
			"Nothing is sent until you decide", w.name(), c.contacts.folder))
	}
}

// trusted: what the person sends may go out on this call.
func (w *conversation) trusted(l *call) {
	w.trust.accepted, w.met = true, true
	if w.chat.front == nil {
		w.chat.bringUp(w)
	}
	l.admit()
	w.in.attach(l)
	w.out.attach(l)
	for _, m := range l.fileMessages {
		l.check(w.takeFile(l, m))
	}
	l.fileMessages = nil
	w.chat.moved()
}

// goOn: the person goes on with somebody whose certificate has changed or cannot be compared.
func (w *conversation) goOn(l *call) {
	if w.call != l || l.phase != open {
		return
	}
	if err := w.chat.contacts.accept(w.chat.me.Key, w.key, w.trust.fingerprint); err != nil {
		w.chat.screen.note("what is known of %s cannot be written: %v", w.name(), err)
	}
	w.trust.verified = false
	w.trusted(l)
}

// announced: the other side has announced its next certificate. Only one that is accepted can vouch for the next.
func (w *conversation) announced(l *call, next string) {
	if w.call == l && w.trust != nil && w.trust.accepted {
		_ = w.chat.contacts.vouch(w.chat.me.Key, w.key, w.trust.fingerprint, next) // if it fails, the person is asked when the time has come
	}
}

// takeFile acts on a control frame about files. It waits until the other side is let in.
func (w *conversation) takeFile(l *call, m fileMessage) error {
	if !l.admitted {
		if len(l.fileMessages) < maxFileMessages {
			l.fileMessages = append(l.fileMessages, m)
		}
		return nil
	}
	switch m.File {
	case "offer", "done", "withdraw":
		return w.in.take(l, m)
	case "":
		return nil
	}
	return w.out.take(l, m)
}

// detach: files wait for the next call.
func (w *conversation) detach(l *call) {
	w.in.detach(l)
	w.out.detach(l)
}

// ended: a call is over.
func (w *conversation) ended(l *call, e end) {
	c := w.chat
	if w.call == nil {
		w.trust = nil
	}
	c.dropQuestions(l)
	if e == endSuperseded {
		return
	}
	if w.loss != nil && !l.wasOpen && !e.final() {
		w.attemptFailed(e)
		return
	}
	if l.wasOpen && (e == endLost || e == endAway) {
		c.screen.note("the connection to %s is interrupted. Reconnecting …", w.name())
		within := restoreWithin
		if e == endAway {
			within = reloadWithin
		}
		now := time.Now()
		w.loss = &loss{call: l.id, began: now, until: now.Add(within), closed: e == endAway, wait: firstWait}
		w.attemptSoon()
		return
	}
	w.loss = nil
	c.conversationEnded(w, e)
	if isNobody := !w.met && w != c.front && len(w.waiting)+len(w.out.files) == 0; isNobody && w.call == nil {
		delete(c.conversations, w.key) // anybody may call, under any number of logins
	}
}

// attemptFailed: a call that was to restore a lost one has ended before it opened.
func (w *conversation) attemptFailed(e end) {
	if e == endUnavailable && w.loss.closed {
		w.giveUp(endLeft)
		return
	}
	if e == endUnavailable && !w.loss.gone && time.Since(w.loss.began) < closedWithin {
		w.loss.gone, w.loss.until = true, time.Now().Add(returnWithin)
	}
	w.attemptSoon()
}

// attemptSoon calls again after a random wait, whose bound doubles. The other side does the same.
func (w *conversation) attemptSoon() {
	lost := w.loss
	wait := time.Duration(mathrand.Int64N(int64(lost.wait)))
	lost.wait = min(2*lost.wait, longestWait)
	w.chat.after(wait, func() {
		switch {
		case w.loss != lost || w.call != nil:
		case time.Now().After(lost.until):
			w.giveUp(endLost)
		default:
			w.chat.dial(w, lost.call)
		}
	})
}

func (w *conversation) giveUp(e end) {
	w.loss = nil
	w.chat.conversationEnded(w, e)
}

// backlog returns how many bytes wait to be delivered.
func (w *conversation) backlog() int {
	n := 0
	for _, waiting := range w.waiting {
		n += len(waiting.text) + 64
		if n > math.MaxInt32 {
			break
		}
	}
	return n
}

// state says in words how the conversation is.
func (w *conversation) state() string {
	switch {
	case w.loss != nil:
		return "reconnecting"
	case w.call == nil:
		return "not connected"
	case w.call.phase != open:
		return "connecting"
	case !w.trust.accepted:
		return "waits for your decision"
	case w.trust.verified:
		return "connected, verified"
	}
	return "connected, not verified"
}
