package loadtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/webrtc/v4"

	"p2p-messaging/transport/client"
)

// callTimeout is how long a call may take to be set up, and each message of it to come back.
const callTimeout = 20 * time.Second

// Codes of calls that failed, by what had not happened when their time was over; see also errorCode.
const (
	codeNoOffer      = "call-no-offer"      // the offer did not reach the callee
	codeNoAnswer     = "call-no-answer"     // the answer did not reach the caller
	codeNoChannel    = "call-no-channel"    // the data channel did not open at both ends
	codeNoEcho       = "call-no-echo"       // a message over the data channel did not come back
	codeWrongEcho    = "call-wrong-echo"    // something else came back
	codeUnreadable   = "call-unreadable"    // a frame of the call arrived as one that WebRTC cannot use
	codeMisrouted    = "call-misrouted"     // a frame arrived at a session that it was not for
	codeDisconnected = "call-disconnected"  // the peers lost each other
	codeWebRTC       = "call-webrtc-failed" // this program's own side could not do its part
)

// calls is pairs of WebRTC peers that call each other, again and again: the scenario call. Signaling goes through the
// service; media and data stay on this machine's loopback interface.
type calls struct {
	plan  plan
	pairs []*callPair
	api   *webrtc.API

	logins  atomic.Int64
	sources atomic.Int64 // addresses used so far
	over    atomic.Bool  // connections end because the run does

	mu       sync.Mutex // makes what belongs together appear in the same second
	recorder Recorder
	dead     int   // pairs that could not be opened, or broke
	last     error // that ended a connection
}

func newCalls(p plan) *calls {
	c := &calls{plan: p, api: newPeerAPI()}
	first, end := portion(p.Options.PairsOf(ScenarioCall), p.Process, p.Processes)
	for i := first; i < end; i++ {
		q := &callPair{calls: c, index: uint32(i), gone: make(chan struct{})}
		for n := range q.sides {
			q.sides[n] = callSide{pair: q, login: string(appendLogin(nil, p.Run, kindCall, q.index, n))}
		}
		c.pairs = append(c.pairs, q)
	}
	return c
}

// record has f count what belongs together.
func (c *calls) record(f func(r *Recorder)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(&c.recorder)
}

func (c *calls) take() *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recorder.Take()
}

func (c *calls) sessions() int64 { return c.logins.Load() }

func (c *calls) lasting() (opened, ended int, last error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return 2 * len(c.pairs), 2 * c.dead, c.last
}

