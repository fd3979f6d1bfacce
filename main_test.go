package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/options"
	"p2p-messaging/transport/peerjs/conformance"
)

// binary is the program, built once for all tests. go run takes it from the go command's cache, where go build would link it again.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", name)
	if err == nil {
		binary = filepath.Join(dir, name)
		var output []byte
		if output, err = exec.Command("go", "run", "-exec", "cp", ".", binary).CombinedOutput(); err != nil {
			err = fmt.Errorf("%w: %s", err, output)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "building the program:", err)
		os.Exit(1)
	}
	// Most tests wait, for a process or for a time-out. So more of them run at once than there are processors, unless -parallel says otherwise.
	if err := flag.Set("test.parallel", strconv.Itoa(4*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// command is the program with arguments. Of the program's environment variables, only the given ones are set.
func command(ctx context.Context, variables []string, arguments ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, binary, arguments...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PORT=") && !strings.HasPrefix(v, "P2P_") {
			c.Env = append(c.Env, v)
		}
	}
	c.Env = append(c.Env, variables...)
	return c
}

// result is the output and the exit status of a process.
type result struct {
	stdout, stderr string
	status         int
}

// finish runs the program to its end.
func finish(t *testing.T, variables []string, arguments ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := command(ctx, variables, arguments...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("running the program: %v", err)
	}
	return result{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}

// running is a running service.
type running struct {
	t       *testing.T
	cmd     *exec.Cmd
	ready   string // what it printed to stdout, up to the ready line
	address string // host and port
	log     *log
	exited  chan struct{}
}

// start runs the program until it says that it is ready.
func start(t *testing.T, variables []string, arguments ...string) *running {
	t.Helper()
	return launch(t, command(context.Background(), variables, arguments...))
}

// launch is start for a command that is the program.
func launch(t *testing.T, c *exec.Cmd) *running {
	t.Helper()
	s := &running{t: t, cmd: c, log: newLog(), exited: make(chan struct{})}
	s.cmd.Stderr = s.log
	out := newLog()
	s.cmd.Stdout = out
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("starting the program: %v", err)
	}
	go func() {
		defer close(s.exited)
		_ = s.cmd.Wait() // The tests that need its status read it.
		out.end()
		s.log.end()
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.exited
	})
	if !out.waitFor("is ready") {
		t.Fatalf("the program ended before it was ready; stdout %q, stderr %q", out, s.log)
	}
	s.ready = out.String()
	match := regexp.MustCompile(`open https?://(\S+)/ in two browser windows\n`).FindStringSubmatch(s.ready)
	if match == nil {
		t.Fatalf("the ready line is %q; wanted an address to open", s.ready)
	}
	s.address = match[1]
	return s
}

func (s *running) dial(options ...client.Option) *client.Client {
	s.t.Helper()
	c, err := client.Dial(s.t.Context(), "ws://"+s.address, options...)
	if err != nil {
		s.t.Fatalf("Dial: %v", err)
	}
	s.t.Cleanup(c.CloseNow)
	return c
}

func (s *running) signal(signal os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatalf("sending %v: %v", signal, err)
	}
}

// end waits for the end of the process.
func (s *running) end() *os.ProcessState {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(5 * time.Second):
		s.t.Fatalf("the program still runs 5 s after the signal; stderr: %s", s.log)
	}
	return s.cmd.ProcessState
}

// log collects what a process writes. It can wait for a text.
type log struct {
	mu      sync.Mutex
	changed *sync.Cond
	text    bytes.Buffer
	ended   bool
}

func newLog() *log {
	l := &log{}
	l.changed = sync.NewCond(&l.mu)
	return l
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changed.Broadcast()
	return l.text.Write(p)
}

func (l *log) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.changed.Broadcast()
}

// waitFor waits until l contains text. It returns false if the process ended without writing it.
func (l *log) waitFor(text string) bool { return l.waitForTimes(text, 1) }

// waitForTimes waits until text has come so many times.
func (l *log) waitForTimes(text string, times int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for bytes.Count(l.text.Bytes(), []byte(text)) < times {
		if l.ended {
			return false
		}
		l.changed.Wait()
	}
	return true
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestWithoutACommandItServesThePageAndTheService(t *testing.T) {
	t.Parallel()
	s := start(t, nil, "--port=0")
	if !strings.HasPrefix(s.ready, "P2P Messaging is ready: open http://localhost:") {
		t.Errorf("the ready line is %q; wanted it to begin with where to point the browser", s.ready)
	}

	response, err := http.Get("http://" + s.address + "/")
	if err != nil {
		t.Fatalf("getting the page: %v", err)
	}
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(strings.ToLower(string(page)), "<!doctype html>") {
		t.Errorf("the page is %q, status %d, %v; wanted HTML", page, response.StatusCode, err)
	}

	alice, bob := s.dial(), s.dial()
	if err := alice.Login(t.Context(), "alice"); err != nil {
		t.Fatalf("Login: %v", err)
	}
	if err := bob.Login(t.Context(), "bob"); err != nil {
		t.Fatalf("Login: %v", err)
	}
	if err := alice.Send(t.Context(), messages.TypeOffer, "bob", "an offer"); err != nil {
		t.Fatalf("Send: %v", err)
	}
	m, err := bob.Receive(t.Context())
	if err != nil || m.From != "alice" || string(m.Payload) != `"an offer"` {
		t.Errorf("bob received %s, %v; wanted alice's offer", m.Text, err)
	}
}

func TestOnlyTheGivenAddressIsListenedOn(t *testing.T) {
	t.Parallel()
	s := start(t, []string{"P2P_HOST=127.0.0.1"}, "serve", "--port=0")
	if !strings.HasPrefix(s.address, "127.0.0.1:") || strings.Count(s.ready, "\n") != 1 {
		t.Errorf("the program printed %q; wanted the given address, and no other", s.ready)
	}
}

func TestWithACertificateItSpeaksTLSAndRedirects(t *testing.T) {
	t.Parallel()
	certFile, keyFile := selfSigned(t)
	redirect := "127.0.0.1:" + freePort(t)
	s := start(t, nil, "--host=127.0.0.1", "--port=0", "--tls-cert="+certFile, "--tls-key="+keyFile, "--http-redirect="+redirect)
	if !strings.HasPrefix(s.ready, "P2P Messaging is ready: open https://127.0.0.1:") {
		t.Errorf("the ready line is %q; wanted an https address", s.ready)
	}
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer web.CloseIdleConnections()
	response, err := web.Get("http://" + redirect + "/index.html")
	if err != nil {
		t.Fatalf("getting the page: %v", err)
	}
	_ = response.Body.Close()
	if got, want := response.Request.URL.String(), "https://"+s.address+"/index.html"; got != want || response.StatusCode != http.StatusOK || response.ProtoMajor != 2 {
		t.Errorf("the page comes from %s, %s, by %s; wanted %s by HTTP/2", got, response.Status, response.Proto, want)
	}
	c, err := client.Dial(t.Context(), "wss://"+s.address, client.WithTLSConfig(&tls.Config{InsecureSkipVerify: true}))
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer c.CloseNow()
	if err := c.Login(t.Context(), "alice"); err != nil {
		t.Errorf("Login: %v", err)
	}
}

// selfSigned writes a certificate for 127.0.0.1 and its key, and returns the names of the files.
func selfSigned(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// freePort returns the number of a port that nothing listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func TestAFlagWinsOverItsVariable(t *testing.T) {
	t.Parallel()
	taken := takePort(t)
	if r := finish(t, []string{"PORT=" + taken}); r.status != 1 || !strings.Contains(r.stderr, "port "+taken+" is in use") {
		t.Errorf("with PORT=%s, which is in use: %+v; wanted status 1 and a word about that port", taken, r)
	}
	start(t, []string{"PORT=" + taken}, "--port=0")
}

func TestOptionsReachTheService(t *testing.T) {
	t.Parallel()
	s := start(t, []string{"P2P_ALLOW_ORIGIN=https://one.test, https://two.test"}, "--port=0", "--host=127.0.0.1", "--no-file-origin", "--rate=0")
	for origin, want := range map[string]bool{
		"https://one.test": true, "https://two.test": true, "http://" + s.address: true, "https://three.test": false, "null": false,
	} {
		c, err := client.Dial(t.Context(), "ws://"+s.address, client.WithOrigin(origin))
		if err == nil {
			c.CloseNow()
		}
		var refused *client.HandshakeError
		if (err == nil) != want || (!want && (!errors.As(err, &refused) || refused.StatusCode != http.StatusForbidden)) {
			t.Errorf("Dial from %s: %v; wanted it to be permitted: %v", origin, err, want)
		}
	}
}

// takePort returns a port of this machine that is in use until the test's end.
func takePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}

