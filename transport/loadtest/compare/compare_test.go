//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"

	"p2p-messaging/transport/arguments"
)

// TestMain makes the test program a child if a comparison has started it as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == floorCommand || os.Args[1] == generateCommand) {
		main()
	}
	os.Exit(m.Run())
}

func TestWrongArgumentsAreExplained(t *testing.T) {
	for _, c := range []struct{ arguments, want string }{
		{"--only ours,ejabberd", `--only: there is no "ejabberd": choose from ours, full, floor, bun, unchecked, batched, ours-peerjs, peerjs`},
		{"--scenarios window2", `--scenarios: there is no "window2": choose from window1, window16, offered, large1, large16, cycles, idle, tls1, tls16, tlsidle, resumes`},
		{"--rounds 0", "--rounds: 0 is too little: give 1 at least"},
		{"--duration 1ms", "--duration: 0.001 s is too little: give 0.1 s at least"},
		{"--sessions=-1", "--sessions: -1 is too little: give 1 at least"},
		{"--sessions -1", "--sessions: -1 is too little: give 1 at least"},
		{"--rounds -2 --json", "--rounds: -2 is too little: give 1 at least"},
		{"--calm -1s", "--calm: -1 s is too little: give 0 s at least"},
		{"--warmup=-1s", "--warmup: -1 s is too little: give 0 s at least"},
		{"faster", "unexpected argument faster"},
	} {
		var stderr strings.Builder
		if status := run(strings.Fields(c.arguments), io.Discard, &stderr); status != arguments.StatusUsage || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%s: status %d and %q; want status %d and %q", c.arguments, status, stderr.String(), arguments.StatusUsage, c.want)
		}
	}
}

func TestMoreSessionsThanFilesAreRefused(t *testing.T) {
	var stderr strings.Builder
	if status := run([]string{"--only", "floor", "--sessions", "2000000000"}, io.Discard, &stderr); status != arguments.StatusFailure || !strings.Contains(stderr.String(), "raise the limit") {
		t.Errorf("status %d: %s", status, stderr.String())
	}
}

func TestWhatIsNotInstalledIsLeftOut(t *testing.T) {
	folder := t.TempDir()
	var stderr strings.Builder
	status := run([]string{"--tools", folder, "--only", "bun,unchecked,batched,peerjs"}, io.Discard, &stderr)
	if want := "not installed in " + folder + ", and left out: bun and peer; to have it compared, with Node installed, give --install\n"; status != arguments.StatusFailure || !strings.Contains(stderr.String(), want) {
		t.Errorf("status %d: %s; want status %d and %q", status, stderr.String(), arguments.StatusFailure, want)
	}
}

// children returns the running child processes of this process.
func children(t *testing.T) (pids string) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(files) == 0 {
		t.Skip("this kernel does not say which children a process has")
	}
	for _, f := range files {
		text, _ := os.ReadFile(f)
		pids += string(text)
	}
	return pids
}

func needTwoCores(t *testing.T) [2]int {
	t.Helper()
	cores, err := twoCores()
	if err != nil {
		t.Skip(err)
	}
	return cores
}

// TestAComparison compares in all scenarios, for a short time each: all installed services with P2P_TEST_LONG, otherwise this project's
// with the floor.
func TestAComparison(t *testing.T) {
	needTwoCores(t)
	const sessions = 50
	var stdout, stderr bytes.Buffer
	line := strings.Fields("--rounds 1 --calm 0s --sessions 50 --json")
	spans := "--warmup 50ms --duration 200ms --idle 200ms"
	first := []string{"ours", "full", "floor"}
	// .ci/run sets it, and compares with every service that is installed. The race detector finds nothing in other services.
	if os.Getenv("P2P_TEST_LONG") == "" || raceEnabled {
		first = []string{"ours", "floor"}
		line = append(line, "--only", strings.Join(first, ","))
		spans = "--warmup 20ms --duration 100ms --idle 100ms"
	}
	line = append(line, strings.Fields(spans)...)
	if status := run(line, &stdout, &stderr); status != arguments.StatusOK {
		t.Fatalf("status %d: %s", status, &stderr)
	}
	var d document
	if err := json.Unmarshal(stdout.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Services) < len(first) || !slices.Equal(d.Services[:len(first)], first) {
		t.Fatalf("compared were %q", d.Services)
	}
	if want := len(d.Services) * len(scenarios()); len(d.Measurements) != want {
		t.Errorf("%d measurements; want %d", len(d.Measurements), want)
	}
	for _, m := range d.Measurements {
		switch {
		case m.Failed != "":
			t.Errorf("%s, %s: %s", m.Service, m.Scenario, m.Failed)
		case m.Seconds <= 0 || m.RSS <= 0 || m.GeneratorCPU <= 0:
			t.Errorf("%s, %s: nothing was measured: %+v", m.Service, m.Scenario, m.outcome)
		case m.Scenario == "idle" || m.Scenario == "tlsidle":
			if m.Sessions != sessions || m.FreshAnonymous <= 0 {
				t.Errorf("%s: held %d sessions; want %d: %+v", m.Service, m.Sessions, sessions, m.outcome)
			}
		case (m.Count == 0 || m.ServiceCPU <= 0) && m.disturbed():
			// Other programs may have had the cores for all of so short a time.
		case m.Count == 0 || m.ServiceCPU <= 0:
			t.Errorf("%s, %s: nothing was done: %+v", m.Service, m.Scenario, m.outcome)
		case m.Scenario != "cycles" && m.Verified < m.Count:
			t.Errorf("%s, %s: of %d relays %d were verified", m.Service, m.Scenario, m.Count, m.Verified)
		}
	}
	if left := children(t); left != "" {
		t.Errorf("children are left: %s", left)
	}
}

