package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"p2p-messaging/messages"
)

const (
	// tokenTimeout bounds the time in which a fresh token must be given.
	tokenTimeout = 10 * time.Second
	// tokenRetry is the shortest time between two attempts to get one.
	tokenRetry = time.Second
)

// tokens gets the tokens of logins, and keeps that of the current one fresh. Nil stands for a client without tokens.
type tokens struct {
	fresh func(ctx context.Context, login string) (string, error)
	send  func(login, token string) // brings the service a fresh token
	ctx   context.Context
	end   context.CancelFunc

	running sync.WaitGroup
	mu      sync.Mutex
	login   string
	token   string
	timer   *time.Timer // nil while no token is to be renewed
	changes int         // how often login or token has changed other than by a renewal
}

func newTokens(fresh func(ctx context.Context, login string) (string, error), send func(login, token string)) *tokens {
	if fresh == nil {
		return nil
	}
	t := &tokens{fresh: fresh, send: send}
	t.ctx, t.end = context.WithCancel(context.Background())
	return t
}

// get returns a token for a login, or "" without tokens.
func (t *tokens) get(ctx context.Context, login string) (string, error) {
	if t == nil {
		return "", nil
	}
	return t.fresh(ctx, login)
}

// hold says that the service has accepted a login with a token. The token is renewed before it ends, if it says when that is.
func (t *tokens) hold(login, token string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancel()
	t.login, t.token = login, token
	t.schedule()
}

// drop says that there is no login any more.
func (t *tokens) drop() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cancel()
	t.token = ""
}

// stop ends the renewals, and waits for one that is under way.
func (t *tokens) stop() {
	if t == nil {
		return
	}
	t.end()
	t.drop()
	t.running.Wait()
}

// schedule makes a renewal come when four fifths of the time that the token still has are over. The caller holds mu.
func (t *tokens) schedule() {
	ends, ok := endOf(t.token)
	left := time.Until(ends)
	if !ok || left <= 0 || t.ctx.Err() != nil {
		return
	}
	t.running.Add(1)
	changes := t.changes
	t.timer = time.AfterFunc(max(left/5*4, tokenRetry), func() { t.renew(changes) })
}

// cancel takes a renewal back that has not begun. The caller holds mu.
func (t *tokens) cancel() {
	if t.timer != nil && t.timer.Stop() {
		t.running.Done()
	}
	t.timer = nil
	t.changes++
}

// renew gets a fresh token and sends it. If there is none yet, it tries again until the old one has ended.
func (t *tokens) renew(changes int) {
	defer t.running.Done()
	t.mu.Lock()
	login, before := t.login, t.token
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.ctx, tokenTimeout)
	token, err := t.fresh(ctx, login)
	cancel()
	t.mu.Lock()
	if t.changes != changes {
		t.mu.Unlock()
		return // another login has brought a token of its own
	}
	fresh := err == nil && token != before
	if fresh {
		t.token = token
	}
	t.timer = nil
	t.schedule()
	t.mu.Unlock()
	if fresh {
		t.send(login, token)
	}
}

// endOf returns when a token ends, and false if it does not say. Nobody has checked the token.
func endOf(token string) (time.Time, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Exp *float64 `json:"exp"`
	}
	if err != nil || json.Unmarshal(payload, &claims) != nil || claims.Exp == nil {
		return time.Time{}, false
	}
	const year9999 = 253402300799 // beyond that, times overflow
	return time.Unix(int64(max(0, min(*claims.Exp, year9999))), 0), true
}

// tokenText returns the text that brings a fresh token.
func tokenText(token string) []byte {
	var w objectWriter
	w.member("type", messages.TypeToken.String())
	w.member("token", token)
	text, _ := w.finish() // two strings
	return text
}
