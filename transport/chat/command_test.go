package chat

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"p2p-messaging/transport/arguments"
)

// commandLine runs a command line.
func commandLine(t *testing.T, given ...string) error {
	t.Helper()
	var f Flags
	parser, err := kong.New(&f, kong.Writers(io.Discard, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.Parse(given)
	if err != nil {
		t.Fatal(err)
	}
	f.In = strings.NewReader("")
	return f.Run(parsed)
}

func TestAVariableThatHasNoValueDoesNotChangeWhatAScriptDoes(t *testing.T) {
	for flag, given := range map[string][]string{
		"--once":          {"--login", "alice", "--to", "bob", "--once", ""},
		"--to":            {"--login", "alice", "--to", ""},
		"--receive-files": {"--login", "alice", "--receive-files="},
		"--identity":      {"--identity=", "--login", "alice"},
		"--token-file":    {"--login", "alice", "--token-file", ""},
	} {
		err := commandLine(t, append(given, "--service", "ws://127.0.0.1:1")...)
		var usage *UsageError
		if !errors.As(err, &usage) || err.Error() != flag+": its value is empty" || arguments.Status(err) != arguments.StatusUsage {
			t.Errorf("%q: %v", given, err)
		}
	}
	if err := commandLine(t, "--login", "alice", "--to", "bob", "--once", "a=", "--service", "ws://127.0.0.1:1", "--identity", t.TempDir()+"/id"); err == nil ||
		!strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("a text that ends with = is refused: %v", err)
	}
}

func TestTheServiceIsWherePeopleOpenItsPage(t *testing.T) {
	for service, want := range map[string]string{
		"http://localhost:7777":           "ws://localhost:7777/ws",
		"https://chat.example.org/":       "wss://chat.example.org/ws",
		"https://example.org/chat/":       "wss://example.org/chat/ws",
		"https://example.org/chat":        "wss://example.org/chat/ws",
		"HTTPS://example.org/chat/ws":     "wss://example.org/chat/ws",
		"ws://localhost:7777":             "ws://localhost:7777/ws",
		"wss://example.org/other/service": "wss://example.org/other/service",
	} {
		f := Flags{Service: service, Timeout: 1}
		if got, err := f.check(); got != want || err != nil {
			t.Errorf("%s is at %q, %v; want %q", service, got, err, want)
		}
	}
}

func TestThePasswordOfAServiceIsNotShown(t *testing.T) {
	err := commandLine(t, "--login", "alice", "--service", "ws://me:hunter2@127.0.0.1:1", "--identity", t.TempDir()+"/id")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}
