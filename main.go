// Command p2p-messaging serves the signaling service and its page: two people open the page, find each other by login,
// and from then on their browsers talk directly.
package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/admin"
	"p2p-messaging/transport/arguments"
	"p2p-messaging/transport/auth"
	"p2p-messaging/transport/chat"
	"p2p-messaging/transport/health"
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
  p2p-messaging chat --login alice        talk to people from a terminal

A flag can also be given as the environment variable that its help names. A flag wins over its variable. ` +
	`The exit status is 0 after Ctrl-C or SIGTERM, 2 for a wrong command line and 1 for other failures. The help of a command names others.`

type commandLine struct {
	Serve          serve           `cmd:"" default:"withargs" help:"Serve the page and the signaling service. This is what happens without a command."`
	Loadtest       loadtest.Flags  `cmd:"" help:"Put load on a service and measure what it does."`
	LoadtestWorker loadtest.Worker `cmd:"" hidden:""`
	Probe          probe.Flags     `cmd:"" help:"Try whether two people can talk by way of a service, and say what fails."`
	Token          auth.Command    `cmd:"" help:"Make a token with which to log in, to try a service that wants tokens."`
	Chat           chat.Flags      `cmd:"" help:"Talk to people from a terminal or a script."`
	Health         health.Flags    `cmd:"" help:"Ask a service on this machine whether it is ready."`
	Version        version.Command `cmd:"" help:"Print version, revision and platform."`
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run parses the command line and runs its command. It returns the exit status.
func run(given []string, stdout, stderr io.Writer) int {
	fail := func(status int, err error) int {
		fmt.Fprintf(stderr, "%s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", " "))
		return status
	}
	var cli commandLine
	parser, err := newParser(&cli, stdout, stderr)
	if err != nil {
		return fail(arguments.StatusFailure, err)
	}
	if len(given) == 1 && given[0] == "--version" {
		given = []string{"version"}
	}
	parsed, err := parser.Parse(arguments.Join(given))
	if err != nil {
		err = cli.Serve.Located(nil, err)
		return fail(arguments.StatusUsage, fmt.Errorf("%s (see %s --help)", arguments.Reason(err), arguments.WithHelp(parser, given, "serve")))
	}
	if err := parsed.Run(); err != nil {
		return fail(arguments.Status(err), err)
	}
	return arguments.StatusOK
}

func newParser(cli *commandLine, stdout, stderr io.Writer) (*kong.Kong, error) {
	defaults := kong.Vars(options.Vars())
	maps.Copy(defaults, loadtest.Vars(cmp.Or(os.Getenv("PORT"), defaults["port"])))
	return kong.New(cli, kong.Name(name), kong.Description(description), kong.Writers(stdout, stderr), defaults,
		kong.ExplicitGroups(append(loadtest.Groups(), options.Groups()...)),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: 110}), kong.Help(printHelp))
}

// printHelp adds the first flags of serve to the general help, because serve is the default command.
func printHelp(help kong.HelpOptions, ctx *kong.Context) error {
	if err := kong.DefaultHelpPrinter(help, ctx); err != nil || ctx.Selected() != nil {
		return err
	}
	serving, err := kong.Trace(ctx.Kong, []string{"serve"})
	if err != nil {
		return err
	}
	fmt.Fprintln(ctx.Stdout)
	return options.PrintFirst(ctx.Stdout, serving, name+" serve --help")
}

// serve is the service.
type serve struct{ options.Flags }

// Run serves until SIGINT or SIGTERM comes.
func (s *serve) Run(parsed *kong.Context) (err error) {
	defer func() { err = s.Located(parsed, err) }()
	if err := s.Check(); err != nil {
		return err
	}
	if s.PrintConfig {
		return s.Print(parsed.Stdout, parsed)
	}
	defer service.SetCollector()()
	hangups := service.Hangups()
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
	tokens, err := s.Auth(logger)
	if err != nil {
		return err
	}
	defer tokens.Close()
	inside, outside := s.Actors(logger), s.Transport(logger, web.Files())
	inside.Authenticate, inside.ICEServers, outside.TLS, outside.STUN = tokens.Func(), iceServers, secured.TLS(), relay.STUN()
	node, err := s.JoinCluster(logger, &inside)
	if err != nil {
		return err
	}
	defer node.Close()
	system := actors.NewSystem(inside)
	server, err := transport.New(system, outside)
	if err != nil {
		return &options.UsageError{Reason: err.Error()}
	}
	// Signals are caught before the port is open: whoever reads that the service is ready may send one at once.
	interrupted, restore := arguments.Interruptible()
	defer restore()
	operator, loopback, err := s.OpenAdmin(logger)
	if err != nil {
		return err
	}
	if err := node.Start(system); err != nil {
		return err
	}
	listener, plain, err := s.Open(logger)
	if err != nil {
		return err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	defer service.RestorePeers(logger, system, s.PeersFile(logger, port), s.ReusePort).Save()
	running := service.Start(logger, system, server, listener)
	shown := admin.Service{System: system, Server: server, TURN: relay, Cluster: node, Ready: func() bool { return running.Ready() && node.Ready() }}
	defer admin.Start(operator, shown, admin.Options{Logger: logger, Host: s.AdminHost(), Loopback: loopback, Sessions: s.AdminSessions})()
	running.OnHangup(hangups, func() error {
		next, err := s.again(parsed)
		if err == nil {
			err = (options.Parsed{Flags: &s.Flags, Context: parsed}).Reload(next, server, logger)
		}
		if err == nil {
			_ = tokens.Reload() // the log says what is wrong
		}
		return err
	})
	defer secured.Start(listener, plain)()
	service.Announce(parsed.Stdout, s.Host, port, secured.Hosts()...)
	running.Wait(interrupted)
	restore() // A second signal ends the process at once.
	return running.Stop()
}

// again reads the command line, the variables and the configuration file once more.
func (*serve) again(parsed *kong.Context) (options.Parsed, error) {
	var cli commandLine
	parser, err := newParser(&cli, parsed.Stdout, parsed.Stderr)
	if err != nil {
		return options.Parsed{}, err
	}
	next, err := parser.Parse(parsed.Args)
	return options.Parsed{Flags: &cli.Serve.Flags, Context: next}, cli.Serve.Located(next, err)
}