func TestAWrongCommandLineIsOneLineAndStatus2(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		arguments, variable string
		want                []string // texts that the line must contain
	}{
		{arguments: "--port=abc", want: []string{"--port", `"abc"`, "65535"}},
		{arguments: "--port=-1", want: []string{"--port", `"-1"`}},
		{arguments: "--port -1", want: []string{"--port", `"-1"`, "65535"}},
		{arguments: "--host --port=5", want: []string{"--host", `"--port=5"`}},
		{arguments: "--host=fe80::1", want: []string{"--host", "fe80::1%"}},
		{arguments: "--tls-cert=/none", want: []string{"--tls-cert", "--tls-key"}},
		{arguments: "--tls-cert=/none --tls-key=/none", want: []string{"--tls-cert", "no file /none"}},
		{variable: "P2P_DOMAIN=*.example.org", want: []string{"--domain", "wildcard"}},
		{arguments: "--rate -5", want: []string{"rate", "-5"}},
		{arguments: "--queue-limit -1", want: []string{"--queue-limit", `"-1"`}},
		{arguments: "--allow-origin=https://*.example.org", want: []string{"https://*.example.org", "wildcards"}},
		{arguments: "--allow-origin=https://m\u00fcnchen.de", want: []string{"https://xn--mnchen-3ya.de"}},
		{variable: "P2P_ALLOW_ORIGIN=https://a.test,https://b.test:99999", want: []string{"99999", "65535"}},
		{arguments: "loadtest --pairs -5", want: []string{"--pairs", `"-5"`, "from 1 up"}},
		{arguments: "loadtest --rate -0.5", want: []string{"--rate", "-0.5"}},
		{arguments: "loadtest --duration -1s", want: []string{"--duration", "-1 s"}},
		{arguments: "loadtest --pid -1", want: []string{"--pid", "-1"}},
		{arguments: "loadtest --seed 0", want: []string{"--seed", `"0"`, "from 1 up"}},
		{arguments: "loadtest --seed -1", want: []string{"--seed", `"-1"`}},
		{arguments: "loadtest --check=errors<0", want: []string{"--check", "never"}},
		{arguments: "--port=65536", want: []string{"--port", `"65536"`}},
		{variable: "PORT=http", want: []string{"--port", "PORT", `"http"`}},
		{variable: "PORT=", want: []string{"--port", "PORT"}},
		{arguments: "--port", want: []string{"--port"}},
		{arguments: "--host=203.0.113.1", want: []string{"--host", "203.0.113.1"}},
		{arguments: "--host=[2001:db8::1]", want: []string{"--host", "2001:db8::1"}},
		{arguments: "--allow-origin=chat.example.org", want: []string{"chat.example.org", "https://"}},
		{variable: "P2P_ALLOW_ORIGIN=https://a.test,b.test", want: []string{"b.test", "https://"}},
		{arguments: "--file-origin=perhaps", want: []string{"--file-origin", "perhaps"}},
		{arguments: "--rate=-1", want: []string{"rate", "-1"}},
		{arguments: "--rate=fast", want: []string{"--rate", "fast", "p2p-messaging serve --help"}},
		{variable: "P2P_RATE=fast", want: []string{"P2P_RATE", "fast"}},
		{arguments: "--burst=0", want: []string{"burst", "0"}},
		{arguments: "--queue-limit=0", want: []string{"--queue-limit", "256KiB"}},
		{arguments: "--ping-interval=0s", want: []string{"--ping-interval", "0"}},
		{arguments: "--handshake-timeout=0", want: []string{"--handshake-timeout", "0"}},
		{arguments: "--queue-limit=63KiB", want: []string{"--queue-limit", "64KiB"}},
		{arguments: "--queue-limit=3KB", want: []string{"--queue-limit", "3KB"}},
		{arguments: "--queue-limit=9999999999GiB", want: []string{"--queue-limit", "9999999999GiB"}},
		{arguments: "--write-timeout=10", want: []string{"--write-timeout", "10", "unit"}},
		{arguments: "--write-timeout=-10s", want: []string{"write timeout", "-10s"}},
		{arguments: "--ping-interval=2m", want: []string{"ping interval", "idle timeout", "2m"}},
		{arguments: "--idle-timeout=1s", want: []string{"ping interval", "idle timeout", "1s"}},
		{arguments: "--handshake-timeout=soon", want: []string{"--handshake-timeout", "soon"}},
		{arguments: "--log-level=loud", want: []string{"--log-level", "loud", "debug"}},
		{arguments: "--log-format=xml", want: []string{"--log-format", "xml", "json"}},
		{arguments: "--unknown", want: []string{"--unknown", "p2p-messaging serve --help"}},
		{arguments: "unknown", want: []string{"unknown", "p2p-messaging --help"}},
		{arguments: "version --port=1", want: []string{"--port"}},
		{arguments: "loadtest rely", want: []string{"rely", "relay"}},
		{arguments: "loadtest idle idle", want: []string{"idle", "twice"}},
		{arguments: "loadtest --url=http://localhost/ws", want: []string{"--url", "ws://localhost/ws"}},
		{variable: "P2P_LOADTEST_URL=localhost", arguments: "loadtest", want: []string{"--url", "ws://"}},
		{arguments: "loadtest idle --sessions=0", want: []string{"--sessions", "0"}},
		{arguments: "loadtest --pairs=ten", want: []string{"--pairs", "ten", "p2p-messaging loadtest --help"}},
		{arguments: "chat", want: []string{"--login", "p2p-messaging chat --help"}},
		{arguments: "loadtest --relays-per-second=0", want: []string{"--relays-per-second", "0"}},
		{arguments: "loadtest --window=2 --relays-per-second=5", want: []string{"--window", "--relays-per-second"}},
		{arguments: "loadtest --duration=10", want: []string{"--duration", "unit"}},
		{arguments: "loadtest --check=latency<5ms", want: []string{"--check", "latency", "p99"}},
		{arguments: "loadtest --report=/nowhere/report.html", want: []string{"--report", "/nowhere"}},
		{arguments: "loadtest --report=/", want: []string{"--report", "folder"}},
	} {
		t.Run(strings.TrimSpace(c.variable+" "+c.arguments), func(t *testing.T) {
			t.Parallel()
			// If the program takes the wrong value, it still ends, because its port is in use.
			variables := []string{"PORT=" + takePort(t)}
			if c.variable != "" {
				variables = append(variables, c.variable)
			}
			r := finish(t, variables, strings.Fields(c.arguments)...)
			if r.status != 2 || r.stdout != "" {
				t.Errorf("status %d, stdout %q, stderr %q; wanted status 2 and nothing on stdout", r.status, r.stdout, r.stderr)
			}
			if strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, name+": ") {
				t.Errorf("stderr is %q; wanted one line with the program's name", r.stderr)
			}
			if strings.Contains(r.stderr, "perhaps try") {
				t.Errorf("stderr is %q; wanted no advice of kong's that cannot work", r.stderr)
			}
			for _, want := range c.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("stderr is %q; wanted it to contain %q", r.stderr, want)
				}
			}
		})
	}
}

