package epoll

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits that end at once in a test that passes.
const patience = 20 * time.Second

// task is a function that implements Task.
type task func()

func (f task) Run() { f() }

// start returns a loop. The end of the test stops it and fails if the loop does not end. So the test must close every socket
// that it opens on the loop.
func start(t *testing.T) *Loop {
	t.Helper()
	l, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended := make(chan struct{})
		go func() {
			l.Stop()
			close(ended)
		}()
		await(t, ended, "the loop's end")
	})
	return l
}

func await[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// do runs f on the loop and waits until f has returned.
func (l *Loop) do(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	l.Post(task(func() {
		defer close(done)
		f()
	}))
	await(t, done, "a task")
}

// goRounds waits until the loop has finished n whole rounds.
func (l *Loop) goRounds(t *testing.T, n int) {
	t.Helper()
	done := make(chan struct{})
	var again task
	again = func() {
		if n--; n < 0 {
			close(done)
			return
		}
		l.Post(again)
	}
	l.Post(again)
	await(t, done, "rounds")
}

// awaitParked waits until the loop has nothing to do and waits.
func (l *Loop) awaitParked(t *testing.T) {
	t.Helper()
	for begun := time.Now(); time.Since(begun) < patience; runtime.Gosched() {
		l.mu.Lock()
		parked := l.parked
		l.mu.Unlock()
		if parked {
			return
		}
	}
	t.Fatal("the loop does not come to rest")
}

// handler is a socket and its handler. Each method calls the function of its name.
type handler struct {
	*Socket
	receive  func(b []byte)
	ended    func(error)
	writable func()
}

func (h *handler) Receive(b []byte, _ time.Time) { h.receive(b) }
func (h *handler) Ended(err error)               { h.ended(err) }
func (h *handler) Writable()                     { h.writable() }

// attach gives fd to the loop and returns its handler. The method reads opens the socket. Until the test sets other
// functions, any call of the handler is an error. The end of the test closes the socket.
func (l *Loop) attach(t *testing.T, fd int) *handler {
	h := &handler{
		receive:  func(b []byte) { t.Errorf("received %.100q", b) },
		ended:    func(err error) { t.Errorf("ended with %v", err) },
		writable: func() { t.Error("told of room") },
	}
	h.Socket = l.Socket(fd, h)
	t.Cleanup(func() { l.do(t, h.Close) })
	return h
}

// reads opens the socket, so that the loop begins to read it.
func (h *handler) reads(t *testing.T) {
	t.Helper()
	h.loop.do(t, func() {
		if err := h.Open(); err != nil {
			t.Error(err)
		}
	})
}

// pair returns both ends of a connection. A loop can take the near end.
func pair(t *testing.T) (near int, far *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	far = os.NewFile(uintptr(fds[1]), "far")
	t.Cleanup(func() { far.Close() })
	return fds[0], far
}

// dial returns both ends of a TCP connection.
func dial(t *testing.T) (near, far *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	c, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	s, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.(*net.TCPConn), c.(*net.TCPConn)
}

// detached returns both ends of a TCP connection. A loop can take the near end.
func detached(t *testing.T) (near int, far *net.TCPConn) {
	t.Helper()
	c, far := dial(t)
	near, err := Detach(c)
	if err != nil {
		t.Fatal(err)
	}
	return near, far
}

func send(t *testing.T, to io.Writer, b string) {
	t.Helper()
	if _, err := to.Write([]byte(b)); err != nil {
		t.Error(err)
	}
}

func TestBytesArriveInOrderAtTheirHandlers(t *testing.T) {
	const sockets, size = 2*batch + 50, 40_000
	l := start(t)
	var arrived sync.WaitGroup
	for i := range sockets {
		near, far := pair(t)
		h := l.attach(t, near)
		want := make([]byte, size)
		random := rand.New(rand.NewPCG(1, uint64(i)))
		for k := range want {
			want[k] = byte(random.Uint32())
		}
		var got []byte
		h.receive = func(b []byte) { got = append(got, b...) }
		arrived.Add(1)
		h.ended = func(err error) {
			if err != io.EOF || !bytes.Equal(got, want) {
				t.Errorf("socket %d ended with %v after %d bytes, want io.EOF after those %d that were sent", i, err, len(got), size)
			}
			h.Close()
			arrived.Done()
		}
		h.reads(t)
		arrived.Go(func() {
			for rest := want; len(rest) > 0; {
				n := min(len(rest), 1+random.IntN(9000))
				send(t, far, string(rest[:n]))
				rest = rest[n:]
			}
			far.Close()
		})
	}
	all := make(chan struct{})
	go func() { arrived.Wait(); close(all) }()
	await(t, all, "all bytes")
	l.awaitParked(t)
}

func TestEachTaskRunsOnceAndInTheOrderOfItsPoster(t *testing.T) {
	const posters, each = 8, 50
	rounds := 400
	if testing.Short() {
		rounds = 50
	}
	l := start(t)
	for _, busy := range []bool{false, true} {
		for round := range rounds {
			var ran [posters][]int
			idle := false
			if busy {
				var again task
				again = func() {
					if !idle {
						l.Post(again)
					}
				}
				l.Post(again)
			} else {
				l.awaitParked(t)
			}
			var posting sync.WaitGroup
			for p := range posters {
				posting.Go(func() {
					for i := range each {
						l.Post(task(func() { ran[p] = append(ran[p], i) }))
						if i%7 == p {
							runtime.Gosched() // so that some tasks come together and some alone
						}
					}
				})
			}
			posting.Wait()
			l.do(t, func() { idle = true })
			for p, got := range ran {
				if len(got) != each || !slices.IsSorted(got) || len(slices.Compact(got)) != each {
					t.Fatalf("busy %t, round %d: of poster %d's %d tasks these ran: %v", busy, round, p, each, got)
				}
			}
		}
	}
}

func TestATaskForALoopThatIsGoingToRestWakesIt(t *testing.T) {
	rounds := 20_000
	if testing.Short() {
		rounds = 2000
	}
	l := start(t)
	ran := make(chan int, 1)
	for i := range rounds {
		l.Post(task(func() { ran <- i })) // at this moment the loop has run the last task and finds no other
		if got := await(t, ran, "a task"); got != i {
			t.Fatalf("task %d ran in place of %d", got, i)
		}
	}
}

func TestABurstOfTasksLeavesNoMemoryBehind(t *testing.T) {
	l := start(t)
	l.do(t, func() {
		for range 100 * batch {
			l.Post(nothing{})
		}
	})
	l.goRounds(t, 3)
	l.awaitParked(t)
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := cap(l.tasks) + cap(l.spare); n > 20*batch {
		t.Errorf("an idle loop keeps room for %d tasks", n)
	}
}

func TestWhatIsNotWatchedWaits(t *testing.T) {
	l := start(t)
	near, far := pair(t)
	h := l.attach(t, near)
	h.reads(t)
	l.do(t, func() { h.Watch(false, false) })
	send(t, far, "what waits")
	l.goRounds(t, 10)
	l.awaitParked(t)
	for range 2 {
		got := make(chan string, 1)
		l.do(t, func() {
			h.receive = func(b []byte) {
				got <- string(b)
				h.Watch(false, false)
			}
			h.Watch(true, false)
		})
		if b := await(t, got, "the bytes"); b != "what waits" {
			t.Errorf("received %q", b)
		}
		l.do(t, func() { h.Watch(false, false) })
		send(t, far, "what waits")
	}
	l.awaitParked(t)
}

func TestAFullSocketTellsWhenThereIsRoom(t *testing.T) {
	const size = 4 << 20
	l := start(t)
	near, far := pair(t)
	h := l.attach(t, near)
	h.reads(t)
	b := bytes.Repeat([]byte("0123456789abcde"), size/15)
	rest := b
	full, told := 0, 0
	done := make(chan struct{})
	write := func() {
		n, err := h.Write(rest, false)
		rest = rest[n:]
		switch {
		case err == ErrFull && len(rest) > 0:
			full++
			h.Watch(true, true)
		case err == nil && len(rest) == 0:
			h.Watch(true, false)
			close(done)
		default:
			t.Errorf("%d bytes are left and the error is %v", len(rest), err)
			close(done)
		}
	}
	h.writable = func() {
		told++
		write()
	}
	l.do(t, write)
	l.goRounds(t, 10)
	l.awaitParked(t)
	l.do(t, func() {
		if full != 1 || told != 0 {
			t.Errorf("full %d times and told of room %d times, though nobody has read", full, told)
		}
	})
	got := make([]byte, len(b))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, b) {
		t.Errorf("other bytes arrived than were written, %v", err)
	}
	await(t, done, "the last write")
	l.goRounds(t, 10)
	l.do(t, func() {
		if told != full {
			t.Errorf("told of room %d times after it was full %d times", told, full)
		}
	})
	l.awaitParked(t)
}

