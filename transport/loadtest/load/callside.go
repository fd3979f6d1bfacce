package load

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
	"p2p-messaging/transport/loadtest/figures"
)

// callSide is one session of a pair.
type callSide struct {
	pair   *callPair
	login  string
	client *client.Client // nil if the session could not be opened
	read   chan struct{}  // closed when receive has returned

	mu    sync.Mutex
	under *callUnderWay // the current call; nil: there is none
	peer  *peer         // this side's peer; nil: there is none yet
}

// open logs the session in. Due is when its connection was due.
func (s *callSide) open(ctx context.Context, due time.Time) error {
	err := s.logIn(ctx, due)
	if err != nil && ctx.Err() == nil {
		s.pair.lost(err)
	}
	return err
}

// errNotTried is why a session was not opened: the service had stopped opening sessions.
var errNotTried = errors.New("the service does not answer any more")

func (s *callSide) logIn(ctx context.Context, due time.Time) error {
	c := s.pair.calls
	ctx, cancel := context.WithTimeout(ctx, c.plan.Patience)
	defer cancel()
	began := time.Now()
	c.record(func(r *figures.Snapshot) {
		r.Add(figures.CounterDials, 1)
		if c.dialed.IsZero() {
			c.dialed = began
		}
	})
	connection, err := c.dial(ctx, s.number())
	if err != nil {
		return err
	}
	connected := time.Now()
	c.record(func(r *figures.Snapshot) {
		r.Add(figures.CounterOpened, 1)
		r.Observe(figures.MetricConnect, connected.Sub(due))
		r.Add(figures.CounterLoginsSent, 1)
	})
	if err := connection.Login(ctx, s.login); err != nil {
		connection.CloseNow()
		c.record(func(r *figures.Snapshot) { r.Add(figures.CounterClosed, 1) })
		return err
	}
	c.record(func(r *figures.Snapshot) {
		r.Add(figures.CounterLoggedIn, 1)
		r.Observe(figures.MetricLogin, time.Since(connected))
		c.loggedIn = time.Now()
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
	_ = s.client.Close() // an error means that the service has gone away, which is counted elsewhere
	<-s.read
}

// receive handles what the service sends, until the connection ends.
func (s *callSide) receive() {
	defer close(s.read)
	c := s.pair.calls
	for {
		m, err := s.client.Receive(context.Background())
		if err != nil {
			c.logins.Add(-1)
			c.record(func(r *figures.Snapshot) {
				r.Add(figures.CounterLoggedOut, 1)
				r.Add(figures.CounterClosed, 1)
			})
			s.pair.lost(err)
			return
		}
		c.record(func(r *figures.Snapshot) { r.Add(figures.CounterBytesReceived, int64(len(m.Text))) })
		var reported *client.ServiceError
		if errors.As(m.Err(), &reported) {
			s.refused(reported)
			continue
		}
		if m.From != s.other().login || m.To != s.login {
			c.record(func(r *figures.Snapshot) { r.AddErrors(codeMisrouted, 1) })
			continue
		}
		c.record(func(r *figures.Snapshot) { r.Add(figures.CounterRelaysDelivered, 1) })
		s.take(m)
	}
}

// number returns the number of the session among those of all calls.
func (s *callSide) number() int {
	if s == &s.pair.sides[0] {
		return 2 * int(s.pair.index)
	}
	return 2*int(s.pair.index) + 1
}

func (s *callSide) other() *callSide {
	if s == &s.pair.sides[0] {
		return &s.pair.sides[1]
	}
	return &s.pair.sides[0]
}

// refused handles an error that the service reports about a frame. The call fails, unless it is set up already.
func (s *callSide) refused(reported *client.ServiceError) {
	code := codeNone
	if reported.Code != "" {
		code = string(reported.Code)
	}
	s.pair.calls.record(func(r *figures.Snapshot) {
		r.Add(figures.CounterRelaysRefused, 1)
		r.AddErrors(code, 1)
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.under != nil && !s.under.isOpen() {
		s.under.fail(errCounted)
	}
}

// newPeer makes this side's end of a call.
func (s *callSide) newPeer(under *callUnderWay) (*peer, error) {
	connection, err := s.pair.calls.api.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		return nil, &callError{codeWebRTC}
	}
	p := &peer{side: s, under: under, connection: connection}
	connection.OnICECandidate(p.trickle)
	connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateFailed {
			under.fail(&callError{codeDisconnected})
		}
	})
	connection.OnDataChannel(func(channel *webrtc.DataChannel) {
		channel.OnOpen(func() { under.open(1) })
		channel.OnMessage(func(m webrtc.DataChannelMessage) {
			if channel.SendText(string(m.Data)) != nil {
				under.fail(&callError{codeDisconnected})
			}
		})
	})
	return p, nil
}

// join makes the side take part in a call.
func (s *callSide) join(under *callUnderWay) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.under = under
}

