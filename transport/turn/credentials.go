package turn

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the scheme asks for it
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	pion "github.com/pion/turn/v5"

	"p2p-messaging/messages"
)

const (
	// validity is how long credentials are valid (messages/PROTOCOL.md, "ICE servers").
	validity = time.Hour
	// maxUsername is the longest username in a STUN message, in bytes (RFC 8489, section 14.3).
	maxUsername = 508
)

// Servers are STUN and TURN servers that a client may use.
type Servers struct {
	// URLs are those of the servers (RFC 7064 and RFC 7065).
	URLs []string
	// Secret is the one that the servers share with this service. Credentials are made from it as in "A REST API For Access To TURN
	// Services" (draft-uberti-behave-turn-rest-00), for which coturn has the option use-auth-secret. Without a secret, clients get no
	// credentials.
	Secret []byte
}

// For returns the servers for a client, with credentials of its own that are valid for an hour from now.
func (s Servers) For(login string, now time.Time) []messages.ICEServer {
	var open, secured []string
	for _, url := range s.URLs {
		// STUN has no credentials (RFC 7064). Some browsers refuse a server that has them for nothing.
		if len(s.Secret) == 0 || strings.HasPrefix(url, "stun") {
			open = append(open, url)
		} else {
			secured = append(secured, url)
		}
	}
	var all []messages.ICEServer
	if len(open) > 0 {
		all = append(all, messages.ICEServer{URLs: open})
	}
	if len(secured) > 0 {
		username := usernameFor(login, now.Add(validity))
		all = append(all, messages.ICEServer{URLs: secured, Username: username, Credential: password(s.Secret, username)})
	}
	return all
}

// usernameFor returns the username of a login whose credentials are valid until then. Of ASCII it has only letters, digits and a few signs, because
// coturn refuses spaces, quotes and backslashes. Others are written as in a URL.
func usernameFor(login string, until time.Time) string {
	username := strconv.FormatInt(until.Unix(), 10) + ":"
	for _, r := range login {
		if r > '~' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || strings.ContainsRune("-._~@", r) {
			username += string(r)
		} else {
			username += fmt.Sprintf("%%%02X", r)
		}
	}
	if len(username) > maxUsername { // A normal form may be long: that of U+FDFA alone takes 33 bytes.
		username = strings.ToValidUTF8(username[:maxUsername], "")
	}
	return username
}

// loginOf returns the login in a username, and whether its credentials are still valid at now.
func loginOf(username string, now time.Time) (login string, valid bool) {
	until, login, found := strings.Cut(username, ":")
	expiry, err := strconv.ParseInt(until, 10, 64)
	return login, found && err == nil && now.Unix() < expiry && expiry <= now.Add(validity+time.Minute).Unix()
}

// password returns the password that belongs to a username.
func password(secret []byte, username string) string {
	mac := hmac.New(sha1.New, secret)
	_, _ = mac.Write([]byte(username)) // a hash takes all
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// authenticate implements [pion.AuthHandler] for a secret.
func authenticate(secret []byte, now func() time.Time) pion.AuthHandler {
	return func(request *pion.RequestAttributes) (login string, key []byte, ok bool) {
		login, valid := loginOf(request.Username, now())
		if !valid {
			return "", nil, false
		}
		return login, pion.GenerateAuthKey(request.Username, request.Realm, password(secret, request.Username)), true
	}
}
