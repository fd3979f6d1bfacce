package web_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	command "p2p-messaging/transport/chat"
)

// terminal is a terminal in which somebody chats.
type terminal struct {
	t      testing.TB
	master *os.File
	folder string // for received files
	over   chan error

	mu     sync.Mutex
	shown  string
	passed int // how much of it shows has passed
	more   chan struct{}
}

// terminal starts a chat in a terminal.
func (s *service) terminal(login string) *terminal {
	s.t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		s.t.Skipf("no pseudo terminal: %v", err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 200})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	x := &terminal{t: s.t, master: master, folder: s.t.TempDir(), over: make(chan error, 1), more: make(chan struct{})}
	flags := command.Flags{
		Login: login, Service: s.url(), Identity: filepath.Join(s.t.TempDir(), "identity.pem"), ReceiveFiles: x.folder, Timeout: patience, In: slave,
	}
	ctx, end := context.WithCancel(context.Background())
	go func() { x.over <- flags.Execute(ctx, slave, slave) }()
	read := make(chan struct{})
	go func() {
		defer close(read)
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			x.mu.Lock()
			x.shown += string(buffer[:n])
			close(x.more)
			x.more = make(chan struct{})
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	s.t.Cleanup(func() {
		end()
		if err := <-x.over; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Errorf("%s's chat: %v", login, err)
		}
		_, _ = master.WriteString("\n") // the chat's editor waits for a line
		_ = slave.Close()               // with it the reading ends
		<-read
		_ = master.Close() // it was only used here
	})
	x.shows("connected to the service as " + login)
	return x
}

// types has the person type a line.
func (x *terminal) types(line string) {
	x.t.Helper()
	if _, err := x.master.WriteString(line + "\r"); err != nil {
		x.t.Fatal(err)
	}
}

// shows waits for a text behind those that it has passed, and returns what is shown from it on, with the line in it complete.
func (x *terminal) shows(text string) string {
	x.t.Helper()
	late := time.After(patience)
	for {
		x.mu.Lock()
		shown, more := x.shown[x.passed:], x.more
		x.mu.Unlock()
		if at := strings.Index(shown, text); at >= 0 {
			if end := strings.Index(shown[at:], "\n"); end >= 0 {
				x.passed += at + len(text)
				return shown[at : at+end]
			}
		}
		select {
		case <-more:
		case <-late:
			x.t.Fatalf("the terminal does not show %q within %v, but %q", text, patience, shown)
		}
	}
}

func TestSomebodyInATerminalChatsWithAPage(t *testing.T) {
	t.Parallel()
	s := startKeepingService(t, 30*time.Second)
	alice := s.open("alice")
	bob := s.terminal("bob")

	bob.types("/call alice")
	bob.shows("connected to alice")
	alice.connected("bob")
	bob.types("hello, page")
	alice.hears("bob", "hello, page")
	bob.shows("delivered")
	bob.shows("read")
	alice.say("hello, <b>terminal</b>")
	bob.shows("hello, <b>terminal</b>")
	alice.delivered()

	number := alice.safetyNumber("bob")
	bob.types("/safety")
	bob.shows("the safety number of this conversation")
	groups := strings.Fields(number)
	bob.shows(strings.Join(groups[:6], " "))
	bob.shows(strings.Join(groups[6:], " "))

	path, want := onDisk(t, "to the terminal.bin", 1<<20+17)
	alice.choose(path)
	bob.shows("received to the terminal.bin from alice")
	alice.shows("log", "Discussion", "Delivered and checked.")
	content, err := os.ReadFile(filepath.Join(bob.folder, "to the terminal.bin"))
	if err != nil || sha256.Sum256(content) != want {
		t.Errorf("what arrives in the terminal is not what the page sent: %v", err)
	}
	path, want = onDisk(t, "to the page.bin", 1<<20+1)
	bob.types("/send " + path)
	alice.click("button", "Accept to the page.bin")
	if _, sum := alice.save("to the page.bin"); sum != want {
		t.Error("what arrives in the page is not what the terminal sent")
	}
	bob.shows("to the page.bin has arrived, complete and checked")

	// A page that is loaded again is the same person in the same conversation.
	alice.navigate(s.url())
	bob.shows("connected to alice again")
	bob.types("welcome back")
	alice.hears("bob", "welcome back")

	bob.types("/bye")
	alice.shows("log", "Discussion", "bob left")
	alice.connectTo("bob")
	bob.shows("alice wants to connect")
	bob.types("/accept")
	alice.connected("bob")
	alice.say("once more")
	bob.shows("once more")
	alice.click("button", "Disconnect from bob")
	bob.shows("alice left")
	bob.types("/quit")
}