func TestWatchingForRoomAloneReadsNothing(t *testing.T) {
	l := start(t)
	near, far := pair(t)
	h := l.attach(t, near)
	h.reads(t)
	room := make(chan struct{})
	l.do(t, func() {
		h.writable = func() {
			h.Watch(false, false)
			close(room)
		}
		h.Watch(false, true)
		send(t, far, "unread")
	})
	await(t, room, "room")
	l.goRounds(t, 5)
	l.awaitParked(t)
}

func TestAResetIsToldWhetherOrNotAnybodyReads(t *testing.T) {
	for name, c := range map[string]struct{ readable, writable bool }{
		"read":                {true, false},
		"not watched":         {false, false},
		"watched for room":    {false, true},
		"watched for both":    {true, true},
		"not watched, unread": {false, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t)
			near, far := detached(t)
			h := l.attach(t, near)
			h.reads(t)
			ended := make(chan error, 10)
			l.do(t, func() {
				h.writable = func() {
					if _, err := h.Write([]byte("x"), false); err == nil {
						h.Watch(c.readable, false) // the socket had room from the beginning
					}
				}
				h.ended = func(err error) {
					ended <- err
					h.Close()
				}
				h.Watch(c.readable, c.writable)
			})
			if strings.HasSuffix(name, "unread") {
				send(t, far, "unread")
			}
			l.goRounds(t, 3)
			_ = far.SetLinger(0)
			far.Close()
			if err := await(t, ended, "the end"); !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("ended with %v, want ECONNRESET", err)
			}
			l.goRounds(t, 10)
			l.awaitParked(t)
			if len(ended) > 0 {
				t.Errorf("told %d times more of the end of a socket that is closed", len(ended))
			}
		})
	}
}

