package web_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
)

// testdata/peerjs has PeerJS's client, npm peerjs 1.5.5, as it is published, and a page that uses it.

// startPeerJSService starts a service for clients of PeerJS. It returns the address of a page of another origin that uses it.
func startPeerJSService(t *testing.T) (page string) {
	t.Helper()
	s := startService(t)
	s.adjust = append(s.adjust, func(o *transport.Options) {
		p := transport.DefaultPeerJS()
		p.Discovery = true
		o.PeerJS = &p
	})
	s.stop()
	s.sessions = actors.Options{PeerJS: &actors.PeerJS{ExpireTimeout: time.Second, Discovery: true}}
	s.start()
	site := httptest.NewServer(http.FileServer(http.Dir("testdata/peerjs")))
	t.Cleanup(site.Close)
	return site.URL + "/?service=" + url.QueryEscape(s.url())
}

// try runs a case of testdata/peerjs/cases.js.
func try(t *testing.T, p anyPage, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(p.either().ctx, patience)
	defer cancel()
	if _, err := evaluate[any](ctx, p.either(), "cases."+expression); err != nil {
		t.Errorf("%s: %s: %v", p.either().name, expression, err)
	}
}

func TestPeerJSClientsWorkUnmodified(t *testing.T) {
	t.Parallel()
	address := startPeerJSService(t)
	pages := map[string]anyPage{"chromium": newPage(t, "chromium", address), "firefox": newFoxPage(t, "firefox", address)}
	for name, p := range pages {
		try(t, p, fmt.Sprintf("serve('%s-serves')", name))
	}
	reconnects, largest := 20, 1<<17 // PeerJS's client cuts what is larger than 16,300 bytes in pieces.
	if long() {
		reconnects, largest = 200, 1<<20
	}
	for name, p := range pages {
		own := name + "-serves"
		for _, c := range []string{
			fmt.Sprintf("visit('chromium-serves', %d)", largest), fmt.Sprintf("visit('firefox-serves', %d)", largest), "taken('" + name + "')", "wrongKey()", "unavailable('" + own + "')", "disconnects('" + own + "')",
			"destroys('" + own + "', '" + name + "')", "lists('" + own + "')", fmt.Sprintf("reconnects(%d)", reconnects),
		} {
			began := time.Now()
			try(t, p, c)
			t.Logf("%s: %s: %v", name, c, time.Since(began).Round(time.Millisecond))
		}
	}
}

// TestPeerJSClientIsThePublishedOne compares the client in testdata with that of npm, where that is installed.
func TestPeerJSClientIsThePublishedOne(t *testing.T) {
	published, err := os.ReadFile("node_modules/peerjs/dist/peerjs.min.js")
	if errors.Is(err, fs.ErrNotExist) {
		missing(t, "peerjs is not installed: npm ci in the folder web")
	}
	if err != nil {
		t.Fatal(err)
	}
	ours, err := os.ReadFile("testdata/peerjs/peerjs.min.js")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(published, ours) {
		t.Error("testdata/peerjs/peerjs.min.js is not what npm has: copy node_modules/peerjs/dist/peerjs.min.js")
	}
}
