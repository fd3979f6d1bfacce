package chat

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"slices"
)

const (
	maxTries      = 10_000 // how many names are tried for a received file
	maxRemembered = 256    // how many files are remembered that are over
	maxWanted     = 10_000 // how many files may be under way or wait for their turn
	maxParts      = 64     // how many of them may have bytes here
)

// incomingState is how far a received file has got.
type incomingState int

const (
	offered  incomingState = iota // nobody has decided yet
	wanted                        // its bytes come, or continue with the next call
	done                          // it is complete and checked
	declined                      // by the person, or because it is one too many
	ended                         // it was given up by either side
)

// incoming is a file that the other side sends.
type incoming struct {
	id    uint32
	name  string // safe
	size  int64
	state incomingState
	// reason is what the sender is told of a file that has ended, if it offers the file again.
	reason string

	part     *os.File // the bytes that are here
	received int64
	block    hash.Hash // of the block that is being received
	digests  []byte    // of the blocks before

	call   *call // on which the bytes were asked for
	over   bool  // all bytes were sent on it
	sha256 string
}

// inbox is the files that the other side of a conversation sends.
type inbox struct {
	with     *conversation
	instance string // of the page that has sent files
	files    map[uint32]*incoming
	order    []uint32
}

func newInbox(w *conversation) *inbox { return &inbox{with: w, files: map[uint32]*incoming{}} }

// attach: there is a connection. Without a folder for files, nothing is said, so that the other side sends none.
func (in *inbox) attach(l *call) {
	if in.instance != l.instance {
		for _, f := range in.files {
			in.end(f, "") // a page that was loaded again does not know them
		}
		in.files, in.order, in.instance = map[uint32]*incoming{}, nil, l.instance
	}
	if in.with.chat.folder != nil {
		limit := in.limit()
		l.postAdmitted(fileMessage{File: "limit", Bytes: &limit}.frame())
	}
}

// limit returns how large a file may be. A person who is asked decides about any size.
func (in *inbox) limit() int64 {
	if o := in.with.chat.o; o.ReceiveFiles != "" {
		return min(int64(cmp.Or(o.MaxFile, defaultMaxFile)), maxFileBytes)
	}
	return maxFileBytes
}

// detach: the connection is gone. The other side offers unfinished files again on the next one. Then the person is asked again, too.
func (in *inbox) detach(l *call) {
	for _, f := range in.files {
		if f.call == l {
			f.call = nil
		}
		in.with.chat.dropQuestion(f)
	}
}

// take acts on a sender's message.
func (in *inbox) take(l *call, m fileMessage) error {
	f := in.files[m.ID]
	switch {
	case in.with.chat.folder == nil:
		return errGarbled // the limit was not told
	case m.File == "offer":
		return in.offer(l, f, m)
	case f == nil:
	case m.File == "withdraw":
		if f.state == offered || f.state == wanted {
			in.with.chat.screen.note("%s does not send %s any more", in.with.name(), f.name)
			in.end(f, "")
		}
	case m.File == "done" && f.call == l:
		f.sha256 = m.SHA256
		in.finish(l, f)
	}
	return nil
}

func (in *inbox) offer(l *call, f *incoming, m fileMessage) error {
	if f != nil {
		if f.size != *m.Size {
			return errGarbled
		}
		in.offerAgain(l, f)
		return nil
	}
	if *m.Size > in.limit() {
		in.with.chat.screen.note("%s offers %s (%s), which is larger than --max-file", in.with.name(), safeName(m.Name), bytesText(*m.Size))
		l.postAdmitted(fileMessage{File: "decline", ID: m.ID, Reason: "limit"}.frame())
		return nil
	}
	if in.count(func(f *incoming) bool { return f.state == offered }) >= maxOffers ||
		in.count(func(f *incoming) bool { return f.state == wanted }) >= maxWanted {
		l.postAdmitted(fileMessage{File: "decline", ID: m.ID, Reason: "many"}.frame())
		return nil
	}
	if full := in.with.chat.full(); full != "" {
		in.with.chat.screen.note("%s offers %s (%s), which is declined: %s", in.with.name(), safeName(m.Name), bytesText(*m.Size), full)
		l.postAdmitted(fileMessage{File: "decline", ID: m.ID, Reason: "many"}.frame())
		return nil
	}
	f = &incoming{id: m.ID, name: safeName(m.Name), size: *m.Size, block: sha256.New()}
	in.files[m.ID] = f
	in.order = append(in.order, m.ID)
	in.forget()
	in.decide(f)
	return nil
}

