package options

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/alecthomas/kong"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
)

// parse parses a command line with these arguments. Until the test ends, no environment variable of a flag is set.
func parse(t *testing.T, arguments ...string) *Flags {
	t.Helper()
	var f Flags
	parser, err := kong.New(&f, kong.Vars(Vars()), kong.ExplicitGroups(Groups()), kong.Writers(io.Discard, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range parser.Model.Flags {
		for _, variable := range flag.Envs {
			if value, set := os.LookupEnv(variable); set {
				os.Unsetenv(variable)
				t.Cleanup(func() { os.Setenv(variable, value) })
			}
		}
	}
	if _, err := parser.Parse(arguments); err != nil {
		t.Fatalf("parsing %q: %v", arguments, err)
	}
	return &f
}

func TestWithoutFlagsTheOptionsAreTheDefaultsOfTheirPackages(t *testing.T) {
	f := parse(t)
	if err := f.Check(); err != nil {
		t.Errorf("Check: %v", err)
	}
	if got, want := f.Transport(nil, nil), transport.DefaultOptions(); !reflect.DeepEqual(got, want) {
		t.Errorf("the server's options are %+v; wanted %+v", got, want)
	}
	if got, want := f.Actors(nil), (actors.Options{QueueLimit: actors.DefaultQueueLimit, ResumeWindow: actors.DefaultResumeWindow}); !reflect.DeepEqual(got, want) {
		t.Errorf("the actor system's options are %+v; wanted %+v", got, want)
	}
	if f.port() != 7777 || f.Host != "" {
		t.Errorf("it listens on host %q, port %d; wanted every address and 7777", f.Host, f.port())
	}
}

func TestEachFlagReachesItsOption(t *testing.T) {
	logger, page := slog.New(slog.DiscardHandler), fstest.MapFS{}
	f := parse(t, "--trusted-proxy=127.0.0.1,10.1.2.3/8", "--trusted-proxy=::1", "--proxy-protocol", "--allow-origin=https://one.test,https://two.test", "--allow-origin=https://three.test", "--no-file-origin",
		"--rate=1", "--byte-rate=5KiB", "--login-timeout=90s", "--connections-per-address=11", "--logins-per-address=0", "--max-connections=9", "--burst=2", "--queue-limit=3MiB", "--resume-window=7s", "--no-presence", "--write-timeout=4s", "--message-timeout=8s", "--ping-interval=5s", "--idle-timeout=6m", "--handshake-timeout=7ms", "--retry-spread=9s")
	want := transport.Options{
		Logger: logger, Page: page,
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}, ProxyProtocol: true,
		AllowedOrigins: []string{"https://one.test", "https://two.test", "https://three.test"}, FileOrigin: false,
		Limits: transport.Limits{Rate: 1, Burst: 2, ByteRate: 5 << 10, MaxConnections: 9, LoginTimeout: 90 * time.Second,
			ConnectionsPerAddress: transport.AddressLimit{Most: 11, Private: true}, LoginsPerAddress: transport.AddressLimit{Most: 0, Private: true}},
		WriteTimeout: 4 * time.Second, MessageTimeout: 8 * time.Second, PingInterval: 5 * time.Second, IdleTimeout: 6 * time.Minute, HandshakeTimeout: 7 * time.Millisecond, RetrySpread: 9 * time.Second,
	}
	if got := f.Transport(logger, page); !reflect.DeepEqual(got, want) {
		t.Errorf("the server's options are %+v; wanted %+v", got, want)
	}
	if got, want := f.Actors(logger), (actors.Options{Logger: logger, QueueLimit: 3 << 20, ResumeWindow: 7 * time.Second, NoPresence: true}); !reflect.DeepEqual(got, want) {
		t.Errorf("the actor system's options are %+v; wanted %+v", got, want)
	}
}

func TestWhatTheServiceCannotUseIsNamed(t *testing.T) {
	for argument, want := range map[string]string{
		"--queue-limit=63KiB":    "--queue-limit must be 64KiB or more: the longest message must fit",
		"--resume-window=1500ms": "--resume-window must be a whole number of seconds, 1h0m0s at most",
		"--resume-window=-1s":    "--resume-window must be a whole number of seconds, 1h0m0s at most",
		"--resume-window=2h":     "--resume-window must be a whole number of seconds, 1h0m0s at most",
		"--write-timeout=0":      "--write-timeout cannot be 0: give a time such as 10s",
		"--message-timeout=0":    "--message-timeout cannot be 0: give a time such as 10s",
		"--ping-interval=0s":     "--ping-interval cannot be 0: give a time such as 10s",
		"--idle-timeout=0":       "--idle-timeout cannot be 0: give a time such as 10s",
		"--handshake-timeout=0h": "--handshake-timeout cannot be 0: give a time such as 10s",
	} {
		var usage *UsageError
		if err := parse(t, argument).Check(); !errors.As(err, &usage) || usage.Reason != want {
			t.Errorf("%s: %v; wanted the UsageError %q", argument, err, want)
		}
	}
}

func TestAHostThatCannotBeListenedOnIsNamed(t *testing.T) {
	for host, want := range map[string]string{
		"fe80::1":          "--host: fe80::1 is a link-local address: name its interface, too, as in fe80::1%eth0",
		"[fe80::1]":        "--host: fe80::1 is a link-local address: name its interface, too, as in fe80::1%eth0",
		"ff02::1":          "--host: ff02::1 is a multicast address: give an address of this machine",
		"224.0.0.1":        "--host: 224.0.0.1 is a multicast address: give an address of this machine",
		"localhost:8080":   `--host: "localhost:8080" has a port in it: give --host localhost --port 8080`,
		"[::1]:8080":       `--host: "[::1]:8080" has a port in it: give --host ::1 --port 8080`,
		"http://localhost": `--host: "http://localhost" is a URL or a network: give an address or a name alone`,
		"192.0.2.0/24":     `--host: "192.0.2.0/24" is a URL or a network: give an address or a name alone`,
	} {
		var usage *UsageError
		if err := parse(t, "--host="+host).Check(); !errors.As(err, &usage) || usage.Reason != want {
			t.Errorf("%s: %v; wanted the UsageError %q", host, err, want)
		}
	}
	for _, host := range []string{"", "localhost", "::", "[::1]", "0.0.0.0", "fe80::1%lo", "169.254.1.1", "chat.example.org"} {
		if err := parse(t, "--host="+host).Check(); err != nil {
			t.Errorf("%s: %v; wanted it taken", host, err)
		}
	}
}

func TestTheLoggerHasTheLevelAndTheFormat(t *testing.T) {
	levels := []string{"debug", "info", "warn", "error"}
	for i, level := range levels {
		var out bytes.Buffer
		logger := parse(t, "--log-level="+level).Logger(&out)
		logger.Debug("debug")
		logger.Info("info")
		logger.Warn("warn")
		logger.Error("error")
		var logged []string
		for line := range strings.Lines(out.String()) {
			_, message, _ := strings.Cut(strings.TrimSpace(line), "msg=")
			logged = append(logged, message)
		}
		if !slices.Equal(logged, levels[i:]) {
			t.Errorf("at level %s it logs %q; wanted %q", level, logged, levels[i:])
		}
	}
	var out bytes.Buffer
	parse(t, "--log-format=json").Logger(&out).Info("text")
	if !strings.HasPrefix(out.String(), "{") || !strings.Contains(out.String(), `"msg":"text"`) {
		t.Errorf("as JSON it logs %q; wanted an object", out.String())
	}
}

func TestListenOpensThePortOfTheFlags(t *testing.T) {
	for _, host := range []string{"", "127.0.0.1", "localhost"} {
		l, err := parse(t, "--port=0", "--host="+host).Listen()
		if err != nil {
			t.Errorf("Listen with host %q: %v", host, err)
			continue
		}
		if address := l.Addr().(*net.TCPAddr); (host != "") != address.IP.IsLoopback() || address.Port == 0 {
			t.Errorf("with host %q it listens at %v; wanted that host and a free port", host, address)
		}
		l.Close()
	}
}

func TestAnAddressThatThisMachineDoesNotHaveIsAUsageError(t *testing.T) {
	for _, host := range []string{"203.0.113.1", "[2001:db8::1]"} {
		l, err := parse(t, "--port=0", "--host="+host).Listen()
		if err == nil {
			l.Close()
		}
		var usage *UsageError
		if !errors.As(err, &usage) || !strings.Contains(usage.Reason, host) {
			t.Errorf("Listen with host %q: %v; wanted a UsageError that names it", host, err)
		}
	}
}