func TestAPortInUseIsOneLineAndStatus1(t *testing.T) {
	t.Parallel()
	taken := takePort(t)
	for _, host := range []string{"", "0.0.0.0", "localhost"} {
		r := finish(t, nil, "--port="+taken, "--host="+host)
		want := name + ": port " + taken + " is in use: stop what listens there, or choose another port with --port\n"
		if r.status != 1 || r.stdout != "" || r.stderr != want {
			t.Errorf("with host %q: %+v; wanted status 1 and %q", host, r, want)
		}
	}
}

func TestHelpNamesEveryFlagItsVariableAndItsDefault(t *testing.T) {
	t.Parallel()
	general, serving, loading := finish(t, nil, "--help"), finish(t, nil, "serve", "--help"), finish(t, nil, "loadtest", "--help")
	for _, r := range []result{general, serving, loading} {
		if r.status != 0 || r.stderr != "" {
			t.Errorf("%+v; wanted status 0 and nothing on stderr", r)
		}
	}
	var cli commandLine
	parser, err := newParser(&cli, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]int{}
	for _, command := range parser.Model.Leaves(true) {
		if !strings.Contains(general.stdout, command.Name) {
			t.Errorf("the general help does not mention the command %s", command.Name)
		}
		in := map[string][]string{"serve": {serving.stdout}, "loadtest": {loading.stdout}}[command.Name]
		for _, flag := range command.Flags {
			flags[command.Name]++
			if flag.Help == "" {
				t.Errorf("--%s of %s has no help", flag.Name, command.Name)
			}
			if command.Name == "serve" && len(flag.Envs) != 1 {
				t.Errorf("--%s has the variables %q; wanted one", flag.Name, flag.Envs)
			}
			wanted := []string{"--" + flag.Name, flag.Default}
			if flag.Tag.Negatable != "" {
				wanted = []string{"--[no-]" + flag.Name}
			}
			for _, variable := range flag.Envs {
				wanted = append(wanted, "$"+variable)
				if variable != "PORT" && !strings.HasPrefix(variable, "P2P_") {
					t.Errorf("--%s has the variable %s; wanted it to begin with P2P_", flag.Name, variable)
				}
			}
			for _, want := range wanted {
				for _, help := range in {
					if !strings.Contains(help, want) {
						t.Errorf("the help does not mention %q of --%s", want, flag.Name)
					}
				}
			}
		}
	}
	if first := strings.Count(general.stdout, "\n  --"); first != 10 {
		t.Errorf("the general help has %d options of the service, want the ten that matter first", first)
	}
	if lines := strings.Count(general.stdout, "\n"); lines > 80 {
		t.Errorf("the general help has %d lines: it must fit in a head", lines)
	}
	for _, group := range options.Groups() {
		if title, _, _ := strings.Cut(strings.TrimSuffix(group.Title, ":"), " ("); !strings.Contains(general.stdout, title) {
			t.Errorf("the general help does not mention the subject %s", title)
		}
	}
	if flags["serve"] == 0 || flags["loadtest"] == 0 {
		t.Errorf("there are %v flags to look for; wanted some of serve and of loadtest", flags)
	}
}

