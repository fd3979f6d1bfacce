package auth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport/internal/locked"
)

const testSecret = "a-secret-of-the-tests-0123456789"

// said are the claims of a token.
type said map[string]any

// in returns the Unix time in that long.
func in(d time.Duration) int64 { return time.Now().Add(d).Unix() }

// claimsOf returns the claims of a token that holds for alice, changed by some.
func claimsOf(changes said) said {
	c := said{"sub": "alice", "exp": in(time.Hour)}
	for name, value := range changes {
		c[name] = value
		if value == nil {
			delete(c, name)
		}
	}
	return c
}

// sign returns a token. Key is the kid, if it is not empty.
func sign(t testing.TB, algorithm jose.SignatureAlgorithm, with any, kid string, c said) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if kid != "" {
		options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: with}, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(map[string]any(c)).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func hs256(t testing.TB, c said) string {
	t.Helper()
	return sign(t, jose.HS256, []byte(testSecret), "", c)
}

// unsigned returns a token with any header and signature.
func unsigned(t testing.TB, header, c said, signature []byte) string {
	t.Helper()
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return encode(header) + "." + encode(c) + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// jwks returns a JWK set of public keys.
func jwks(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// pairs are key pairs, made once.
var pairs = sync.OnceValue(func() (p struct {
	rsa, other *rsa.PrivateKey
	ec         *ecdsa.PrivateKey
	ed         ed25519.PrivateKey
}) {
	p.rsa, _ = rsa.GenerateKey(rand.Reader, 2048)
	p.other, _ = rsa.GenerateKey(rand.Reader, 2048)
	p.ec, _ = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	_, p.ed, _ = ed25519.GenerateKey(rand.Reader)
	return p
})

func write(t testing.TB, name string, content []byte) string {
	t.Helper()
	if !filepath.IsAbs(name) {
		name = filepath.Join(t.TempDir(), name)
	}
	if err := os.WriteFile(name+".new", content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
	return name
}

// logged is a log that tests read.
type logged struct{ locked.Buffer }

func (l *logged) lines() int { return strings.Count(l.String(), "\n") }

func start(t testing.TB, o Options) (*Authenticator, *logged) {
	t.Helper()
	log := &logged{}
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	a, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a, log
}

// ask waits for the verdict on a token.
func ask(t testing.TB, a *Authenticator, login, token string) actors.Verdict {
	t.Helper()
	parsed, err := messages.ParseLogin([]byte(login))
	if err != nil {
		t.Fatal(err)
	}
	verdict := make(chan actors.Verdict, 2)
	a.Func()(actors.Question{Login: parsed, Token: token}, func(v actors.Verdict) { verdict <- v })
	select {
	case v := <-verdict:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("no verdict in 30 s")
		return actors.Verdict{}
	}
}

func wantHolds(t testing.TB, a *Authenticator, login, token string) {
	t.Helper()
	if v := ask(t, a, login, token); v.Refusal != "" {
		t.Errorf("as %s: refused with %q", login, v.Refusal)
	}
}

func wantRefusal(t testing.TB, a *Authenticator, login, token, want string) {
	t.Helper()
	if v := ask(t, a, login, token); v.Refusal != want || !v.Ends.IsZero() {
		t.Errorf("as %s: %+v, want %q", login, v, want)
	}
}

func TestOnlyTokensThatHoldForTheLoginAreTaken(t *testing.T) {
	a, _ := start(t, Options{SecretFile: write(t, "secret", []byte("\n "+testSecret+" \r\n")), Audience: "chat", Issuer: "https://id.example.org"})
	of := func(changes said) string {
		c := said{"aud": "chat", "iss": "https://id.example.org"}
		for name, value := range changes {
			c[name] = value
		}
		return hs256(t, claimsOf(c))
	}
	for name, c := range map[string]struct{ login, token, want string }{
		"as issued":                  {"alice", of(nil), ""},
		"compared as logins are":     {"ALICE", of(said{"sub": "  Alice "}), ""},
		"beyond ASCII":               {"zoë", of(said{"sub": "ZOE\u0308"}), ""},
		"one of several audiences":   {"alice", of(said{"aud": []string{"mail", "chat"}}), ""},
		"not yet, within the leeway": {"alice", of(said{"nbf": in(Leeway - 2*time.Second)}), ""},
		"holds for long":             {"alice", of(said{"nbf": in(-time.Hour), "exp": 1e17}), ""},
		"a fraction":                 {"alice", of(said{"exp": float64(in(time.Hour)) + 0.5}), ""},
		"a pattern":                  {"bot-7", of(said{"logins": "bot-*"}), ""},
		"one of several patterns":    {"Bot-7", of(said{"sub": nil, "logins": []string{"x", "b*T-*"}}), ""},

		"ended":                 {"alice", of(said{"exp": in(-1)}), refusalEnded},
		"ended long ago":        {"alice", of(said{"exp": -1e15}), refusalEnded},
		"not yet":               {"alice", of(said{"nbf": in(time.Minute)}), refusalEarly},
		"not for long":          {"alice", of(said{"nbf": 1e17}), refusalEarly},
		"without an end":        {"alice", of(said{"exp": nil}), refusalEndless},
		"an end of null":        {"alice", hs256(t, said{"sub": "alice", "aud": "chat", "iss": "https://id.example.org", "exp": json.RawMessage("null")}), refusalEndless},
		"an end in words":       {"alice", of(said{"exp": "tomorrow"}), refusalClaims},
		"an end beyond all":     {"alice", of(said{"exp": 1e300}), refusalClaims},
		"another login":         {"bob", of(nil), refusalLogin},
		"no login":              {"alice", of(said{"sub": nil}), refusalLogin},
		"an empty login":        {"alice", of(said{"sub": ""}), refusalLogin},
		"a login of a number":   {"alice", of(said{"sub": 5}), refusalClaims},
		"a login that is long":  {"alice", of(said{"sub": strings.Repeat("alice ", 500)}), refusalLogin},
		"sub is no pattern":     {"alice", of(said{"sub": "*"}), refusalLogin},
		"another pattern":       {"alice", of(said{"sub": nil, "logins": "bot-*"}), refusalLogin},
		"another audience":      {"alice", of(said{"aud": "mail"}), refusalAudience},
		"no audience":           {"alice", of(said{"aud": nil}), refusalAudience},
		"a part of an audience": {"alice", of(said{"aud": "chat2"}), refusalAudience},
		"another issuer":        {"alice", of(said{"iss": "https://id.example.com"}), refusalIssuer},
		"no issuer":             {"alice", of(said{"iss": nil}), refusalIssuer},
		"another secret":        {"alice", sign(t, jose.HS256, []byte("another"+testSecret), "", claimsOf(nil)), refusalSignature},
		"a longer hash":         {"alice", sign(t, jose.HS512, bytes.Repeat([]byte("x"), 64), "", claimsOf(nil)), refusalSignature},
		"a signature cut off":   {"alice", of(nil)[:len(of(nil))-2], refusalMalformed},
		"alg none":              {"alice", unsigned(t, said{"alg": "none"}, claimsOf(nil), nil), refusalMalformed},
		"alg None":              {"alice", unsigned(t, said{"alg": "None"}, claimsOf(nil), nil), refusalMalformed},
		"alg missing":           {"alice", unsigned(t, said{}, claimsOf(nil), nil), refusalMalformed},
		"no signature":          {"alice", unsigned(t, said{"alg": "HS256"}, claimsOf(nil), nil), refusalSignature},
		"RS256":                 {"alice", sign(t, jose.RS256, pairs().rsa, "", claimsOf(nil)), refusalMalformed},
		"what must be known":    {"alice", unsigned(t, said{"alg": "HS256", "crit": []string{"x"}, "x": 1}, claimsOf(nil), []byte("signature")), refusalClaims},
		"two parts":             {"alice", "a.b", refusalMalformed},
		"five parts":            {"alice", "a.b.c.d.e", refusalMalformed},
		"nothing":               {"alice", "", refusalMalformed},
		"JSON":                  {"alice", `{"payload":"","signatures":[]}`, refusalMalformed},
		"binary":                {"alice", "\x00\xff", refusalMalformed},
		"dots":                  {"alice", strings.Repeat(".", 8000), refusalMalformed},
		"100 KB":                {"alice", of(said{"x": strings.Repeat("x", 100_000)}), refusalTooLong},
	} {
		t.Run(name, func(t *testing.T) {
			v := ask(t, a, c.login, c.token)
			if v.Refusal != c.want {
				t.Errorf("refused with %q, want %q", v.Refusal, c.want)
			}
			if (v.Refusal == "") != v.Ends.After(time.Now()) {
				t.Errorf("it ends at %v", v.Ends)
			}
		})
	}
}

func TestTheAlgorithmDecidesWhichKeyCounts(t *testing.T) {
	p := pairs()
	public, err := x509.MarshalPKIXPublicKey(p.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	inPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	set := jwks(t,
		jose.JSONWebKey{Key: p.rsa.Public(), KeyID: "rsa"},
		jose.JSONWebKey{Key: p.other.Public(), KeyID: "one algorithm", Algorithm: "RS512"},
		jose.JSONWebKey{Key: p.ec.Public(), KeyID: "ec", Use: "sig"},
		jose.JSONWebKey{Key: p.ed.Public(), KeyID: "ed"},
		jose.JSONWebKey{Key: []byte(testSecret), KeyID: "secret"})
	for name, o := range map[string]Options{
		"public keys":              {JWKS: write(t, "keys", set)},
		"public keys and a secret": {JWKS: write(t, "keys", set), SecretFile: write(t, "secret", []byte("another-"+testSecret))},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := start(t, o)
			for _, c := range []struct {
				algorithm jose.SignatureAlgorithm
				key       any
				kid       string
				holds     bool
			}{
				{jose.RS256, p.rsa, "rsa", true},
				{jose.RS256, p.rsa, "", true},
				{jose.PS384, p.rsa, "rsa", true},
				{jose.ES256, p.ec, "ec", true},
				{jose.ES256, p.ec, "", true},
				{jose.EdDSA, p.ed, "ed", true},
				{jose.RS512, p.other, "one algorithm", true},
				{jose.RS256, p.other, "one algorithm", false},
				{jose.RS256, p.other, "", false},
				{jose.RS256, p.rsa, "ec", false},
				{jose.RS256, p.other, "rsa", false},
				{jose.RS256, p.rsa, "removed", false},
				{jose.HS256, inPEM, "rsa", false},
				{jose.HS256, inPEM, "", false},
				{jose.HS256, public, "", false},
				{jose.HS256, p.rsa.N.Bytes(), "rsa", false},
				{jose.HS256, []byte(testSecret), "secret", false},
			} {
				v := ask(t, a, "alice", sign(t, c.algorithm, c.key, c.kid, claimsOf(nil)))
				if (v.Refusal == "") != c.holds {
					t.Errorf("%s with the kid %q: %q, want it taken: %t", c.algorithm, c.kid, v.Refusal, c.holds)
				}
			}
			// Its own key in the token proves nothing.
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: p.other}, &jose.SignerOptions{EmbedJWK: true})
			if err != nil {
				t.Fatal(err)
			}
			token, err := jwt.Signed(signer).Claims(map[string]any(claimsOf(nil))).Serialize()
			if err != nil {
				t.Fatal(err)
			}
			wantRefusal(t, a, "alice", token, refusalSignature)
		})
	}
}

