package options

import (
	"log/slog"

	"p2p-messaging/transport/auth"
)

// Auth returns what looks at the tokens of logins, or nil if the service wants none. Its error is a *[UsageError].
func (f *Flags) Auth(logger *slog.Logger) (*auth.Authenticator, error) {
	a, err := auth.New(auth.Options{
		Logger:     logger,
		SecretFile: f.AuthJWTSecret,
		JWKS:       f.AuthJWTJWKS,
		Audience:   f.AuthJWTAudience,
		Issuer:     f.AuthJWTIssuer,
		URL:        f.AuthURL,
	})
	if err != nil {
		return nil, usage("%s", err)
	}
	return a, nil
}