func TestVersionSaysWhatThisIs(t *testing.T) {
	t.Parallel()
	for _, argument := range []string{"version", "--version"} {
		r := finish(t, nil, argument)
		if r.status != 0 || !regexp.MustCompile(`^p2p-messaging \S+.*, go1\.\S+, \w+/\w+\n$`).MatchString(r.stdout) {
			t.Errorf("%s: %+v; wanted status 0 and a line with program, version, Go version and platform", argument, r)
		}
	}
}

func TestTheOperatorSeesInside(t *testing.T) {
	t.Parallel()
	admin := "127.0.0.1:" + freePort(t)
	s := start(t, []string{"P2P_ADMIN_SESSIONS=true"}, "--port", "0", "--admin", admin)
	for path, want := range map[string]string{"/metrics": "p2p_ready 1", "/readyz": "ok", "/healthz": "ok", "/sessions": `"sessions":[]`} {
		answer, err := http.Get("http://" + admin + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("GET %s is answered with %s %.200s, %v; wanted %s in it", path, answer.Status, body, err, want)
		}
	}
	if r := finish(t, nil, "health", "--admin", admin); r.status != 0 {
		t.Errorf("health of a service that is ready: %+v", r)
	}
	s.signal(os.Interrupt)
	if state := s.end(); state.ExitCode() != 0 {
		t.Errorf("the service ended with %v", state)
	}
	if r := finish(t, nil, "health", "--admin", admin); r.status != 1 {
		t.Errorf("health of a service that has ended: %+v", r)
	}
}

func TestClientsAreToldWhenTheServiceEnds(t *testing.T) {
	t.Parallel()
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		t.Run(signal.String(), func(t *testing.T) {
			t.Parallel()
			s := start(t, nil, "--port=0")
			clients := []*client.Client{s.dial(), s.dial(), s.dial()}
			for i, c := range clients[1:] {
				if err := c.Login(t.Context(), fmt.Sprint("login", i)); err != nil {
					t.Fatalf("Login: %v", err)
				}
			}
			s.signal(signal)
			if state := s.end(); state.ExitCode() != 0 {
				t.Errorf("the program ended with %v; wanted status 0; stderr: %s", state, s.log)
			}
			for _, c := range clients {
				<-c.Done()
				var closed *client.CloseError
				if err := c.Err(); !errors.As(err, &closed) || closed.Code != messages.CloseServiceRestart ||
					!regexp.MustCompile(`^retry=\d+$`).MatchString(closed.Reason) {
					t.Errorf("the connection ended with %v; wanted 1012 and retry=<ms>", err)
				}
			}
		})
	}
}

// stall logs in bob, who reads nothing. It sends to him until every buffer between them is full.
func stall(t *testing.T, s *running) {
	t.Helper()
	alice, bob := s.dial(), s.dial(client.WithBuffer(0))
	if err := errors.Join(alice.Login(t.Context(), "alice"), bob.Login(t.Context(), "bob")); err != nil {
		t.Fatal(err)
	}
	payload := strings.Repeat("a", messages.MaxMessageBytes-1000)
	for refusals := 0; refusals < 50; { // 50 refusals in a row show that the queue for bob does not drain.
		err := errors.Join(
			alice.Send(t.Context(), messages.TypeOffer, "bob", payload),
			alice.Send(t.Context(), messages.TypeOffer, "nobody", nil), // The refusal of this one is the last answer.
		)
		if err != nil {
			t.Fatal(err)
		}
		m, err := alice.Receive(t.Context())
		var refusal *client.ServiceError
		if err != nil || !errors.As(m.Err(), &refusal) {
			t.Fatalf("alice received %s, %v; wanted an error of the service", m.Text, err)
		}
		if refusal.Code != messages.CodePeerOverloaded {
			refusals = 0
			continue
		}
		refusals++
		if _, err := alice.Receive(t.Context()); err != nil {
			t.Fatalf("Receive: %v", err)
		}
	}
}

func TestAClientThatReadsNothingDoesNotHoldUpTheEnd(t *testing.T) {
	t.Parallel()
	s := start(t, nil, "--port=0", "--rate=0")
	stall(t, s)
	s.signal(os.Interrupt)
	if state := s.end(); state.ExitCode() != 0 {
		t.Errorf("the program ended with %v; wanted status 0; stderr: %s", state, s.log)
	}
}

func TestASecondInterruptEndsItAtOnce(t *testing.T) {
	t.Parallel()
	s := start(t, nil, "--port=0", "--rate=0")
	stall(t, s)
	s.signal(os.Interrupt)
	if !s.log.waitFor("stopping") {
		t.Fatalf("the program did not say that it is stopping; stderr: %s", s.log)
	}
	s.signal(os.Interrupt)
	status, ok := s.end().Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Errorf("the program ended with %v; wanted it to be ended by the signal", s.cmd.ProcessState)
	}
}