func TestKeysThatSignNoTokensAreLeftOut(t *testing.T) {
	p := pairs()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := jose.JSONWebKey{Key: p.rsa.Public(), KeyID: "good"}
	odd := append([]byte(`{"keys":[5,null,"x",[],{},{"kty":"RSA"},{"kty":"LATER","kid":"x"},{"kty":"RSA","n":"AQAB","e":"AQAB"},`), jwks(t, good)[len(`{"keys":[`):]...)
	for name, c := range map[string]struct {
		set  []byte
		keys int
	}{
		"one":                {jwks(t, good), 1},
		"a private one":      {jwks(t, jose.JSONWebKey{Key: p.rsa, KeyID: "x"}), 1},
		"odd ones":           {odd, 1},
		"for encryption":     {jwks(t, jose.JSONWebKey{Key: p.rsa.Public(), Use: "enc"}, good), 1},
		"a small one":        {jwks(t, jose.JSONWebKey{Key: small.Public()}), 0},
		"a secret":           {jwks(t, jose.JSONWebKey{Key: []byte(testSecret)}), 0},
		"another algorithm":  {jwks(t, jose.JSONWebKey{Key: p.rsa.Public(), Algorithm: "HS256"}), 0},
		"none":               {[]byte(`{"keys":[]}`), 0},
		"another document":   {[]byte(`{"issuer":"https://id.example.org","jwks_uri":"https://id.example.org/keys"}`), 0},
		"a page":             {[]byte("<!doctype html><title>Log in</title>"), 0},
		"a PEM file":         {[]byte("-----BEGIN PUBLIC KEY-----\n"), 0},
		"nothing":            {nil, 0},
		"keys of an object":  {[]byte(`{"keys":{}}`), 0},
		"half of a document": {jwks(t, good)[:100], 0},
	} {
		keys, err := parseKeys(c.set)
		if len(keys) != c.keys || (err == nil) != (c.keys > 0) {
			t.Errorf("%s: %d keys, %v; want %d", name, len(keys), err, c.keys)
		}
	}
}

