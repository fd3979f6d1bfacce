package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport"
	"p2p-messaging/transport/admin"
	"p2p-messaging/transport/client"
	"p2p-messaging/transport/internal/rawws"
	"p2p-messaging/transport/service"
)

// running is a service with an admin port.
type running struct {
	shown admin.Service
	*service.Service
	system  *actors.System
	address string // of the service
	handler http.Handler
	stop    func()
}

// start runs a service on a free port of this machine.
func start(t *testing.T, change ...func(*admin.Options)) *running {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	o := transport.DefaultOptions()
	o.Logger, o.Measure, o.RetrySpread, o.PeerJS = logger, true, time.Millisecond, new(transport.PeerJS)
	r := &running{system: actors.NewSystem(actors.Options{Logger: logger, ResumeWindow: actors.DefaultResumeWindow})}
	server, err := transport.New(r.system, o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.address = l.Addr().String()
	r.Service = service.Start(logger, r.system, server, l)
	r.stop = sync.OnceFunc(func() {
		if err := r.Service.Stop(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.stop)
	options := admin.Options{Logger: logger, Loopback: true, Sessions: true}
	for _, f := range change {
		f(&options)
	}
	r.shown = admin.Service{System: r.system, Server: server, Ready: r.Ready}
	r.handler = admin.New(r.shown, options)
	return r
}

// ask sends a request to the admin port, and returns the status and the body of the answer.
func (r *running) ask(method, target string, headers ...string) (status int, body string) {
	request := httptest.NewRequest(method, target, nil)
	request.Host = "127.0.0.1:7778"
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			request.Host = headers[i+1]
		} else {
			request.Header.Add(headers[i], headers[i+1])
		}
	}
	answer := httptest.NewRecorder()
	r.handler.ServeHTTP(answer, request)
	return answer.Code, answer.Body.String()
}

// scrape returns what a scrape parses to.
func (r *running) scrape(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	status, body := r.ask("GET", "/metrics")
	if status != http.StatusOK {
		t.Fatalf("a scrape is answered with %d %s", status, body)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatalf("a scrape does not parse: %v", err)
	}
	return families
}

// value returns the value of a metric with a label of this value, or without labels.
func value(t *testing.T, families map[string]*dto.MetricFamily, name, label string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		found := label == ""
		for _, l := range m.GetLabel() {
			found = found || l.GetValue() == label
		}
		if found {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	t.Errorf("there is no %s of %q", name, label)
	return 0
}

// login connects a client and logs it in.
func (r *running) login(t *testing.T, login string, options ...client.Option) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), "ws://"+r.address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseNow)
	if err := c.Login(t.Context(), login); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAScrapeTellsWhatTheServiceDoes(t *testing.T) {
	r := start(t)
	alice, bob := r.login(t, "alice"), r.login(t, "bob")
	other, err := client.Dial(t.Context(), "ws://"+r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.CloseNow()
	if err := other.Login(t.Context(), "alice"); err == nil {
		t.Error("a login is given twice")
	}
	const relays = 1000
	for i := range relays {
		if err := alice.Send(t.Context(), messages.TypeOffer, "bob", map[string]int{"number": i}); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	families := r.scrape(t)
	for _, c := range []struct {
		name, label string
		want        float64
	}{
		{"p2p_ready", "", 1}, {"p2p_build_info", "", 1}, {"p2p_mailboxes", "", 3},
		{"p2p_sessions", "present", 2}, {"p2p_sessions", "away", 0},
		{"p2p_connections", "logged_in", 2}, {"p2p_connections", "without_login", 1}, {"p2p_connections", "closing", 0},
		{"p2p_connections_opened_total", "", 3},
		{"p2p_logins_accepted_total", "", 2}, {"p2p_logins_refused_total", "login-taken", 1}, {"p2p_logins_refused_total", "auth-failed", 0},
		{"p2p_relays_total", "", relays}, {"p2p_messages_refused_total", "peer-unavailable", 0},
		{"p2p_closes_total", "4000", 0}, {"p2p_slow_consumers_total", "", 0}, {"p2p_resumes_total", "resumed", 0},
		{"p2p_turn_allocations", "", 0}, {"p2p_turn_relayed_bytes_total", "peer", 0}, {"p2p_panics_total", "registry", 0},
		{"p2p_queue_bytes", "", 3}, {"p2p_mailbox_messages", "", 2},
	} {
		if got := value(t, families, c.name, c.label); got != c.want {
			t.Errorf("%s of %q is %v, want %v", c.name, c.label, got, c.want)
		}
	}
	if n := value(t, families, "p2p_relay_seconds", ""); n > relays {
		t.Errorf("%v relays are timed, and there were %d", n, relays)
	}
	for _, name := range []string{"p2p_relayed_bytes_total", "p2p_received_bytes_total", "go_goroutines", "process_resident_memory_bytes"} {
		if value(t, families, name, "") == 0 {
			t.Errorf("%s is 0", name)
		}
	}
	websockets := 0.0
	for _, m := range families["p2p_websockets"].GetMetric() {
		websockets += m.GetGauge().GetValue()
	}
	if websockets != 3 {
		t.Errorf("there are %v WebSockets by carrier, want 3", websockets)
	}
}

func TestItIsNotReadyWhileItDrains(t *testing.T) {
	r := start(t)
	// This client never answers the close frame, so the drain goes on until the test ends it.
	socket, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	if _, err := io.WriteString(socket, "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := socket.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if status, _ := r.ask("GET", "/readyz"); status != http.StatusOK {
		t.Errorf("/readyz of a service that serves is %d", status)
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		r.stop()
	}()
	if _, err := io.Copy(io.Discard, socket); err != nil { // the close frame, and the end of what the service sends
		t.Fatal(err)
	}
	select {
	case <-drained:
		t.Error("the service does not wait for its client")
	default:
	}
	if status, _ := r.ask("GET", "/readyz"); status != http.StatusServiceUnavailable {
		t.Errorf("/readyz of a service that drains is %d, want 503", status)
	}
	if status, _ := r.ask("GET", "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz of a service that drains is %d, want 200", status)
	}
	if ready := value(t, r.scrape(t), "p2p_ready", ""); ready != 0 {
		t.Errorf("p2p_ready of a service that drains is %v", ready)
	}
	socket.Close()
	<-drained
}

func TestPagesInABrowserGetNothing(t *testing.T) {
	loopback := start(t, func(o *admin.Options) { o.Host = "admin.test" })
	open := start(t, func(o *admin.Options) { o.Host, o.Loopback = "admin.test", false })
	paths := []string{"/", "/metrics", "/healthz", "/readyz", "/debug/pprof/", "/sessions"}
	for _, headers := range [][]string{
		{"Origin", "https://evil.test"}, {"Origin", "null"}, {"Origin", ""}, {"Origin", "http://127.0.0.1:7778"},
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "anything"},
	} {
		for _, path := range paths {
			for _, r := range []*running{loopback, open} {
				if status, _ := r.ask("GET", path, headers...); status != http.StatusForbidden {
					t.Errorf("GET %s with %q is answered with %d, want 403", path, headers, status)
				}
			}
		}
		loopback.login(t, "alice"+headers[0]+headers[1])
		if status, _ := loopback.ask("DELETE", "/sessions?login="+url.QueryEscape("alice"+headers[0]+headers[1]), headers...); status != http.StatusForbidden {
			t.Errorf("DELETE with %q is answered with %d, want 403", headers, status)
		}
	}
	for host, want := range map[string]int{
		"evil.test": 403, "evil.test:7778": 403, "127.0.0.1.evil.test": 403, "localhost.evil.test": 403, "a b": 403,
		"127.0.0.1": 200, "127.0.0.1:7778": 200, "[::1]:7778": 200, "[::1]": 200, "localhost:7778": 200, "LOCALHOST": 200, "admin.test:7778": 200,
	} {
		for _, path := range paths {
			if status, _ := loopback.ask("GET", path, "Host", host); status != want {
				t.Errorf("GET %s of the host %q is answered with %d, want %d", path, host, status, want)
			}
		}
		// Prometheus and others may name a port that is not on a loopback address as they like, but for what tells of people.
		for path, want := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 200, "/sessions": want, "/debug/pprof/": want} {
			if status, _ := open.ask("GET", path, "Host", host); status != want {
				t.Errorf("GET %s of the host %q on an open port is answered with %d, want %d", path, host, status, want)
			}
		}
	}
	// A request of HTTP/1.0 need not name a host.
	for path, want := range map[string]int{"/metrics": 200, "/healthz": 200, "/readyz": 200, "/sessions": 403, "/debug/pprof/": 403} {
		for _, r := range []*running{loopback, open} {
			if status, _ := r.ask("GET", path, "Host", ""); status != want {
				t.Errorf("GET %s of no host is answered with %d, want %d", path, status, want)
			}
		}
	}
	if status, _ := loopback.ask("GET", "/metrics", "Sec-Fetch-Site", "none"); status != http.StatusOK {
		t.Errorf("what a person types into a browser is answered with %d", status)
	}
}