// The lines about a connection have its id. None has a login, unless somebody asks for that.
func TestTheLogTellsOfConnectionsAndOfLoginsOnlyIfWanted(t *testing.T) {
	t.Parallel()
	const login, content = "a-login-of-nobody-else", "what nobody may read"
	for _, wanted := range []bool{false, true} {
		s := start(t, nil, "--port=0", "--log-level=debug", "--log-format=json", fmt.Sprint("--log-logins=", wanted))
		c := s.dial()
		if err := c.Login(t.Context(), login); err != nil {
			t.Fatalf("Login: %v", err)
		}
		if err := c.Send(t.Context(), messages.TypeOffer, "nobody", json.RawMessage(`"`+content+`"`)); err != nil {
			t.Fatal(err)
		}
		if err := c.Logout(t.Context()); err != nil { // so that the message has been acted on
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if !s.log.waitFor("a connection has ended") {
			t.Fatalf("the log is %s", s.log)
		}
		s.signal(os.Interrupt)
		s.end()
		ids := map[string][]string{}
		for line := range strings.Lines(s.log.String()) {
			var record struct{ Level, Msg, Connection, Login string }
			if err := json.Unmarshal([]byte(line), &record); err != nil || record.Level == "" || record.Msg == "" {
				t.Errorf("the log has the line %q, %v; wanted JSON with level and msg", line, err)
			}
			if record.Connection != "" {
				ids[record.Connection] = append(ids[record.Connection], record.Msg)
			}
			if want := wanted && record.Msg == "a login was accepted"; (record.Login == login) != want {
				t.Errorf("with --log-logins=%v: %s", wanted, line)
			}
		}
		want := []string{"a connection has begun", "a login was accepted", "a connection has ended"}
		if len(ids) != 1 || !slices.Equal(slices.Concat(slices.Collect(maps.Values(ids))...), want) {
			t.Errorf("the lines about the connection are %q; want %q with one id", ids, want)
		}
		if !wanted && strings.Contains(s.log.String(), login) || strings.Contains(s.log.String(), content) {
			t.Errorf("the log has what it must not have: %s", s.log)
		}
	}
}

func TestALoadTestPrintsItsFiguresAndWritesAReport(t *testing.T) {
	t.Parallel()
	s := start(t, nil, "--port=0", "--host=127.0.0.1")
	_, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "report.html")
	r := finish(t, []string{"PORT=" + port}, "loadtest", "--pairs=5", "--duration=500ms", "--warmup=0s", "--json", "--report="+report,
		"--check=errors=0,relays_delivered>0")
	var figures figures.Document
	if err := json.Unmarshal([]byte(r.stdout), &figures); err != nil || r.status != 0 {
		t.Fatalf("status %d, stdout %.500q, stderr %q, %v; wanted status 0 and JSON", r.status, r.stdout, r.stderr, err)
	}
	if figures.SessionsPeak != 10 || figures.Latency["relay"].Count == 0 || !figures.Verification.Done || len(figures.Verification.Findings) != 0 {
		t.Errorf("the figures are %+v; wanted verified relays of 10 sessions", figures)
	}
	if page, err := os.ReadFile(report); err != nil || !bytes.Contains(page, []byte("Load test: relay")) {
		t.Errorf("the report is %.100q, %v; wanted a page", page, err)
	}
	r = finish(t, nil, "loadtest", "idle", "--url=ws://"+s.address, "--sessions=5", "--duration=200ms", "--quiet")
	if r.status != 0 || r.stderr != "" || !strings.Contains(r.stdout, "5 sessions") {
		t.Errorf("%+v; wanted status 0, a summary and nothing on stderr", r)
	}
	r = finish(t, nil, "loadtest", "--url=ws://"+s.address, "--pairs=1", "--duration=200ms", "--check=p99<1us")
	if r.status != 1 || !strings.Contains(r.stdout, "VIOLATED") || !strings.Contains(r.stderr, "p99<1us does not hold") {
		t.Errorf("%+v; wanted status 1, figures and a word about the check", r)
	}
}

func TestALoadTestSharesItsSessionsAmongProcesses(t *testing.T) {
	t.Parallel()
	s := start(t, nil, "--port=0", "--host=127.0.0.1")
	r := finish(t, nil, "loadtest", "--url=ws://"+s.address, "--pairs=4", "--duration=500ms", "--processes=2", "--json", "--check=errors=0")
	var figures figures.Document
	if err := json.Unmarshal([]byte(r.stdout), &figures); err != nil || r.status != 0 {
		t.Fatalf("status %d, stdout %.500q, stderr %q, %v; wanted status 0 and JSON", r.status, r.stdout, r.stderr, err)
	}
	if figures.Generator.Processes != 2 || figures.SessionsPeak != 8 {
		t.Errorf("%d processes had %d sessions; wanted 2 with 8", figures.Generator.Processes, figures.SessionsPeak)
	}
}

func TestTheStatusOfAProbeSaysWhatItFound(t *testing.T) {
	t.Parallel()
	s := start(t, nil, "--port=0", "--host=127.0.0.1", "--turn-public-ip=127.0.0.1", "--turn-listen=127.0.0.1:0")
	if r := finish(t, nil, "probe", s.address); r.status != 0 || r.stderr != "" || strings.Contains(r.stdout, "FAIL") || !strings.Contains(r.stdout, "relay by TCP  message") {
		t.Errorf("%+v; wanted status 0 and no failure", r)
	}
	s = start(t, nil, "--port=0", "--host=127.0.0.1", "--ice-server=turn:127.0.0.1:1?transport=tcp", "--ice-server-secret=x")
	if r := finish(t, nil, "probe", s.address); r.status != 1 || !strings.Contains(r.stderr, "1 of ") || !strings.Contains(r.stdout, "the port is closed") {
		t.Errorf("%+v; wanted status 1 and the cause", r)
	}
	for _, arguments := range [][]string{{"probe", "http://127.0.0.1:1"}, {"probe", "ftp://127.0.0.1"}, {"probe"}, {"probe", "--insecure=perhaps", s.address}} {
		if r := finish(t, nil, arguments...); r.status != 2 || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%q: %+v; wanted status 2 and one line", arguments, r)
		}
	}
}

func TestTheStatusOfAChatSaysWhatBecameOfTheText(t *testing.T) {
	t.Parallel()
	s := start(t, nil, "--port=0", "--host=127.0.0.1")
	variables := []string{"P2P_CHAT_SERVICE=http://" + s.address, "XDG_STATE_HOME=" + t.TempDir()}
	for status, arguments := range map[int][]string{
		2: {"chat", "--login=alerts", "--once=text"},
		3: {"chat", "--login=alerts", "--to=bob", "--once=text"},
	} {
		if r := finish(t, variables, arguments...); r.status != status || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%q: %+v; wanted status %d and one line", arguments, r, status)
		}
	}
	bob := command(t.Context(), append(variables, "P2P_CHAT_IDENTITY="+filepath.Join(t.TempDir(), "bob.pem")), "chat", "--login=bob")
	bob.Stdin = strings.NewReader("")
	out, err := bob.StdoutPipe()
	if err == nil {
		err = bob.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = bob.Process.Kill() // it may have ended
		_ = bob.Wait()
	})
	arrived := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n') // without a text it is empty
		arrived <- line
	}()
	r := result{status: 3}
	for deadline := time.Now().Add(30 * time.Second); r.status == 3 && time.Now().Before(deadline); { // until bob is there
		r = finish(t, variables, "chat", "--login=alerts", "--to=bob", "--once=text")
	}
	if r.status != 0 || r.stderr == "" {
		t.Fatalf("%+v; wanted status 0", r)
	}
	if line := <-arrived; line != "alerts: text\n" {
		t.Errorf("bob gets %q", line)
	}
}

func TestALoadTestWithoutAServiceIsOneLineAndStatus2(t *testing.T) {
	t.Parallel()
	r := finish(t, nil, "loadtest", "--url=ws://127.0.0.1:1/")
	if r.status != 2 || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "127.0.0.1:1") {
		t.Errorf("%+v; wanted status 2 and one line", r)
	}
}

