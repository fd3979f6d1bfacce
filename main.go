// Command p2p-messaging serves the signaling service and its page: two people open the page, find each other by login,
// and from then on their browsers talk directly.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/loadtest"
	"p2p-messaging/web"
)

const (
	name = "p2p-messaging"

	description = `Lets two browsers find each other and chat directly, browser to browser.

It serves a page and carries the signaling messages (WebSocket, JSON) by which two pages set up a WebRTC connection. ` +
		`What people write to each other never passes through it.

Examples:

  p2p-messaging                           serve on port 7777, then open http://localhost:7777/
  p2p-messaging --port 8080               … on another port; so does PORT=8080
  p2p-messaging --host 127.0.0.1          … for this machine only, for example behind a proxy
  p2p-messaging --allow-origin https://chat.example.org --no-file-origin
                                          … for the service's own page and that site's
  p2p-messaging loadtest                  put load on the service, from another terminal
  p2p-messaging version                   say which version this is

Each flag may be given as the environment variable named with it instead; a flag wins over its variable. ` +
		`The exit status is 0 after Ctrl-C or SIGTERM, 2 for a wrong command line and 1 for other failures.`
)

// Exit statuses.
const (
	statusOK = iota
	statusFailure
	statusUsage
	statusInterrupted = 130 // as a shell says it: 128 and the number of SIGINT
)

// collectorPercent is how much garbage the collector lets gather, in percent of what lives, where GOGC says nothing else.
// A relayed message leaves none, so that less than Go's usual 100 costs only those who come and go: with 100,000 sessions
// a login and its end take some 10 µs more, and a session a fifth less memory (BenchmarkCollector in package transport).
const collectorPercent = 50

// goodbye is how long clients have to take the news that the service is going away: those that never close their side are let
// go after 3 s, when the sweep finds them. With what the server needs to cut off the rest, the process ends within 5 s.
const goodbye = 4250 * time.Millisecond

// cleanup is how long the sessions have to end, whose connections have.
const cleanup = 500 * time.Millisecond

type commandLine struct {
	Serve          serve          `cmd:"" default:"withargs" help:"Serve the page and the signaling service; also what happens without a command."`
	Loadtest       loadTest       `cmd:"" help:"Put load on a service and measure what it does."`
	LoadtestWorker loadTestWorker `cmd:"" hidden:""`
	Version        version        `cmd:"" help:"Print version, revision and platform."`
}

// serve has the service's options. Their defaults come from the packages that they are for; see defaults.
type serve struct {
	Port port   `group:"listen" env:"PORT" default:"${port}" placeholder:"PORT" help:"TCP port to listen on; 0 picks a free one and prints it. Default: ${default}."`
	Host string `group:"listen" env:"P2P_HOST" placeholder:"ADDRESS" help:"Address to listen on. Default: all of this machine's."`

	AllowOrigin []string `group:"access" env:"P2P_ALLOW_ORIGIN" placeholder:"ORIGIN" help:"Let pages of this other origin connect, such as https://chat.example.org. May be repeated, or hold a list with commas. Default: none."`
	FileOrigin  bool     `group:"access" env:"P2P_FILE_ORIGIN" default:"${file_origin}" negatable:"" help:"Let pages opened from disk connect; refuse them with --no-file-origin. Default: ${default}."`

	Rate       int  `group:"limits" env:"P2P_RATE" default:"${rate}" placeholder:"N" help:"Messages a second that one connection may send in the long run; beyond that it is read more slowly. 0: no limit. Default: ${default}."`
	Burst      int  `group:"limits" env:"P2P_BURST" default:"${burst}" placeholder:"N" help:"Messages that one connection may send at once before --rate applies. Default: ${default}."`
	QueueLimit size `group:"limits" env:"P2P_QUEUE_LIMIT" default:"${queue_limit}" placeholder:"SIZE" help:"What may wait for one client, in bytes or as in 256KiB or 1MiB; beyond that, messages for it are refused. Default: ${default}."`

	WriteTimeout     time.Duration `group:"timing" env:"P2P_WRITE_TIMEOUT" default:"${write_timeout}" placeholder:"TIME" help:"How long a client may read nothing of what is sent to it before it is cut off. Default: ${default}."`
	PingInterval     time.Duration `group:"timing" env:"P2P_PING_INTERVAL" default:"${ping_interval}" placeholder:"TIME" help:"Time between two pings to a client. Default: ${default}."`
	IdleTimeout      time.Duration `group:"timing" env:"P2P_IDLE_TIMEOUT" default:"${idle_timeout}" placeholder:"TIME" help:"How long a client may give no sign of life; longer than --ping-interval. Default: ${default}."`
	HandshakeTimeout time.Duration `group:"timing" env:"P2P_HANDSHAKE_TIMEOUT" default:"${handshake_timeout}" placeholder:"TIME" help:"How long a client may take to send the headers of its request. Default: ${default}."`

	LogLevel  string `group:"log" env:"P2P_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" placeholder:"LEVEL" help:"Least important level to log, to stderr: debug, info, warn or error. Default: ${default}."`
	LogFormat string `group:"log" env:"P2P_LOG_FORMAT" default:"text" enum:"text,json" placeholder:"FORMAT" help:"Either text or json. Default: ${default}."`
}

