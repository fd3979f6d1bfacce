package client

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/messages"
)

// tokenUntil returns a token with claims that nobody has signed.
func tokenUntil(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestTheEndOfATokenIsRead(t *testing.T) {
	for token, want := range map[string]int64{
		tokenUntil(`{"exp":1796000000}`):        1796000000,
		tokenUntil(`{"exp":1.796e9,"sub":"a"}`): 1796000000,
		tokenUntil(`{"exp":-5}`):                0,
		tokenUntil(`{"exp":1e300}`):             253402300799,
	} {
		if ends, ok := endOf(token); !ok || ends.Unix() != want {
			t.Errorf("%s ends at %v, %t; want %d", token, ends, ok, want)
		}
	}
	for _, token := range []string{"", "opaque", "a.b.c", "e30.e30", tokenUntil(`{}`), tokenUntil(`{"exp":"x"}`), tokenUntil(`{"exp":null}`), tokenUntil(`[]`)} {
		if ends, ok := endOf(token); ok {
			t.Errorf("%q ends at %v, want no end", token, ends)
		}
	}
}

func TestATokenIsRenewedUntilTheLoginIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent, asked atomic.Int32
		var failing atomic.Bool
		tokens := newTokens(func(context.Context, string) (string, error) {
			asked.Add(1)
			if failing.Load() {
				return "", errors.New("down")
			}
			return jwtIn(time.Minute), nil
		}, func(string, string) { sent.Add(1) })
		defer tokens.stop()
		tokens.hold("alice", jwtIn(time.Minute))
		for range 10 {
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if n := sent.Load(); n < 10 || n > 14 {
			t.Errorf("%d tokens were sent in ten minutes", n)
		}
		failing.Store(true)
		asked.Store(0)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := asked.Load(); n == 0 || n > 30 {
			t.Errorf("a fresh token was asked for %d times", n)
		}
		failing.Store(false)
		sent.Store(0)
		tokens.hold("bob", jwtIn(time.Minute))
		tokens.drop()
		tokens.hold("carol", "opaque")
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := sent.Load(); n != 0 {
			t.Errorf("sent %d tokens for logins that were given up or whose token has no end", n)
		}
	})
}

// jwtIn returns a token that ends in that long.
func jwtIn(d time.Duration) string {
	return tokenUntil(fmt.Sprintf(`{"exp":%d}`, time.Now().Add(d).Unix()))
}

func TestATokenThatStaysTheSameIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		same := jwtIn(time.Minute)
		var asked atomic.Int32
		tokens := newTokens(func(context.Context, string) (string, error) { asked.Add(1); return same, nil },
			func(string, string) { t.Error("it was sent") })
		defer tokens.stop()
		tokens.hold("alice", same)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := asked.Load(); n == 0 || n > 30 {
			t.Errorf("a fresh token was asked for %d times", n)
		}
	})
}

func TestAClientComesBackWithFreshTokensOnly(t *testing.T) {
	b := newComeback(defaultTiming())
	refused := &RefusedError{Code: messages.CodeAuthFailed}
	if _, ok := b.after(refused, 0, time.Now()); ok {
		t.Error("a client without tokens comes back")
	}
	b.proves = true
	for range mostUnproven {
		if _, ok := b.after(refused, 0, time.Now()); !ok {
			t.Fatal("a client with tokens does not come back")
		}
	}
	if _, ok := b.after(refused, 0, time.Now()); ok {
		t.Error("a client comes back for ever")
	}
	if _, ok := b.after(&RefusedError{Code: messages.CodeLoginTaken}, time.Minute, time.Now()); ok {
		t.Error("a client comes back although its login is taken")
	}
}