func TestAPeerJSIdIsComparedExactly(t *testing.T) {
	for _, c := range []struct {
		claims claims
		id     string
		want   bool
	}{
		{claims{Claims: jwt.Claims{Subject: "Alice"}}, "Alice", true},
		{claims{Claims: jwt.Claims{Subject: "Alice"}}, "alice", false},
		{claims{Claims: jwt.Claims{Subject: "alice"}}, "Alice", false},
		{claims{Claims: jwt.Claims{Subject: "*"}}, "alice", false},
		{claims{Logins: []string{"x", "Bot-*"}}, "Bot-7", true},
		{claims{Logins: []string{"x", "Bot-*"}}, "bot-7", false},
		{claims{}, "alice", false},
	} {
		if got := c.claims.allows(messages.Login{Shown: c.id, Key: messages.PeerKey(c.id)}); got != c.want {
			t.Errorf("a token with %+v holds for %s: %v", c.claims, c.id, got)
		}
	}
}

func TestAPatternMatchesAsLoginsAreCompared(t *testing.T) {
	for _, c := range []struct {
		pattern, login string
		want           bool
	}{
		{"*", "anybody", true},
		{"*", "Zoë", true},
		{"bot-*", "bot-", true},
		{"BOT-*", "Bot-x", true},
		{"*-bot", "x-bot", true},
		{"a*b*c", "a-b-b-c", true},
		{"a*b*c", "abc", true},
		{"aba*aba", "ababa", false},
		{"*b*b*", "ab", false},
		{"ab*ba", "aba", false},
		{"bot-*", "bot", false},
		{"bot-*", "robot-1", false},
		{"alice", "alice", true},
		{"alice", "alices", false},
		{"", "alice", false},
		{"\u0007*", "alice", false},
		{"＊", "alice", false},
		{"Zo\u0308*", "zötrope", true},
		{strings.Repeat("*", 64), "alice", true},
		{strings.Repeat("*", 65), "alice", false},
	} {
		login, err := messages.ParseLogin([]byte(c.login))
		if err != nil {
			t.Fatal(err)
		}
		if got := matches(c.pattern, login.Key); got != c.want {
			t.Errorf("%q matches %q: %t, want %t", c.pattern, c.login, got, c.want)
		}
	}
}

