package fleet

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/services"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/options"
)

// tokenFile writes a file of tokens.
func tokenFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "tokens")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTheSessionsTakeTheTokensInTurn(t *testing.T) {
	t.Parallel()
	for _, s := range []options.Scenario{options.ScenarioIdle, options.ScenarioRelay, options.ScenarioChurn, options.ScenarioSlow, options.ScenarioCall} {
		t.Run(string(s), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			seen := map[string]map[string]bool{} // logins by the part of the token before the login
			o := briefly(services.Wanting(t, func(login, token string) bool {
				name, of, _ := strings.Cut(token, " \"for\" ")
				mu.Lock()
				defer mu.Unlock()
				if seen[name] == nil {
					seen[name] = map[string]bool{}
				}
				seen[name][login] = true
				return of == login
			}), s)
			if s == options.ScenarioIdle || s == options.ScenarioChurn {
				o.Sessions = 8
			} else {
				o.Pairs = 4
			}
			o.TokenFile = tokenFile(t, `one "for" {login}`, "", "\ttwo \"for\" {login}\r", `three\ "for" {login}`)
			r := mustRun(t, o)
			if s != options.ScenarioSlow {
				wantNoErrors(t, r)
			}
			if n := r.Snapshot.Errors()["auth-failed"]; n != 0 || r.PeakSessions == 0 {
				t.Errorf("%d logins were refused", n)
			}
			mu.Lock()
			defer mu.Unlock()
			if len(seen) != 3 || len(seen["two"]) < 2 || len(seen[`three\`]) < 2 {
				t.Errorf("the tokens were used so: %v", seen)
			}
			d, err := figures.NewDocument(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			if text, _ := json.Marshal(d); strings.Contains(string(text), "three") {
				t.Error("the figures have the tokens")
			}
		})
	}
}

func TestAServiceThatWantsTokensIsNamedSo(t *testing.T) {
	t.Parallel()
	service := services.Wanting(t, func(_, token string) bool { return token == "good" })
	for file, want := range map[string][]string{
		"":                   {"auth-required", "--token-file", "token --logins 'lt-*'"},
		tokenFile(t, "bad"):  {"auth-failed", "begin with lt-"},
		tokenFile(t, "good"): nil,
	} {
		o := briefly(service, options.ScenarioRelay)
		o.TokenFile = file
		_, err := Run(t.Context(), o, nil)
		if refused, ok := errors.AsType[*load.ServiceError](err); ok != (want != nil) {
			t.Errorf("the run ends with %v", err)
		} else {
			for _, part := range want {
				if !strings.Contains(refused.Reason, part) {
					t.Errorf("the error is %q, want %q in it", refused.Reason, part)
				}
			}
		}
	}
}
