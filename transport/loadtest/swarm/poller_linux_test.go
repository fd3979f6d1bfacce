package swarm

import (
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
