package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"syscall"
	"time"

	"p2p-messaging/transport/loadtest/swarm"
)

const (
	// spareFiles is what a process needs beside its sessions' files.
	spareFiles = 100
	// perSource is how many connections one source address makes to one service: somewhat less than the ports that
	// Linux has for it (net.ipv4.ip_local_port_range, 28,232).
	perSource = 20_000
	// grace is how long the service may deliver nothing in the end, with frames under way, before it is given up.
	grace = 5 * time.Second
	// calmShare is the part of the measured phase, 1 in so many, that passes before a storm and before readers stop: what
	// is measured against. It is at most calmLimit.
	calmShare = 4
	calmLimit = 10 * time.Second
	// probeTimeout bounds the first conversation with a service.
	probeTimeout = 10 * time.Second
)

// Run runs a load test and returns what it found out. It reports to observe about once a second; observe may be nil.
//
// When ctx ends, the run ends early, with the figures so far. Where there is nothing to measure, the error is a
// *[UsageError] or a *[ServiceError]. A service that goes away in the middle is no error but [Result.Failed].
//
// With more sessions than one process may have files, Run starts processes of its own executable with the argument
// [WorkerCommand], which must call [RunWorker].
func Run(ctx context.Context, o Options, observe func(Progress)) (*Result, error) {
	return run(ctx, o, observe, plan{Grace: grace})
}

// run is Run. Tests set in prototype what nobody else needs to.
func run(ctx context.Context, o Options, observe func(Progress), prototype plan) (*Result, error) {
	o, err := o.Resolve()
	if err != nil {
		return nil, err
	}
	if o.Seed == 0 {
		o.Seed = rand.Uint64()
	}
	if observe == nil {
		observe = func(Progress) {}
	}
	c := &coordinator{observe: observe, result: &Result{Options: o, Started: time.Now(), Machine: thisMachine()}}
	processes, err := split(o, raiseFileLimit(), c)
	if err != nil {
		return nil, err
	}
	prototype.Options, prototype.Processes = o, processes
	if prototype.Before == 0 {
		prototype.Before = min(o.Duration/calmShare, calmLimit)
	}
	prototype.Run = rand.Uint32()
	address, err := probe(ctx, prototype)
	if err != nil {
		return nil, err
	}
	if o.TotalSessions() > perSource && address.Addr().IsLoopback() {
		if err := prototype.useSources(ctx, address); err != nil {
			return nil, err
		}
	}
	c.service = findService(o.PID, address)
	if c.service == nil && o.PID != 0 {
		return nil, usage("--pid: there is no process %d to be seen from here", o.PID)
	}
	return c.run(ctx, prototype)
}

// split returns how many processes the run needs.
func split(o Options, limit int, c *coordinator) (int, error) {
	const raise = "raise the limit, with `ulimit -n %d` before this command, or, beyond the hard limit (`ulimit -Hn`), as root in /etc/security/limits.conf or the unit's LimitNOFILE="
	sessions, files := o.TotalSessions(), o.files()
	processes := max(1, o.Processes)
	room := limit - spareFiles
	if limit == 0 || files/processes < room {
		return processes, nil
	}
	if room <= 0 {
		return 0, usage("this process may open %d files only: "+raise, limit, files+spareFiles)
	}
	needed := (files + room - 1) / room
	if o.Processes != 0 {
		return 0, usage("%d sessions do not fit into %d processes with %d files each: give --processes %d, or "+raise,
			sessions, processes, limit, needed, files/processes+spareFiles)
	}
	c.note("%d sessions do not fit into one process, which may open %d files: they are shared among %d. For fewer, "+raise, sessions, limit, needed, files+spareFiles)
	return needed, nil
}

