package transport

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// peerServer is what GET of the path says of the service, as a PeerJS server does.
const peerServer = `{"name":"PeerJS Server","description":"A server side element to broker connections between PeerJS clients.","website":"https://peerjs.com/"}`

// serve answers a request of a PeerJS client that is not for a WebSocket. Others says that another part of the service answers requests at the
// same path. Serve returns false if the request is for that part.
func (p *peers) serve(w http.ResponseWriter, r *http.Request, others bool) bool {
	if p == nil {
		return false
	}
	path := r.URL.EscapedPath()
	for strings.HasPrefix(path, "//") {
		path = path[1:]
	}
	rest, under := p.under(path)
	if !under {
		return false
	}
	if r.Method == http.MethodOptions {
		p.allow(w.Header(), r)
		preflight(w.Header(), r)
		w.WriteHeader(http.StatusNoContent)
		return true
	}
	answer := p.route(rest, r)
	switch {
	case answer == nil && others:
		if rest == "" {
			w.Header().Set("Vary", "Accept") // see route; the other answer is not cached, because PeerJS's has no such header
		}
		return false
	case answer == nil:
		answer = tellNothing
	}
	p.allow(w.Header(), r)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	answer(w)
	return true
}

// under returns what follows the path of PeerJS in another path, without a slash at its end. It reports false if the path does not lead there.
// Capital letters count as small ones.
func (p *peers) under(path string) (rest string, ok bool) {
	if len(path) == len(p.Path)-1 && strings.EqualFold(path, p.Path[:len(path)]) {
		return "", true
	}
	if len(path) < len(p.Path) || !strings.EqualFold(path[:len(p.Path)], p.Path) {
		return "", false
	}
	return strings.TrimSuffix(path[len(p.Path):], "/"), true
}

// route returns what answers a request, or nil if nothing is there.
func (p *peers) route(rest string, r *http.Request) func(http.ResponseWriter) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return nil
	}
	if rest == "" {
		if p.Path == "/" && wantsHTML(r) {
			return nil
		}
		return p.tellAbout
	}
	escaped, name, found := strings.Cut(rest, "/")
	key, err := url.PathUnescape(escaped)
	switch {
	case !found || key == "" || err != nil:
		return nil
	case strings.EqualFold(name, "id"):
		return p.tellID
	case strings.EqualFold(name, "peers"):
		return func(w http.ResponseWriter) { p.tellPeers(w, key) }
	}
	return nil
}

// wantsHTML reports whether a request comes from somebody who opens the page.
func wantsHTML(r *http.Request) bool {
	return slices.ContainsFunc(r.Header.Values("Accept"), func(accept string) bool { return strings.Contains(strings.ToLower(accept), "text/html") })
}

// tellAbout answers with what kind of server this is.
func (p *peers) tellAbout(w http.ResponseWriter) {
	if p.Path == "/" {
		w.Header().Set("Cache-Control", "no-store") // a browser gets the page at the same address
	}
	tell(w, http.StatusOK, "application/json; charset=utf-8", peerServer)
}

// tellID answers with an id that nobody has. It is random, so nobody else is told the same.
func (p *peers) tellID(w http.ResponseWriter) {
	id := uuid.NewString()
	for {
		if _, taken := p.system.FindPeer(id); !taken {
			break
		}
		id = uuid.NewString()
	}
	w.Header().Set("Cache-Control", "no-store")
	tell(w, http.StatusOK, "text/html; charset=utf-8", id)
}

// tellPeers answers with the ids that are connected, if it may.
func (p *peers) tellPeers(w http.ResponseWriter, key string) {
	w.Header().Set("Cache-Control", "no-store")
	if !p.Discovery || p.Key != "*" && key != p.Key {
		tell(w, http.StatusUnauthorized, "text/plain; charset=utf-8", "Unauthorized")
		return
	}
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(p.system.PeerIDs()) // strings can be encoded
	tell(w, http.StatusOK, "application/json; charset=utf-8", strings.TrimSuffix(b.String(), "\n"))
}

func tellNothing(w http.ResponseWriter) {
	tell(w, http.StatusNotFound, "text/plain; charset=utf-8", "There is nothing here.\n")
}

func tell(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body))
}

// allow lets the page that has sent a request read the answer (Fetch Standard, section 3.3), if its origin is allowed.
func (p *peers) allow(header http.Header, r *http.Request) {
	header.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	if origin != "" && (len(p.Origins) == 0 || slices.Contains(p.Origins, origin)) {
		header.Set("Access-Control-Allow-Origin", origin)
	}
}

// preflight answers what a page may send: everything.
func preflight(header http.Header, r *http.Request) {
	header.Set("Vary", "Origin, Access-Control-Request-Headers")
	header.Set("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
	if names := r.Header.Get("Access-Control-Request-Headers"); names != "" {
		header.Set("Access-Control-Allow-Headers", names)
	}
}