// leave ends the side's part in the call. It returns when nothing of it is left.
func (s *callSide) leave() {
	s.mu.Lock()
	p := s.peer
	s.under, s.peer = nil, nil
	s.mu.Unlock()
	if p != nil {
		_ = p.connection.GracefulClose() // the other end may have closed already
	}
}

// described reports whether the description of the other side has arrived.
func (s *callSide) described() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.peer != nil && s.peer.remote
}

// offer begins the call.
func (s *callSide) offer() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	under := s.under
	p, err := s.newPeer(under)
	if err != nil {
		return err
	}
	s.peer = p
	p.channel, err = p.connection.CreateDataChannel("messages", nil)
	if err != nil {
		return &callError{codeWebRTC}
	}
	p.channel.OnOpen(func() { under.open(0) })
	p.channel.OnMessage(func(m webrtc.DataChannelMessage) {
		select {
		case under.echoes <- string(m.Data):
		default:
			under.fail(&callError{codeWrongEcho}) // there is one echo too many
		}
	})
	description, err := p.connection.CreateOffer(nil)
	if err != nil {
		return &callError{codeWebRTC}
	}
	return p.describe(messages.TypeOffer, description)
}

// take handles a frame from the other side.
func (s *callSide) take(m client.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var of struct {
		Call *int `json:"call"`
	}
	err := json.Unmarshal(m.Payload, &of)
	if s.under == nil || of.Call != nil && *of.Call != s.under.number {
		return // it belongs to a call that has ended
	}
	if err == nil && of.Call != nil {
		err = s.signal(m)
	} else {
		err = &callError{codeUnreadable}
	}
	if err != nil {
		s.under.fail(err)
	}
}

// signal acts on a frame of the current call.
func (s *callSide) signal(m client.Message) error {
	var description describing
	var candidate trickling
	unreadable := &callError{codeUnreadable}
	switch m.Type {
	case messages.TypeOffer.String():
		if s.peer != nil {
			return nil // the offer came twice
		}
		if json.Unmarshal(m.Payload, &description) != nil {
			return unreadable
		}
		p, err := s.newPeer(s.under)
		if err != nil {
			return err
		}
		s.peer = p
		if err := p.accept(webrtc.SDPTypeOffer, description.SDP); err != nil {
			return err
		}
		answer, err := p.connection.CreateAnswer(nil)
		if err != nil {
			return &callError{codeWebRTC}
		}
		return p.describe(messages.TypeAnswer, answer)
	case messages.TypeAnswer.String():
		if s.peer == nil || s.peer.remote {
			return nil
		}
		if json.Unmarshal(m.Payload, &description) != nil {
			return unreadable
		}
		return s.peer.accept(webrtc.SDPTypeAnswer, description.SDP)
	case messages.TypeICECandidate.String():
		if s.peer == nil {
			return nil // the offer did not arrive, which setUp notices
		}
		if json.Unmarshal(m.Payload, &candidate) != nil {
			return unreadable
		}
		return s.peer.add(candidate.ICECandidateInit)
	}
	return nil
}

// clientErrorCode returns the code under which the end of a client's connection is counted.
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
	case errors.Is(err, errNotTried):
		return codeNotTried
	case errors.Is(err, context.DeadlineExceeded):
		return codeTimeout
	case errors.Is(err, io.EOF):
		return "connection-ended"
	}
	return errorCode(err)
}