func TestTheEndIsToldOfEvenWhileBytesWaitUnread(t *testing.T) {
	for name, before := range map[string]bool{"it comes while nobody reads": false, "it comes before nobody reads": true} {
		t.Run(name, func(t *testing.T) {
			l := start(t)
			near, far := detached(t)
			h := l.attach(t, near)
			h.reads(t)
			ended := make(chan error, 10)
			send := func() {
				send(t, far, "unread")
				if err := far.CloseWrite(); err != nil {
					t.Error(err)
				}
				arrived(t, near)
			}
			l.do(t, func() {
				h.ended = func(err error) { ended <- err }
				if before {
					send() // the loop is busy with this task, and sees it later
				}
				h.Watch(false, false)
			})
			if !before {
				send()
			}
			if err := await(t, ended, "the end"); err != ErrUnread {
				t.Errorf("ended with %v, want ErrUnread", err)
			}
			l.goRounds(t, 5)
			l.awaitParked(t)
			if len(ended) > 0 {
				t.Errorf("told %d times more of the end", len(ended))
			}
			// The bytes can still be read, and then the end.
			received := make(chan string, 1)
			l.do(t, func() {
				h.receive = func(b []byte) { received <- string(b) }
				h.Watch(true, false)
			})
			if got := await(t, received, "the bytes"); got != "unread" {
				t.Errorf("received %q", got)
			}
			if err := await(t, ended, "the end"); err != io.EOF {
				t.Errorf("ended with %v, want io.EOF", err)
			}
			// Nothing is new now.
			l.do(t, func() { h.Watch(false, true); h.writable = func() { h.Watch(false, false) } })
			l.goRounds(t, 5)
			l.awaitParked(t)
			if len(ended) > 0 {
				t.Errorf("told again of the end: %v", <-ended)
			}
		})
	}
}