// defaults are the variables in serve's tags.
func defaults() kong.Vars {
	o := transport.DefaultOptions()
	vars := kong.Vars{
		"port":              "7777",
		"file_origin":       strconv.FormatBool(o.FileOrigin),
		"rate":              strconv.Itoa(o.Rate),
		"burst":             strconv.Itoa(o.Burst),
		"queue_limit":       size(actors.DefaultQueueLimit).String(),
		"write_timeout":     o.WriteTimeout.String(),
		"ping_interval":     o.PingInterval.String(),
		"idle_timeout":      o.IdleTimeout.String(),
		"handshake_timeout": o.HandshakeTimeout.String(),
	}
	maps.Copy(vars, loadtest.Vars(cmp.Or(os.Getenv("PORT"), vars["port"])))
	return vars
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run parses the command line and runs its command. It returns the exit status.
func run(arguments []string, stdout, stderr io.Writer) int {
	fail := func(status int, err error) int {
		fmt.Fprintf(stderr, "%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return status
	}
	var cli commandLine
	parser, err := newParser(&cli, stdout, stderr)
	if err != nil {
		return fail(statusFailure, err)
	}
	if len(arguments) == 1 && arguments[0] == "--version" {
		arguments = []string{"version"}
	}
	parsed, err := parser.Parse(arguments)
	if err != nil {
		return fail(statusUsage, fmt.Errorf("%w (see %s --help)", err, name))
	}
	parsed.BindTo(stdout, (*io.Writer)(nil))
	err = parsed.Run(cli.Serve.logger(stderr))
	var (
		usage     *usageError
		loadUsage *loadtest.UsageError
		noService *loadtest.ServiceError
	)
	switch {
	case errors.As(err, &usage), errors.As(err, &loadUsage), errors.As(err, &noService):
		return fail(statusUsage, err)
	case errors.Is(err, loadtest.ErrInterrupted):
		return fail(statusInterrupted, err)
	case err != nil:
		return fail(statusFailure, err)
	}
	return statusOK
}

func newParser(cli *commandLine, stdout, stderr io.Writer) (*kong.Kong, error) {
	return kong.New(cli, kong.Name(name), kong.Description(description), kong.Writers(stdout, stderr), defaults(),
		kong.ExplicitGroups(append(loadtest.Groups(), []kong.Group{
			{Key: "listen", Title: "Where to listen:"},
			{Key: "access", Title: "Whose pages may connect, beside the service's own:"},
			{Key: "limits", Title: "Limits:"},
			{Key: "timing", Title: "Timing (as in 10s, 2m30s):"},
			{Key: "log", Title: "Log:"},
		}...)),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 110}),
		kong.Help(printHelp),
	)
}

// printHelp adds the flags of serve to the general help, because serve needs no naming.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, ctx); err != nil || ctx.Selected() != nil {
		return err
	}
	serving, err := kong.Trace(ctx.Kong, []string{"serve"})
	if err != nil {
		return err
	}
	fmt.Fprintln(ctx.Stdout)
	return kong.DefaultHelpPrinter(options, serving)
}

// usageError is what is wrong with options that are each right by themselves.
type usageError struct{ error }

func (s *serve) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(s.LogLevel)) // one of four, or empty where another command runs
	options := &slog.HandlerOptions{Level: level}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// Run serves until SIGINT or SIGTERM comes.
func (s *serve) Run(stdout io.Writer, logger *slog.Logger) error {
	if s.QueueLimit < actors.MinQueueLimit {
		return &usageError{fmt.Errorf("--queue-limit must be %v or more: the longest message must fit", size(actors.MinQueueLimit))}
	}
	for flag, duration := range map[string]time.Duration{
		"--write-timeout": s.WriteTimeout, "--ping-interval": s.PingInterval,
		"--idle-timeout": s.IdleTimeout, "--handshake-timeout": s.HandshakeTimeout,
	} {
		if duration == 0 { // would be the default to transport.New
			return &usageError{fmt.Errorf("%s cannot be 0: give a time such as 10s", flag)}
		}
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
	}
	system := actors.NewSystem(actors.Options{Logger: logger, QueueLimit: int(s.QueueLimit)})
	server, err := transport.New(system, transport.Options{
		Logger:           logger,
		Page:             web.Files(),
		AllowedOrigins:   s.AllowOrigin,
		FileOrigin:       s.FileOrigin,
		Rate:             s.Rate,
		Burst:            s.Burst,
		WriteTimeout:     s.WriteTimeout,
		PingInterval:     s.PingInterval,
		IdleTimeout:      s.IdleTimeout,
		HandshakeTimeout: s.HandshakeTimeout,
	})
	if err != nil {
		return &usageError{err}
	}
	// Before the port is open: who sees the ready line may send a signal at once.
	interrupted, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	listener, err := s.listen()
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	s.announce(stdout, listener.Addr().(*net.TCPAddr).Port)

	select {
	case err := <-served:
		served <- err // and those who are here are told
	case <-interrupted.Done():
	}
	restore() // a second signal ends the process at once
	logger.Info("stopping", slog.Int("sessions", system.Sessions()))
	ctx, cancel := context.WithTimeout(context.Background(), goodbye)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		logger.Warn("some clients did not take the news", slog.Any("error", err))
	}
	stopping, cancelStopping := context.WithTimeout(context.Background(), cleanup)
	defer cancelStopping()
	if err := system.Stop(stopping); err != nil {
		logger.Warn("some sessions did not end", slog.Any("error", err))
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", err)
	}
	return nil
}