// useSources spreads the connections over addresses of this machine, because one has too few ports.
func (p *plan) useSources(ctx context.Context, service netip.AddrPort) error {
	if !service.Addr().Is4() {
		u, err := url.Parse(p.Options.URL)
		if err != nil {
			return usage("--url: %v", err)
		}
		u.Host = net.JoinHostPort("127.0.0.1", fmt.Sprint(service.Port()))
		p.Options.URL = u.String()
		if _, err := probe(ctx, *p); err != nil {
			return usage("%d sessions need several addresses to come from, which there are for 127.0.0.1 only, and the service does not answer there", p.Options.TotalSessions())
		}
	}
	if runtime.GOOS != "linux" {
		return nil // other systems have 127.0.0.1 alone, unless told otherwise
	}
	for n := range (p.Options.TotalSessions() + perSource - 1) / perSource {
		p.Sources = append(p.Sources, netip.AddrFrom4([4]byte{127, 0, byte(1 + n/250), byte(1 + n%250)}))
	}
	return nil
}

// isLocal reports whether an address is this machine's.
func isLocal(a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, local := range addresses {
		if prefix, err := netip.ParsePrefix(local.String()); err == nil && prefix.Addr().Unmap() == a {
			return true
		}
	}
	return false
}

// probe finds out whether there is a service that speaks the protocol, and where.
func probe(ctx context.Context, p plan) (netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	s, err := swarm.New(ctx, swarm.Options{URL: p.Options.URL, Loops: 1, HandshakeTimeout: probeTimeout})
	if err != nil {
		return netip.AddrPort{}, noService(p.Options.URL, err)
	}
	defer s.Stop()
	c := &probing{run: p.Run, outcome: make(chan error, 1)}
	s.Loops()[0].Do(func() { s.Loops()[0].Dial(c) })
	select {
	case err = <-c.outcome:
	case <-ctx.Done():
		err = swarm.ErrTimeout
	}
	if err != nil {
		return netip.AddrPort{}, noService(p.Options.URL, err)
	}
	return s.Address(), nil
}

// errForeign tells that a login was answered with something else.
var errForeign = errors.New("a login is answered with something else")

// refusedError tells that a login was refused.
type refusedError struct{ code string }

func (e *refusedError) Error() string { return "a login is refused (" + e.code + ")" }

// probing logs in, and out again.
type probing struct {
	run     uint32
	done    bool
	outcome chan error
}

func (c *probing) tell(err error) {
	if !c.done {
		c.done = true
		c.outcome <- err
	}
}

func (c *probing) Opened(conn *swarm.Conn) {
	_ = conn.Send(append(appendLogin([]byte(`{"type":"login","login":"`), c.run, 'p', 0, 0), `"}`...))
}

func (c *probing) Text(conn *swarm.Conn, text []byte) {
	r, ok := parseReply(text)
	switch {
	case !ok:
		c.tell(errForeign)
	case r.Type == "error" || !*r.Success:
		c.tell(&refusedError{r.code()})
	default:
		conn.Close()
		return
	}
	conn.Abort()
}

func (c *probing) Closed(_ *swarm.Conn, err error) { c.tell(err) }

// noService says in a sentence why there is nothing to measure.
func noService(address string, err error) error {
	reason := err.Error()
	shake, isShake := errors.AsType[*swarm.HandshakeError](err)
	_, isProtocol := errors.AsType[*swarm.ProtocolError](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, isRefused := errors.AsType[*refusedError](err)
	_, isClose := errors.AsType[*swarm.CloseError](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		reason = "nothing listens there: start the service, or give --url"
	case errors.Is(err, context.Canceled):
		reason = "interrupted"
	case isDNS:
		reason = "there is no host " + dns.Name + ": check --url"
	case isShake && shake.Status == 404:
		reason = "there is no WebSocket at that path (HTTP status 404): check --url"
	case isShake:
		reason = err.Error() + ": this is no service of this protocol, or not its path: check --url"
	case isProtocol, errors.Is(err, errForeign), isClose:
		reason = err.Error() + ": this is no service of this protocol"
	case isRefused:
		reason = err.Error() + ": the load test logs in without a token, as in the original protocol"
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET):
		reason = "it ended the connection: this is no service of this protocol"
	case errors.Is(err, swarm.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		reason = fmt.Sprintf("no answer within %v", probeTimeout)
	}
	return &ServiceError{Reason: fmt.Sprintf("no service to test at %s: %s", address, reason), Err: err}
}