// decide accepts a file if every file is accepted, and asks the person otherwise.
func (in *inbox) decide(f *incoming) {
	c := in.with.chat
	if c.o.ReceiveFiles != "" {
		c.screen.note("%s sends %s (%s)", in.with.name(), f.name, bytesText(f.size))
		in.accept(f)
		return
	}
	c.ask(&question{
		what:    fmt.Sprintf("%s offers the file %s (%s)", in.with.name(), f.name, bytesText(f.size)),
		file:    f,
		accept:  func() { in.accept(f) },
		decline: func() { in.decline(f) },
	})
}

// full says why --receive-files accepts no further file; "" if it does. Files that are on their way count, too.
func (c *chat) full() string {
	if c.o.ReceiveFiles == "" {
		return ""
	}
	most := defaultMaxFiles
	if c.o.MaxFiles != nil {
		most = *c.o.MaxFiles
	}
	count, err := c.folder.count()
	if err != nil {
		return "the folder cannot be read: " + reason(err).Error()
	}
	for _, w := range c.conversations {
		count += w.in.count(func(f *incoming) bool { return f.state == wanted && f.part == nil })
	}
	if count < most {
		return ""
	}
	return fmt.Sprintf("the folder has %d files, and --max-files is %d. Take some out, or give more", count, most)
}

func (in *inbox) count(fits func(*incoming) bool) (n int) {
	for _, f := range in.files {
		if fits(f) {
			n++
		}
	}
	return n
}

// offerAgain: after a break the sender offers every file that it believes to be unfinished.
func (in *inbox) offerAgain(l *call, f *incoming) {
	switch f.state {
	case offered:
		if !in.with.chat.asks(f) {
			in.decide(f)
		}
	case wanted:
		in.request(l, f)
	case done:
		l.postAdmitted(fileMessage{File: "received", ID: f.id}.frame())
	case declined:
		l.postAdmitted(fileMessage{File: "decline", ID: f.id, Reason: "person"}.frame())
	case ended:
		reason := f.reason
		if reason == "" {
			reason = "person"
		}
		l.postAdmitted(fileMessage{File: "cancel", ID: f.id, Reason: reason}.frame())
	}
}

// accept asks for a file.
func (in *inbox) accept(f *incoming) {
	if f.state != offered {
		return
	}
	f.state = wanted
	if l := in.with.call; l != nil && l.admitted {
		in.request(l, f)
	}
}

// request asks for the bytes that are missing, once on each call.
func (in *inbox) request(l *call, f *incoming) {
	if f.call == l {
		return
	}
	f.call, f.over, f.sha256 = l, false, ""
	l.postAdmitted(fileMessage{File: "accept", ID: f.id, Offset: &f.received}.frame())
}

func (in *inbox) decline(f *incoming) {
	if f.state != offered {
		return
	}
	f.state = declined
	if l := in.with.call; l != nil {
		l.postAdmitted(fileMessage{File: "decline", ID: f.id, Reason: "person"}.frame())
	}
}

