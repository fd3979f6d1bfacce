package web_test

import (
	"testing"
)

func TestTwoPagesChat(t *testing.T) {
	for _, place := range []struct {
		name       string
		alice, bob bool // from disk
	}{
		{"from the service", false, false},
		{"from disk", true, true},
		{"one from the service, one from disk", false, true},
	} {
		t.Run(place.name, func(t *testing.T) {
			s := startService(t)
			open := func(login string, disk bool) *page {
				url := s.url()
				if disk {
					url = fromDisk(t, "index.html", "ws://"+s.address)
				}
				p := newPage(t, login, url)
				p.join(login)
				return p
			}
			alice, bob := open("alice", place.alice), open("bob", place.bob)
			alice.shows("status", "Connection", "Connected")

			alice.connectTo("bob")
			alice.connected("bob")
			bob.connected("alice")
			alice.say("Hello Bob")
			bob.hears("alice", "Hello Bob")
			bob.say("Hello Alice")
			alice.hears("bob", "Hello Alice")
			alice.delivered()
			bob.delivered()
		})
	}
}
