// Package fleet runs a load test in as many processes as it needs. A coordinator merges what the processes report, observes
// the service's process, and says what makes the figures doubtful.
package fleet

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"time"

	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/load"
	"p2p-messaging/transport/loadtest/machine"
	"p2p-messaging/transport/loadtest/options"
)

const (
	// spareFiles is the number of files that a process needs besides those of its sessions.
	spareFiles = 100
	// perSource bounds the connections from one source address to one service. Linux has 28,232 ports for them
	// (net.ipv4.ip_local_port_range).
	perSource = 20_000
	// grace is how long the service may deliver nothing at the end of a run before frames under way are given up.
	grace = 5 * time.Second
	// patience is how long the service may open no session before those that wait are given up.
	patience = 10 * time.Second
	// every is the time between two reports.
	every = time.Second
	// A storm begins, and slow readers stop reading, after a part of the measured phase: its duration divided by
	// calmShare, but at most calmLimit. What happens before is what the rest is compared with.
	calmShare = 4
	calmLimit = 10 * time.Second
)

// Run runs a load test and returns its result. It calls observe about once a second. Observe may be nil.
//
// When ctx ends, the run ends early and the result has the figures so far. If there is nothing to measure, the error is
// a *[options.UsageError] or a *[load.ServiceError]. If the service goes away during the run, there is no error:
// [figures.Result] says so in Failed.
//
// If one process may not open enough files for all sessions, Run starts its own executable again, with the argument
// [WorkerCommand]. The program must call [RunWorker] then.
func Run(ctx context.Context, o options.Options, observe func(figures.Progress)) (*figures.Result, error) {
	return run(ctx, o, observe, load.Plan{Grace: grace, Every: every})
}

// run is Run with a plan that the processes' plans are copies of. Tests shorten its times.
func run(ctx context.Context, o options.Options, observe func(figures.Progress), prototype load.Plan) (*figures.Result, error) {
	o, err := o.Resolve()
	if err != nil {
		return nil, err
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if observe == nil {
		observe = func(figures.Progress) {}
	}
	c := &coordinator{observe: observe, result: &figures.Result{Options: o, Started: time.Now(), Machine: machine.Describe()}}
	tokens, err := o.Tokens()
	if err != nil {
		return nil, err
	}
	processes, note, err := split(o, machine.RaiseFileLimit())
	if err != nil {
		return nil, err
	}
	if note != "" {
		c.notes = append(c.notes, note)
	}
	prototype.Options, prototype.Processes = o, processes
	if prototype.Patience == 0 {
		prototype.Patience = patience
	}
	if prototype.Before == 0 {
		prototype.Before = min(o.Duration/calmShare, calmLimit)
	}
	prototype.Run, prototype.Tokens = rand.Uint32(), tokens
	found, err := load.Probe(ctx, o, prototype.Run, tokens)
	if err != nil {
		return nil, err
	}
	address := found.Address
	c.staysOpen = found.StaysOpen
	if o.TotalSessions() > perSource && address.Addr().IsLoopback() {
		if err := useSources(ctx, &prototype, address); err != nil {
			return nil, err
		}
	}
	c.service = machine.Find(o.PID, address)
	if c.service == nil && o.PID != 0 {
		return nil, options.UsageErrorf("--pid: there is no process %d to be seen from here", o.PID)
	}
	return c.run(ctx, prototype)
}

// split returns how many processes the run needs. The note tells the user if there are more than one because of the
// limit of open files.
func split(o options.Options, limit int) (processes int, note string, err error) {
	const raise = "raise the limit, with `ulimit -n %d` before this command, or, beyond the hard limit (`ulimit -Hn`), as root in /etc/security/limits.conf or the unit's LimitNOFILE="
	sessions, files := o.TotalSessions(), o.Files()
	processes = max(1, o.Processes)
	room := limit - spareFiles
	if limit == 0 || files/processes < room {
		return processes, "", nil
	}
	if room <= 0 {
		return 0, "", options.UsageErrorf("this process may open %d files only: "+raise, limit, files+spareFiles)
	}
	needed := (files + room - 1) / room
	if o.Processes != 0 {
		return 0, "", options.UsageErrorf("%d sessions do not fit into %d processes with %d files each: give --processes %d, or "+raise,
			sessions, processes, limit, needed, files/processes+spareFiles)
	}
	note = fmt.Sprintf("%d sessions do not fit into one process, which may open %d files: they are shared among %d. For fewer, "+raise, sessions, limit, needed, files+spareFiles)
	return needed, note, nil
}

// useSources gives the plan several source addresses of this machine, because one has too few ports for all
// connections.
func useSources(ctx context.Context, p *load.Plan, service netip.AddrPort) error {
	if !service.Addr().Is4() {
		u, err := url.Parse(p.Options.URL)
		if err != nil {
			return options.UsageErrorf("--url: %v", err)
		}
		u.Host = net.JoinHostPort("127.0.0.1", fmt.Sprint(service.Port()))
		p.Options.URL = u.String()
		if _, err := load.Probe(ctx, p.Options, p.Run, p.Tokens); err != nil {
			return options.UsageErrorf("%d sessions need several addresses to come from, which there are for 127.0.0.1 only, and the service does not answer there", p.Options.TotalSessions())
		}
	}
	if runtime.GOOS != "linux" {
		return nil // other systems have only 127.0.0.1 unless they are configured otherwise
	}
	for n := range (p.Options.TotalSessions() + perSource - 1) / perSource {
		p.Sources = append(p.Sources, netip.AddrFrom4([4]byte{127, 0, byte(1 + n/250), byte(1 + n%250)}))
	}
	return nil
}