func TestSessionsAreListedByPagesAndEnded(t *testing.T) {
	r := start(t)
	logins := []string{"alice", "a/b", "a//b", "../c", "Ünïcode", "50%", "a?b#c", "."}
	clients := map[string]*client.Client{}
	for _, login := range logins {
		clients[login] = r.login(t, login)
	}
	for _, nameless := range []string{"/sessions", "/sessions/", "/sessions?login="} {
		if status, body := r.ask("DELETE", nameless); status != http.StatusBadRequest || !strings.Contains(body, "Name the login") {
			t.Errorf("DELETE %s is answered with %d %s, want 400", nameless, status, body)
		}
	}
	listed := map[string]string{}
	for cursor := ""; ; {
		status, body := r.ask("GET", "/sessions?limit=3&cursor="+url.QueryEscape(cursor))
		var page struct {
			Sessions []struct{ Login, State string }
			Total    int
			Next     string
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || status != http.StatusOK || page.Total != len(logins) || len(page.Sessions) > 3 {
			t.Fatalf("a page is answered with %d %s", status, body)
		}
		for _, s := range page.Sessions {
			if _, again := listed[s.Login]; again {
				t.Errorf("%s is listed again", s.Login)
			}
			listed[s.Login] = s.State
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	for i, login := range logins {
		if listed[login] != "present" {
			t.Errorf("%s is listed as %q", login, listed[login])
		}
		target := "/sessions?login=" + url.QueryEscape(login)
		if i%2 == 0 && !strings.ContainsAny(login, "/.") {
			target = "/sessions/" + url.PathEscape(login)
		}
		if status, body := r.ask("GET", target); status != http.StatusOK || !strings.Contains(body, `"state":"present"`) {
			t.Errorf("GET %s is answered with %d %s", target, status, body)
		}
		if status, body := r.ask("DELETE", target); status != http.StatusNoContent {
			t.Errorf("DELETE %s is answered with %d %s", target, status, body)
		}
		c := clients[login]
		<-c.Done()
		if err := fmt.Sprint(c.Err()); !strings.Contains(err, "4101") {
			t.Errorf("the connection of %s ended with %s, want 4101", login, err)
		}
		if status, _ := r.ask("DELETE", target); status != http.StatusNotFound {
			t.Errorf("DELETE %s of nobody is answered with %d, want 404", target, status)
		}
	}
	for _, query := range []string{"limit=0", "limit=-1", "limit=1001", "limit=x", "cursor=!", "cursor=%00"} {
		if status, body := r.ask("GET", "/sessions?"+query); status != http.StatusBadRequest || body == "" {
			t.Errorf("GET /sessions?%s is answered with %d %s, want 400", query, status, body)
		}
	}
}

func TestPeerJSClientsAreListedAndEnded(t *testing.T) {
	r := start(t)
	r.login(t, "alice")
	socket, err := net.Dial("tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	peer, err := rawws.Open(socket, rawws.Request("/peerjs?key=peerjs&id=alice&token=t", r.address))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := peer.ReadText(); text != `{"type":"OPEN"}` {
		t.Fatalf("received %s, %v", text, err)
	}
	const one = `{"login":"alice","peerjs":true,"state":"present","kept":false,"queuedBytes":0}`
	for _, target := range []string{"/sessions", "/sessions?peerjs=alice"} {
		if status, body := r.ask("GET", target); status != http.StatusOK || !strings.Contains(body, one) {
			t.Errorf("GET %s is answered with %d %s", target, status, body)
		}
	}
	if _, body := r.ask("GET", "/metrics"); !strings.Contains(body, "p2p_peerjs_sessions 1\n") {
		t.Error("the metrics do not count the client")
	}
	for _, want := range []int{http.StatusNoContent, http.StatusNotFound} {
		if status, _ := r.ask("DELETE", "/sessions?peerjs=alice"); status != want {
			t.Errorf("DELETE is answered with %d, want %d", status, want)
		}
	}
	if code, _, _, err := peer.ReadClose(); code != 4101 {
		t.Errorf("the client was closed with %d, %v", code, err)
	}
	if status, _ := r.ask("GET", "/sessions/alice"); status != http.StatusOK {
		t.Error("the session of the same name has ended, too")
	}
}

func TestWithoutTheOptionNobodyIsListedOrEnded(t *testing.T) {
	r := start(t, func(o *admin.Options) { o.Sessions = false })
	alice := r.login(t, "alice")
	for _, request := range [][2]string{{"GET", "/sessions"}, {"GET", "/sessions/alice"}, {"DELETE", "/sessions/alice"}, {"DELETE", "/sessions?login=alice"}} {
		if status, body := r.ask(request[0], request[1]); status != http.StatusForbidden || !strings.Contains(body, "--admin-sessions") {
			t.Errorf("%s %s is answered with %d %s", request[0], request[1], status, body)
		}
	}
	if err := alice.Err(); err != nil {
		t.Errorf("the session has ended: %v", err)
	}
	if _, body := r.ask("GET", "/metrics"); strings.Contains(body, "alice") {
		t.Error("a metric names a login")
	}
}

func TestProfilesHideTheCommandLine(t *testing.T) {
	r := start(t)
	for path, want := range map[string]string{
		"/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile", "/debug/pprof/cmdline": "p2p-messaging",
	} {
		if status, body := r.ask("GET", path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("GET %s is answered with %d %.60q, want %s in it", path, status, body, want)
		}
	}
	if _, body := r.ask("GET", "/debug/pprof/cmdline"); strings.Contains(body, "test") {
		t.Errorf("the command line is told: %q", body)
	}
}

func TestAFloodOfScrapesHarmsNobody(t *testing.T) {
	r := start(t)
	alice, bob := r.login(t, "alice"), r.login(t, "bob")
	ctx, cancel := context.WithCancel(t.Context())
	var scrapers sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for range 32 {
		scrapers.Go(func() {
			for ctx.Err() == nil {
				status, body := r.ask("GET", "/metrics")
				if status == http.StatusOK && !strings.Contains(body, "p2p_ready 1") {
					t.Errorf("a scrape is answered with %.200s", body)
				}
				mu.Lock()
				answers[status]++
				mu.Unlock()
			}
		})
	}
	for i := range 30 {
		if err := alice.Send(t.Context(), messages.TypeOffer, "bob", i); err != nil {
			t.Fatal(err)
		}
		if _, err := bob.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	scrapers.Wait()
	for status := range answers {
		if status != http.StatusOK && status != http.StatusServiceUnavailable {
			t.Errorf("scrapes are answered with %d", status)
		}
	}
	if answers[http.StatusOK] == 0 {
		t.Errorf("no scrape is answered: %v", answers)
	}
}
