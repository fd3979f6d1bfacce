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

// newPeerAPI returns a factory for peers without media, STUN and mDNS. Each peer has one UDP socket, on 127.0.0.1.
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

// callUnderWay is what the two sides of a call share with the pair.
type callUnderWay struct {
	number int             // of the call in its pair, from 0; every frame carries it, so that late frames of other calls are recognized
	life   context.Context // nothing is sent any more when it ends
	opened [2]chan struct{}
	once   [2]sync.Once
	echoes chan string
	failed chan error // has the first failure
}

func newCallUnderWay(life context.Context, number int) *callUnderWay {
	return &callUnderWay{
		number: number, life: life, opened: [2]chan struct{}{make(chan struct{}), make(chan struct{})},
		echoes: make(chan string, 1), failed: make(chan error, 1),
	}
}

// open notes that the data channel is open at an end.
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
	channel    *webrtc.DataChannel       // the caller's data channel
	remote     bool                      // the remote description is set
	early      []webrtc.ICECandidateInit // candidates that came before the remote description

	mu        sync.Mutex
	described bool                   // the local description has been sent
	held      []*webrtc.ICECandidate // candidates found before the local description was sent
}

// describing is the payload of an offer or an answer.
type describing struct {
	Type string `json:"type"`
	SDP  string `json:"sdp"`
	Call int    `json:"call"`
}

// trickling is the payload of a candidate. An empty candidate means that there are no more (RFC 8838, section 13).
type trickling struct {
	webrtc.ICECandidateInit
	Call int `json:"call"`
}

// describe sets the local description and sends it, followed by the candidates found so far.
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

// trickle handles a candidate of this side. A nil candidate follows the last one.
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

// send sends a frame to the other side through the service. If the connection does not take it, the connection ends,
// and receive notices that.
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
	s.pair.calls.record(func(r *figures.Snapshot) {
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

// add adds a candidate of the other side.
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
