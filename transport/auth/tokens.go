package auth

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

// Leeway is how long before its claim nbf a token holds, because the clock of its issuer may be ahead. There is none for exp: a
// session ends when its token does.
const Leeway = 30 * time.Second

// lastEnd is the latest time at which a token may end. A later one counts as this.
var lastEnd = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)

const (
	refusalMalformed = "Your token is not a signed JWT of a kind that this service takes. Get a new one and log in again."
	refusalSignature = "Your token is not signed with a key that this service knows. Get a new one and log in again."
	refusalClaims    = "The claims of your token cannot be read. Get a new one and log in again."
	refusalEndless   = "Your token does not say when it ends. Get one with the claim exp and log in again."
	refusalEnded     = "Your token has ended. Get a new one and log in again."
	refusalEarly     = "Your token does not hold yet. Set the clocks right, or try again later."
	refusalIssuer    = "Your token was issued by somebody else. Get one for this service and log in again."
	refusalAudience  = "Your token is for another service. Get one for this service and log in again."
	refusalLogin     = "Your token is for another login. Log in with the login that it names."
)

// claims are those of a token that count here.
type claims struct {
	jwt.Claims
	Logins jwt.Audience `json:"logins"` // patterns; one or a list
}

// tokens looks at JWTs.
type tokens struct {
	logger           *slog.Logger
	algorithms       []jose.SignatureAlgorithm
	secret           *file[[]byte] // nil without --auth-jwt-secret
	keys             keySource     // nil without --auth-jwt-jwks
	audience, issuer string
	foreign          outage // tokens with an audience, where none is expected
}

// keySource has public keys.
type keySource interface {
	// get returns the keys, never nil. Fresh is false if others may have come that cannot be read.
	get() (keys *keySet, fresh bool)
	// renew has a check queued again once there are other keys than seen, and reads them if necessary. It returns false if it does not:
	// the keys were read a moment ago, and are still these.
	renew(c *check, seen *keySet) bool
	reload() error
	close()
}

func newTokens(o Options) (*tokens, error) {
	t := &tokens{logger: o.Logger, audience: o.Audience, issuer: o.Issuer}
	if o.SecretFile != "" {
		t.algorithms = append(t.algorithms, jose.HS256, jose.HS384, jose.HS512)
		t.secret = &file[[]byte]{logger: o.Logger, flag: "--auth-jwt-secret", name: o.SecretFile, parse: parseSecret}
		if err := t.secret.open(); err != nil {
			return nil, err
		}
	}
	if o.JWKS == "" {
		return t, nil
	}
	t.algorithms = append(t.algorithms, publicAlgorithms()...)
	if isURL(o.JWKS) {
		remote, err := newRemoteKeys(o)
		if err != nil {
			return nil, err
		}
		t.keys = remote
		return t, nil
	}
	local := &fileKeys{file[[]publicKey]{logger: o.Logger, flag: "--auth-jwt-jwks", name: o.JWKS, parse: parseKeys}}
	if err := local.open(); err != nil {
		return nil, err
	}
	t.keys = local
	return t, nil
}

func (t *tokens) reload() error {
	var errs []error
	if t.secret != nil {
		errs = append(errs, t.secret.reload())
	}
	if t.keys != nil {
		errs = append(errs, t.keys.reload())
	}
	return errors.Join(errs...)
}

func (t *tokens) close() {
	if t.keys != nil {
		t.keys.close()
	}
}

// look implements judge. If the keys may be older than the token, they are read again first.
func (t *tokens) look(c *check) (v actors.Verdict, pending bool) {
	v, seen := t.verify(c.Login, c.Token)
	return v, seen != nil && !c.renewed && t.keys.renew(c, seen)
}

