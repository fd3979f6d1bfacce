package swarm

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A loop that has ended has closed its descriptors. Their numbers may be those of other files by then.
func TestDoAfterStopWritesNowhere(t *testing.T) {
	s, err := New(t.Context(), Options{URL: "ws://127.0.0.1:1", Loops: 4})
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	var others []int
	for range 4 * len(s.Loops()) {
		fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		others = append(others, fd)
	}
	for _, l := range s.Loops() {
		l.Do(func() { t.Error("a loop that has ended runs a task") })
	}
	for _, fd := range others {
		if _, err := unix.Read(fd, make([]byte, 8)); err != unix.EAGAIN {
			t.Errorf("something was written to a descriptor of others: reading gives %v", err)
		}
	}
}

// A message that has come half is read to its end after a write has failed.
func TestAConnectionThatCanWriteNoMoreIsReadToItsEnd(t *testing.T) {
	var s story
	c := openConn(&s)
	text := serverFrame(0x81, "the last words")
	c.receive(slices.Clone(text[:5]))
	if err := c.Send([]byte("an answer")); err != nil {
		t.Fatal(err)
	}
	(&poller{loop: c.loop}).flush(c) // fails: there is no socket
	if len(c.out) > 0 {
		t.Errorf("%d bytes still wait to be written", len(c.out))
	}
	c.receive(slices.Clone(text[5:]))
	if len(s.texts) != 1 || s.texts[0] != "the last words" || s.broken {
		t.Errorf("the texts are %q, broken is %t; want the last words", s.texts, s.broken)
	}
}
