package load

import (
	"context"
	"errors"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"p2p-messaging/transport/client"
	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/options"
)

// calls is the scenario call: pairs of WebRTC peers that call each other, again and again. Signaling goes through the
// service. Media and data stay on the loopback interface.
type calls struct {
	plan  Plan
	pairs []*callPair
	api   *webrtc.API

	logins  atomic.Int64
	sources atomic.Int64 // number of source addresses used so far
	over    atomic.Bool  // the run is over, so connections end

	mu       sync.Mutex // guards the fields below; keeps counts that belong together in the same report
	figures  figures.Snapshot
	dialed   time.Time // the first session
	loggedIn time.Time // the last one
	dead     int       // pairs that could not be opened, or that have ended
	last     error     // the error that last ended a connection
}

func newCalls(p Plan) *calls {
	c := &calls{plan: p, api: newPeerAPI()}
	first, end := portion(p.Options.PairsOf(options.ScenarioCall), p.Process, p.Processes)
	for i := first; i < end; i++ {
		q := &callPair{calls: c, index: uint32(i), gone: make(chan struct{})}
		for n := range q.sides {
			q.sides[n] = callSide{pair: q, login: string(appendLogin(nil, p.Run, kindCall, q.index, n))}
		}
		c.pairs = append(c.pairs, q)
	}
	return c
}

// record calls f under the lock, so that all counts of f appear in the same report.
func (c *calls) record(f func(r *figures.Snapshot)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.figures)
}

func (c *calls) take() *figures.Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.figures
	c.figures = figures.Snapshot{}
	return &taken
}

func (c *calls) opening(now time.Duration) (s span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dialed.IsZero() {
		s.dialed = now - time.Since(c.dialed)
	}
	if !c.loggedIn.IsZero() {
		s.loggedIn = now - time.Since(c.loggedIn)
	}
	return s
}

func (c *calls) sessions() int64 { return c.logins.Load() }

func (c *calls) lasting() (opened, ended int, last error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return 2 * len(c.pairs), 2 * c.dead, c.last
}

// open logs all sessions in. A session that fails is counted as an error. After many in a row without an answer, the rest is
// not tried any more.
func (c *calls) open(ctx context.Context) {
	var opening sync.WaitGroup
	defer opening.Wait()
	began := time.Now()
	places := make(chan struct{}, openingCalls)
	rate, n := c.plan.Options.CallRate()/float64(c.plan.Processes), 0
	var silent atomic.Int64 // sessions in a row to which the service did not answer
	for _, p := range c.pairs {
		for i := range p.sides {
			if silent.Load() >= openingCalls {
				p.lost(errNotTried)
				continue
			}
			due := began
			if rate > 0 {
				due = began.Add(time.Duration(math.Round(float64(n) / rate * float64(time.Second))))
			}
			n++
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return
			}
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return
			}
			if rate == 0 {
				due = time.Now()
			}
			opening.Go(func() {
				if err := p.sides[i].open(ctx, due); errors.Is(err, context.DeadlineExceeded) {
					silent.Add(1)
				} else {
					silent.Store(0)
				}
				<-places
			})
		}
	}
}

// run makes all pairs call each other until ctx ends. Each pair calls at least once. Calls under way then have
// [Plan.Grace] to end.
func (c *calls) run(ctx context.Context) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	defer context.AfterFunc(ctx, func() {
		select {
		case <-time.After(c.plan.Grace):
			end()
		case <-life.Done():
		}
	})()
	var calling sync.WaitGroup
	for _, p := range c.pairs {
		calling.Go(func() { p.run(ctx, life) })
	}
	calling.Wait()
}

// close ends all sessions, with a close handshake if the service takes part in it.
func (c *calls) close() {
	c.over.Store(true)
	var closing sync.WaitGroup
	for _, p := range c.pairs {
		for n := range p.sides {
			closing.Go(p.sides[n].close)
		}
	}
	closing.Wait()
}

// dial connects the session with a number to the service. It takes the run's source addresses in turn, if there are any.
func (c *calls) dial(ctx context.Context, number int) (*client.Client, error) {
	var dialer net.Dialer
	if all := c.plan.Sources; len(all) > 0 {
		source := all[int(c.sources.Add(1))%len(all)]
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	options := []client.Option{client.WithDialContext(dialer.DialContext)}
	if tokens := c.plan.Tokens; len(tokens) > 0 {
		options = append(options, client.WithToken(func(_ context.Context, login string) (string, error) {
			return string(tokens.of(number, []byte(login))), nil
		}))
	}
	return client.Dial(ctx, c.plan.Options.URL, options...)
}

// openingCalls bounds the sessions that are being opened at a time.
const openingCalls = 16