// arrived waits until the end of the stream has arrived at a socket.
func arrived(t *testing.T, fd int) {
	t.Helper()
	events := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	if n, err := unix.Poll(events, int(patience.Milliseconds())); n != 1 || err != nil {
		t.Errorf("the end of the stream did not arrive: %v", err)
	}
}

func TestTheEndOfWhatTheOtherSideSends(t *testing.T) {
	l := start(t)
	near, far := detached(t)
	h := l.attach(t, near)
	h.reads(t)
	ended := make(chan error, 10)
	l.do(t, func() {
		h.receive = func(b []byte) {
			if string(b) != "the last" {
				t.Errorf("received %q", b)
			}
		}
		h.ended = func(err error) {
			ended <- err
			if h.Watch(false, false); err != io.EOF {
				h.Close()
			}
		}
	})
	send(t, far, "the last")
	if err := far.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := await(t, ended, "the end"); err != io.EOF {
		t.Errorf("ended with %v, want io.EOF", err)
	}
	// Only one direction has ended.
	l.goRounds(t, 5)
	l.awaitParked(t)
	if len(ended) > 0 {
		t.Error("told again though nobody watches")
	}
	l.do(t, func() {
		if n, err := h.Write([]byte("back"), false); n != 4 || err != nil {
			t.Errorf("wrote %d bytes, %v", n, err)
		}
		h.CloseWrite()
	})
	if got, err := io.ReadAll(far); string(got) != "back" || err != nil {
		t.Errorf("the other side received %q, %v", got, err)
	}
	// Now both directions have ended. The handler must hear of that.
	if err := await(t, ended, "the end"); err == nil || err == io.EOF {
		t.Errorf("ended with %v, want that nothing is left of the connection", err)
	}
	l.awaitParked(t)
}

func TestShutdownFromAnywhereIsToldOnTheLoop(t *testing.T) {
	for _, watched := range []bool{false, true} {
		l := start(t)
		near, _ := detached(t)
		h := l.attach(t, near)
		h.reads(t)
		ended := make(chan error, 10)
		l.do(t, func() {
			h.ended = func(err error) {
				ended <- err
				h.Close()
			}
			h.Watch(watched, false)
		})
		l.awaitParked(t)
		h.Shutdown()
		if err := await(t, ended, "the end"); err == nil {
			t.Error("ended without an error")
		}
		l.awaitParked(t)
	}
}

func TestAHandlerMayCloseItsSocket(t *testing.T) {
	for name, close := range map[string]func(h *handler){
		"where bytes come": func(h *handler) { h.receive = func([]byte) { h.Close() } },
		"where there is room": func(h *handler) {
			h.writable = func() { h.Close() }
			h.Watch(true, true)
		},
		"twice": func(h *handler) { h.receive = func([]byte) { h.Close(); h.Close(); h.Watch(true, true) } },
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t)
			near, far := pair(t)
			h := l.attach(t, near)
			h.reads(t)
			l.do(t, func() {
				send(t, far, "first")
				close(h)
			})
			if b, err := io.ReadAll(far); len(b) > 0 || err != nil && !errors.Is(err, unix.ECONNRESET) {
				t.Errorf("read %q, %v; want the end", b, err)
			}
			l.goRounds(t, 3)
			l.do(t, func() {
				if len(l.unused) != len(l.sockets) {
					t.Errorf("of %d numbers %d are unused", len(l.sockets), len(l.unused))
				}
			})
			l.awaitParked(t)
		})
	}
}

