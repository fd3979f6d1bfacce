package load

import (
	"net/url"
	"testing"

	"p2p-messaging/transport/loadtest/options"
)

// A session says in its handshake who it is. Its token is that of --token-file, or its login.
func TestTheHandshakeOfAPeerJSClient(t *testing.T) {
	for _, c := range []struct {
		url, key, login string
		token           []byte
		path            string
		want            url.Values
	}{
		{"ws://host:1/peerjs", "peerjs", "lt-1", nil, "/peerjs", url.Values{"key": {"peerjs"}, "id": {"lt-1"}, "token": {"lt-1"}, "version": {"1.5.5"}}},
		{"ws://host:1/my%20app/peerjs?a=b", "my key", "lt-2", []byte("eyJ.a-b_c.+/="), "/my app/peerjs",
			url.Values{"a": {"b"}, "key": {"my key"}, "id": {"lt-2"}, "token": {"eyJ.a-b_c.+/="}, "version": {"1.5.5"}}},
	} {
		target := newPeerJS(options.Options{URL: c.url, Key: c.key}).target([]byte(c.login), c.token)
		u, err := url.ParseRequestURI(target)
		if err != nil {
			t.Errorf("%q: %v", target, err)
			continue
		}
		if got := u.Query(); u.Path != c.path || got.Encode() != c.want.Encode() {
			t.Errorf("%q says %v to %q, want %v to %q", target, got, u.Path, c.want, c.path)
		}
	}
}
