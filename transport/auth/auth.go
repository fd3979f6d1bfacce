// Package auth decides who may log in, by tokens. A token is a JWT (RFC 7519) that is signed with a key that the service knows, or
// anything that an HTTP endpoint of the operator knows.
//
//	login ── Authenticate ──▶ queue ──▶ a goroutine of few ── keys, or the endpoint ──▶ decide
//
// Nobody waits but the client whose token it is, and others from its address: the addresses take turns in the queue. Where nobody can
// say whether a token holds, it does not.
package auth

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

// Options says how tokens are looked at: by keys, or by an endpoint.
type Options struct {
	Logger *slog.Logger
	// SecretFile is a file with the secret of tokens that are signed with HMAC: HS256, HS384 or HS512 (RFC 7518).
	SecretFile string
	// JWKS is the file or the URL of a JWK set (RFC 7517) with the public keys of other tokens.
	JWKS string
	// Audience must be in the claim aud. If it is empty, a token must have no such claim (RFC 7519, section 4.1.3).
	Audience string
	// Issuer must be the claim iss. If it is empty, any will do.
	Issuer string
	// URL is that of an endpoint that is asked instead.
	URL string
}

// The sentences for clients whose tokens do not hold. None repeats anything of the token.
const (
	refusalTooLong   = "Your token is too long. Log in with a token of at most 8 KiB."
	refusalBusy      = "Your token could not be checked, because too many are being checked. Try again in a moment."
	refusalUnchecked = "Your token could not be checked. Try again in a moment."
)

// Authenticator looks at tokens. Its methods may be called from any goroutine.
type Authenticator struct {
	logger *slog.Logger
	queue  queue
	by     judge
}

// judge finds out whether tokens hold.
type judge interface {
	// look says whether the token of a check holds. Pending means that it is not known yet: the check is queued again later, or refused.
	look(c *check) (v actors.Verdict, pending bool)
	reload() error
	close()
}

const (
	// longestWait is how long a check may wait in the queue. After that its client has had to wait for long enough.
	longestWait = 5 * time.Second
	// longestCheck is how long a check may take, with all that it waits for. messages/PROTOCOL.md promises that.
	longestCheck = longestWait + answerTimeout
)

// check is one look at a token.
type check struct {
	actors.Question
	decide  func(actors.Verdict)
	queue   *queue
	began   time.Time
	renewed bool // the keys were read again for this token
}

func (c *check) refuse(sentence string) { c.decide(actors.Verdict{Refusal: sentence}) }

// again queues the check once more.
func (c *check) again() {
	c.renewed = true
	c.queue.put(c)
}

// late reports whether the check has waited for too long.
func (c *check) late() bool {
	if c.renewed {
		return time.Since(c.began) > longestCheck
	}
	return time.Since(c.began) > longestWait
}

// New returns an Authenticator, or nil if the options name neither keys nor an endpoint. The error is a sentence for the operator.
func New(o Options) (*Authenticator, error) {
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	a := &Authenticator{logger: o.Logger}
	a.queue.run, a.queue.logger = a.run, a.logger
	switch {
	case o.URL != "":
		if o.SecretFile != "" || o.JWKS != "" || o.Audience != "" || o.Issuer != "" {
			return nil, errors.New("--auth-url asks an endpoint, and --auth-jwt-… checks tokens here: give one or the other")
		}
		e, err := newEndpoint(o)
		if err != nil {
			return nil, err
		}
		a.by, a.queue.workers = e, endpointRequests
	case o.SecretFile != "" || o.JWKS != "":
		t, err := newTokens(o)
		if err != nil {
			return nil, err
		}
		a.by, a.queue.workers = t, runtime.GOMAXPROCS(0)
	case o.Audience != "" || o.Issuer != "":
		return nil, errors.New("--auth-jwt-audience and --auth-jwt-issuer say what a token must have: give --auth-jwt-secret or --auth-jwt-jwks too")
	default:
		return nil, nil
	}
	return a, nil
}

// Func returns what looks at the tokens of a service, for [actors.Options]. It is nil if a is nil: then the service wants no tokens.
func (a *Authenticator) Func() actors.Authenticate {
	if a == nil {
		return nil
	}
	return a.authenticate
}

// authenticate implements [actors.Authenticate].
func (a *Authenticator) authenticate(q actors.Question, decide func(actors.Verdict)) {
	c := &check{Question: q, decide: decide, queue: &a.queue, began: time.Now()}
	if len(q.Token) > messages.MaxTokenBytes {
		c.refuse(refusalTooLong)
		return
	}
	a.queue.put(c)
}

// run looks at one token. A panic in that refuses the token, and is logged.
func (a *Authenticator) run(c *check) {
	if c.late() {
		a.queue.refuse(c)
		return
	}
	if v, pending := a.look(c); !pending {
		c.decide(v)
	}
}

func (a *Authenticator) look(c *check) (v actors.Verdict, pending bool) {
	defer func() {
		if cause := recover(); cause != nil {
			a.logger.Error("looking at a token failed", slog.String("stack", string(debug.Stack())))
			v, pending = actors.Verdict{Refusal: refusalUnchecked}, false
		}
	}()
	return a.by.look(c)
}

// Reload reads the keys now. The error says why they cannot be used, and so does the log; those of before stay in use then. Without keys
// it does nothing.
func (a *Authenticator) Reload() error {
	if a == nil {
		return nil
	}
	return a.by.reload()
}

// Close closes connections that are not in use.
func (a *Authenticator) Close() {
	if a != nil {
		a.by.close()
	}
}

// isURL reports whether a value of --auth-jwt-jwks is a URL, and not the name of a file.
func isURL(value string) bool {
	return strings.HasPrefix(value, "http://") || strings.HasPrefix(value, "https://")
}

// parseURL returns the URL that a flag has.
func parseURL(flag, value string) (*url.URL, error) {
	u, err := url.Parse(value)
	if err != nil || !isURL(value) || u.Hostname() == "" || u.Fragment != "" {
		return nil, fmt.Errorf("%s: this is no URL that can be asked: give one such as https://id.example.org/keys", flag)
	}
	return u, nil
}

// warnOfPlainText warns if what is asked at the URL of a flag comes over a network in plain text. Risk says what somebody in between
// can do.
func warnOfPlainText(logger *slog.Logger, flag string, u *url.URL, risk string) {
	address, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "https" || u.Hostname() == "localhost" || err == nil && address.Unmap().IsLoopback() {
		return
	}
	logger.Warn(flag + ": " + u.Host + " is asked over http, in plain text: " + risk + ". Give a URL with https, or let only a network that you trust lie between")
}
