package chat

import (
	"path/filepath"
	"strings"
	"testing"

	"p2p-messaging/actors"
	"p2p-messaging/transport/arguments"
)

func TestATokenFromAFileLogsIn(t *testing.T) {
	t.Parallel()
	service := serveWith(t, actors.Options{Authenticate: func(q actors.Question, decide func(actors.Verdict)) {
		if q.Token == "good-for-"+q.Login.Key {
			decide(actors.Verdict{})
		} else {
			decide(actors.Verdict{Refusal: "This token is not good."})
		}
	}})
	file := filepath.Join(t.TempDir(), "token")
	for _, c := range []struct {
		content string
		want    int
		says    string
	}{
		{"good-for-alerts\n", StatusAbsent, "bob is not there"},
		{"good-for-bob", arguments.StatusFailure, "This token is not good."},
		{"", arguments.StatusUsage, "no token"},
		{"two words", arguments.StatusUsage, "no token"},
		{"\x1b", arguments.StatusUsage, "no token"},
		{strings.Repeat("x", maxTokenBytes+1), arguments.StatusUsage, "no token"},
	} {
		write(t, file, []byte(c.content))
		f := alerts(t, service)
		f.TokenFile = file
		if status, _, stderr := runs(t, f, nil); status != c.want || !strings.Contains(stderr, c.says) {
			t.Errorf("with the token %.20q the status is %d with %q, want %d with %q", c.content, status, stderr, c.want, c.says)
		}
	}
	f := alerts(t, service)
	if status, _, stderr := runs(t, f, nil); status != arguments.StatusFailure || !strings.Contains(stderr, "refuses the login") || !strings.Contains(stderr, "--token-file") {
		t.Errorf("without a token the status is %d with %q", status, stderr)
	}
}