func TestAnInterruptedLoadTestPrintsTheFiguresSoFar(t *testing.T) {
	t.Parallel()
	s := start(t, nil, "--port=0", "--host=127.0.0.1")
	c := command(t.Context(), nil, "loadtest", "--url=ws://"+s.address, "--pairs=2", "--duration=1h", "--warmup=0s")
	var stdout bytes.Buffer
	progress := newLog()
	c.Stdout, c.Stderr = &stdout, progress
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait(); progress.end() }()
	if !progress.waitFor("measuring") {
		t.Fatalf("it did not say that it measures; stderr: %s", progress)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	<-ended
	if status := c.ProcessState.ExitCode(); status != 130 || !strings.Contains(stdout.String(), "relays/s") || !strings.Contains(stdout.String(), "interrupted") {
		t.Errorf("status %d, stdout %q, stderr %q; wanted status 130 and the figures", status, stdout.String(), progress)
	}
}

// refusesPagesOf reports whether a page of this origin may not connect.
func (s *running) refusesPagesOf(origin string) bool {
	s.t.Helper()
	response, err := http.Get("http://" + s.address + "/ws?origin=" + url.QueryEscape(origin))
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusForbidden
}

func TestAHangupReadsTheConfigurationAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.toml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	s := start(t, nil, "--port=0", "--config="+path)
	alice := s.dial()
	if err := alice.Login(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	const page = "https://chat.test"
	if !s.refusesPagesOf(page) {
		t.Fatal("a page that nobody allows may connect")
	}
	write(`allow-origin = ["` + page + `"]
log-level = "warn"
idle-timeout = "2m"`)
	s.signal(syscall.SIGHUP)
	if !s.log.waitFor("some options wait for a restart") || !strings.Contains(s.log.String(), "idle-timeout") {
		t.Fatalf("the log is %s", s.log)
	}
	if s.refusesPagesOf(page) {
		t.Error("a page that the file allows now may not connect")
	}
	for i, broken := range []string{"allow-origin = [", "allow-origin = ['nonsense']", "zebra = 1", "queue-limit = 1", "allow-origin = []\nrate = -1"} {
		write(broken)
		s.signal(syscall.SIGHUP)
		if !s.log.waitForTimes("the configuration stays as it was", i+1) {
			t.Fatalf("%q: the log is %s", broken, s.log)
		}
		if s.refusesPagesOf(page) {
			t.Errorf("%q: a part of the broken file was taken", broken)
		}
	}
	if err := alice.Logout(t.Context()); err != nil {
		t.Errorf("the session did not survive: %v", err)
	}
}

func TestAHangupChangesTheLimits(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, nil, "--port=0", "--config="+path)
	if err := s.dial().Login(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	s.dial().CloseNow()
	if err := os.WriteFile(path, []byte("connections-per-address = 1\nlogin-timeout = '1m'\nbyte-rate = '1MiB'"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	if !s.log.waitFor("the configuration was read again") || strings.Contains(s.log.String(), "wait for a restart") {
		t.Errorf("the log is %s", s.log)
	}
	var refused *client.HandshakeError
	if _, err := client.Dial(t.Context(), "ws://"+s.address); !errors.As(err, &refused) || refused.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a second connection of one address: %v, want 503", err)
	}
}

// A service that begins with the socket of the one before loses no connection that is on its way.
func TestASocketThatWasPassedIsServed(t *testing.T) {
	t.Parallel()
	l, file := listening(t)
	const short = "--retry-spread=1s"
	first := launch(t, passed(short, file))
	if first.address != l.Addr().String() && !strings.HasSuffix(first.address, fmt.Sprint(":", l.Addr().(*net.TCPAddr).Port)) {
		t.Fatalf("it serves at %s, want %s", first.address, l.Addr())
	}
	alice, err := client.Dial(t.Context(), "ws://"+l.Addr().String(), client.WithKeep())
	if err != nil {
		t.Fatal(err)
	}
	defer alice.CloseNow()
	if err := alice.Login(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	first.signal(syscall.SIGTERM)
	first.end()
	// Nobody serves now, and nobody is refused: the socket listens.
	waiting := make(chan error, 1)
	go func() {
		bob, err := client.Dial(t.Context(), "ws://"+l.Addr().String())
		if err == nil {
			err = bob.Login(t.Context(), "bob")
			bob.CloseNow()
		}
		waiting <- err
	}()
	launch(t, passed(short, file))
	if err := <-waiting; err != nil {
		t.Errorf("who came between the two: %v", err)
	}
	var lost *client.SessionLostError
	if _, err := alice.Receive(t.Context()); !errors.As(err, &lost) {
		t.Errorf("alice is told %v, want that her session has begun again", err)
	}
	c := passed(short, file, file)
	if output, err := c.CombinedOutput(); err == nil || !strings.Contains(string(output), "2 sockets were passed to this program by LISTEN_FDS: pass one") {
		t.Errorf("with two sockets: %v, %s", err, output)
	}
}

// An upgrade refuses nobody, while clients come all the time. Those that were there come back by themselves.
func TestAnUpgradeRefusesNobody(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere connections that the old process has not accepted are lost")
	}
	const retrySpread = "--retry-spread=1s"
	t.Run("with a socket that stays", func(t *testing.T) {
		t.Parallel()
		_, file := listening(t)
		first := launch(t, passed(retrySpread, file))
		first.upgradeUnderLoad(func() {
			first.signal(syscall.SIGTERM)
			first.end()
			launch(t, passed(retrySpread, file))
		})
	})
	t.Run("with two processes at a port", func(t *testing.T) {
		t.Parallel()
		first := start(t, nil, "--port=0", "--host=127.0.0.1", "--reuse-port", retrySpread)
		_, port, _ := net.SplitHostPort(first.address)
		first.upgradeUnderLoad(func() {
			start(t, nil, "--port="+port, "--host=127.0.0.1", "--reuse-port", retrySpread)
			first.signal(syscall.SIGTERM)
			first.end()
		})
	})
}

// upgradeUnderLoad calls upgrade while clients are connected, and others come and go.
func (s *running) upgradeUnderLoad(upgrade func()) {
	t := s.t
	t.Helper()
	const staying, coming = 20, 4
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	back := make(chan error, staying)
	for i := range staying {
		c := s.dial(client.WithKeep())
		if err := c.Login(ctx, fmt.Sprint("staying", i)); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := c.Receive(ctx)
			back <- err
		}()
	}
	upgraded := make(chan struct{})
	var group sync.WaitGroup
	for i := range coming {
		group.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-upgraded:
					return
				default:
				}
				c, err := client.Dial(ctx, "ws://"+s.address)
				if err != nil {
					t.Errorf("a client that comes is refused: %v", err)
					return
				}
				err = c.Login(ctx, fmt.Sprintf("coming %d %d", i, n))
				var told *client.CloseError
				if err != nil && !(errors.As(err, &told) && told.Code == messages.CloseServiceRestart) {
					t.Errorf("a client that comes cannot log in: %v", err)
				}
				c.CloseNow()
			}
		})
	}
	upgrade()
	close(upgraded)
	group.Wait()
	for range staying {
		err := <-back
		var lost *client.SessionLostError
		if !errors.As(err, &lost) || lost.Err != nil {
			t.Errorf("a client that was there has %v; want that its session has begun again", err)
		}
	}
}