func TestWithoutAnAudienceATokenForAnotherServiceIsRefused(t *testing.T) {
	a, log := start(t, Options{SecretFile: write(t, "secret", []byte(testSecret))})
	for range 3 {
		wantRefusal(t, a, "alice", hs256(t, claimsOf(said{"aud": "mail"})), refusalAudience)
	}
	if log.lines() != 1 || !strings.Contains(log.String(), "--auth-jwt-audience") {
		t.Errorf("the log is %q, want one line", log)
	}
	wantHolds(t, a, "alice", hs256(t, claimsOf(said{"iss": "anybody"})))
}

func TestAFileIsReadAgainWhenItChanges(t *testing.T) {
	p := pairs()
	first := jose.JSONWebKey{Key: p.rsa.Public(), KeyID: "first"}
	second := jose.JSONWebKey{Key: p.other.Public(), KeyID: "second"}
	keys := write(t, "keys", jwks(t, first))
	secret := write(t, "secret", []byte(testSecret))
	a, log := start(t, Options{SecretFile: secret, JWKS: keys})
	of := map[string]string{
		"first":  sign(t, jose.RS256, p.rsa, "first", claimsOf(nil)),
		"second": sign(t, jose.RS256, p.other, "second", claimsOf(nil)),
		"old":    hs256(t, claimsOf(nil)),
		"new":    sign(t, jose.HS256, []byte("new-"+testSecret), "", claimsOf(nil)),
	}
	check := func(step string, holding ...string) {
		t.Helper()
		for name, token := range of {
			want := strings.Contains(strings.Join(holding, " "), name)
			if v := ask(t, a, "alice", token); (v.Refusal == "") != want {
				t.Errorf("%s: the token %s: %q, want it taken: %t", step, name, v.Refusal, want)
			}
		}
	}
	reload := func() error {
		a.by.(*tokens).secret.looked = time.Time{} // as if the last look had been a while ago
		a.by.(*tokens).keys.(*fileKeys).looked = time.Time{}
		return nil
	}
	for i, read := range []func() error{reload, a.Reload} {
		check("before", "first", "old")
		write(t, keys, jwks(t, first, second))
		_ = read()
		check("a key more", "first", "second", "old")
		write(t, keys, jwks(t, second))
		write(t, secret, []byte("new-"+testSecret))
		if err := read(); err != nil {
			t.Error(err)
		}
		check("others", "second", "new")

		for _, broken := range [][]byte{[]byte("<html>"), nil, bytes.Repeat([]byte(" "), maxDocument+1)} {
			write(t, keys, broken)
			before := log.lines()
			for range 3 {
				_ = read()
				check("broken keys", "second", "new")
			}
			if got, want := log.lines()-before, []int{1, 3}[i]; got != want {
				t.Errorf("%d lines were logged for a broken file, want %d:\n%s", got, want, log)
			}
			if err := a.Reload(); err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("broken keys are reloaded with %v", err)
			}
		}
		_ = os.Remove(keys)
		write(t, secret, []byte("short"))
		_ = read()
		check("a file that is gone", "second", "new")
		write(t, keys, jwks(t, first))
		write(t, secret, []byte(testSecret))
		_ = read()
	}
	check("again", "first", "old")
	if strings.Contains(log.String(), testSecret) {
		t.Error("the secret was logged")
	}
}

