// Package conformance holds what a PeerJS server does on the wire, as a table that is tried with a program by its sockets: with this
// project's service, and with PeerJS's own server, npm peer 1.0.2. PeerJS's clients rely on it.
//
// A row without a delta holds for both. A delta names where this project's service differs on purpose. Such a row is not tried with
// PeerJS's server.
//
//	go test . -run PeerJS                                                      # this project's service
//	P2P_TEST_LONG=1 go test ./transport/peerjs/conformance                     # PeerJS's server, if it is installed
//	P2P_TEST_PEERJS=127.0.0.1:9000 go test ./transport/peerjs/conformance      # any server with the default settings
package conformance

import (
	"testing"
	"time"
)

// Settings are what a server is started with. The zero value stands for the defaults.
type Settings struct {
	Path      string
	Key       string
	Discovery bool
	Origins   [2]string // only these get CORS headers; empty: all
	Limit     int
	Expire    time.Duration
	Alive     time.Duration
}

// Starter starts a server, which ends with the test. It returns host and port.
type Starter func(t *testing.T, s Settings) (address string)

// row is one rule.
type row struct {
	name  string
	delta delta
	on    Settings // what the server must be started with
	try   func(t *testing.T, s *server)
}

// delta is a difference from PeerJS's server. No client that works with that server notices it, other than that a fault of it is gone.
type delta string

const (
	same       delta = ""
	opens      delta = "OPEN after a takeover, so that reconnect() ends"
	oneOwner   delta = "a takeover closes the old socket, whose frames no longer count"
	clockReset delta = "a takeover resets the clock of the time-out"
	leaves     delta = "LEAVE without a receiver closes the socket, and a close ends only its own session"
	lenient    delta = "a malformed frame is ignored"
	bounded    delta = "frames and queues are bounded"
	anyLife    delta = "any frame is a sign of life, a pong included"
	uncached   delta = "no proxy caches an id or a list"
	keyed      delta = "the list of peers is for those who know the key"
	noSniff    delta = "an id is never taken for a page"
	frees      delta = "a close frame frees the id, whatever the TCP connection does"
	untouched  delta = "a payload's tokens arrive as they were sent"
	paired     delta = "one EXPIRE for each pair, whatever the ids are"
	page       delta = "browsers get this project's page at /"
)

func table() []row {
	var all []row
	for _, part := range [][]row{overHTTP(), withOrigins(), atAdmission(), ofQueries(), atTakeover(), ofFrames(), ofReceivers(), ofQueues(), ofLiveness(), underRaces()} {
		all = append(all, part...)
	}
	return all
}

// OfThisService tries all rows with this project's service.
func OfThisService(t *testing.T, start Starter) {
	conform(t, start, func(row) bool { return true })
}

// conform tries the rows that apply, with one server for each settings.
func conform(t *testing.T, start Starter, applies func(row) bool) {
	servers := map[Settings]*server{}
	for _, r := range table() {
		if !applies(r) {
			continue
		}
		s := servers[r.on]
		if s == nil {
			s = &server{address: start(t, r.on), Settings: r.on}
			servers[r.on] = s
		}
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.try(t, s)
			if t.Failed() && r.delta != same {
				t.Logf("PeerJS's server differs here: %s", r.delta)
			}
		})
	}
}
