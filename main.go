// Command p2p-messaging serves the signaling service and its page: two people open the page, find each other by login,
// and from then on their browsers talk directly.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/arguments"
	"p2p-messaging/transport/loadtest"
	"p2p-messaging/transport/options"
	"p2p-messaging/transport/probe"
	"p2p-messaging/transport/service"
	"p2p-messaging/transport/version"
	"p2p-messaging/web"
)

const name = "p2p-messaging"

const description = `Lets two browsers find each other and chat directly, browser to browser.

It serves a page and carries the signaling messages (WebSocket, JSON) by which two pages set up a WebRTC connection. ` +
	`What people write to each other goes from browser to browser, encrypted.

Examples:

  p2p-messaging                           serve on port 7777, then open http://localhost:7777/
  p2p-messaging --port 8080               serve on port 8080; PORT=8080 does the same
  p2p-messaging --host 127.0.0.1          serve this machine only, for example behind a proxy
  p2p-messaging --domain chat.example.org --turn-public-ip 203.0.113.7
                                          serve the internet: https by ACME, and a relay
  p2p-messaging --allow-origin https://chat.example.org --no-file-origin
                                          serve the service's own page and that site's
  p2p-messaging loadtest                  put load on the service, from another terminal
  p2p-messaging probe localhost:7777      try whether two people can talk by way of a service
  p2p-messaging version                   print the version

Each flag can also be given as the environment variable named with it. A flag wins over its variable. ` +
	`The exit status is 0 after Ctrl-C or SIGTERM, 2 for a wrong command line and 1 for other failures.`

// Exit statuses.
const (
	statusOK = iota
	statusFailure
	statusUsage
	statusInterrupted = 130 // what a shell reports for SIGINT: 128 and the number of the signal
)

type commandLine struct {
	Serve          serve          `cmd:"" default:"withargs" help:"Serve the page and the signaling service. This is what happens without a command."`
	Loadtest       loadTest       `cmd:"" help:"Put load on a service and measure what it does."`
	LoadtestWorker loadTestWorker `cmd:"" hidden:""`
	Probe          probeCommand   `cmd:"" help:"Try whether two people can talk by way of a service, and say what fails."`
	Version        versionLine    `cmd:"" help:"Print version, revision and platform."`
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run parses the command line and runs its command. It returns the exit status.
func run(given []string, stdout, stderr io.Writer) int {
	fail := func(status int, err error) int {
		fmt.Fprintf(stderr, "%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return status
	}
	parser, err := newParser(&commandLine{}, stdout, stderr)
	if err != nil {
		return fail(statusFailure, err)
	}
	if len(given) == 1 && given[0] == "--version" {
		given = []string{"version"}
	}
	parsed, err := parser.Parse(arguments.Join(given))
	if err != nil {
		return fail(statusUsage, fmt.Errorf("%s (see %s --help)", arguments.Reason(err), name))
	}
	err = parsed.Run()
	switch {
	case is[*options.UsageError](err), is[*loadtest.UsageError](err), is[*loadtest.ServiceError](err), is[*probe.UsageError](err), is[*probe.ServiceError](err):
		return fail(statusUsage, err)
	case errors.Is(err, loadtest.ErrInterrupted), errors.Is(err, context.Canceled):
		return fail(statusInterrupted, err)
	case err != nil:
		return fail(statusFailure, err)
	}
	return statusOK
}

func is[E error](err error) bool { return errors.As(err, new(E)) }

func newParser(cli *commandLine, stdout, stderr io.Writer) (*kong.Kong, error) {
	defaults := kong.Vars(options.Vars())
	maps.Copy(defaults, loadtest.Vars(cmp.Or(os.Getenv("PORT"), defaults["port"])))
	return kong.New(cli, kong.Name(name), kong.Description(description), kong.Writers(stdout, stderr), defaults,
		kong.ExplicitGroups(append(loadtest.Groups(), options.Groups()...)),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 110}), kong.Help(printHelp))
}

// printHelp adds the flags of serve to the general help, because serve is the default command.
func printHelp(help kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(help, ctx); err != nil || ctx.Selected() != nil {
		return err
	}
	serving, err := kong.Trace(ctx.Kong, []string{"serve"})
	if err != nil {
		return err
	}
	fmt.Fprintln(ctx.Stdout)
	return kong.DefaultHelpPrinter(help, serving)
}

// interruptible returns a context that ends with SIGINT or SIGTERM. After restore, such a signal ends the process.
func interruptible() (ctx context.Context, restore context.CancelFunc) {
	return signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
}

// serve is the service.
type serve struct{ options.Flags }

// Run serves until SIGINT or SIGTERM comes.
func (s *serve) Run(parsed *kong.Context) error {
	if err := s.Check(); err != nil {
		return err
	}
	service.SetCollector()
	logger := s.Logger(parsed.Stderr)
	secured, err := s.Certificates(logger)
	if err != nil {
		return err
	}
	relay, iceServers, err := s.ICE(logger, secured.Names())
	if err != nil {
		return err
	}
	defer relay.Close()
	inside, outside := s.Actors(logger), s.Transport(logger, web.Files())
	inside.ICEServers, outside.TLS, outside.STUN = iceServers, secured.TLS(), relay.STUN()
	system := actors.NewSystem(inside)
	server, err := transport.New(system, outside)
	if err != nil {
		return &options.UsageError{Reason: err.Error()}
	}
	// Signals are caught before the port is open: whoever reads that the service is ready may send one at once.
	interrupted, restore := interruptible()
	defer restore()
	listener, plain, err := s.Open(logger)
	if err != nil {
		return err
	}
	running := service.Start(logger, system, server, listener)
	defer secured.Start(listener, plain)()
	service.Announce(parsed.Stdout, s.Host, listener.Addr().(*net.TCPAddr).Port, secured.Hosts()...)
	running.Wait(interrupted)
	restore() // A second signal ends the process at once.
	return running.Stop()
}

// loadTest measures a service under load.
type loadTest struct{ loadtest.Flags }

func (l *loadTest) Run(parsed *kong.Context) error { return execute(l.Execute, parsed) }

// probeCommand tries the ways between two people.
type probeCommand struct{ probe.Flags }

func (p *probeCommand) Run(parsed *kong.Context) error { return execute(p.Execute, parsed) }

// execute runs a command, and ends it early when SIGINT or SIGTERM comes.
func execute(run func(ctx context.Context, stdout, stderr io.Writer) error, parsed *kong.Context) error {
	interrupted, restore := interruptible()
	defer restore()
	context.AfterFunc(interrupted, restore) // A second signal ends the process at once.
	return run(interrupted, parsed.Stdout, parsed.Stderr)
}

// loadTestWorker is one of the processes that a load test starts; see fleet.WorkerCommand.
type loadTestWorker struct{}

func (loadTestWorker) Run(parsed *kong.Context) error {
	return loadtest.RunWorker(context.Background(), os.Stdin, parsed.Stdout)
}

// versionLine prints which version this is.
type versionLine struct{}

func (versionLine) Run(parsed *kong.Context) error {
	return version.Print(parsed.Stdout, name)
}
