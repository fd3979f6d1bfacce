package admin

import (
	"net/http"
	"strconv"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
)

const (
	// defaultPage is the number of sessions on a page, and maxPage the largest that may be asked for.
	defaultPage = 100
	maxPage     = 1000
)

// sessions lists and ends sessions.
type sessions struct {
	system  *actors.System
	allowed bool
	// nodeOf returns the name of the other node that has a login, by its key, or "".
	nodeOf func(key string) (node string, err error)
}

// sessionPage is a page of the list, in JSON.
type sessionPage struct {
	Sessions []session `json:"sessions"`
	Total    int       `json:"total"` // on all pages
	Next     string    `json:"next,omitempty"`
}

type session struct {
	Login       string `json:"login"`
	PeerJS      bool   `json:"peerjs,omitempty"` // Login is the id of a PeerJS client
	State       string `json:"state"`            // present or away
	Kept        bool   `json:"kept"`
	QueuedBytes int    `json:"queuedBytes"`
}

func described(s actors.SessionState) session {
	state := "present"
	if s.Away {
		state = "away"
	}
	return session{Login: s.Login, PeerJS: s.PeerJS, State: state, Kept: s.Kept, QueuedBytes: s.Waiting}
}

func (s sessions) register(mux *http.ServeMux, g guard) {
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET /sessions":               s.list,
		"GET /sessions/{login...}":    s.show,
		"DELETE /sessions":            s.end,
		"DELETE /sessions/{login...}": s.end,
	} {
		if !s.allowed {
			handle = func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "The service does not say who is connected. Start it with --admin-sessions to allow that.", http.StatusForbidden)
			}
		}
		mux.Handle(pattern, g.protect(handle))
	}
}

// loginOf returns the login that a request names, in its path or in the parameter login. A path cannot hold every login: "a//b" would
// become "a/b".
//
// The parameter peerjs names the id of a PeerJS client instead.
func loginOf(r *http.Request) string {
	if login := r.URL.Query().Get("login"); login != "" {
		return login
	}
	return r.PathValue("login")
}

// peerOf returns the id of a PeerJS client that a request names, or "".
func peerOf(r *http.Request) string { return r.URL.Query().Get("peerjs") }

func (s sessions) list(w http.ResponseWriter, r *http.Request) {
	if loginOf(r) != "" || peerOf(r) != "" {
		s.show(w, r)
		return
	}
	limit := defaultPage
	if given := r.URL.Query().Get("limit"); given != "" {
		n, err := strconv.Atoi(given)
		if err != nil || n < 1 || n > maxPage {
			http.Error(w, "limit must be a number from 1 to "+strconv.Itoa(maxPage)+".", http.StatusBadRequest)
			return
		}
		limit = n
	}
	listed, next, err := s.system.List(r.URL.Query().Get("cursor"), limit)
	if err != nil {
		http.Error(w, "cursor must be the next of a page of this service. Begin without one.", http.StatusBadRequest)
		return
	}
	page := sessionPage{Sessions: []session{}, Total: s.system.Sessions(), Next: next}
	for _, one := range listed {
		page.Sessions = append(page.Sessions, described(one))
	}
	tellJSON(w, http.StatusOK, page)
}

func (s sessions) show(w http.ResponseWriter, r *http.Request) {
	one, ok := s.system.Find(loginOf(r))
	if id := peerOf(r); id != "" {
		one, ok = s.system.FindPeer(id)
	}
	if !ok {
		s.tellWhere(w, r)
		return
	}
	tellJSON(w, http.StatusOK, described(one))
}

func (s sessions) end(w http.ResponseWriter, r *http.Request) {
	end, name := s.system.End, loginOf(r)
	if id := peerOf(r); id != "" {
		end, name = s.system.EndPeer, id
	}
	if name == "" { // such as a variable of a script that has no value
		http.Error(w, "Name the login whose session is to end, as in /sessions/alice or /sessions?login=alice.", http.StatusBadRequest)
		return
	}
	if !end(name) {
		s.tellWhere(w, r)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// tellWhere answers a request for a login that this node does not have. It names the node that does.
func (s sessions) tellWhere(w http.ResponseWriter, r *http.Request) {
	key, valid := messages.LoginKey(nil, []byte(loginOf(r)))
	if id := peerOf(r); id != "" {
		key, valid = []byte(messages.PeerKey(id)), true
	}
	var node string
	var err error
	if valid {
		node, err = s.nodeOf(string(key))
	}
	switch {
	case err != nil:
		http.Error(w, "This node does not have this login, and etcd does not say whether another one does. Try again later.", http.StatusServiceUnavailable)
	case node != "":
		http.Error(w, "The node "+node+" has this login: ask its admin port.", http.StatusMisdirectedRequest)
	default:
		http.Error(w, "Nobody has this login.", http.StatusNotFound)
	}
}