// Two sockets are ready in one round. The one that is served first closes the other and opens a third socket. The third must
// not get the event of the closed one.
func TestAClosedSocketsNumbersAreNobodysUntilTheRoundIsOver(t *testing.T) {
	l := start(t)
	for range 50 {
		var handlers [2]*handler
		var fars [2]*os.File
		served := 0
		for i := range handlers {
			near, far := pair(t)
			handlers[i], fars[i] = l.attach(t, near), far
			handlers[i].reads(t)
		}
		var third *handler
		var thirdFar *os.File
		got := make(chan string, 10)
		for i := range handlers {
			other := handlers[1-i]
			handlers[i].receive = func([]byte) {
				served++
				fd, number := other.fd, other.number
				other.Close()
				near, far := pair(t)
				third, thirdFar = l.attach(t, near), far
				third.receive = func(b []byte) { got <- string(b) }
				if err := third.Open(); err != nil {
					t.Error(err)
				}
				if third.fd == fd || third.number == number {
					t.Errorf("the new socket is descriptor %d, number %d, as the one that was closed in this round", third.fd, third.number)
				}
			}
		}
		l.do(t, func() {
			send(t, fars[0], "both")
			send(t, fars[1], "both")
		})
		l.goRounds(t, 3)
		l.do(t, func() {
			if served != 1 {
				t.Errorf("%d of two sockets were served, want the one that closed the other", served)
			}
		})
		if len(got) > 0 {
			t.Fatalf("the new socket received %q", <-got)
		}
		send(t, thirdFar, "its own")
		if b := await(t, got, "the new socket's bytes"); b != "its own" {
			t.Errorf("received %q", b)
		}
		l.do(t, func() {
			for _, h := range append(handlers[:], third) {
				h.Close()
			}
		})
	}
	l.goRounds(t, 1)
	l.do(t, func() {
		if len(l.sockets) > 10 || len(l.unused) != len(l.sockets) {
			t.Errorf("of %d numbers %d are unused; want few, all unused", len(l.sockets), len(l.unused))
		}
	})
}

func TestADescriptorThatIsUsedAgainAtOnceHearsNothingOfItsPast(t *testing.T) {
	l := start(t)
	again := 0
	for range 200 {
		near, far := pair(t)
		h := l.attach(t, near)
		h.receive = func([]byte) {}
		h.ended = func(error) {}
		h.reads(t)
		l.do(t, func() {
			send(t, far, "for the old one")
			far.Close()
			h.Close()
		})
		l.goRounds(t, 1) // now the descriptor is closed and may be used again
		near, far = pair(t)
		if near == int(h.fd) {
			again++
		}
		h = l.attach(t, near) // any call of this handler is an error
		h.reads(t)
		l.goRounds(t, 2)
		l.do(t, h.Close)
		far.Close()
	}
	if again == 0 {
		t.Error("no descriptor was used again")
	}
}

// pollers returns how many epoll instances of the process watch a socket.
func pollers(t *testing.T, fd int) (n int) {
	t.Helper()
	var socket unix.Stat_t
	if err := unix.Fstat(fd, &socket); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if target, err := os.Readlink(file); err != nil || target != "anon_inode:[eventpoll]" {
			continue
		}
		info, err := os.ReadFile("/proc/self/fdinfo/" + filepath.Base(file))
		if err != nil {
			t.Fatal(err)
		}
		n += strings.Count(string(info)+" ", fmt.Sprintf(" ino:%x ", socket.Ino))
	}
	return n
}

func TestTheRuntimesPollerForgetsWhatIsDetached(t *testing.T) {
	l := start(t)
	c, far := dial(t)
	var before int
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) { before = pollers(t, int(fd)) }); err != nil {
		t.Fatal(err)
	}
	if before != 1 {
		t.Skipf("%d pollers know a socket of package net's, want 1", before)
	}
	fd, err := Detach(c)
	if err != nil {
		t.Fatal(err)
	}
	if n := pollers(t, fd); n != 0 {
		t.Errorf("%d pollers know a socket that was detached", n)
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("programs that are started inherit the socket: flags %#x, %v", flags, err)
	}
	if _, err := c.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection that the socket was taken from is still open: %v", err)
	}
	h := l.attach(t, fd)
	got := make(chan string, 1)
	h.receive = func(b []byte) { got <- string(b) }
	h.reads(t)
	if n := pollers(t, fd); n != 1 {
		t.Errorf("%d pollers know a socket on a loop, want the loop", n)
	}
	send(t, far, "bytes")
	if b := await(t, got, "bytes"); b != "bytes" {
		t.Errorf("received %q", b)
	}
	if fd, err := Detach(c); err == nil {
		t.Errorf("a connection that is closed was detached as %d", fd)
	}
}