// verify says whether a token holds for a login. If the token may be signed with a public key that is not among those that were seen,
// verify returns these, and nil otherwise.
func (t *tokens) verify(login messages.Login, token string) (v actors.Verdict, seen *keySet) {
	refuse := func(sentence string) (actors.Verdict, *keySet) { return actors.Verdict{Refusal: sentence}, nil }
	parsed, err := jwt.ParseSigned(token, t.algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return refuse(refusalMalformed)
	}
	var read claims
	header := parsed.Headers[0]
	signed := false
	keys, seen, fresh := t.candidates(header)
	for _, key := range keys {
		read = claims{}
		if err = parsed.Claims(key, &read); err == nil {
			signed = true
			break
		}
		if !errors.Is(err, jose.ErrCryptoFailure) {
			return refuse(refusalClaims)
		}
	}
	switch {
	case signed:
	case seen == nil || fresh:
		return actors.Verdict{Refusal: refusalSignature}, seen
	default:
		return actors.Verdict{Refusal: refusalUnchecked}, seen
	}
	now := time.Now()
	switch {
	case read.Expiry == nil:
		return refuse(refusalEndless)
	case !now.Before(read.Expiry.Time()):
		return refuse(refusalEnded)
	case read.NotBefore != nil && now.Add(Leeway).Before(read.NotBefore.Time()):
		return refuse(refusalEarly)
	case t.issuer != "" && read.Issuer != t.issuer:
		return refuse(refusalIssuer)
	case t.audience == "" && len(read.Audience) > 0:
		if t.foreign.begins() {
			t.logger.Warn("tokens name an audience, and are refused: say with --auth-jwt-audience which one is this service")
		}
		return refuse(refusalAudience)
	case t.audience != "" && !read.Audience.Contains(t.audience):
		return refuse(refusalAudience)
	case !read.allows(login):
		return refuse(refusalLogin)
	}
	ends := read.Expiry.Time()
	if ends.After(lastEnd) {
		ends = lastEnd
	}
	return actors.Verdict{Ends: ends}, nil
}

// candidates returns the keys with which a token may be signed. The algorithm decides which kind of key that is, so a public key is
// never taken for a secret. Seen is nil if no newer key can matter. Otherwise it is the set that was searched, and fresh says whether
// newer keys can be read.
func (t *tokens) candidates(header jose.Header) (keys []any, seen *keySet, fresh bool) {
	if strings.HasPrefix(header.Algorithm, "HS") {
		return []any{t.secret.get()}, nil, true
	}
	public, fresh := t.keys.get()
	for _, key := range public.keys {
		if (header.KeyID == "" || key.id == header.KeyID) && key.signs(header.Algorithm) {
			keys = append(keys, key.key)
		}
	}
	if header.KeyID == "" || len(keys) == 0 {
		seen = public
	}
	return keys, seen, fresh
}

// allows reports whether a token is for a login, or for the id of a PeerJS client, which is compared exactly.
func (c *claims) allows(login messages.Login) bool {
	if messages.IsPeerKey(login.Key) {
		return c.Subject == login.Shown || slices.ContainsFunc(c.Logins, func(pattern string) bool { return fits(pattern, login.Shown) })
	}
	if key, ok := messages.LoginKey(nil, []byte(c.Subject)); ok && string(key) == login.Key {
		return true
	}
	for _, pattern := range c.Logins {
		if matches(pattern, login.Key) {
			return true
		}
	}
	return false
}

// matches reports whether the key of a login matches a pattern, in which * stands for any characters. The other characters are
// compared as those of logins are.
func matches(pattern, key string) bool {
	folded, ok := foldPattern(pattern)
	return ok && fits(folded, key)
}

// fits reports whether a key is what a pattern says, character for character.
func fits(pattern, key string) bool {
	parts := strings.Split(pattern, "*")
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) == 1 {
		return key == first
	}
	if len(key) < len(first)+len(last) || !strings.HasPrefix(key, first) || !strings.HasSuffix(key, last) {
		return false
	}
	rest := key[len(first) : len(key)-len(last)]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(rest, part)
		if i < 0 {
			return false
		}
		rest = rest[i+len(part):]
	}
	return true
}

// foldPattern returns a pattern as the keys of logins are. It returns false for one that no login can match.
func foldPattern(pattern string) (string, bool) {
	folded, ok := messages.LoginKey(nil, []byte(pattern))
	return string(folded), ok && strings.Count(string(folded), "*") == strings.Count(pattern, "*")
}
