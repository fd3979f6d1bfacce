package epoll

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestAPollerTellsOfWhatIsReadyAndOfBeingWoken(t *testing.T) {
	t.Parallel()
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	near, far := pair[0], pair[1]
	defer unix.Close(near)
	defer unix.Close(far)
	const data = 42
	if err := p.Control(unix.EPOLL_CTL_ADD, near, unix.EPOLLIN, data); err != nil {
		t.Fatal(err)
	}

	seen := make(chan int32)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var events [4]unix.EpollEvent
		p.Run(func() bool {
			for {
				n := p.Wait(events[:])
				if n == 0 {
					return false
				}
				for _, e := range events[:n] {
					if e.Fd == Wakeup {
						p.Woken()
					} else {
						_, _ = Receive(near, make([]byte, 16))
					}
					if seen <- e.Fd; e.Fd == data {
						return true
					}
				}
			}
		})
	}()
	// Each call wakes a poller that waits or is about to wait.
	for range 3 {
		p.Wake()
		if got := <-seen; got != Wakeup {
			t.Fatalf("Wake causes an event with data %d", got)
		}
	}
	if n, errno := Send(far, []byte("x"), 0); n != 1 || errno != 0 {
		t.Fatalf("Send: %d bytes, %v", n, errno)
	}
	if got := <-seen; got != data {
		t.Errorf("what has come causes an event with data %d, want %d", got, data)
	}
	<-ended
}

func TestAPollerRefusesWhatEpollRefuses(t *testing.T) {
	t.Parallel()
	p, err := NewPoller()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if err := p.Control(unix.EPOLL_CTL_MOD, p.event, unix.EPOLLIN, Wakeup); err != nil {
		t.Errorf("the poller's own eventfd cannot be watched: %v", err)
	}
	if err := p.Control(unix.EPOLL_CTL_ADD, -1, unix.EPOLLIN, 0); err == nil {
		t.Error("a descriptor that is none is watched")
	}
	if n, errno := Receive(-1, make([]byte, 1)); n >= 0 && errno == 0 {
		t.Errorf("%d bytes are received from a descriptor that is none", n)
	}
}
