package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"p2p-messaging/transport/client"
	"p2p-messaging/transport/loadtest/figures"
)

// callTimeout bounds the set-up of a call, and the time until a message comes back.
const callTimeout = 20 * time.Second

// Codes of failed calls. They say how far a call came before its time was over. See also errorCode.
const (
	codeNoOffer      = "call-no-offer"      // the offer did not reach the callee
	codeNoAnswer     = "call-no-answer"     // the answer did not reach the caller
	codeNoChannel    = "call-no-channel"    // the data channel did not open at both ends
	codeNoEcho       = "call-no-echo"       // a message over the data channel did not come back
	codeWrongEcho    = "call-wrong-echo"    // something else came back
	codeUnreadable   = "call-unreadable"    // a frame of the call cannot be used by WebRTC
	codeMisrouted    = "call-misrouted"     // a frame arrived at a session that it was not for
	codeDisconnected = "call-disconnected"  // the peers lost each other
	codeWebRTC       = "call-webrtc-failed" // this program's own WebRTC peer failed
)

// callPair is two sessions. Side 0 calls and side 1 answers.
type callPair struct {
	calls *calls
	index uint32
	sides [2]callSide
	once  sync.Once
	gone  chan struct{} // closed when a session of the pair has ended or could not be opened
}

// lost handles the end of a session of the pair, or the failure to open it.
func (p *callPair) lost(err error) {
	c := p.calls
	if c.over.Load() {
		return
	}
	code := clientErrorCode(err)
	c.record(func(r *figures.Snapshot) {
		r.AddErrors(code, 1)
		var closed *client.CloseError
		if errors.As(err, &closed) {
			r.AddCloses(int(closed.Code), 1)
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

// run calls until ctx ends, at least once. The end of life ends a call under way.
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

// callError says why a call failed.
type callError struct{ code string }

func (e *callError) Error() string { return "the call failed: " + e.code }

// errCounted is the failure of a call whose cause is counted already: an error from the service, or the end of a
// session.
var errCounted = errors.New("the call failed, as was counted")

// call makes one call: set-up, messages, end. It counts the outcome.
func (p *callPair) call(life context.Context, number int) error {
	began := time.Now()
	under := newCallUnderWay(life, number)
	for n := range p.sides {
		p.sides[n].join(under)
	}
	err := p.setUp(under)
	c := p.calls
	c.record(func(r *figures.Snapshot) {
		r.Add(figures.CounterCallsStarted, 1)
		if err == nil {
			r.Add(figures.CounterCallsConnected, 1)
			r.Observe(figures.MetricCallSetup, time.Since(began))
		}
	})
	if err == nil {
		err = p.converse(under)
	}
	if err != nil {
		c.record(func(r *figures.Snapshot) {
			r.Add(figures.CounterCallsFailed, 1)
			var failed *callError
			if errors.As(err, &failed) {
				r.AddErrors(failed.code, 1)
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

// setUp sends the offer and waits until the data channel is open at both ends.
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

// converse sends the messages of a call. Each is sent when the echo of the one before has arrived.
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
		p.calls.record(func(r *figures.Snapshot) {
			r.Add(figures.CounterMessagesSent, 1) // counted together with the echo, so that both numbers belong to the same phase
			if err == nil {
				r.Add(figures.CounterMessagesReceived, 1)
				r.Observe(figures.MetricMessage, time.Since(sent))
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