func (s *serve) listen() (net.Listener, error) {
	// An IPv6 address may stand in brackets, as in a URL.
	host := strings.Trim(s.Host, "[]")
	// The service pings: TCP's own probes would only cost.
	config := net.ListenConfig{KeepAlive: -1}
	listener, err := config.Listen(context.Background(), "tcp", net.JoinHostPort(host, strconv.Itoa(int(s.Port))))
	var unknown *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %d is in use: stop what listens there, or choose another port with --port", s.Port)
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("this user may not listen on port %d: choose one above 1023 with --port", s.Port)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.As(err, &unknown):
		return nil, &usageError{fmt.Errorf("--host: %q is no address of this machine", s.Host)}
	case err != nil:
		return nil, fmt.Errorf("listening: %w", err)
	}
	return listener, nil
}

// announce prints where to point the browser.
func (s *serve) announce(w io.Writer, port int) {
	page := func(host string) string {
		return (&url.URL{Scheme: "http", Host: net.JoinHostPort(host, strconv.Itoa(port)), Path: "/"}).String()
	}
	host := strings.Trim(s.Host, "[]")
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		fmt.Fprintf(w, "P2P Messaging is ready: open %s in two browser windows\n", page(host))
		return
	}
	fmt.Fprintf(w, "P2P Messaging is ready: open %s in two browser windows\n", page("localhost"))
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return // only a convenience
	}
	for _, a := range addresses {
		if network, ok := a.(*net.IPNet); ok && network.IP.To4() != nil && network.IP.IsGlobalUnicast() {
			fmt.Fprintf(w, "From other devices on this network: %s\n", page(network.IP.String()))
		}
	}
}

// loadTest measures a service under load.
type loadTest struct{ loadtest.Flags }

// Run ends the load test early when SIGINT or SIGTERM comes.
func (l *loadTest) Run(parsed *kong.Context) error {
	interrupted, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer restore()
	context.AfterFunc(interrupted, restore) // a second signal ends the process at once
	return l.Execute(interrupted, parsed.Stdout, parsed.Stderr)
}

// loadTestWorker is one of the processes of a load test, which starts them itself; see loadtest.WorkerCommand.
type loadTestWorker struct{}

func (loadTestWorker) Run(stdout io.Writer) error {
	return loadtest.RunWorker(context.Background(), os.Stdin, stdout)
}

type version struct{}

// Run prints what the Go toolchain noted when it built this program.
func (version) Run(stdout io.Writer) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this program was built without build information")
	}
	line := name + " " + info.Main.Version
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if revision := settings["vcs.revision"]; revision != "" {
		line += ", revision " + revision
		if at := settings["vcs.time"]; at != "" {
			line += " of " + at
		}
		if settings["vcs.modified"] == "true" {
			line += ", modified"
		}
	}
	_, err := fmt.Fprintf(stdout, "%s, %s, %s/%s\n", line, info.GoVersion, runtime.GOOS, runtime.GOARCH)
	return err
}

// port is a TCP port.
type port uint16

func (p *port) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 16)
	if err != nil {
		return fmt.Errorf("%q is no port: give a number from 0 to %d", text, math.MaxUint16)
	}
	*p = port(n)
	return nil
}

// size is a number of bytes.
type size int

func units() map[string]int { return map[string]int{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} }

func (s *size) UnmarshalText(text []byte) error {
	number, factor := string(text), 1
	for unit, bytes := range units() {
		if trimmed, found := strings.CutSuffix(number, unit); found {
			number, factor = strings.TrimSpace(trimmed), bytes
			break
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > math.MaxInt/factor {
		return fmt.Errorf("%q is no size: give a number of bytes, or as in 256KiB or 1MiB", text)
	}
	*s = size(n * factor)
	return nil
}

// String writes s with the largest unit that divides it.
func (s size) String() string {
	best, factor := "", 1
	for unit, bytes := range units() {
		if int(s)%bytes == 0 && bytes > factor {
			best, factor = unit, bytes
		}
	}
	return strconv.Itoa(int(s)/factor) + best
}
