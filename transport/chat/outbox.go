package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"slices"
)

// bulkHigh is how many bytes the send buffer of the channel for bytes holds at most.
const bulkHigh = 1 << 20

// outgoing is a file that is sent.
type outgoing struct {
	id       uint32
	name     string
	size     int64
	mime     string
	file     *os.File
	instance string // of the page that it was offered to last
	call     *call  // on which it was offered
	sending  bool   // the receiver has accepted it on call
	position int64  // the next byte to send
	received int64  // what the receiver has
	sent     int64  // the end of the last byte that was sent on any call
	block    []byte // that position is in
	digests  [][32]byte
	sha256   string // once all bytes were sent
	over     bool
}

// outbox is the files that this side of a conversation sends.
type outbox struct {
	with   *conversation
	files  []*outgoing
	lastID uint32
	limit  *int64 // the largest file that the other side takes; nil: it takes none
}

func newOutbox(w *conversation) *outbox { return &outbox{with: w} }

// send offers a file, now or when there is a connection.
func (out *outbox) send(path string) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return fmt.Errorf("%s is no file", path) // to open a FIFO would wait for its other end
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	out.lastID++
	f := &outgoing{id: out.lastID, name: safeName(filepath.Base(path)), size: info.Size(), mime: typeOf(path), file: file}
	out.files = append(out.files, f)
	c := out.with.chat
	switch l := out.with.call; {
	case l == nil || !l.admitted:
		c.screen.note("%s is offered when %s is connected", f.name, out.with.name())
	case out.limit == nil:
		c.screen.note("%s takes no files, or has not said so yet. %s waits", out.with.name(), f.name)
	default:
		c.screen.note("offered %s (%s) to %s", f.name, bytesText(f.size), out.with.name())
	}
	out.offer()
	return nil
}

// typeOf returns the media type of a file by its name, without parameters, and "" for an unknown one.
func typeOf(path string) string {
	kind, _, err := mime.ParseMediaType(mime.TypeByExtension(filepath.Ext(path)))
	if err != nil || len(kind) > maxTypeLength {
		return ""
	}
	return kind
}

// attach: there is a connection. The other side says first which files it takes.
func (out *outbox) attach(l *call) {
	out.limit = nil
	for _, f := range out.files {
		f.call, f.sending = nil, false
		if f.instance != l.instance {
			f.received = 0 // a page that was loaded again does not know the file
		}
	}
}

// detach: the connection is gone.
func (out *outbox) detach(l *call) {
	for _, f := range out.files {
		if f.call == l {
			f.call, f.sending = nil, false
		}
	}
}

// offer offers as many files as may wait for a decision.
func (out *outbox) offer() {
	l := out.with.call
	if l == nil || !l.admitted || out.limit == nil {
		return
	}
	undecided := 0
	for _, f := range slices.Clone(out.files) {
		switch {
		case f.over || f.sending:
		case f.size > *out.limit:
			out.end(f, fmt.Sprintf("is too large for %s, who takes %s at most", out.with.name(), bytesText(*out.limit)))
		case undecided >= maxOffers:
			return
		case f.call != l:
			f.call, f.instance = l, l.instance
			l.postAdmitted(fileMessage{File: "offer", ID: f.id, Name: f.name, Size: &f.size, Type: f.mime}.frame())
			undecided++
		default:
			undecided++
		}
	}
}