// listening returns a listener of this machine, and a duplicate of its socket for a program.
func listening(t *testing.T) (net.Listener, *os.File) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return l, file
}

// passed is the program with sockets that it takes over.
func passed(argument string, files ...*os.File) *exec.Cmd {
	c := command(context.Background(), []string{fmt.Sprintf("LISTEN_FDS=%d", len(files))})
	c.Args = []string{"sh", "-c", `LISTEN_PID=$$ exec "$0" --port=1 "$1"`, c.Path, argument}
	c.Path, c.ExtraFiles = "/bin/sh", files
	return c
}

func TestTheSupervisorIsTold(t *testing.T) {
	t.Parallel()
	names := map[string]string{"a path": filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		names["an abstract name"] = fmt.Sprintf("@p2p-messaging-test-%d", os.Getpid()) // unix(7)
	}
	for kind, name := range names {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
			if err != nil {
				t.Fatal(err)
			}
			defer told.Close()
			_ = told.SetReadDeadline(time.Now().Add(30 * time.Second))
			hears := func(want string) {
				t.Helper()
				b := make([]byte, 200)
				for {
					n, err := told.Read(b)
					if err != nil {
						t.Fatalf("waiting for %s: %v", want, err)
					}
					if strings.HasPrefix(string(b[:n]), want) {
						return
					}
					if got := string(b[:n]); got != "WATCHDOG=1" {
						t.Fatalf("told %q, want %q", got, want)
					}
				}
			}
			s := start(t, []string{"NOTIFY_SOCKET=" + name, "WATCHDOG_USEC=300000"}, "--port=0")
			hears("READY=1")
			hears("WATCHDOG=1")
			s.signal(syscall.SIGHUP)
			hears("RELOADING=1\nMONOTONIC_USEC=")
			hears("READY=1")
			s.signal(syscall.SIGTERM)
			hears("STOPPING=1")
			s.end()
		})
	}
}

// openFiles is how many files the service of these tests may open. It has 112 to 120 places then, and keeps 20 files back.
const openFiles = 160

// startWithFewFiles starts the service under a low limit of open files.
func startWithFewFiles(t *testing.T, arguments ...string) *crammed {
	t.Helper()
	c := command(context.Background(), nil, arguments...)
	c.Args = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$0" "$@"`, openFiles), c.Path}, c.Args[1:]...)
	c.Path = "/bin/sh"
	return &crammed{running: launch(t, c)}
}

// crammed is a service whose files are taken.
type crammed struct {
	*running
	turn string // the address of its TURN server
}

const turnSecret = "secret of the test"

// filling takes files of a service until it gives out no more.
type filling struct {
	name   string
	secure bool
	one    func(t *testing.T, s *crammed, i int) (io.Closer, error)
	makes  bool // room for newcomers
}

// socket opens a connection to the service.
func (s *running) socket(secure bool) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", s.address, 10*time.Second)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if secure {
		return tls.Client(c, &tls.Config{InsecureSkipVerify: true}), nil
	}
	return c, nil
}

const upgrade = "GET /ws HTTP/1.1\r\nHost: service.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// asks sends a request, and returns the status and the words of the answer. The connection stays open.
func asks(c net.Conn, request string) (status int, words string, err error) {
	if _, err := io.WriteString(c, request); err != nil {
		return 0, "", err
	}
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, "", err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		text, _ := io.ReadAll(response.Body)
		words = string(text)
	}
	return response.StatusCode, words, nil
}

func fillings() []filling {
	opens := func(request string, answered, secure bool) func(*testing.T, *crammed, int) (io.Closer, error) {
		return func(_ *testing.T, s *crammed, _ int) (io.Closer, error) {
			c, err := s.socket(secure)
			if err != nil {
				return nil, err
			}
			if !answered {
				_, err = io.WriteString(c, request)
				return c, err
			}
			status, words, err := asks(c, request)
			if err == nil && status >= 400 {
				err = errors.New(words)
			}
			return c, err
		}
	}
	logsIn := func(secure bool) func(*testing.T, *crammed, int) (io.Closer, error) {
		return func(t *testing.T, s *crammed, i int) (io.Closer, error) {
			scheme := "ws://"
			if secure {
				scheme = "wss://"
			}
			c, err := client.Dial(t.Context(), scheme+s.address, client.WithTLSConfig(&tls.Config{InsecureSkipVerify: true}))
			if err != nil {
				return nil, err
			}
			return c, c.Login(t.Context(), fmt.Sprint("user ", i))
		}
	}
	const page, half = "GET / HTTP/1.1\r\nHost: service.test\r\n\r\n", "GET / HTTP/1.1\r\n"
	return []filling{
		{"WebSockets without a login", false, opens(upgrade, true, false), true},
		{"pages", false, opens(page, true, false), true},
		{"halves of requests", false, opens(half, false, false), true},
		{"sessions", false, logsIn(false), false},
		{"pages over TLS", true, opens(page, true, true), true},
		{"beginnings of TLS", true, opens("\x16\x03\x01", false, false), true},
		{"sessions over TLS", true, logsIn(true), false},
		{"streams of TURN", false, func(_ *testing.T, s *crammed, _ int) (io.Closer, error) { return net.Dial("tcp", s.turn) }, true},
		{"allocations of TURN", false, allocates, true},
	}
}

