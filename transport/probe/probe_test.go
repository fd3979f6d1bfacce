package probe_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	pion "github.com/pion/turn/v5"
	"go.uber.org/goleak"

	"p2p-messaging/actors"
	"p2p-messaging/messages"
	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/selfsigned"
	"p2p-messaging/transport/probe"
	"p2p-messaging/transport/service"
	"p2p-messaging/transport/turn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is that of the TURN servers.
var secret = []byte("secret of the test")

// relay starts a TURN server on 127.0.0.1 with this public address.
func relay(t *testing.T, public string, change ...func(*turn.Options)) *turn.Server {
	t.Helper()
	o := turn.DefaultOptions()
	o.Public = []netip.Addr{netip.MustParseAddr(public)}
	o.Listen, o.Secret, o.Logger = "127.0.0.1:0", secret, slog.New(slog.DiscardHandler)
	for _, f := range change {
		f(&o)
	}
	s, err := turn.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// offer is what a login gets.
type offer func(login string) []messages.ICEServer

// listen opens a port for a service.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// serve starts a service.
func serve(t *testing.T, l net.Listener, servers offer, change ...func(*transport.Options)) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	system := actors.NewSystem(actors.Options{Logger: logger, ICEServers: servers})
	outside := transport.DefaultOptions()
	outside.Logger = logger
	for _, f := range change {
		f(&outside)
	}
	server, err := transport.New(system, outside)
	if err != nil {
		t.Fatal(err)
	}
	running := service.Start(logger, system, server, l)
	t.Cleanup(func() {
		if err := running.Stop(); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
}

// run probes, and returns what was found.
func run(t *testing.T, flags probe.Flags) (probe.Report, error) {
	t.Helper()
	if flags.Timeout == 0 {
		flags.Timeout = 20 * time.Second
	}
	flags.JSON = true
	var stdout, stderr bytes.Buffer
	err := flags.Execute(t.Context(), &stdout, &stderr)
	var report probe.Report
	if usage := new(probe.UsageError); errors.As(err, &usage) {
		return report, err
	}
	if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
		t.Fatalf("the output is no JSON: %v\n%s", err, stdout.String())
	}
	return report, err
}

// find returns the first step of a way with a name.
func find(t *testing.T, r probe.Report, way, name string) probe.Step {
	t.Helper()
	for _, s := range r.Steps {
		if s.Way == way && s.Name == name {
			return s
		}
	}
	t.Fatalf("there is no step %s of %s in %+v", name, way, r.Steps)
	return probe.Step{}
}

// wantFault checks that a step failed for a reason, and that the run ended with err of the type E.
func wantFault[E error](t *testing.T, r probe.Report, err error, way, name string, code probe.Code, words string) {
	t.Helper()
	if _, ok := errors.AsType[E](err); !ok {
		t.Errorf("the error is %T %v", err, err)
	}
	if s := find(t, r, way, name); s.OK || s.Code != code || !strings.Contains(s.Cause, words) || r.OK {
		t.Errorf("the step is %+v; wanted the code %s and %q", s, code, words)
	}
}

// certificate returns a certificate for a name, and a file with it for --ca.
func certificate(t *testing.T, name string, from, until time.Time) (tls.Certificate, string) {
	t.Helper()
	c, err := selfsigned.New(x509.Certificate{
		DNSNames: []string{name}, NotBefore: from, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	})
	if err != nil {
		t.Fatal(err)
	}
	content, _, err := selfsigned.PEM(c)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return c, file
}

// secured is a service over TLS with a relay on its port.
func secured(t *testing.T, c tls.Certificate, public string) (url string) {
	t.Helper()
	l := listen(t)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	r := relay(t, public, func(o *turn.Options) { o.TLS = []string{"turns:localhost:" + port + "?transport=tcp"} })
	serve(t, l, r.ICEServers, func(o *transport.Options) {
		o.TLS, o.STUN = &tls.Config{Certificates: []tls.Certificate{c}}, r.STUN()
	})
	return "https://localhost:" + port
}

func valid() (from, until time.Time) { return time.Now().Add(-time.Hour), time.Now().Add(time.Hour) }

func TestAllThatAServiceOffersWorks(t *testing.T) {
	t.Parallel()
	from, until := valid()
	c, file := certificate(t, "localhost", from, until)
	r, err := run(t, probe.Flags{URL: secured(t, c, "127.0.0.1"), CA: file})
	if err != nil || !r.OK {
		t.Fatalf("%v: %+v", err, r)
	}
	for _, way := range []string{"direct", "STUN", "relay by UDP", "relay by TCP", "relay by TLS"} {
		for _, name := range []string{"call", "message"} {
			if s := find(t, r, way, name); !s.OK || s.Milliseconds <= 0 {
				t.Errorf("%+v", s)
			}
		}
	}
	for _, name := range []string{"connect", "TLS", "WebSocket", "login", "ICE servers"} {
		find(t, r, "service", name)
	}
}

func TestWithoutRelaysAllWorksAndThatIsTold(t *testing.T) {
	t.Parallel()
	l := listen(t)
	serve(t, l, nil)
	r, err := run(t, probe.Flags{URL: l.Addr().String(), LoginToken: "token for later"})
	if err != nil || !r.OK {
		t.Fatalf("%v: %+v", err, r)
	}
	if s := find(t, r, "service", "ICE servers"); !strings.Contains(s.Detail, "no relay") {
		t.Errorf("%+v; wanted it told that there is no relay", s)
	}
}

func TestAClosedTURNPortIsToldByEachTransport(t *testing.T) {
	t.Parallel()
	gone := relay(t, "127.0.0.1")
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	serve(t, l, gone.ICEServers)
	r, err := run(t, probe.Flags{URL: "http://" + l.Addr().String()})
	wantFault[*probe.FaultsError](t, r, err, "STUN", "binding", probe.CodePortClosed, "the port is closed")
	wantFault[*probe.FaultsError](t, r, err, "relay by UDP", "allocate", probe.CodePortClosed, "the port is closed")
	wantFault[*probe.FaultsError](t, r, err, "relay by TCP", "connect", probe.CodePortClosed, "the port is closed")
}

func TestATURNPortThatNobodyAnswersIsTold(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	l := listen(t)
	serve(t, l, func(login string) []messages.ICEServer {
		return turn.Servers{URLs: []string{"turn:" + silent.LocalAddr().String()}, Secret: secret}.For(login, time.Now())
	})
	r, err := run(t, probe.Flags{URL: "ws://" + l.Addr().String(), Timeout: time.Second})
	wantFault[*probe.FaultsError](t, r, err, "relay by UDP", "allocate", probe.CodeNoAnswer, "no answer by UDP")
}

func TestAWrongPublicAddressIsTold(t *testing.T) {
	t.Parallel()
	from, until := valid()
	c, file := certificate(t, "localhost", from, until)
	// The server listens on 127.0.0.1, and says that it is reached at 127.0.0.2.
	r, err := run(t, probe.Flags{URL: secured(t, c, "127.0.0.2"), CA: file})
	wantFault[*probe.FaultsError](t, r, err, "relay by UDP", "allocate", probe.CodePortClosed, "the public address may be wrong")
	wantFault[*probe.FaultsError](t, r, err, "relay by TCP", "connect", probe.CodePortClosed, "the public address may be wrong")
	wantFault[*probe.FaultsError](t, r, err, "relay by TLS", "allocate", probe.CodeAddress, "--turn-public-ip")
}

func TestRelaysThatDoNotReachEachOtherAreTold(t *testing.T) {
	t.Parallel()
	turns := listen(t)
	server, err := pion.NewServer(pion.ServerConfig{
		Realm: "test",
		AuthHandler: func(r *pion.RequestAttributes) (string, []byte, bool) {
			return r.Username, pion.GenerateAuthKey(r.Username, r.Realm, "password"), true
		},
		ListenerConfigs: []pion.ListenerConfig{{
			Listener:              turns,
			RelayAddressGenerator: &pion.RelayAddressGeneratorStatic{RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1"},
			PermissionHandler:     func(net.Addr, net.IP) bool { return false },
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	l := listen(t)
	serve(t, l, func(string) []messages.ICEServer {
		return []messages.ICEServer{{URLs: []string{"turn:" + turns.Addr().String() + "?transport=tcp"}, Username: "user", Credential: "password"}}
	})
	report, err := run(t, probe.Flags{URL: l.Addr().String(), Timeout: time.Second})
	wantFault[*probe.FaultsError](t, report, err, "relay by TCP", "call", probe.CodeNoWay, "--turn-ports")
}

func TestRefusedCredentialsAreToldByTheirCause(t *testing.T) {
	t.Parallel()
	r := relay(t, "127.0.0.1")
	urls := r.ICEServers("nobody")[1].URLs
	for name, c := range map[string]struct {
		secret []byte
		off    time.Duration
		code   probe.Code
		words  string
	}{
		"another secret":     {[]byte("another"), 0, probe.CodeCredentials, "another secret"},
		"a clock that lags":  {secret, -3 * time.Hour, probe.CodeClock, "clock differs by 3h0m"},
		"a clock that leads": {secret, 3 * time.Hour, probe.CodeClock, "NTP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listen(t)
			serve(t, l, func(login string) []messages.ICEServer {
				return turn.Servers{URLs: urls, Secret: c.secret}.For(login, time.Now().Add(c.off))
			})
			r, err := run(t, probe.Flags{URL: l.Addr().String()})
			wantFault[*probe.FaultsError](t, r, err, "relay by UDP", "allocate", c.code, c.words)
			wantFault[*probe.FaultsError](t, r, err, "relay by TCP", "allocate", c.code, c.words)
		})
	}
}

func TestACertificateIsToldByItsFault(t *testing.T) {
	t.Parallel()
	from, until := valid()
	for name, c := range map[string]struct {
		host        string
		from, until time.Time
		trusted     bool
		code        probe.Code
		words       string
	}{
		"unknown authority": {"localhost", from, until, false, probe.CodeUnknownAuthority, "--ca"},
		"another name":      {"other.test", from, until, true, probe.CodeOtherName, "another name than localhost"},
		"expired":           {"localhost", from, from.Add(time.Minute), true, probe.CodeExpired, "renew it"},
		"not valid yet":     {"localhost", until, until.Add(time.Hour), true, probe.CodeNotYetValid, "clock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pair, file := certificate(t, c.host, c.from, c.until)
			flags := probe.Flags{URL: secured(t, pair, "127.0.0.1")}
			if c.trusted {
				flags.CA = file
			}
			r, err := run(t, flags)
			wantFault[*probe.ServiceError](t, r, err, "service", "TLS", c.code, c.words)

			flags.CA, flags.Insecure = "", true
			if r, err := run(t, flags); err != nil {
				t.Errorf("with --insecure: %v: %+v", err, r)
			}
		})
	}
}

func TestWhatIsNoServiceIsTold(t *testing.T) {
	t.Parallel()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	defer page.Close()
	r, err := run(t, probe.Flags{URL: page.URL})
	wantFault[*probe.ServiceError](t, r, err, "service", "WebSocket", probe.CodeNoWebSocket, "a web page is there, and no WebSocket")

	r, err = run(t, probe.Flags{URL: strings.Replace(page.URL, "http", "wss", 1)})
	wantFault[*probe.ServiceError](t, r, err, "service", "TLS", probe.CodeNoTLS, "does not speak TLS")

	from, until := valid()
	c, _ := certificate(t, "localhost", from, until)
	r, err = run(t, probe.Flags{URL: strings.Replace(secured(t, c, "127.0.0.1"), "https", "http", 1)})
	wantFault[*probe.ServiceError](t, r, err, "service", "WebSocket", probe.CodeNoWebSocket, "https://")

	l := listen(t)
	_ = l.Close()
	r, err = run(t, probe.Flags{URL: l.Addr().String()})
	wantFault[*probe.ServiceError](t, r, err, "service", "connect", probe.CodePortClosed, "nothing listens there")
}

func TestPeopleReadAStepALineAndItsCause(t *testing.T) {
	t.Parallel()
	l := listen(t)
	serve(t, l, func(string) []messages.ICEServer {
		return []messages.ICEServer{{URLs: []string{"turn:\x1b[31m"}}}
	})
	flags := probe.Flags{URL: l.Addr().String(), Timeout: 20 * time.Second}
	var stdout bytes.Buffer
	err := flags.Execute(t.Context(), &stdout, &stdout)
	if _, ok := errors.AsType[*probe.FaultsError](err); !ok {
		t.Errorf("the error is %v", err)
	}
	for _, want := range []string{"ok    service", "ok    direct", "FAIL  relay", "cannot be read"} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("%q is missing in\n%s", want, stdout.String())
		}
	}
	if strings.Contains(stdout.String(), "\x1b") {
		t.Errorf("the terminal gets what the service sent: %q", stdout.String())
	}
}

func TestAnInterruptedProbeSaysSo(t *testing.T) {
	l := listen(t)
	serve(t, l, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	flags := probe.Flags{URL: l.Addr().String(), Timeout: 20 * time.Second}
	if err := flags.Execute(ctx, io.Discard, io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func TestAWrongCommandLineIsNamed(t *testing.T) {
	for _, flags := range []probe.Flags{
		{URL: ""}, {URL: "ftp://a"}, {URL: "https://"}, {URL: "https://[::1"}, {URL: "https://me:secret@a"},
		{URL: "localhost", Timeout: -1}, {URL: "localhost", CA: "/nowhere.pem"}, {URL: "localhost", CA: "/dev/null"}, {URL: "localhost", CA: "x", Insecure: true},
	} {
		if _, err := run(t, flags); !isUsage(err) {
			t.Errorf("%+v: %v; wanted a UsageError", flags, err)
		}
	}
}

func isUsage(err error) bool {
	_, ok := errors.AsType[*probe.UsageError](err)
	return ok
}
