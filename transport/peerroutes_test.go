package transport_test

import (
	"bufio"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

// peerService returns a service for PeerJS clients that has a page.
func peerService(t *testing.T, o transport.PeerJS) *service {
	t.Helper()
	return onLoops.withPeers(actors.PeerJS{Discovery: o.Discovery}).listen(t, func(all *transport.Options) {
		all.PeerJS = &o
		all.Page = fstest.MapFS{"index.html": {Data: []byte("<!doctype html>the page")}, "app.js": {Data: []byte("1")}}
	})
}

func TestPeerJSRoutes(t *testing.T) {
	const (
		about   = `{"name":"PeerJS Server","description":"A server side element to broker connections between PeerJS clients.","website":"https://peerjs.com/"}`
		nothing = "There is nothing here.\n"
		uuid    = `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
	)
	type row struct {
		method, target string
		status         int
		contentType    string
		body           string // or what it matches, if it begins with ^
	}
	const (
		asJSON = "application/json; charset=utf-8"
		asHTML = "text/html; charset=utf-8"
		asText = "text/plain; charset=utf-8"
	)
	for _, c := range []struct {
		name    string
		options transport.PeerJS
		rows    []row
	}{
		{"with a key that is escaped in a path", transport.PeerJS{Key: "my key", Discovery: true}, []row{
			{"GET", "/my%20key/peers", 200, asJSON, "[]"},
			{"GET", "/my%20keys/peers", 401, asText, "Unauthorized"},
		}},
		{"at the root", transport.PeerJS{}, []row{
			{"GET", "/", 200, asJSON, about},
			{"GET", "/?ts=1", 200, asJSON, about},
			{"GET", "/peerjs/id?ts=17&version=1.5.5", 200, asHTML, uuid},
			{"GET", "/whatever/id", 200, asHTML, uuid},
			{"GET", "/peerjs/ID/", 200, asHTML, uuid},
			{"HEAD", "/peerjs/id", 200, asHTML, ""},
			{"GET", "/peerjs/peers", 401, asText, "Unauthorized"},
			{"GET", "/PEERJS/Peers/", 401, asText, "Unauthorized"},
			{"OPTIONS", "/peerjs/id", 204, "", ""},
			{"OPTIONS", "/anything", 204, "", ""},
			{"POST", "/peerjs/id", 404, asText, nothing},
			{"PUT", "/peerjs/peers", 404, asText, nothing},
			{"DELETE", "/peerjs/id/", 404, asText, nothing},
			{"GET", "/peerjs", 404, asText, nothing},
			{"HEAD", "/peerjs", 404, asText, ""},
			{"GET", "/peerjs/id/more", 404, asText, nothing},
			{"GET", "/peerjs/%69d", 404, asText, nothing},
			{"GET", "/a%2Fb/id", 200, asHTML, uuid},
			{"GET", "/%C3%A9%20+;/id", 200, asHTML, uuid},
			{"GET", "/" + strings.Repeat("long", 500) + "/id", 200, asHTML, uuid},
			{"GET", "/id", 404, asText, nothing},
			{"GET", "/%20/peers?key=peerjs", 401, asText, "Unauthorized"},
			{"GET", "/app.js", 200, "text/javascript; charset=utf-8", "1"},
			{"GET", "/ws", 426, asText, "Connect to this address with a WebSocket. The page is at /.\n"},
		}},
		{"at a path", transport.PeerJS{Path: "/My/app", Key: "k", Discovery: true}, []row{
			{"GET", "/my/app", 200, asJSON, about},
			{"GET", "/My/app/", 200, asJSON, about},
			{"GET", "/My/app/k/id", 200, asHTML, uuid},
			{"GET", "/My/app/k/peers", 200, asJSON, `["first","<2>"]`},
			{"HEAD", "/My/app/k/peers", 200, asJSON, ""},
			{"GET", "/My/app/other/peers", 401, asText, "Unauthorized"},
			{"GET", "/My/app/x/y", 404, asText, nothing},
			{"POST", "/My/app/k/id", 404, asText, nothing},
			{"GET", "/My/app/peerjs", 404, asText, nothing},
			{"OPTIONS", "/My/app/x", 204, "", ""},
			{"GET", "/My/apple", 404, asText, "There is nothing here. The page is at /.\n"},
			{"GET", "/k/id", 404, asText, "There is nothing here. The page is at /.\n"},
			{"GET", "/", 200, asHTML, "<!doctype html>the page"},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := peerService(t, c.options)
			if c.name == "at a path" {
				wantText(t, s.openPeer(t, "/My/app/peerjs?key=k&id=first&token=t"), peerOpen)
				wantText(t, s.openPeer(t, "/My/app/peerjs?key=k&id=%3C2%3E&token=t"), peerOpen)
			}
			for _, r := range c.rows {
				answer := httptest.NewRecorder()
				s.ServeHTTP(answer, httptest.NewRequest(r.method, r.target, nil))
				got := answer.Body.String()
				if r.method == http.MethodHead {
					got = "" // net/http does not send it
				}
				fits := got == r.body
				if strings.HasPrefix(r.body, "^") {
					fits = regexp.MustCompile(r.body).MatchString(got)
				}
				if answer.Code != r.status || answer.Header().Get("Content-Type") != r.contentType || !fits {
					t.Errorf("%s %s: %d, %s, %q", r.method, r.target, answer.Code, answer.Header().Get("Content-Type"), got)
				}
				if vary := answer.Header().Values("Vary"); c.options.Path == "" && r.status == 404 && r.method != http.MethodHead && !slices.Contains(vary, "Origin") {
					t.Errorf("%s %s: Vary is %q", r.method, r.target, vary)
				}
				if strings.Contains(strings.ToLower(r.target), "/id") && r.status == 200 && answer.Header().Get("Cache-Control") != "no-store" {
					t.Errorf("%s %s may be cached", r.method, r.target)
				}
			}
		})
	}
}

func TestPeerJSLeavesThePageToBrowsers(t *testing.T) {
	s := peerService(t, transport.PeerJS{})
	for accept, page := range map[string]bool{"text/html,application/xhtml+xml,*/*;q=0.8": true, "TEXT/HTML": true, "*/*": false, "application/json": false, "": false} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		answer := httptest.NewRecorder()
		s.ServeHTTP(answer, r)
		if got := strings.Contains(answer.Body.String(), "the page"); got != page {
			t.Errorf("with Accept %q the page came: %v", accept, got)
		}
		// A cache must not give the page to a client, or the description to a browser.
		header := answer.Header()
		if slices.Contains(header.Values("Vary"), "Accept") != page || (header.Get("Cache-Control") == "no-store") == page {
			t.Errorf("with Accept %q the header is %v", accept, header)
		}
	}
}

func TestPeerJSCORS(t *testing.T) {
	for _, c := range []struct {
		allowed     []string
		method      string
		origin      string
		wantAllowed string
	}{
		{nil, "GET", "https://a.example", "https://a.example"},
		{nil, "GET", "null", "null"},
		{nil, "GET", "", ""},
		{nil, "OPTIONS", "https://a.example", "https://a.example"},
		{[]string{"https://a.example", "https://b.example"}, "GET", "https://b.example", "https://b.example"},
		{[]string{"https://a.example"}, "GET", "https://A.example", ""},
		{[]string{"https://a.example"}, "OPTIONS", "https://c.example", ""},
	} {
		s := peerService(t, transport.PeerJS{Origins: c.allowed})
		for _, target := range []string{"/peerjs/id", "/peerjs/peers", "/", "/peerjs", "/peerjs/id/more", "/peerjs/nothing"} {
			r := httptest.NewRequest(c.method, target, nil)
			vary := "Origin"
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			if c.method == http.MethodOptions {
				r.Header.Set("Access-Control-Request-Headers", "X-One,X-Two")
				vary = "Origin, Access-Control-Request-Headers"
			}
			answer := httptest.NewRecorder()
			s.ServeHTTP(answer, r)
			header := answer.Header()
			if got := header.Get("Access-Control-Allow-Origin"); got != c.wantAllowed {
				t.Errorf("%s %s from %q: %q is allowed, want %q", c.method, target, c.origin, got, c.wantAllowed)
			}
			if got := header.Get("Vary"); got != vary {
				t.Errorf("%s %s: Vary is %q", c.method, target, got)
			}
			if c.method == http.MethodOptions && (header.Get("Access-Control-Allow-Methods") != "GET,HEAD,PUT,PATCH,POST,DELETE" || header.Get("Access-Control-Allow-Headers") != "X-One,X-Two") {
				t.Errorf("the answer to OPTIONS has %v", header)
			}
			for _, never := range []string{"Access-Control-Allow-Credentials", "Access-Control-Max-Age", "Access-Control-Expose-Headers"} {
				if header.Get(never) != "" {
					t.Errorf("%s is set", never)
				}
			}
		}
	}
}

func TestPeerJSHandshakes(t *testing.T) {
	s := peerService(t, transport.PeerJS{})
	const query = "?key=peerjs&id=a&token=t"
	proper := rawws.Request("/peerjs"+query, s.host)
	for _, c := range []struct {
		name, request string
		status        int
	}{
		{"as it should be", proper, 101},
		{"of version 8", strings.Replace(proper, "Version: 13", "Version: 8", 1), 101},
		{"of version 7", strings.Replace(proper, "Version: 13", "Version: 7", 1), 400},
		{"without a version", strings.Replace(proper, "Sec-WebSocket-Version: 13\r\n", "", 1), 400},
		{"with another key", regexp.MustCompile("Key: .*\r").ReplaceAllString(proper, "Key: x\r"), 400},
		{"by POST", strings.Replace(proper, "GET", "POST", 1), 405},
		{"from anywhere", rawws.Request("/peerjs"+query, s.host, "Origin: https://anywhere.example"), 101},
		{"at a path that is not exact", rawws.Request("/PeerJS"+query, s.host), 400},
		{"at another path", rawws.Request("/elsewhere", s.host), 400},
		{"of the service's own protocol", rawws.Request("/ws", s.host), 101},
		{"of that protocol from anywhere", rawws.Request("/ws", s.host, "Origin: https://anywhere.example"), 403},
		{"with a subprotocol", rawws.Request("/peerjs"+query, s.host, "sec-websocket-protocol: one, two"), 101},
	} {
		socket, err := s.dial()
		if err != nil {
			t.Fatal(err)
		}
		write(t, socket, []byte(c.request))
		answer, err := http.ReadResponse(bufio.NewReader(socket), nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if answer.StatusCode != c.status {
			t.Errorf("a handshake %s was answered with %d, want %d", c.name, answer.StatusCode, c.status)
		}
		if c.status == 400 && strings.Contains(c.name, "path") {
			if body, _ := io.ReadAll(answer.Body); string(body) != "Bad Request" || !answer.Close {
				t.Errorf("a handshake %s was answered with %q", c.name, body)
			}
		}
		if strings.Contains(c.name, "subprotocol") && answer.Header.Get("Sec-WebSocket-Protocol") != "one" {
			t.Error("the subprotocol was not taken")
		}
		socket.Close()
	}
}

func TestPeerJSOptions(t *testing.T) {
	for _, o := range []transport.PeerJS{{Path: "/a b"}, {Path: "/a?b"}, {Path: "a//b"}, {Path: "/é"}, {Path: "%20"}, {Path: "a;b"}, {Path: "/../a"}, {Path: "/."}, {MaxMessage: 1}, {MaxMessage: 1 << 30}, {AliveTimeout: 1}, {AliveTimeout: -1}} {
		all := transport.DefaultOptions()
		all.PeerJS = &o
		if all.Check() == nil {
			t.Errorf("%+v can be used", o)
		}
	}
}

// The path may be written with slashes around it, or without.
func TestPeerJSPaths(t *testing.T) {
	for path, prefix := range map[string]string{
		"": "/", "/": "/", "//": "/", "app": "/app/", "/app": "/app/", "app/": "/app/", "/app/": "/app/", "//app//": "/app/", "a/b": "/a/b/", "/a-b_c.d~e/F/": "/a-b_c.d~e/F/",
	} {
		s := peerService(t, transport.PeerJS{Path: path})
		wantText(t, s.openPeer(t, prefix+"peerjs?key=peerjs&id=a&token=t"), peerOpen)
		for _, target := range []string{prefix, strings.TrimSuffix(prefix, "/"), prefix + "peerjs/id", prefix + "peerjs/id/"} {
			if target == "" {
				continue
			}
			answer := httptest.NewRecorder()
			s.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, target, nil))
			if answer.Code != http.StatusOK {
				t.Errorf("with the path %q, GET %s was answered with %d", path, target, answer.Code)
			}
		}
	}
}