func TestWhatCannotBeUsedEndsTheStart(t *testing.T) {
	secret := write(t, "secret", []byte(testSecret))
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{SecretFile: write(t, "short", []byte("short"))}, "--auth-jwt-secret: FILE: the secret has 5 bytes"},
		{Options{SecretFile: filepath.Join(t.TempDir(), "gone")}, "--auth-jwt-secret: there is no file"},
		{Options{SecretFile: t.TempDir()}, "a folder or a device"},
		{Options{SecretFile: "/dev/zero"}, "a folder or a device"},
		{Options{JWKS: secret}, "--auth-jwt-jwks: FILE: this is no JWK set"},
		{Options{JWKS: "https://"}, "--auth-jwt-jwks: this is no URL"},
		{Options{JWKS: "http://[::1"}, "--auth-jwt-jwks: this is no URL"},
		{Options{JWKS: "ftp://id.example.org/keys"}, "there is no file"},
		{Options{URL: "id.example.org"}, "--auth-url: this is no URL"},
		{Options{URL: "https://id.example.org/#x"}, "--auth-url: this is no URL"},
		{Options{URL: "https://id.example.org/", SecretFile: secret}, "give one or the other"},
		{Options{Audience: "chat"}, "give --auth-jwt-secret or --auth-jwt-jwks too"},
	} {
		_, err := New(c.o)
		want := strings.ReplaceAll(c.want, "FILE", c.o.SecretFile+c.o.JWKS)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", c.o, err, want)
		}
	}
	if a, err := New(Options{}); a != nil || err != nil || a.Func() != nil || a.Reload() != nil {
		t.Errorf("without options: %v, %v", a, err)
	}
}

