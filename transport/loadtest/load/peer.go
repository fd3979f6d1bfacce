package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"p2p-messaging/messages"
	"p2p-messaging/transport/loadtest/figures"
)

// newPeerAPI returns what makes peers: without media, STUN and mDNS, with one UDP socket each, on 127.0.0.1.
func newPeerAPI() *webrtc.API {
	var s webrtc.SettingEngine
	s.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetIncludeLoopbackCandidate(true)
	s.SetIPFilter(net.IPv4(127, 0, 0, 1).Equal)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	return webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(&webrtc.MediaEngine{}),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
}

// callUnderWay is what both sides of a call and who conducts it have in common.
type callUnderWay struct {
	number int             // in its pair, from 0; it stands in every frame, so that late ones of other calls are known
	life   context.Context // of everything: when it ends, nothing is sent any more
	opened [2]chan struct{}
	once   [2]sync.Once
	echoes chan string
	failed chan error // the first failure
}

func newCallUnderWay(life context.Context, number int) *callUnderWay {
	return &callUnderWay{
		number: number, life: life, opened: [2]chan struct{}{make(chan struct{}), make(chan struct{})},
		echoes: make(chan string, 1), failed: make(chan error, 1),
	}
}

// open tells that the data channel is open at an end.
func (u *callUnderWay) open(end int) { u.once[end].Do(func() { close(u.opened[end]) }) }

func (u *callUnderWay) fail(err error) {
	select {
	case u.failed <- err:
	default:
	}
}

func (u *callUnderWay) isOpen() bool { return isClosed(u.opened[0]) && isClosed(u.opened[1]) }

// peer is one end of a call.
type peer struct {
	side       *callSide
	under      *callUnderWay
	connection *webrtc.PeerConnection
	channel    *webrtc.DataChannel       // the caller's
	remote     bool                      // the remote description is set
	early      []webrtc.ICECandidateInit // that came before it

	mu        sync.Mutex
	described bool                   // the local description was sent
	held      []*webrtc.ICECandidate // that were found before that
}

// describing is the payload of an offer or an answer.
type describing struct {
	Type string `json:"type"`
	SDP  string `json:"sdp"`
	Call int    `json:"call"`
}

// trickling is the payload of a candidate. An empty one says that there are no more (RFC 8838, section 13).
type trickling struct {
	webrtc.ICECandidateInit
	Call int `json:"call"`
}

// describe sets the local description and sends it, and the candidates after it.
func (p *peer) describe(t messages.Type, description webrtc.SessionDescription) error {
	if err := p.connection.SetLocalDescription(description); err != nil {
		return &callError{codeWebRTC}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.send(t, describing{description.Type.String(), description.SDP, p.under.number})
	p.described = true
	for _, c := range p.held {
		p.sendCandidate(c)
	}
	p.held = nil
	return nil
}

// trickle takes a candidate of this side, or nil after the last one.
func (p *peer) trickle(c *webrtc.ICECandidate) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.described {
		p.held = append(p.held, c)
		return
	}
	p.sendCandidate(c)
}

func (p *peer) sendCandidate(c *webrtc.ICECandidate) {
	last := uint16(0)
	mid := "0"
	init := webrtc.ICECandidateInit{SDPMid: &mid, SDPMLineIndex: &last}
	if c != nil {
		init = c.ToJSON()
	}
	p.send(messages.TypeICECandidate, trickling{init, p.under.number})
}

// send has a frame relayed to the other side. A connection that does not take it ends, which is noticed where it is read.
func (p *peer) send(t messages.Type, payload any) {
	s := p.side
	text, err := json.Marshal(payload)
	if err != nil {
		p.under.fail(&callError{codeWebRTC})
		return
	}
	text = fmt.Appendf(nil, `{"type":"%s","%[1]s":%s,"from":"%s","to":"%s"}`, t, text, s.login, s.other().login)
	ctx, cancel := context.WithTimeout(p.under.life, callTimeout)
	defer cancel()
	if s.client.SendText(ctx, text) != nil {
		return
	}
	s.pair.calls.record(func(r *figures.Recorder) {
		r.Add(figures.CounterRelaysSent, 1)
		r.Add(figures.CounterBytesSent, int64(len(text)))
	})
}

// accept sets the remote description.
func (p *peer) accept(t webrtc.SDPType, sdp string) error {
	if err := p.connection.SetRemoteDescription(webrtc.SessionDescription{Type: t, SDP: sdp}); err != nil {
		return &callError{codeUnreadable}
	}
	p.remote = true
	for _, c := range p.early {
		if err := p.add(c); err != nil {
			return err
		}
	}
	p.early = nil
	return nil
}

// add takes a candidate of the other side.
func (p *peer) add(c webrtc.ICECandidateInit) error {
	if !p.remote {
		p.early = append(p.early, c)
		return nil
	}
	if err := p.connection.AddICECandidate(c); err != nil {
		return &callError{codeUnreadable}
	}
	return nil
}
