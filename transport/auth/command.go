package auth

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/alecthomas/kong"
	jose "github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"p2p-messaging/messages"
	"p2p-messaging/transport/arguments"
)

// UsageError says what is wrong with the command line.
type UsageError = arguments.UsageError

// maxCount is how many tokens are made at most.
const maxCount = 10_000_000

// Command makes tokens, for kong.
type Command struct {
	Login      string        `placeholder:"LOGIN" help:"Login that the token is for."`
	Logins     string        `placeholder:"PATTERN" help:"Logins that the token is for, as in bot-*. A star stands for any characters."`
	Count      int           `default:"1" placeholder:"N" help:"How many tokens, each on a line, such as for a load test. Default: ${default}."`
	SecretFile string        `required:"" type:"path" placeholder:"FILE" help:"File with the secret, as the service has it in --auth-jwt-secret."`
	TTL        time.Duration `name:"ttl" default:"1h" placeholder:"TIME" help:"How long the token holds. Default: ${default}."`
	Audience   string        `placeholder:"NAME" help:"The claim aud, as the service has it in --auth-jwt-audience. Default: none."`
	Issuer     string        `placeholder:"NAME" help:"The claim iss, as the service has it in --auth-jwt-issuer. Default: none."`
}

// Help returns the description of the command, which stands above its flags.
func (*Command) Help() string {
	return `It prints a token with which to log in to a service that was started with --auth-jwt-secret and the same file. Whoever has the token can log in.

Examples:

  openssl rand -hex 32 > secret
  p2p-messaging token --login alice --secret-file secret
  p2p-messaging token --logins 'lt-*' --count 1000 --secret-file secret > tokens
  p2p-messaging loadtest --token-file tokens`
}

// Run runs the command for kong.
func (c *Command) Run(parsed *kong.Context) error { return arguments.Program(c.Execute).Run(parsed) }

// Execute prints the tokens on stdout. The error is a *[UsageError], or another one if the output could not be written.
func (c *Command) Execute(ctx context.Context, stdout, _ io.Writer) error {
	said, err := c.claims(time.Now())
	if err != nil {
		return err
	}
	secret := &file[[]byte]{flag: "--secret-file", name: c.SecretFile, parse: parseSecret}
	if err := secret.open(); err != nil {
		return &UsageError{Reason: err.Error()}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: secret.value}, new(jose.SignerOptions).WithType("JWT"))
	if err != nil {
		return err
	}
	out := bufio.NewWriter(stdout)
	for n := range c.Count {
		if c.Count > 1 {
			said.ID = fmt.Sprint(n + 1)
		}
		token, err := jwt.Signed(signer).Claims(said).Serialize()
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, token); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return out.Flush()
}

// made are the claims of a token that the command makes.
type made struct {
	jwt.Claims
	Logins string `json:"logins,omitempty"`
}

// claims checks the flags that need no file, and returns the claims of the tokens.
func (c *Command) claims(now time.Time) (made, error) {
	said := made{Claims: jwt.Claims{Issuer: c.Issuer, IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(c.TTL))}, Logins: c.Logins}
	if c.Audience != "" {
		said.Audience = jwt.Audience{c.Audience}
	}
	if c.Login != "" || c.Logins == "" {
		if c.Login == "" {
			return made{}, &UsageError{Reason: "say whom the token is for, with --login or --logins"}
		}
		login, err := messages.ParseLogin([]byte(c.Login))
		if err != nil {
			return made{}, &UsageError{Reason: "--login: " + err.Error()}
		}
		said.Subject = login.Shown
	}
	switch _, ok := foldPattern(c.Logins); {
	case c.Logins != "" && !ok:
		return made{}, &UsageError{Reason: "--logins: no login can match this pattern. Give one such as bot-*"}
	case c.TTL < time.Second:
		return made{}, &UsageError{Reason: "--ttl must be 1s or more"}
	case c.Count < 1 || c.Count > maxCount:
		return made{}, &UsageError{Reason: fmt.Sprintf("--count: give a number from 1 to %d", maxCount)}
	}
	return said, nil
}