// TestClientsDoNotTakeThePortOfTheMetrics has all of the clients' address taken at that port, as by one of many clients of the service
// that was measured before.
func TestClientsDoNotTakeThePortOfTheMetrics(t *testing.T) {
	s, err := fully(service{}, "p2p-messaging", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(s.metrics)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(s.command, u.Host) {
		t.Errorf("the metrics are read at %s, and the command is %q", u.Host, s.command)
	}
	taken, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", u.Port()))
	if err != nil {
		t.Skipf("another program has port %s: %v", u.Port(), err)
	}
	defer taken.Close()
	l, err := net.Listen("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
}

// TestAnInterruptedComparisonLeavesNothingBehind interrupts a comparison under load.
func TestAnInterruptedComparisonLeavesNothingBehind(t *testing.T) {
	needTwoCores(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := options{Only: []string{"floor"}, Scenarios: []string{"window1"}, Rounds: 1, Duration: time.Hour}
	ended := make(chan error)
	go func() { ended <- o.run(ctx, io.Discard, io.Discard) }()
	for len(strings.Fields(children(t))) < 2 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("it has not noticed")
	}
	if left := children(t); left != "" {
		t.Errorf("children are left: %s", left)
	}
}

// unfair is a relay that does not keep its promise.
type unfair struct {
	*floor
	relay func(target *gws.Conn, text []byte)
}

func (u unfair) OnMessage(c *gws.Conn, m *gws.Message) {
	if !bytes.Contains(m.Bytes(), toStart) {
		u.floor.OnMessage(c, m)
		return
	}
	text := m.Bytes()
	to := text[bytes.LastIndex(text, toStart)+len(toStart):]
	u.mu.RLock()
	target := u.logins[string(to[:bytes.IndexByte(to, '"')])]
	u.mu.RUnlock()
	if target != nil {
		u.relay(target, text)
	}
}

// TestNobodyWinsByCheating measures relays that drop, repeat and change frames.
func TestNobodyWinsByCheating(t *testing.T) {
	for name, relay := range map[string]func(target *gws.Conn, text []byte){
		"drop":   func(*gws.Conn, []byte) {},
		"repeat": func(c *gws.Conn, text []byte) { _ = c.WriteString(string(text)); _ = c.WriteString(string(text)) },
		"change": func(c *gws.Conn, text []byte) { _ = c.WriteString(strings.Replace(string(text), "group", "Group", 1)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			s := gws.NewServer(unfair{&floor{logins: make(map[string]*gws.Conn)}, relay}, &gws.ServerOption{
				NewSession: func() gws.SessionStorage { return &floorSession{} },
			})
			go func() { _ = s.RunListener(listener) }() // runs until the test program ends: the server cannot be stopped
			j := job{
				Dialect: dialectJSON, Address: listener.Addr().String(), PID: os.Getpid(), Scenario: scenarios()[0],
				Duration: 100 * time.Millisecond, Grace: 100 * time.Millisecond,
			}
			if f, err := generate(t.Context(), j); err == nil {
				t.Errorf("nothing was noticed: %+v", f)
			}
		})
	}
}

// TestTheLoadTrustsOnlyTheCertificateOfTheRun offers a service over TLS to loads that trust its certificate and another one.
func TestTheLoadTrustsOnlyTheCertificateOfTheRun(t *testing.T) {
	pair, err := newCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	another, err := newCertificate(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	said, stdout := io.Pipe()
	go func() { _ = serveFloor(stdout, []string{pair.chain, pair.key}) }() // runs until the test program ends: the server cannot be stopped
	line := make([]byte, 100)
	n, err := said.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	j := job{
		Dialect: dialectJSON, Address: addressPattern.FindString(string(line[:n])), PID: os.Getpid(), Scenario: scenario{Size: 300, Window: 1, TLS: true},
		Duration: 50 * time.Millisecond, Grace: grace,
	}
	for trusted, good := range map[string]bool{pair.chain: true, another.chain: false, filepath.Join(t.TempDir(), "none"): false} {
		j.Trusted = trusted
		if f, err := generate(t.Context(), j); (err == nil) != good {
			t.Errorf("with a certificate that is the service's (%v): %+v, %v", good, f, err)
		}
	}
}

func TestMetricsThatCannotBeReadAreAFault(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	if err := scrapeUntilDone(t.Context(), s.URL); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("the fault is %v, want the status 404", err)
	}
	if err := scraping(t.Context(), "")(); err != nil {
		t.Errorf("without metrics: %v", err)
	}
}
