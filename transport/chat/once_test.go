package chat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/arguments"
	"p2p-messaging/transport/client"
	"p2p-messaging/transport/internal/locked"
)

// runs runs the command as a script does.
func runs(t *testing.T, f *Flags, in io.Reader) (status int, stdout, stderr string) {
	t.Helper()
	f.In = in
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, err locked.Buffer
	failure := f.Execute(ctx, &out, &err)
	if failure != nil {
		_, _ = err.Write([]byte(failure.Error() + "\n"))
	}
	return arguments.Status(failure), out.String(), err.String()
}

// alerts are the flags of a script that sends bob one text.
func alerts(t *testing.T, service string) *Flags {
	f := flags(t, service, "alerts")
	f.To, f.Once = "bob", "The disk is full."
	return f
}

func TestOneTextIsDelivered(t *testing.T) {
	t.Parallel()
	service := serve(t)
	f := flags(t, service, "bob")
	f.To = "alerts" // whose calls are taken
	bob := start(t, f, true)
	bob.shows("alerts is not there")
	status, stdout, stderr := runs(t, alerts(t, service), nil)
	if status != 0 || stdout != "" {
		t.Errorf("the status is %d, with %q and %q", status, stdout, stderr)
	}
	bob.shows("alerts: The disk is full.")
	bob.shows("alerts left")
}

func TestTheExitStatusSaysWhatWentWrong(t *testing.T) {
	t.Parallel()
	service := serve(t)
	for _, c := range []struct {
		name string
		bob  func(t *testing.T) *somebody // what bob is
		acts func(bob *somebody)          // and does
		set  func(f *Flags)
		want int
		says string
	}{
		{name: "nobody is there", want: StatusAbsent, says: "bob is not there"},
		{
			name: "declined", want: StatusDeclined, says: "bob declined",
			bob:  func(t *testing.T) *somebody { return join(t, service, "bob") },
			acts: func(bob *somebody) { bob.shows("alerts wants to connect"); bob.types("/decline") },
		},
		{
			name: "declined by a script", want: StatusDeclined, says: "bob declined",
			bob: func(t *testing.T) *somebody {
				join(t, service, "carol") // who does not answer
				f := flags(t, service, "bob")
				f.To, f.Once = "carol", "text"
				return start(t, f, false)
			},
		},
		{
			name: "nobody answers", want: StatusTimeout, says: "not delivered within",
			bob: func(t *testing.T) *somebody { return join(t, service, "bob") },
			set: func(f *Flags) { f.Timeout = 500 * time.Millisecond },
		},
		{
			name: "the login is taken", want: arguments.StatusFailure, says: "refuses the login",
			bob: func(t *testing.T) *somebody { return join(t, service, "alerts") },
		},
		{
			name: "no service", want: arguments.StatusFailure, says: "cannot be reached",
			set: func(f *Flags) { f.Service = "ws://127.0.0.1:1" },
		},
		{name: "no service's URL", want: arguments.StatusUsage, says: "--service", set: func(f *Flags) { f.Service = "localhost:7777" }},
		{name: "nobody to send to", want: arguments.StatusUsage, says: "--to", set: func(f *Flags) { f.To = "" }},
		{name: "to oneself", want: arguments.StatusUsage, says: "--to", set: func(f *Flags) { f.To = "ALERTS" }},
		{name: "to no login", want: arguments.StatusUsage, says: "--to", set: func(f *Flags) { f.To = "\x1b" }},
		{name: "from no login", want: arguments.StatusUsage, says: "--login", set: func(f *Flags) { f.Login = " " }},
		{name: "a bound for no folder", want: arguments.StatusUsage, says: "--max-file: it bounds what --receive-files accepts", set: func(f *Flags) { f.MaxFile = 1000 }},
		{name: "a number for no folder", want: arguments.StatusUsage, says: "--max-files: it bounds what --receive-files accepts", set: func(f *Flags) { f.MaxFiles = new(5) }},
		{name: "no files for a folder", want: arguments.StatusUsage, says: "from 1", set: func(f *Flags) { f.ReceiveFiles, f.MaxFiles = t.TempDir(), new(0) }},
		{name: "no folder", want: arguments.StatusUsage, says: "--receive-files", set: func(f *Flags) { f.ReceiveFiles = filepath.Join(t.TempDir(), "none") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := alerts(t, service)
			if c.set != nil {
				c.set(f)
			}
			if c.bob != nil {
				bob := c.bob(t)
				if c.acts != nil {
					go c.acts(bob)
				}
			}
			status, _, stderr := runs(t, f, nil)
			if status != c.want || !strings.Contains(stderr, c.says) {
				t.Errorf("the status is %d with %q, want %d with %q", status, stderr, c.want, c.says)
			}
		})
	}
}

func TestNoWayIsToldFromNobody(t *testing.T) {
	t.Parallel()
	for e, want := range map[end]int{
		endUnavailable: StatusAbsent, endLeft: StatusAbsent, endDeclined: StatusDeclined, endBusy: StatusDeclined, endNoRelay: StatusDeclined,
		endNoConnection: StatusNoWay, endLost: StatusNoWay, endNoAnswer: StatusTimeout, endUnproven: StatusIdentity, endForeign: arguments.StatusFailure,
	} {
		if got := e.status(); got != want {
			t.Errorf("%q has the status %d, want %d", e, got, want)
		}
		if e.told("bob") == "" {
			t.Errorf("nothing is said of %q", e)
		}
	}
}