func TestWhatCannotBeReadIsNotOpened(t *testing.T) {
	l := start(t)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	regular, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer regular.Close()
	own, err := unix.FcntlInt(regular.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, fd := range map[string]int{"no descriptor": -1, "a file": own} {
		t.Run(name, func(t *testing.T) {
			h := l.attach(t, fd)
			l.do(t, func() {
				if h.Open() == nil {
					t.Error("it was opened")
				}
				h.Watch(true, true)
				h.Close()
				h.Close()
			})
		})
	}
	l.goRounds(t, 1)
	if _, err := unix.FcntlInt(uintptr(own), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("a socket that could not be opened was not closed: %v", err)
	}
	l.do(t, func() {
		if len(l.sockets) != 0 || len(l.unused) != 0 {
			t.Errorf("%d sockets and %d unused numbers, want none", len(l.sockets), len(l.unused))
		}
	})
	near, far := pair(t)
	h := l.attach(t, near)
	got := make(chan string, 1)
	h.receive = func(b []byte) { got <- string(b) }
	h.reads(t)
	send(t, far, "well")
	await(t, got, "what comes after")
}

func TestStopWaitsForTheSockets(t *testing.T) {
	for _, parked := range []bool{false, true} {
		l, err := New()
		if err != nil {
			t.Fatal(err)
		}
		near, far := pair(t)
		h := &handler{receive: func([]byte) {}}
		h.Socket = l.Socket(near, h)
		h.reads(t)
		if parked {
			l.awaitParked(t)
		}
		var ended atomic.Bool
		stopped := make(chan struct{})
		go func() {
			l.Stop()
			ended.Store(true)
			close(stopped)
		}()
		for stopping := false; !stopping; runtime.Gosched() {
			l.mu.Lock()
			stopping = l.stopping
			l.mu.Unlock()
		}
		send(t, far, "more")
		l.goRounds(t, 10)
		if ended.Load() {
			t.Error("the loop ended while it had a socket")
		}
		ran := make(chan struct{})
		l.do(t, func() {
			h.Close()
			l.Post(task(func() { close(ran) }))
		})
		await(t, ran, "a task that was posted before the end")
		await(t, stopped, "the loop's end")
		l.Stop() // a second Stop does nothing
		for range 3 {
			l.Post(nothing{}) // Post does nothing either: the descriptors may belong to others now
		}
		if l.parked {
			t.Error("a loop that has ended would be woken")
		}
	}
}

// TestNewLeaksNothing calls New in a process that may open no descriptor more, or one.
func TestNewLeaksNothing(t *testing.T) {
	const variable = "EPOLL_TEST_WITHOUT_DESCRIPTORS"
	if os.Getenv(variable) == "" {
		c := exec.Command(os.Args[0], "-test.run=^TestNewLeaksNothing$", "-test.v")
		c.Env = append(os.Environ(), variable+"=1")
		if output, err := c.CombinedOutput(); err != nil || !bytes.Contains(output, []byte("--- PASS")) {
			t.Errorf("%v\n%s", err, output)
		}
		return
	}
	l, err := New() // the first loop makes the runtime open its own descriptors
	if err != nil {
		t.Fatal(err)
	}
	l.Stop()
	free := func() int {
		fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		_ = unix.Close(fd)
		return fd
	}
	var usual syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &usual); err != nil {
		t.Fatal(err)
	}
	first := free()
	for more := range 2 {
		limit := usual
		limit.Cur = uint64(first + more)
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		l, err := New()
		if !errors.Is(err, unix.EMFILE) || l != nil {
			t.Errorf("with %d descriptors a loop was made or refused with %v", more, err)
		}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &usual); err != nil {
			t.Fatal(err)
		}
		if got := free(); got != first {
			t.Errorf("the first free descriptor is %d, want %d as before", got, first)
		}
	}
	if l, err = New(); err != nil {
		t.Fatal(err)
	}
	l.Stop()
	if got := free(); got != first {
		t.Errorf("a loop that has ended leaves descriptors open: the first free one is %d, want %d as before", got, first)
	}
}