// allocates makes an allocation of the service's TURN server.
func allocates(t *testing.T, s *crammed, i int) (io.Closer, error) {
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	username, credential, err := turn.GenerateLongTermTURNRESTCredentials(turnSecret, "alice", time.Hour)
	if err != nil {
		return nil, err
	}
	c, err := turn.NewClient(&turn.ClientConfig{
		TURNServerAddr: s.turn, Conn: socket, Username: username, Password: credential, Realm: "p2p-messaging",
		LoggerFactory: &logging.DefaultLoggerFactory{Writer: io.Discard},
	})
	if err != nil {
		return nil, err
	}
	if err := c.Listen(); err != nil {
		return nil, err
	}
	relay, err := c.Allocate()
	return closers{relay, closerFunc(c.Close), socket}, err
}

type closerFunc func()

func (f closerFunc) Close() error { f(); return nil }

type closers []io.Closer

func (all closers) Close() error {
	for _, c := range all {
		if c != nil {
			_ = c.Close()
		}
	}
	return nil
}

// processorTime returns how long the process has computed.
func (s *running) processorTime(t *testing.T) time.Duration {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var ticks int
	for _, field := range fields[11:13] { // utime and stime; proc(5)
		n, _ := strconv.Atoi(field)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

func TestAtTheLimitOfFilesNewcomersAreRefusedInWordsAndOthersServed(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the files and the processor time of a process are known on Linux")
	}
	t.Parallel()
	for _, fill := range fillings() {
		t.Run(fill.name, func(t *testing.T) {
			t.Parallel()
			turns := "127.0.0.1:" + freePort(t)
			arguments := []string{"--host=127.0.0.1", "--port=0", "--message-timeout=1m"}
			if fill.secure {
				certificate, key := selfSigned(t)
				arguments = append(arguments, "--tls-cert="+certificate, "--tls-key="+key)
			}
			if strings.Contains(fill.name, "TURN") {
				arguments = append(arguments, "--turn-public-ip=127.0.0.1", "--turn-listen="+turns, "--turn-secret="+turnSecret, "--turn-allocations-per-login=0", "--turn-allow-peer=127.0.0.0/8")
			}
			s := startWithFewFiles(t, arguments...)
			s.turn = turns
			scheme := "ws://"
			if fill.secure {
				scheme = "wss://"
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			join := func(login string) (*client.Client, error) {
				c, err := client.Dial(ctx, scheme+s.address, client.WithTLSConfig(&tls.Config{InsecureSkipVerify: true}))
				if err != nil {
					return nil, err
				}
				t.Cleanup(c.CloseNow)
				return c, c.Login(ctx, login)
			}
			alice, err := join("alice")
			if err != nil {
				t.Fatal(err)
			}
			bob, err := join("bob")
			if err != nil {
				t.Fatal(err)
			}
			relays := func() {
				t.Helper()
				if err := alice.SendText(ctx, []byte(`{"type":"bye","reason":"left","from":"alice","to":"bob"}`)); err != nil {
					t.Fatal(err)
				}
				if m, err := bob.Receive(ctx); err != nil || m.Type != "bye" {
					t.Fatalf("bob received %+v, %v", m, err)
				}
			}
			relays()

			var open []io.Closer
			defer func() { _ = closers(open).Close() }()
			for i := range 2 * openFiles {
				c, err := fill.one(t, s, i)
				if c != nil {
					open = append(open, c)
				}
				if err != nil {
					break // it is full
				}
			}
			relays()
			if len(open) < openFiles/2 {
				t.Fatalf("only %d were opened", len(open))
			}

			// Each newcomer is answered, also if many come at once. On a busy machine, one may have to try again.
			fair := func(status int, words string) bool {
				return status == http.StatusServiceUnavailable && strings.Contains(words, "full") || status == http.StatusSwitchingProtocols && fill.makes
			}
			ask := func() (status int, words string, err error) {
				c, err := s.socket(fill.secure)
				if err != nil {
					return 0, "", err
				}
				defer c.Close()
				return asks(c, upgrade)
			}
			if status, words, err := ask(); err != nil || !fair(status, words) {
				t.Errorf("a newcomer was answered with %d %s, %v", status, words, err)
			}
			var all sync.WaitGroup
			for range 100 {
				all.Go(func() {
					status, words, err := ask()
					for err != nil && ctx.Err() == nil {
						status, words, err = ask()
					}
					if err != nil || !fair(status, words) {
						t.Errorf("one of many newcomers was answered with %d %s, %v", status, words, err)
					}
				})
			}
			all.Wait()
			relays()

			// It does not spin.
			const look = 300 * time.Millisecond
			before := s.processorTime(t)
			<-time.After(look)
			if took := s.processorTime(t) - before; took > look/2 {
				t.Errorf("in %v the service computes for %v", look, took)
			}

			// It recovers by itself.
			_ = closers(open).Close()
			open = nil
			for {
				c, err := join("newcomer")
				if err == nil {
					defer c.CloseNow()
					break
				}
				if ctx.Err() != nil {
					t.Fatal(err)
				}
			}
			relays()
		})
	}
}

// TestPeerJSClientsFindWhatAPeerJSServerDoes tries the program with everything that PeerJS's clients rely on.
func TestPeerJSClientsFindWhatAPeerJSServerDoes(t *testing.T) {
	t.Parallel()
	conformance.OfThisService(t, func(t *testing.T, s conformance.Settings) string {
		arguments := []string{"--host", "127.0.0.1", "--port", "0", "--peerjs", "--log-level", "error"}
		for flag, value := range map[string]string{"--peerjs-path": s.Path, "--peerjs-key": s.Key} {
			if value != "" {
				arguments = append(arguments, flag, value)
			}
		}
		for _, origin := range s.Origins {
			if origin != "" {
				arguments = append(arguments, "--peerjs-cors", origin)
			}
		}
		if s.Discovery {
			arguments = append(arguments, "--peerjs-allow-discovery")
		}
		if s.Limit > 0 {
			arguments = append(arguments, "--peerjs-concurrent-limit", strconv.Itoa(s.Limit))
		}
		if s.Expire > 0 {
			arguments = append(arguments, "--peerjs-expire-timeout", s.Expire.String())
		}
		if s.Alive > 0 {
			arguments = append(arguments, "--peerjs-alive-timeout", s.Alive.String())
		}
		return start(t, nil, arguments...).address
	})
}
