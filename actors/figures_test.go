package actors

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"slices"
	"strconv"
	"testing"

	"p2p-messaging/messages"
)

// A code that is added to package messages must be counted too.
func TestEveryCodeIsCounted(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "../messages/code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	counted := codes()
	found := 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if ok && fmt.Sprint(spec.Type) == "Code" {
			text, _ := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			found++
			if !slices.Contains(counted[:], messages.Code(text)) {
				t.Errorf("%s is not counted", text)
			}
		}
		return true
	})
	if found != len(counted) {
		t.Errorf("package messages has %d codes, and %d are counted", found, len(counted))
	}
}

func TestFiguresTellWhatHasHappened(t *testing.T) {
	s := newTestSystem(t, Options{ResumeWindow: window, Logger: slog.New(slog.DiscardHandler)})
	bob := join(t, s, "bob")
	alice, reply := keep(t, s, "alice", "")
	refused := connect(s)
	refused.send(t, `{"type":"login","login":"bob"}`)
	refused.send(t, `{"type":"login","login":""}`)
	bob.send(t, bob.offer("nobody", 1))
	alice.Closed(false)
	bob.send(t, bob.offer("alice", 1))
	away := s.Figures()
	if away.Present != 1 || away.Away != 1 || away.AwayBytes == 0 || away.Mailboxes != 3 {
		t.Errorf("while alice is away: %+v", away)
	}
	keep(t, s, "alice", resumes(reply.Resume, 0))
	keep(t, s, "alice", resumes("a-secret-that-nobody-gave", 0))
	keep(t, s, "carol", resumes(firstSecret, 0))
	mallory := join(t, s, "mallory")
	mallory.link.onSend = func(string) { panic("mallory's link is broken") }
	bob.send(t, bob.offer("mallory", 1))
	f := s.Figures()
	if f.Present != 3 || f.Away != 0 || f.AwayBytes != 0 {
		t.Errorf("afterwards: %+v", f)
	}
	for what, c := range map[string][2]uint64{
		"accepted":            {f.LoginsAccepted, 4},
		"taken":               {f.LoginsRefused[messages.CodeLoginTaken], 2},
		"invalid":             {f.LoginsRefused[messages.CodeLoginInvalid], 1},
		"never given":         {f.LoginsRefused[messages.CodeCapacity], 0},
		"unavailable":         {f.RelaysRefused[messages.CodePeerUnavailable], 2},
		"resumed":             {f.Resumed, 1},
		"begun again":         {f.Began, 1},
		"resumes refused":     {f.ResumesRefused, 1},
		"failed":              {f.SessionFailures, 1},
		"failed registries":   {f.RegistryFailures, 0},
		"sessions that ended": {f.Ended, 0},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: %d, want %d", what, c[0], c[1])
		}
	}
	if len(f.LoginsRefused) != codeCount || len(f.RelaysRefused) != codeCount {
		t.Errorf("the figures lack codes: %+v", f)
	}
}

func TestBacklogsAreLookedAtWithinABound(t *testing.T) {
	s := newTestSystem(t, Options{})
	for i := range 300 {
		join(t, s, fmt.Sprint("login", i))
	}
	for most, want := range map[int]int{0: 0, 10: 10, 1000: 300} {
		looked := 0
		s.EachBacklog(most, func(n int) {
			looked++
			if n != 0 {
				t.Errorf("%d messages wait", n)
			}
		})
		if looked != want {
			t.Errorf("of %d at most, it looks at %d of 300, want %d", most, looked, want)
		}
	}
}