// takeBytes takes a message of the channel for bytes.
func (in *inbox) takeBytes(l *call, data []byte) error {
	if len(data) < 4 {
		return errGarbled
	}
	f, part := in.files[binary.BigEndian.Uint32(data)], data[4:]
	switch {
	case f == nil || f.call == nil && f.state != ended && f.state != done:
		return errGarbled // nobody has asked for them
	case f.state != wanted:
		return nil // they were under way when it was given up
	case len(part) == 0:
		f.over = true
		in.finish(l, f)
		return nil
	case f.over || f.received+int64(len(part)) > f.size:
		in.giveUp(f, "damaged")
		in.with.chat.screen.note("%s from %s is not what was offered. It was deleted", f.name, in.with.name())
		return nil
	}
	if err := in.write(f, part); err != nil {
		in.failed(f, err)
	}
	return nil
}

// write writes bytes of a file, and tells the sender of each block.
func (in *inbox) write(f *incoming, part []byte) error {
	if err := in.open(f); err != nil {
		return err
	}
	if _, err := f.part.Write(part); err != nil {
		return err
	}
	for len(part) > 0 {
		n := min(int64(len(part)), blockBytes-f.received%blockBytes)
		f.block.Write(part[:n])
		part = part[n:]
		if f.received += n; f.received%blockBytes == 0 || f.received == f.size {
			f.digests = f.block.Sum(f.digests)
			f.block.Reset()
			if f.call != nil {
				f.call.postAdmitted(fileMessage{File: "progress", ID: f.id, Offset: &f.received}.frame())
			}
		}
	}
	return nil
}

// open makes the file for the bytes, if there is none. A sender has few files under way.
func (in *inbox) open(f *incoming) (err error) {
	if f.part == nil {
		if in.count(func(f *incoming) bool { return f.part != nil }) >= maxParts {
			return errors.New("too many files at once")
		}
		f.part, err = in.with.chat.folder.create()
	}
	return err
}

// finish checks a file once all of it and its checksum are here.
func (in *inbox) finish(l *call, f *incoming) {
	if !f.over || f.sha256 == "" || f.state != wanted {
		return
	}
	sum := sha256.Sum256(f.digests)
	if f.received != f.size || hex.EncodeToString(sum[:]) != f.sha256 {
		in.giveUp(f, "damaged")
		in.with.chat.screen.note("%s from %s is damaged. It was deleted", f.name, in.with.name())
		return
	}
	if err := in.open(f); err != nil { // an empty file has had no bytes
		in.failed(f, err)
		return
	}
	part := f.part
	f.part = nil
	name, err := in.with.chat.folder.keep(part, f.name)
	if err != nil {
		in.failed(f, err)
		return
	}
	f.state = done
	l.postAdmitted(fileMessage{File: "received", ID: f.id}.frame())
	in.with.chat.screen.note("received %s from %s, complete and checked", name, in.with.name())
}

// failed: the file cannot be written.
func (in *inbox) failed(f *incoming, err error) {
	in.giveUp(f, "full")
	in.with.chat.screen.note("%s from %s cannot be saved: %v", f.name, in.with.name(), reason(err))
}

// reason leaves the path of a partial file out of an error.
func reason(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}

// giveUp ends a file and tells the sender.
func (in *inbox) giveUp(f *incoming, reason string) {
	if l := in.with.call; l != nil {
		l.postAdmitted(fileMessage{File: "cancel", ID: f.id, Reason: reason}.frame())
	}
	in.end(f, reason)
}

func (in *inbox) end(f *incoming, reason string) {
	if f.part != nil {
		in.with.chat.folder.discard(f.part)
		f.part = nil
	}
	if f.state == offered || f.state == wanted {
		f.state, f.reason = ended, reason
	}
	in.with.chat.dropQuestion(f)
}

// close deletes what is unfinished.
func (in *inbox) close() {
	for _, f := range in.files {
		in.end(f, "person")
	}
}

// forget forgets the oldest files that are over.
func (in *inbox) forget() {
	in.order = slices.DeleteFunc(in.order, func(id uint32) bool {
		f := in.files[id]
		if len(in.files) <= maxRemembered || f.state == offered || f.state == wanted {
			return false
		}
		delete(in.files, id)
		return true
	})
}
