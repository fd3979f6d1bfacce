package chat

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/atonce"
)

// patience is how long a test waits for something that ought to happen.
const patience = 60 * time.Second

func TestMain(m *testing.M) {
	atonce.Tests(4) // Most of them wait for the other side.
	goleak.VerifyTestMain(m)
}

// serve starts a service that ends with the test, and returns its URL.
func serve(t *testing.T) string {
	t.Helper()
	return serveWith(t, actors.Options{})
}

func serveWith(t *testing.T, sessions actors.Options) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	sessions.Logger, sessions.ResumeWindow = logger, 30*time.Second
	system := actors.NewSystem(sessions)
	options := transport.DefaultOptions()
	options.Logger = logger
	server, err := transport.New(system, options)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = server.Shutdown(ctx) // the sockets are checked by goleak
		<-ended
		_ = system.Stop(ctx)
	})
	return "ws://" + listener.Addr().String()
}

// watched is a screen that a test reads.
type watched struct {
	person bool // somebody looks at it, and can be asked
	mu     sync.Mutex
	lines  []string
	more   chan struct{}
}

func (s *watched) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
	close(s.more)
	s.more = make(chan struct{})
}

func (s *watched) said(author, text string)          { s.add(said(author, text)) }
func (s *watched) note(format string, values ...any) { s.add("· " + fmt.Sprintf(format, values...)) }
func (s *watched) ask(format string, values ...any)  { s.add("? " + fmt.Sprintf(format, values...)) }
func (s *watched) progress(peer, what string)        { s.add("✓ " + what + " " + peer) }
func (s *watched) prompt(string)                     {}
func (s *watched) seen() bool                        { return s.person }
func (s *watched) read(*chat)                        {}

// somebody is a chat under test.
type somebody struct {
	t      *testing.T
	c      *chat
	screen *watched
	passed int // lines that shows has passed
	end    context.CancelFunc
	over   chan struct{}
	err    error
}

// flags are those of a chat with an identity of its own.
func flags(t *testing.T, service, login string) *Flags {
	return &Flags{Login: login, Service: service, Identity: filepath.Join(t.TempDir(), "state", "identity.pem"), Timeout: patience}
}

// join logs somebody in who sees the screen.
func join(t *testing.T, service, login string) *somebody {
	return start(t, flags(t, service, login), true)
}

func start(t *testing.T, f *Flags, person bool) *somebody {
	t.Helper()
	return startAs(t, f, person, func(*chat) {})
}

// startAs is start with a change of the chat.
func startAs(t *testing.T, f *Flags, person bool, change func(*chat)) *somebody {
	t.Helper()
	c, err := f.prepare()
	if err != nil {
		t.Fatal(err)
	}
	change(c)
	if person && f.ReceiveFiles == "" {
		c.folder = folderOf(t, t.TempDir())
	} else if f.ReceiveFiles != "" {
		c.folder = folderOf(t, f.ReceiveFiles)
	}
	s := &somebody{t: t, c: c, screen: &watched{person: person, more: make(chan struct{})}, over: make(chan struct{})}
	c.screen = s.screen
	if err := c.logIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	ctx, s.end = context.WithCancel(context.Background())
	go func() {
		defer close(s.over)
		s.err = c.run(ctx)
	}()
	t.Cleanup(func() {
		s.end()
		<-s.over
	})
	return s
}

func folderOf(t *testing.T, path string) *folder {
	t.Helper()
	d, err := openFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.root.Close() })
	return d
}

// within is the same in a part of a test.
func (s *somebody) within(t *testing.T) *somebody {
	part := *s
	part.t = t
	return &part
}

// types has the person type a line.
func (s *somebody) types(line string) { s.c.post(func() { s.c.typed(line) }) }

// shows waits for a line that has a text in it, behind those that it has passed, and returns it.
func (s *somebody) shows(text string) string {
	s.t.Helper()
	late := time.After(patience)
	for {
		s.screen.mu.Lock()
		lines, more := s.screen.lines, s.screen.more
		s.screen.mu.Unlock()
		for s.passed < len(lines) {
			line := lines[s.passed]
			s.passed++
			if strings.Contains(line, text) {
				return line
			}
		}
		select {
		case <-more:
		case <-late:
			s.t.Fatalf("%s: %q is not shown within %v, but\n%s", s.c.me.Shown, text, patience, strings.Join(lines, "\n"))
		}
	}
}

// all returns everything that was shown.
func (s *somebody) all() string {
	s.screen.mu.Lock()
	defer s.screen.mu.Unlock()
	return strings.Join(s.screen.lines, "\n")
}

// do runs something on the goroutine of the chat.
func (s *somebody) do(f func()) {
	s.t.Helper()
	done := make(chan struct{})
	s.c.post(func() {
		defer close(done)
		f()
	})
	select {
	case <-done:
	case <-time.After(patience):
		s.t.Fatal("the chat hangs")
	}
}

// meets connects two people.
func (s *somebody) meets(other *somebody) {
	s.t.Helper()
	s.types("/call " + other.c.me.Shown)
	other.shows(s.c.me.Shown + " wants to connect")
	other.types("/accept")
	s.shows("connected to " + other.c.me.Shown)
	other.shows("connected to " + s.c.me.Shown)
}

// ends waits for the end of a chat, and returns its error.
func (s *somebody) ends() error {
	s.t.Helper()
	select {
	case <-s.over:
	case <-time.After(patience):
		s.t.Fatalf("%s: the chat does not end:\n%s", s.c.me.Shown, s.all())
	}
	return s.err
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