// TestAFloodLeavesOthersTheirTurn counts rounds. In each round the flooded socket is served once.
func TestAFloodLeavesOthersTheirTurn(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // the loop uses the only processor
	l := start(t)
	near, far := pair(t)
	flooded := l.attach(t, near)
	near2, far2 := pair(t)
	other := l.attach(t, near2)

	// In round begin another socket, a goroutine and a timer become ready. For each the test records the round in which it
	// got its turn. With one processor this needs no other synchronization.
	const begin, end = 1000, 5000
	var round, otherTurn int
	var goroutineTurn, timerTurn atomic.Int64
	wake, done := make(chan struct{}), make(chan struct{})
	var now atomic.Int64
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		<-wake
		goroutineTurn.Store(now.Load())
	}()
	other.receive = func([]byte) { otherTurn = round }
	flooded.receive = func(b []byte) {
		round++
		now.Store(int64(round))
		switch round {
		case begin:
			send(t, far2, "mine")
			close(wake)
			time.AfterFunc(0, func() { timerTurn.Store(now.Load()) })
		case end:
			close(done)
			return
		}
		send(t, far, string(b)) // so there are always more bytes to read
	}
	flooded.reads(t)
	other.reads(t)
	send(t, far, strings.Repeat("x", 1000))
	await(t, done, "the end of the flood")
	await(t, ran, "the goroutine")
	l.do(t, func() {})
	for name, turn := range map[string]int{"another socket": otherTurn, "a goroutine": int(goroutineTurn.Load()), "a timer": int(timerTurn.Load())} {
		if limit := begin + 4*politeness; turn < begin || turn > limit {
			t.Errorf("%s got its turn in round %d, want one from %d to %d", name, turn, begin, limit)
		}
	}
}

func TestAnErrorOfAWriteIsTold(t *testing.T) {
	l := start(t)
	near, far := detached(t)
	h := l.attach(t, near)
	done := make(chan struct{})
	h.ended = func(error) {
		defer close(done)
		defer h.Close()
		h.CloseWrite()
		if n, err := h.Write([]byte("x"), false); n != 0 || !errors.Is(err, unix.EPIPE) {
			t.Errorf("wrote %d bytes, %v; want EPIPE and no signal", n, err)
		}
		if n, err := h.Write(nil, false); n != 0 || err != nil {
			t.Errorf("wrote %d bytes of nothing, %v", n, err)
		}
	}
	h.reads(t)
	far.Close()
	await(t, done, "the end")
}

// The runtime's poller refuses an epoll instance when a limit of the system is reached. No test can cause that. But it also
// refuses a file that blocks.
func TestALoopThatCouldNotWaitIsRefused(t *testing.T) {
	for _, blocks := range []bool{false, true} {
		fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.SetNonblock(fd, !blocks); err != nil {
			t.Fatal(err)
		}
		f := os.NewFile(uintptr(fd), "epoll")
		if err := awaitable(f); (err != nil) != blocks {
			t.Errorf("blocking %t: %v", blocks, err)
		}
		f.Close()
	}
}

// Two sockets have an event in one round. The handler that is served first changes the other socket, whose event is then out
// of date.
func TestWhatAHandlerDoesToAnotherSocketCountsAtOnce(t *testing.T) {
	for name, c := range map[string]struct {
		watch func(h *handler)
		ready func(h *handler, far *net.TCPConn)
		do    func(other *handler)
	}{
		"nobody wants to know of room any more": {
			watch: func(h *handler) { h.Watch(false, true) },
			do:    func(other *handler) { other.Watch(false, false) },
		},
		"a socket with room is closed": {
			watch: func(h *handler) { h.Watch(false, true) },
			do:    func(other *handler) { other.Close() },
		},
		"a socket that was reset is closed": {
			watch: func(h *handler) { h.Watch(false, false) },
			ready: func(_ *handler, far *net.TCPConn) { _ = far.SetLinger(0); far.Close() },
			do:    func(other *handler) { other.Close() },
		},
		"what came has been read": {
			ready: func(_ *handler, far *net.TCPConn) { send(t, far, "read already") },
			do:    func(other *handler) { _, _ = Receive(int(other.fd), make([]byte, 100)) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t)
			var handlers [2]*handler
			var fars [2]*net.TCPConn
			served := 0
			for i := range handlers {
				near, far := detached(t)
				handlers[i], fars[i] = l.attach(t, near), far
				handlers[i].reads(t)
			}
			for i, h := range handlers {
				tell := func() {
					served++
					h.Close()
					c.do(handlers[1-i])
				}
				h.receive = func([]byte) { tell() }
				h.ended = func(error) { tell() }
				h.writable = tell
			}
			l.do(t, func() {
				for i, h := range handlers {
					if c.watch != nil {
						c.watch(h)
					}
					if c.ready != nil {
						c.ready(h, fars[i])
					}
				}
			})
			l.goRounds(t, 5)
			l.do(t, func() {
				if served != 1 {
					t.Errorf("%d handlers were told, want one", served)
				}
			})
			l.awaitParked(t)
		})
	}
}

