package probe

import (
	"strings"
	"testing"
)

func TestAURLIsTakenAsPeopleTypeIt(t *testing.T) {
	for text, want := range map[string]string{
		"https://chat.example.org":              "tls chat.example.org:443 /ws /",
		" https://chat.example.org/ ":           "tls chat.example.org:443 /ws /",
		"HTTPS://chat.example.org:8443":         "tls chat.example.org:8443 /ws /",
		"chat.example.org":                      "tls chat.example.org:443 /ws /",
		"chat.example.org:8443/talk":            "tls chat.example.org:8443 /talk/ws /talk/",
		"localhost:7777":                        "plain localhost:7777 /ws /",
		"127.0.0.1":                             "plain 127.0.0.1:80 /ws /",
		"[::1]:7777":                            "plain [::1]:7777 /ws /",
		"http://chat.example.org/talk/":         "plain chat.example.org:80 /talk/ws /talk/",
		"http://example.org/talk/index.html?x#": "plain example.org:80 /talk/ws /talk/",
		"https://example.org/talk/ws":           "tls example.org:443 /talk/ws",
		"ws://example.org":                      "plain example.org:80 /ws /",
		"wss://example.org/":                    "tls example.org:443 /ws /",
		"wss://[2001:db8::7]/signal":            "tls [2001:db8::7]:443 /signal",
	} {
		got, err := parseTarget(text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		kind := map[bool]string{true: "tls", false: "plain"}[got.secure]
		if has := kind + " " + got.address() + " " + strings.Join(got.paths, " "); has != want {
			t.Errorf("%q is %q; wanted %q", text, has, want)
		}
	}
}
