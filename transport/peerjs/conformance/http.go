package conformance

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	originA = "https://a.example"
	originB = "https://b.example"
)

// elsewhere is a server whose path, key and origins are not the defaults.
var elsewhere = Settings{Path: "/myapp", Key: "foo", Discovery: true, Origins: [2]string{originA, originB}}

const (
	htmlType = "text/html; charset=utf-8"
	jsonType = "application/json; charset=utf-8"
	textType = "text/plain; charset=utf-8"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// onBoth returns a rule for a server with the defaults, and for one under a path.
func onBoth(name string, d delta, try func(t *testing.T, s *server)) []row {
	return []row{{name, d, Settings{}, try}, {name + ", under a path", d, elsewhere, try}}
}

// wantDescription checks what a server says about itself.
func wantDescription(t *testing.T, a answer) {
	t.Helper()
	a.want(t, http.StatusOK, jsonType)
	var told map[string]any
	if err := json.Unmarshal([]byte(a.text), &told); err != nil {
		t.Fatalf("%q: %v", a.text, err)
	}
	for _, name := range []string{"name", "description", "website"} {
		if text, ok := told[name].(string); !ok || text == "" {
			t.Errorf("%q has no text %q", a.text, name)
		}
	}
}

func overHTTP() []row {
	return slices.Concat(
		onBoth("the root describes the server", same, func(t *testing.T, s *server) {
			wantDescription(t, s.ask(t, "GET", s.prefix()))
		}),
		onBoth("an id is a new UUID, and nothing else", same, func(t *testing.T, s *server) {
			var drawn []string
			for _, key := range []string{s.keyOf(), "another"} {
				for _, query := range []string{"", "?ts=17000000000000.5&version=1.5.5"} {
					a := s.ask(t, "GET", s.prefix()+key+"/id"+query)
					a.want(t, http.StatusOK, htmlType)
					if !uuid.MatchString(a.text) || slices.Contains(drawn, a.text) {
						t.Errorf("the id is %q, after %q", a.text, drawn)
					}
					a.wantHeader(t, "Content-Length", "36")
					drawn = append(drawn, a.text)
				}
			}
		}),
		onBoth("the routes do not heed case, and a slash may follow", same, func(t *testing.T, s *server) {
			for _, route := range []string{"PeerJS/ID", s.keyOf() + "/Id", s.keyOf() + "/id/", "X/iD/"} {
				if a := s.ask(t, "GET", s.prefix()+route); a.StatusCode != http.StatusOK || !uuid.MatchString(a.text) {
					t.Errorf("%s: %s, %q; wanted an id", route, a.Status, clip(a.text))
				}
			}
		}),
		onBoth("HEAD is GET without a body", same, func(t *testing.T, s *server) {
			a := s.ask(t, "HEAD", s.prefix()+s.keyOf()+"/id")
			a.want(t, http.StatusOK, htmlType)
			if a.text != "" || a.ContentLength != 36 {
				t.Errorf("%q and a length of %d; wanted nothing of 36 bytes", a.text, a.ContentLength)
			}
			for _, route := range []string{"", s.keyOf() + "/peers"} {
				got, head := s.ask(t, "GET", s.prefix()+route), s.ask(t, "HEAD", s.prefix()+route)
				if head.want(t, got.StatusCode, got.Header.Get("Content-Type")); head.text != "" {
					t.Errorf("%s: the body is %q", route, head.text)
				}
			}
		}),
		onBoth("an id and the peers are not cached", uncached, func(t *testing.T, s *server) {
			for _, route := range []string{"/id", "/peers"} {
				s.ask(t, "GET", s.prefix()+s.keyOf()+route).wantHeader(t, "Cache-Control", "no-store")
			}
		}),
		onBoth("an id is not sniffed", noSniff, func(t *testing.T, s *server) {
			s.ask(t, "GET", s.prefix()+s.keyOf()+"/id").wantHeader(t, "X-Content-Type-Options", "nosniff")
		}),
		onBoth("nothing else is there", same, func(t *testing.T, s *server) {
			for _, request := range []string{
				"GET peerjs/nothing", "GET peerjs/id/more", "POST peerjs/id", "POST peerjs/peers", "PUT peerjs/id", "DELETE peerjs/id", "GET peerjs",
				"GET peerjs?key=peerjs&id=a&token=b", "POST peerjs/a/b/offer", "GET peerjs/a/b/id",
			} {
				method, route, _ := strings.Cut(request, " ")
				s.ask(t, method, s.prefix()+route).want(t, http.StatusNotFound, "")
			}
		}),
		onBoth("nothing is redirected", same, func(t *testing.T, s *server) {
			for _, route := range []string{"", "peerjs/id", "peerjs/id/", "peerjs/peers", "peerjs/", "peerjs//id", "x/../peerjs/id"} {
				if a := s.ask(t, "GET", s.prefix()+route); a.StatusCode >= 300 && a.StatusCode < 400 {
					t.Errorf("%s: %s to %s", route, a.Status, a.Header.Get("Location"))
				}
			}
		}),
		[]row{
			{"the root needs no slash", same, elsewhere, func(t *testing.T, s *server) {
				wantDescription(t, s.ask(t, "GET", "/myapp"))
				wantDescription(t, s.ask(t, "GET", "/MyApp/"))
			}},
			{"a browser gets a page at the root", page, Settings{}, func(t *testing.T, s *server) {
				a := s.ask(t, "GET", "/", "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
				if a.StatusCode != http.StatusOK || !strings.Contains(strings.ToLower(clip(a.text)), "<!doctype html>") {
					t.Errorf("%s, %q; wanted a page", a.Status, clip(a.text))
				}
				for _, accept := range []string{"*/*", "application/json"} {
					wantDescription(t, s.ask(t, "GET", "/", "Accept: "+accept))
				}
			}},
			{"the peers are a secret", same, Settings{}, func(t *testing.T, s *server) {
				for _, key := range []string{"peerjs", "another"} {
					a := s.ask(t, "GET", "/"+key+"/peers", "Origin: https://c.example")
					a.want(t, http.StatusUnauthorized, textType)
					if a.text != "Unauthorized" {
						t.Errorf("the text is %q", a.text)
					}
					a.wantHeader(t, "Access-Control-Allow-Origin", "https://c.example")
				}
			}},
			{"the peers are listed in the order of their coming", same, Settings{Path: "/list", Discovery: true}, func(t *testing.T, s *server) {
				list := func() string {
					a := s.ask(t, "GET", "/list/peerjs/peers")
					a.want(t, http.StatusOK, jsonType)
					return a.text
				}
				if got := list(); got != `[]` {
					t.Errorf("nobody is listed as %q", got)
				}
				s.join(t, "zoe", "1")
				second := s.join(t, "adam", "1")
				s.join(t, "eve", "1")
				if got := list(); got != `["zoe","adam","eve"]` {
					t.Errorf("the peers are %q", got)
				}
				second.leave()
				for list() == `["zoe","adam","eve"]` { // until the server has heard of it
				}
				s.join(t, "adam", "2")
				if got := list(); got != `["zoe","eve","adam"]` {
					t.Errorf("the peers are %q", got)
				}
			}},
			{"the peers are listed for those who know the key", keyed, elsewhere, func(t *testing.T, s *server) {
				s.ask(t, "GET", "/myapp/foo/peers").want(t, http.StatusOK, jsonType)
				s.ask(t, "GET", "/myapp/peerjs/peers").want(t, http.StatusUnauthorized, textType)
			}},
		},
	)
}

func withOrigins() []row {
	// asks calls try for everything that a client reads over HTTP.
	asks := func(try func(t *testing.T, s *server, target string)) func(t *testing.T, s *server) {
		return func(t *testing.T, s *server) {
			for _, route := range []string{"", s.keyOf() + "/id", s.keyOf() + "/peers"} {
				try(t, s, s.prefix()+route)
			}
		}
	}
	const preflight = "Access-Control-Request-Method: GET"
	wantNever := func(t *testing.T, a answer) {
		t.Helper()
		for _, name := range []string{"Access-Control-Allow-Credentials", "Access-Control-Max-Age", "Access-Control-Expose-Headers"} {
			a.wantHeader(t, name, "")
		}
	}
	return []row{
		{"any origin may read", same, Settings{}, asks(func(t *testing.T, s *server, target string) {
			for _, origin := range []string{"https://a.example", "http://localhost:3000", "null", "file://"} {
				a := s.ask(t, "GET", target, "Origin: "+origin)
				a.wantHeader(t, "Access-Control-Allow-Origin", origin)
				a.wantVary(t, "Origin")
				wantNever(t, a)
			}
		})},
		{"no origin is none", same, Settings{}, asks(func(t *testing.T, s *server, target string) {
			a := s.ask(t, "GET", target)
			a.wantHeader(t, "Access-Control-Allow-Origin", "")
			a.wantVary(t, "Origin")
		})},
		{"the origins of --cors may read", same, elsewhere, asks(func(t *testing.T, s *server, target string) {
			for _, origin := range []string{originA, originB} {
				a := s.ask(t, "GET", target, "Origin: "+origin)
				a.want(t, http.StatusOK, "")
				a.wantHeader(t, "Access-Control-Allow-Origin", origin)
				a.wantVary(t, "Origin")
			}
		})},
		{"another origin than those of --cors gets an answer that it may not read", same, elsewhere, asks(func(t *testing.T, s *server, target string) {
			for _, origin := range []string{"https://c.example", originA + ":444", "http://a.example", "https://A.example", "null"} {
				a := s.ask(t, "GET", target, "Origin: "+origin)
				a.want(t, http.StatusOK, "")
				a.wantHeader(t, "Access-Control-Allow-Origin", "")
			}
		})},
		{"a preflight is answered", same, Settings{}, func(t *testing.T, s *server) {
			for _, route := range []string{"peerjs/id", "peerjs/peers", "peerjs/nothing", "peerjs"} {
				a := s.ask(t, "OPTIONS", "/"+route, "Origin: https://c.example", preflight, "Access-Control-Request-Headers: x-one, x-two")
				a.want(t, http.StatusNoContent, "")
				a.wantHeader(t, "Access-Control-Allow-Origin", "https://c.example")
				a.wantHeader(t, "Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
				a.wantHeader(t, "Access-Control-Allow-Headers", "x-one, x-two")
				a.wantHeader(t, "Vary", "Origin, Access-Control-Request-Headers")
				wantNever(t, a)
			}
		}},
		{"a preflight of another origin is answered without it", same, elsewhere, func(t *testing.T, s *server) {
			a := s.ask(t, "OPTIONS", "/myapp/foo/id", "Origin: https://c.example", preflight)
			a.want(t, http.StatusNoContent, "")
			a.wantHeader(t, "Access-Control-Allow-Origin", "")
		}},
	}
}

func readResponse(t *testing.T, conn net.Conn) *http.Response {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response
}