// take acts on a receiver's message.
func (out *outbox) take(l *call, m fileMessage) error {
	if m.File == "limit" {
		out.limit = m.Bytes
		out.offer()
		return nil
	}
	if m.ID > out.lastID {
		return errGarbled // it was never offered
	}
	at := slices.IndexFunc(out.files, func(f *outgoing) bool { return f.id == m.ID })
	if at < 0 {
		return nil // it is over
	}
	f := out.files[at]
	peer := out.with.name()
	switch m.File {
	case "accept":
		if *m.Offset > f.sent {
			return errGarbled
		}
		if f.call != l || f.sending {
			return nil
		}
		f.sending, f.position, f.received, f.block = true, *m.Offset, *m.Offset, nil
		out.pump()
	case "progress":
		if *m.Offset > f.sent {
			return errGarbled
		}
		f.received = max(f.received, *m.Offset)
		out.pump()
	case "received":
		if f.sha256 == "" {
			return errGarbled
		}
		out.end(f, "has arrived, complete and checked")
	case "decline":
		switch m.Reason {
		case "limit":
			out.end(f, fmt.Sprintf("is too large for %s", peer))
		case "many":
			out.end(f, fmt.Sprintf("is one file too many for %s: send it again later", peer))
		default:
			out.end(f, fmt.Sprintf("was declined by %s", peer))
		}
	case "cancel":
		switch m.Reason {
		case "damaged":
			out.end(f, fmt.Sprintf("arrived damaged at %s: send it again", peer))
		case "full":
			out.end(f, fmt.Sprintf("has no room at %s", peer))
		default:
			out.end(f, fmt.Sprintf("was cancelled by %s", peer))
		}
	}
	return nil
}

// pump sends bytes of accepted files, one file after the other, as far as the send buffer and the receiver have room.
func (out *outbox) pump() {
	l := out.with.call
	if l == nil || !l.admitted {
		return
	}
	for _, f := range slices.Clone(out.files) {
		if !f.sending || f.over || f.call != l || f.sha256 != "" && f.position > f.size {
			continue
		}
		if !out.pumpFile(l, f) {
			return
		}
	}
}

// pumpFile returns whether all of the file was sent.
func (out *outbox) pumpFile(l *call, f *outgoing) bool {
	for f.position < f.size {
		if l.bulk.BufferedAmount() >= bulkHigh || f.position-f.received >= fileWindow {
			return false
		}
		if err := f.read(); err != nil {
			l.postAdmitted(fileMessage{File: "withdraw", ID: f.id, Reason: "unreadable"}.frame())
			out.end(f, fmt.Sprintf("cannot be read any more: %v", err))
			return true
		}
		from := f.position % blockBytes
		part := f.block[from:min(from+fileChunkBytes, int64(len(f.block)))]
		if l.bulk.Send(fileChunk(f.id, part)) != nil {
			return false // the channel is not open yet, or closed
		}
		f.position += int64(len(part))
		f.sent = max(f.sent, f.position)
	}
	if l.bulk.Send(fileChunk(f.id, nil)) != nil {
		return false
	}
	sum := sha256.New()
	for _, digest := range f.digests {
		sum.Write(digest[:])
	}
	f.sha256 = hex.EncodeToString(sum.Sum(nil))
	f.position++ // nothing more is sent on this call
	l.postAdmitted(fileMessage{File: "done", ID: f.id, SHA256: f.sha256}.frame())
	return true
}

// read reads the block that position is in, unless it is there.
func (f *outgoing) read() error {
	index := f.position / blockBytes
	if f.position%blockBytes != 0 && f.block != nil {
		return nil
	}
	f.block = make([]byte, min(blockBytes, f.size-index*blockBytes))
	if _, err := f.file.ReadAt(f.block, index*blockBytes); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("it is shorter now")
		}
		return err
	}
	if int(index) == len(f.digests) {
		f.digests = append(f.digests, sha256.Sum256(f.block))
	}
	return nil
}

// end ends a file. Another one may take its place.
func (out *outbox) end(f *outgoing, how string) {
	f.over = true
	_ = f.file.Close() // it was only read
	out.files = slices.DeleteFunc(out.files, func(other *outgoing) bool { return other == f })
	out.with.chat.screen.note("%s %s", f.name, how)
	out.offer()
	out.with.chat.moved()
}

func (out *outbox) close() {
	for _, f := range out.files {
		_ = f.file.Close() // it was only read
	}
}

// bytesText writes a number of bytes for people.
func bytesText(n int64) string {
	switch {
	case n == 1:
		return "1 byte"
	case n < 1000:
		return fmt.Sprintf("%d bytes", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f KB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}