// open logs all sessions in. Those that cannot be are counted as errors.
func (c *calls) open(ctx context.Context) error {
	var opening sync.WaitGroup
	defer opening.Wait()
	began := time.Now()
	places := make(chan struct{}, openingCalls)
	n := 0
	for _, p := range c.pairs {
		for i := range p.sides {
			due := began
			if rate := c.plan.Options.callRate() / float64(c.plan.Processes); rate > 0 {
				due = began.Add(time.Duration(math.Round(float64(n) / rate * float64(time.Second))))
			}
			n++
			select {
			case <-time.After(time.Until(due)):
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case places <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
			opening.Go(func() {
				p.sides[i].open(ctx)
				<-places
			})
		}
	}
	return nil
}

// openingCalls bounds the sessions that are being opened at a time.
const openingCalls = 16

// run has all pairs call each other until ctx ends, each once at least. Calls that are under way then have as long as
// frames have to arrive in the end.
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

// close ends all sessions, with a close handshake where the service takes part in it.
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

// dial connects to the service, from the next of the run's addresses where there are any.
func (c *calls) dial(ctx context.Context) (*client.Client, error) {
	var dialer net.Dialer
	if all := c.plan.Sources; len(all) > 0 {
		source := all[int(c.sources.Add(1))%len(all)]
		dialer.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	}
	return client.Dial(ctx, c.plan.Options.URL, client.WithDialContext(dialer.DialContext))
}

// callPair is two sessions; side 0 calls, side 1 answers.
type callPair struct {
	calls *calls
	index uint32
	sides [2]callSide
	once  sync.Once
	gone  chan struct{} // closed when a session of the pair could not be opened, or has ended
}

// lost tells that a session of the pair has ended or could not be opened.
func (p *callPair) lost(err error) {
	c := p.calls
	if c.over.Load() {
		return
	}
	code := clientErrorCode(err)
	c.record(func(r *Recorder) {
		r.Error(code)
		var closed *client.CloseError
		if errors.As(err, &closed) {
			r.CloseCode(int(closed.Code))
		}
		c.last = err
	})
	p.once.Do(func() {
		close(p.gone)
		c.mu.Lock()
		c.dead++
		c.mu.Unlock()
	})
}

// run calls until ctx ends, once at least. Life ends what is under way.
func (p *callPair) run(ctx, life context.Context) {
	for number := 0; !isClosed(p.gone); number++ {
		if ended := p.call(life, number); ended != nil {
			p.wait(ctx, pause)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (p *callPair) wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	case <-p.gone:
	}
}

// callError is why a call failed.
type callError struct{ code string }

func (e *callError) Error() string { return "the call failed: " + e.code }

// errCounted is the failure of a call whose cause was counted already: an error that the service reported, or the end of
// a session.
var errCounted = errors.New("the call failed, as was counted")

// call is one call: set-up, messages, end. What came of it is counted.
func (p *callPair) call(life context.Context, number int) error {
	began := time.Now()
	under := newCallUnderWay(life, number)
	for n := range p.sides {
		p.sides[n].join(under)
	}
	err := p.setUp(under)
	c := p.calls
	c.record(func(r *Recorder) {
		r.Add(CounterCallsStarted, 1)
		if err == nil {
			r.Add(CounterCallsConnected, 1)
			r.Observe(MetricCallSetup, time.Since(began))
		}
	})
	if err == nil {
		err = p.converse(under)
	}
	if err != nil {
		c.record(func(r *Recorder) {
			r.Add(CounterCallsFailed, 1)
			var failed *callError
			if errors.As(err, &failed) {
				r.Error(failed.code)
			}
		})
	}
	var ending sync.WaitGroup
	for n := range p.sides {
		ending.Go(p.sides[n].leave)
	}
	ending.Wait()
	return err
}

// setUp offers, and waits until the data channel is open at both ends.
func (p *callPair) setUp(under *callUnderWay) error {
	caller, callee := &p.sides[0], &p.sides[1]
	if err := caller.offer(); err != nil {
		return err
	}
	timeout := time.NewTimer(callTimeout)
	defer timeout.Stop()
	for _, opened := range under.opened {
		select {
		case <-opened:
			continue
		case err := <-under.failed:
			return err
		case <-p.gone:
			return errCounted
		case <-timeout.C:
		case <-under.life.Done():
		}
		switch {
		case !callee.described():
			return &callError{codeNoOffer}
		case !caller.described():
			return &callError{codeNoAnswer}
		}
		return &callError{codeNoChannel}
	}
	return nil
}

// converse sends the messages of a call, each when the one before has come back.
func (p *callPair) converse(under *callUnderWay) error {
	timeout := time.NewTimer(callTimeout)
	defer timeout.Stop()
	for n := range p.calls.plan.Options.Messages {
		text := fmt.Sprintf("message %d of call %d, pair %d", n+1, under.number+1, p.index+1)
		timeout.Reset(callTimeout)
		sent := time.Now()
		if err := p.sides[0].peer.channel.SendText(text); err != nil {
			return &callError{codeDisconnected}
		}
		err := under.echoed(text, timeout.C)
		p.calls.record(func(r *Recorder) {
			r.Add(CounterMessagesSent, 1) // only now, lest the two numbers fall into different phases
			if err == nil {
				r.Add(CounterMessagesReceived, 1)
				r.Observe(MetricMessage, time.Since(sent))
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// echoed waits for the echo of a message.
func (u *callUnderWay) echoed(text string, timeout <-chan time.Time) error {
	select {
	case echo := <-u.echoes:
		if echo != text {
			return &callError{codeWrongEcho}
		}
		return nil
	case err := <-u.failed:
		return err
	case <-timeout:
	case <-u.life.Done():
	}
	return &callError{codeNoEcho}
}

// clientErrorCode returns the code that the end of a client's connection is counted under.
func clientErrorCode(err error) string {
	var refused *client.RefusedError
	var closed *client.CloseError
	var handshake *client.HandshakeError
	switch {
	case errors.As(err, &refused) && refused.Code == "":
		return codeNone
	case errors.As(err, &refused):
		return string(refused.Code)
	case errors.As(err, &closed):
		return "closed-by-service"
	case errors.As(err, &handshake):
		return "handshake-failed"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, io.EOF):
		return "connection-ended"
	}
	return errorCode(err)
}

// callSide is one session of a pair.
type callSide struct {
	pair   *callPair
	login  string
	client *client.Client // nil where the session could not be opened
	read   chan struct{}  // closed when nothing more is read

	mu    sync.Mutex
	under *callUnderWay // the call that there is; else nil
	peer  *peer         // its peer on this side; nil before there is one
}

func (s *callSide) open(ctx context.Context) {
	err := s.logIn(ctx)
	if err != nil && ctx.Err() == nil {
		s.pair.lost(err)
	}
}

func (s *callSide) logIn(ctx context.Context) error {
	c := s.pair.calls
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	began := time.Now()
	c.record(func(r *Recorder) { r.Add(CounterDials, 1) })
	connection, err := c.dial(ctx)
	if err != nil {
		return err
	}
	connected := time.Now()
	c.record(func(r *Recorder) {
		r.Add(CounterOpened, 1)
		r.Observe(MetricConnect, connected.Sub(began))
		r.Add(CounterLoginsSent, 1)
	})
	if err := connection.Login(ctx, s.login); err != nil {
		connection.CloseNow()
		c.record(func(r *Recorder) { r.Add(CounterClosed, 1) })
		return err
	}
	c.record(func(r *Recorder) {
		r.Add(CounterLoggedIn, 1)
		r.Observe(MetricLogin, time.Since(connected))
	})
	c.logins.Add(1)
	s.client, s.read = connection, make(chan struct{})
	go s.receive()
	return nil
}

func (s *callSide) close() {
	if s.client == nil {
		return
	}
	_ = s.client.Close() // a service that has gone away already is no news
	<-s.read
}

// receive takes what the service sends, until the connection ends.
func (s *callSide) receive() {
	defer close(s.read)
	c := s.pair.calls
	for {
		m, err := s.client.Receive(context.Background())
		if err != nil {
			c.logins.Add(-1)
			c.record(func(r *Recorder) {
				r.Add(CounterLoggedOut, 1)
				r.Add(CounterClosed, 1)
			})
			s.pair.lost(err)
			return
		}
		c.record(func(r *Recorder) { r.Add(CounterBytesReceived, int64(len(m.Text))) })
		var reported *client.ServiceError
		if errors.As(m.Err(), &reported) {
			s.refused(reported)
			continue
		}
		if m.From != s.other().login || m.To != s.login {
			c.record(func(r *Recorder) { r.Error(codeMisrouted) })
			continue
		}
		c.record(func(r *Recorder) { r.Add(CounterRelaysDelivered, 1) })
		s.take(m)
	}
}

func (s *callSide) other() *callSide {
	if s == &s.pair.sides[0] {
		return &s.pair.sides[1]
	}
	return &s.pair.sides[0]
}

// refused takes an error that the service reports about a frame: the call fails, unless it is set up already.
func (s *callSide) refused(reported *client.ServiceError) {
	code := codeNone
	if reported.Code != "" {
		code = string(reported.Code)
	}
	s.pair.calls.record(func(r *Recorder) {
		r.Add(CounterRelaysRefused, 1)
		r.Error(code)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under != nil && !s.under.isOpen() {
		s.under.fail(errCounted)
	}
}
