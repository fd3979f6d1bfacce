// Command compare puts the same load on several services and prints a Markdown table of what each of them did. The
// services are this project's, a bare relay over gws and, if they are installed, Bun's native WebSocket server and
// PeerJS's server. Run it from the folder of the module: go run ./transport/loadtest/compare
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"p2p-messaging/transport/arguments"
	"p2p-messaging/transport/loadtest/machine"
)

const (
	name        = "compare"
	description = `Compares this project's service with others under the same load, and prints a Markdown table.

The services are: ours; floor, a bare relay over gws, which costs the least that a Go service with a goroutine for each connection can ` +
		`cost; bun, Bun's native WebSocket server with a small handler; unchecked, the same handler without any check; batched, unchecked with ` +
		`writes combined by hand; peerjs, PeerJS's server with its own protocol; ours-peerjs, ours in that protocol. What is not installed is left out. Each ` +
		`service runs alone on one processor core, freshly started for each scenario. The load comes from another core.`
)

// Arguments with which the program starts itself again.
const (
	floorCommand    = "floor"
	generateCommand = "generate"
)

// options is the command line.
type options struct {
	Only      []string      `placeholder:"SERVICE" help:"Services to compare: ours, full, floor, bun, unchecked, batched, ours-peerjs, peerjs. full is ours with tokens, limits and metrics on, ours-peerjs is ours for clients of PeerJS. Default: all that are installed."`
	Scenarios []string      `placeholder:"SCENARIO" help:"Scenarios to measure: window1, window16, offered, large1, large16, cycles, idle, resumes; over TLS: tls1, tls16, tlsidle. Default: all."`
	Rounds    int           `default:"3" placeholder:"N" help:"How often each scenario is measured. The table has medians. Default: ${default}."`
	Warmup    time.Duration `default:"1s" placeholder:"TIME" help:"How long the load runs before it is measured. Default: ${default}."`
	Duration  time.Duration `default:"3s" placeholder:"TIME" help:"How long the load is measured. Default: ${default}."`
	Sessions  int           `default:"19000" placeholder:"N" help:"idle, tlsidle: number of sessions to hold. Each is an open file of the service and one of the generator. Default: ${default}."`
	Idle      time.Duration `default:"30s" placeholder:"TIME" help:"idle, tlsidle: how long the sessions are held. Default: ${default}."`
	Calm      time.Duration `default:"10s" placeholder:"TIME" help:"How long to wait, before each measurement, for other programs to leave both cores alone. Default: ${default}."`
	Ours      string        `type:"path" placeholder:"FILE" help:"This project's service as a program. Default: the module in this folder is built."`
	Tools     string        `type:"path" placeholder:"FOLDER" help:"Where bun and peer are installed with npm. Default: ${tools}."`
	Install   bool          `help:"Install bun and peer there, in the versions that this comparison was made for, and end. Needs npm."`
	JSON      bool          `name:"json" help:"Print the figures of every round as JSON instead of the table."`

	trusted string // file of the certificate that services over TLS have
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run does what the given arguments say and returns the exit status.
func run(given []string, stdout, stderr io.Writer) int {
	fail := func(status int, err error) int {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
		return status
	}
	if runtime.GOOS != "linux" {
		return fail(arguments.StatusFailure, errors.New("this needs Linux, where a process can be held to one processor core and its processor time be read"))
	}
	if len(given) > 0 && given[0] == floorCommand {
		return fail(arguments.StatusFailure, serveFloor(stdout, given[1:]))
	}
	if len(given) > 1 && given[0] == generateCommand {
		if err := generateTo(stdout, given[1]); err != nil {
			return fail(arguments.StatusFailure, err)
		}
		return arguments.StatusOK
	}
	var o options
	parser, err := kong.New(&o, kong.Name(name), kong.Description(description), kong.Writers(stdout, stderr), kong.Vars{"tools": defaultTools()})
	if err != nil {
		return fail(arguments.StatusFailure, err)
	}
	if _, err = parser.Parse(arguments.Join(given)); err == nil {
		err = o.check()
	}
	if err != nil {
		return fail(arguments.StatusUsage, fmt.Errorf("%s (see --help)", arguments.Reason(err)))
	}
	interrupted, restore := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer restore()
	switch err := o.run(interrupted, stdout, stderr); {
	case interrupted.Err() != nil:
		return fail(arguments.StatusInterrupted, errors.New("interrupted"))
	case err != nil:
		return fail(arguments.StatusFailure, err)
	}
	return arguments.StatusOK
}

func defaultTools() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	return filepath.Join(cache, "p2p-messaging-compare")
}