func TestTheEndOfTheSessionIsToldInWords(t *testing.T) {
	t.Parallel()
	lost := func(err error) error {
		return &client.SessionLostError{Unknown: make([][]byte, 5), Err: fmt.Errorf("receive: %w", err)}
	}
	for want, err := range map[string]error{
		"the operator of the service has ended your session":                                                 lost(&client.CloseError{Code: messages.CloseEnded, Reason: "x"}),
		"another connection has taken your login over":                                                       lost(&client.CloseError{Code: messages.CloseTakenOver}),
		"the service refuses the login: Your token has ended.":                                               lost(&client.RefusedError{Code: messages.CodeAuthFailed, Message: "Your token has ended."}),
		"--token-file: there is no token in alice.token":                                                     lost(&UsageError{Reason: "--token-file: there is no token in alice.token"}),
		"the service ended the session: the service closed the connection with code 1008: too many <U+001B>": &client.CloseError{Code: 1008, Reason: "too many \x1b"},
	} {
		if got := sessionEnd(err); got != want {
			t.Errorf("%v is told as %q, want %q", err, got, want)
		}
	}
}

func TestAPipe(t *testing.T) {
	t.Parallel()
	service := serve(t)
	bob := join(t, service, "bob")
	f := flags(t, service, "script")
	f.To, f.In = "bob", nil
	lines, in := io.Pipe()
	f.In = lines
	var out, news locked.Buffer
	over := make(chan error, 1)
	go func() { over <- f.Execute(t.Context(), &out, &news) }()
	if _, err := io.WriteString(in, "/help is no command here\n\nsecond\r\nwithout an end"); err != nil {
		t.Fatal(err)
	}
	bob.shows("script wants to connect")
	bob.types("/accept")
	bob.shows("script: /help is no command here")
	bob.shows("script: second")
	bob.types("an answer")
	bob.shows("✓ delivered script")
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	bob.shows("script: without an end")
	if err := <-over; err != nil {
		t.Errorf("the end of the input ends the chat with %v", err)
	}
	if got := out.String(); got != "bob: an answer\n" {
		t.Errorf("standard output is %q, with %q", got, news.String())
	}
	if strings.Contains(bob.all(), "✓ read") {
		t.Error("a pipe says that somebody has read a text")
	}
}

func TestALongInputWaitsForTheOtherSide(t *testing.T) {
	t.Parallel()
	service := serve(t)
	bob := join(t, service, "bob")
	f := flags(t, service, "script")
	f.To = "bob"
	// More lines than may wait: they are read as they are delivered.
	line := strings.Repeat("x", 100_000)
	const count = 40
	over := make(chan int, 1)
	go func() {
		status, _, _ := runs(t, f, strings.NewReader(strings.Repeat(line+"\n", count)))
		over <- status
	}()
	bob.shows("script wants to connect")
	bob.types("/accept")
	for range count {
		bob.shows("script: " + line)
	}
	if status := <-over; status != 0 {
		t.Errorf("the status is %d", status)
	}
}

func TestSomebodyElseGetsNothing(t *testing.T) {
	t.Parallel()
	service := serve(t)
	identity := filepath.Join(t.TempDir(), "identity.pem")
	sends := func() (int, string) {
		f := alerts(t, service)
		f.Identity = identity
		status, _, stderr := runs(t, f, nil)
		return status, stderr
	}
	f := flags(t, service, "bob")
	f.ReceiveFiles = t.TempDir()
	bob := start(t, f, false)
	if status, stderr := sends(); status != 0 {
		t.Fatalf("the first text ends with %d: %s", status, stderr)
	}
	bob.shows("alerts: The disk is full.")
	bob.end()
	if err := bob.ends(); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	other := flags(t, service, "bob") // with another certificate
	impostor := start(t, other, false)
	if status, stderr := sends(); status != StatusIdentity {
		t.Errorf("a text to somebody else ends with %d: %s", status, stderr)
	}
	impostor.shows("alerts left")
	if strings.Contains(impostor.all(), "The disk is full.") {
		t.Error("somebody else has got the text")
	}
	if err := os.RemoveAll(identity + ".contacts"); err != nil {
		t.Fatal(err)
	}
	if status, stderr := sends(); status != 0 {
		t.Errorf("to somebody new the text ends with %d: %s", status, stderr)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestATextThatCannotBeWrittenIsNotConfirmed(t *testing.T) {
	t.Parallel()
	service := serve(t)
	alice := join(t, service, "alice")
	f := flags(t, service, "inbox")
	lines, in := io.Pipe() // it stays open
	defer in.Close()
	f.In = lines
	over := make(chan error, 1)
	go func() { over <- f.Execute(t.Context(), full{}, io.Discard) }()
	for !strings.Contains(alice.all(), "connected to inbox") {
		alice.types("/call inbox")
		alice.shows(" inbox")
		alice.shows("inbox") // it is not there yet, or is connected
	}
	alice.types("important")
	alice.shows("inbox left")
	if err := <-over; arguments.Status(err) != arguments.StatusFailure || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("the chat ends with %v", err)
	}
	if strings.Contains(alice.all(), "delivered") {
		t.Error("alice is told that the text was delivered")
	}
}
