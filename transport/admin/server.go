package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"p2p-messaging/actors"
	"p2p-messaging/actors/cluster"
	"p2p-messaging/transport"
	"p2p-messaging/transport/turn"
)

const (
	// maxConnections is how many connections may be open at once. The others wait in the system's queue.
	maxConnections = 64
	// headerTimeout is how long a client may take to send a request, and answerTimeout how long to take the answer.
	headerTimeout = 5 * time.Second
	answerTimeout = 30 * time.Second
	// idleTimeout is how long a connection without a request stays. Prometheus scrapes once in that time at least.
	idleTimeout = 2 * time.Minute
	// profileTimeout is the longest time that a profile may take.
	profileTimeout = 10 * time.Minute
	// maxProfiles is how many profiles are made at once.
	maxProfiles = 2
	// maxHeaderBytes bounds a request's headers.
	maxHeaderBytes = 16 << 10
)

// Service is what the port shows and controls.
type Service struct {
	System *actors.System
	Server *transport.Server
	TURN   *turn.Server // nil if there is none
	// Cluster is the membership of the service in a cluster, and nil if the service is alone.
	Cluster *cluster.Cluster
	// Ready reports whether the service takes connections.
	Ready func() bool
}

// Options says how the port behaves.
type Options struct {
	// Logger gets what fails.
	Logger *slog.Logger
	// Host is the host of the port's address, as the operator has written it. Requests may name it.
	Host string
	// Loopback says that only this machine reaches the port.
	Loopback bool
	// Sessions lets requests list sessions and end them.
	Sessions bool
}

// Start serves the port at l, which may be nil, until the result is called.
func Start(l net.Listener, s Service, o Options) (stop func()) {
	if l == nil {
		return func() {}
	}
	handler := New(s, o)
	// The program takes what a scrape needs now, not when there are sessions. A metric that cannot be read is noticed now, too.
	tried := &answer{Buffer: new(bytes.Buffer), header: http.Header{}}
	handler.ServeHTTP(tried, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/metrics"}, Host: "localhost"})
	if tried.status >= http.StatusBadRequest {
		o.Logger.Error("the metrics cannot be read", slog.Int("status", tried.status))
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(netutil.LimitListener(l, maxConnections)); !errors.Is(err, http.ErrServerClosed) {
			o.Logger.Error("the admin port failed", slog.Any("error", err))
		}
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // a profile is being made, for example
		}
		<-ended
	}
}

// New returns the handler of the port.
func New(s Service, o Options) http.Handler {
	g := guard{host: o.Host, loopback: o.Loopback}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", tellIndex)
	mux.Handle("GET /metrics", scrapes(s, o.Logger))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !s.Ready() {
			http.Error(w, "The service is going down.", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	profiles := http.NewServeMux()
	profiles.HandleFunc("GET /debug/pprof/", pprof.Index)
	profiles.HandleFunc("GET /debug/pprof/cmdline", hideArguments)
	profiles.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	profiles.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	profiles.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol) // go tool pprof asks by POST
	profiles.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.Handle("/debug/pprof/", g.protect(few(profiles)))
	sessions{s.System, o.Sessions, s.Cluster.NodeOf}.register(mux, g)
	return g.foreign(timed(mux))
}

// timed bounds the time that the body of a request and the answer take, and forbids the use of the answer by pages and caches.
func timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control, end := http.NewResponseController(w), time.Now().Add(answerTimeout)
		_ = control.SetReadDeadline(end)
		_ = control.SetWriteDeadline(end)
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// few bounds how many profiles are made at once.
func few(next http.Handler) http.Handler {
	var under atomic.Int32
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer under.Add(-1)
		if under.Add(1) > maxProfiles {
			http.Error(w, "Other profiles are being made. Try again later.", http.StatusServiceUnavailable)
			return
		}
		control, end := http.NewResponseController(w), time.Now().Add(profileTimeout)
		_ = control.SetWriteDeadline(end)
		if r.ContentLength == 0 { // otherwise a body may still not come
			_ = control.SetReadDeadline(end) // when it has passed, the request is over
		}
		next.ServeHTTP(w, r)
	})
}

// hideArguments stands in place of [pprof.Cmdline]: secrets may stand in the command line.
func hideArguments(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, "p2p-messaging")
}

func tellIndex(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, `This is the admin port of p2p-messaging.

/metrics         what the service does, for Prometheus
/healthz         whether the program runs
/readyz          whether the service takes connections
/debug/pprof/    profiles, for go tool pprof
/sessions        who is connected (with --admin-sessions)
`)
}

// tellJSON answers with a value in JSON.
func tellJSON(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}