// check fills in defaults, and returns an error for what cannot be done.
func (o *options) check() error {
	known := func(flag string, words []string, there []string) error {
		for _, w := range words {
			if !slices.Contains(there, w) {
				return fmt.Errorf("%s: there is no %q: choose from %s", flag, w, strings.Join(there, ", "))
			}
		}
		return nil
	}
	if err := known("--only", o.Only, serviceNames()); err != nil {
		return err
	}
	if err := known("--scenarios", o.Scenarios, scenarioNames()); err != nil {
		return err
	}
	for _, n := range []struct {
		flag  string
		value float64
		least float64
		unit  string
	}{
		{"--rounds", float64(o.Rounds), 1, ""},
		{"--sessions", float64(o.Sessions), 1, ""},
		{"--duration", o.Duration.Seconds(), 0.1, " s"},
		{"--idle", o.Idle.Seconds(), 0.1, " s"},
		{"--warmup", o.Warmup.Seconds(), 0, " s"},
		{"--calm", o.Calm.Seconds(), 0, " s"},
	} {
		if n.value < n.least {
			return fmt.Errorf("%s: %v%s is too little: give %v%s at least", n.flag, n.value, n.unit, n.least, n.unit)
		}
	}
	if o.Tools == "" {
		o.Tools = defaultTools()
	}
	return nil
}

// chosen reports whether a word was chosen. If words is empty, all words are.
func chosen(words []string, word string) bool { return len(words) == 0 || slices.Contains(words, word) }

// holds reports whether a chosen scenario holds idle sessions.
func (o *options) holds() bool {
	return slices.ContainsFunc(scenarios(), func(s scenario) bool { return s.holds() && chosen(o.Scenarios, s.Name) })
}

// run measures, and prints the outcome.
func (o *options) run(ctx context.Context, stdout, stderr io.Writer) error {
	if o.Install {
		fmt.Fprintf(stderr, "installing in %s\n", o.Tools)
		return o.install(ctx)
	}
	cores, err := twoCores()
	if err != nil {
		return err
	}
	const spare = 100
	if limit := machine.RaiseFileLimit(); o.holds() && limit > 0 && o.Sessions+spare > limit {
		return fmt.Errorf("--sessions: %d sessions need more than the %d files that a process may open here: give %d at most, or raise the limit (ulimit -n)", o.Sessions, limit, limit-spare)
	}
	scratch, err := os.MkdirTemp("", name+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	services, versions, err := o.prepare(ctx, scratch, stderr)
	if err != nil {
		return err
	}
	d := document{Format: documentFormat, Machine: newHost(machine.Describe()), Versions: versions, Sessions: o.Sessions, IdleS: o.Idle.Seconds()}
	for _, s := range services {
		d.Services = append(d.Services, s.name)
	}
	for round := range o.Rounds {
		for _, sc := range scenarios() {
			if !chosen(o.Scenarios, sc.Name) {
				continue
			}
			for i := range services {
				s := services[(i+round)%len(services)] // each service is the first in turn
				waitForCalm(ctx, cores, o.Calm)
				m := o.measure(ctx, s, sc, cores)
				if ctx.Err() != nil {
					return ctx.Err()
				}
				m.Round = round + 1
				d.Measurements = append(d.Measurements, m)
				fmt.Fprintf(stderr, "round %d of %d, %-8s  %-7s  %s\n", m.Round, o.Rounds, sc.Name, s.name, m)
			}
		}
	}
	if o.JSON {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(d)
	} else {
		_, err = io.WriteString(stdout, d.table())
	}
	if err != nil {
		return fmt.Errorf("print the figures: %w", err)
	}
	failed := 0
	for _, m := range d.Measurements {
		if m.Failed != "" {
			failed++
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d measurements failed: what is said above is why", failed, len(d.Measurements))
	}
	return nil
}