// TestASocketThatIsSharedIsForgottenToo closes a descriptor while another descriptor keeps the socket open. This happens in
// practice: a program that is being started may hold a copy for a moment.
func TestASocketThatIsSharedIsForgottenToo(t *testing.T) {
	l := start(t)
	near, far := pair(t)
	shared, err := unix.FcntlInt(uintptr(near), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(shared)
	h := l.attach(t, near)
	h.reads(t)
	l.do(t, h.Close)
	l.goRounds(t, 1)
	next, _ := pair(t)
	l.attach(t, next).reads(t) // any call of this handler is an error
	send(t, far, "for nobody")
	l.goRounds(t, 3)
	l.awaitParked(t)
}

func TestAListenerAcceptsUntilItIsClosed(t *testing.T) {
	for name, end := range map[string]func(*Listener) error{
		"by itself":            (*Listener).Close,
		"the one beneath it":   func(l *Listener) error { return l.TCPListener.Close() },
		"before anybody waits": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tcp, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
			if err != nil {
				t.Fatal(err)
			}
			l, err := NewListener(tcp)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			type accepted struct {
				fd   int
				peer netip.Addr
				err  error
			}
			results := make(chan accepted)
			accept := func() {
				fd, peer, _, err := l.AcceptSocket()
				results <- accepted{fd, peer, err}
			}
			for range 3 {
				go accept()
				c, err := net.Dial("tcp4", tcp.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				send(t, c, "first bytes")
				got := await(t, results, "a connection")
				if got.err != nil {
					t.Fatal(got.err)
				}
				if got.peer != netip.MustParseAddr("127.0.0.1") {
					t.Errorf("the other side is at %v", got.peer)
				}
				b := make([]byte, 20)
				if n := ReceiveNow(got.fd, b); string(b[:n]) != "first bytes" {
					t.Errorf("the first bytes are %q", b[:n])
				}
				_ = unix.Close(got.fd)
				_ = c.Close()
			}
			if end == nil {
				_ = l.Close()
				go accept()
			} else {
				go accept()
				if err := end(l); err != nil {
					t.Error(err)
				}
			}
			if got := await(t, results, "the end"); !errors.Is(got.err, net.ErrClosed) {
				t.Errorf("Accept: %d, %v; want that the listener is closed", got.fd, got.err)
			}
		})
	}
}

func TestALoopDoesNotRestBeforeATask(t *testing.T) {
	l := &Loop{tasks: []Task{nothing{}}}
	if got := l.park(); got != goOn || l.parked {
		t.Errorf("a loop with a task would do %d, parked %t; want that it goes on", got, l.parked)
	}
}

func TestASocketIsReadOnceARound(t *testing.T) {
	l := start(t)
	near, far := pair(t)
	raw, err := far.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	h := l.attach(t, near)
	chunk := make([]byte, 2*readSize)
	reads, most := 0, 0
	done := make(chan struct{})
	h.receive = func([]byte) {
		times := 0
		for _, s := range l.again {
			if s == h.Socket {
				times++
			}
		}
		most = max(most, times)
		if reads++; reads == 200 {
			close(done)
		}
		if reads < 200 { // the test fills the socket at least as fast as the loop reads it
			_ = raw.Control(func(fd uintptr) { _, _ = Send(int(fd), chunk, unix.MSG_DONTWAIT) })
		}
	}
	h.reads(t)
	if _, err := far.Write(chunk[:readSize+readSize/2]); err != nil {
		t.Fatal(err)
	}
	<-done
	// The socket is in the list once for this round. It may be there once more for the next round, because the buffer was
	// full. It must not be there a third time because more bytes arrived meanwhile.
	l.do(t, func() {
		if most > 2 {
			t.Errorf("one socket is to be read %d times in a round and the next, want twice", most)
		}
	})
}