func FuzzTokens(f *testing.F) {
	p := pairs()
	a, _ := start(f, Options{JWKS: write(f, "keys", jwks(f, jose.JSONWebKey{Key: p.rsa.Public()})), SecretFile: write(f, "secret", []byte(testSecret))})
	for _, token := range []string{"", "a.b.c", hs256(f, claimsOf(said{"sub": "bob"})), sign(f, jose.RS256, p.rsa, "k", claimsOf(said{"sub": "bob"})), unsigned(f, said{"alg": "none"}, claimsOf(nil), nil)} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if v := ask(t, a, "alice", token); v.Refusal == "" || v.Refusal == refusalUnchecked {
			t.Errorf("%q: %+v", token, v)
		}
	})
}

func BenchmarkTokens(b *testing.B) {
	p := pairs()
	a, _ := start(b, Options{JWKS: write(b, "keys", jwks(b, jose.JSONWebKey{Key: p.rsa.Public()}, jose.JSONWebKey{Key: p.ec.Public()})), SecretFile: write(b, "secret", []byte(testSecret))})
	for name, token := range map[string]string{
		"HS256": hs256(b, claimsOf(nil)),
		"RS256": sign(b, jose.RS256, p.rsa, "", claimsOf(nil)),
		"ES256": sign(b, jose.ES256, p.ec, "", claimsOf(nil)),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				wantHolds(b, a, "alice", token)
			}
		})
	}
}

func TestATokenThatTheCommandMakesHolds(t *testing.T) {
	secret := write(t, "secret", []byte(testSecret+"\n"))
	a, _ := start(t, Options{SecretFile: secret, Audience: "chat", Issuer: "me"})
	var out bytes.Buffer
	command := Command{Login: " Zoë ", SecretFile: secret, Count: 1, TTL: time.Minute, Audience: "chat", Issuer: "me"}
	if err := command.Execute(t.Context(), &out, &out); err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSuffix(out.String(), "\n")
	wantHolds(t, a, "zoë", token)
	wantRefusal(t, a, "alice", token, refusalLogin)
	for _, c := range []Command{
		{Login: "", SecretFile: secret, TTL: time.Hour, Count: 1},
		{Login: " ", Logins: "bot-*", SecretFile: secret, TTL: time.Hour, Count: 1},
		{Login: "alice", SecretFile: secret, Count: 1},
		{Login: "alice", SecretFile: secret, TTL: time.Hour},
		{Login: "alice", SecretFile: secret, TTL: time.Hour, Count: maxCount + 1},
		{Logins: "\u0007*", SecretFile: secret, TTL: time.Hour, Count: 1},
		{Login: "alice", SecretFile: secret + "x", TTL: time.Hour, Count: 1},
		{Login: "alice", SecretFile: write(t, "short", []byte("short")), TTL: time.Hour, Count: 1},
	} {
		out.Reset()
		err := c.Execute(t.Context(), &out, &out)
		if _, ok := err.(*UsageError); !ok || out.Len() > 0 {
			t.Errorf("%+v: %v, %q", c, err, &out)
		}
	}
	if got := fmt.Sprint(new(UsageError).ExitStatus()); got != "2" {
		t.Error(got)
	}
}

func TestTheCommandMakesManyTokensForManyLogins(t *testing.T) {
	secret := write(t, "secret", []byte(testSecret))
	a, _ := start(t, Options{SecretFile: secret})
	var out bytes.Buffer
	command := Command{Login: "alice", Logins: "Bot-*", Count: 100, SecretFile: secret, TTL: time.Minute}
	if err := command.Execute(t.Context(), &out, &out); err != nil {
		t.Fatal(err)
	}
	made := map[string]bool{}
	for token := range strings.Lines(out.String()) {
		token = strings.TrimSpace(token)
		made[token] = true
		wantHolds(t, a, fmt.Sprint("bot-", len(made)), token)
	}
	if len(made) != 100 {
		t.Errorf("%d different tokens were made", len(made))
	}
	for token := range made {
		wantHolds(t, a, "alice", token)
		wantRefusal(t, a, "bob", token, refusalLogin)
		break
	}
}
