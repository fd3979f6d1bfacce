package probe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
)

// way is how two peers are to reach each other.
type way struct {
	name    string
	only    webrtc.ICECandidateType // other candidates are not told to the other side
	policy  webrtc.ICETransportPolicy
	servers [2][]webrtc.ICEServer
}

var (
	// errNoWay means that no pair of candidates works.
	errNoWay = errors.New("the two sides found no way to each other")
	// errRelaysApart means that nothing gets from one relay of a server to the other.
	errRelaysApart = errors.New("nothing gets from one relay to the other")
	// errNoCandidate means that a side has no address of the wanted kind.
	errNoCandidate = errors.New("this machine got no address of this kind to offer")
	// errNoAnswer means that frames of the call did not arrive.
	errNoAnswer = errors.New("the service did not carry the call's offer or its answer")
	// errWrongMessage means that something else arrived than was sent.
	errWrongMessage = errors.New("another message arrived than was sent")
)

// call is one call. Side 0 calls, side 1 answers.
type call struct {
	pair   [2]*session
	way    way
	number int // frames carry it, so that late frames of other calls are recognized
	peers  [2]*webrtc.PeerConnection

	channel *webrtc.DataChannel
	opened  [2]chan struct{}
	got     [2]chan string
	failed  chan error // has the first failure

	life context.Context // nothing is sent any more when it ends
	stop context.CancelFunc

	signaling sync.Mutex // held while a frame is handled

	mu         sync.Mutex
	candidates int  // how many were told
	described  bool // both sides have the description of the other
}

// newCall makes the two peers.
func (p *prober) newCall(pair [2]*session, w way) (*call, error) {
	p.calls++
	c := &call{
		pair: pair, way: w, number: p.calls, failed: make(chan error, 1),
		opened: [2]chan struct{}{make(chan struct{}), make(chan struct{})},
		got:    [2]chan string{make(chan string, 1), make(chan string, 1)},
	}
	c.life, c.stop = context.WithCancel(context.Background())
	api := newAPI(p.timeout)
	for side := range c.peers {
		peer, err := api.NewPeerConnection(webrtc.Configuration{ICEServers: w.servers[side], ICETransportPolicy: w.policy})
		if err != nil {
			c.end()
			return nil, err
		}
		c.peers[side] = peer
		peer.OnICECandidate(func(found *webrtc.ICECandidate) { c.trickle(side, found) })
		peer.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
			if state == webrtc.PeerConnectionStateFailed {
				c.fail(errNoWay)
			}
		})
	}
	c.peers[1].OnDataChannel(func(channel *webrtc.DataChannel) { c.use(1, channel) })
	return c, nil
}

// newAPI returns a factory for peers without media.
func newAPI(timeout time.Duration) *webrtc.API {
	var s webrtc.SettingEngine
	s.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	s.SetIncludeLoopbackCandidate(true)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetSrflxAcceptanceMinWait(0)
	s.SetRelayAcceptanceMinWait(0)
	s.SetSTUNGatherTimeout(timeout)
	return webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(&webrtc.MediaEngine{}),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
}

// use takes a data channel into use.
func (c *call) use(side int, channel *webrtc.DataChannel) {
	channel.OnOpen(func() { close(c.opened[side]) })
	channel.OnMessage(func(m webrtc.DataChannelMessage) {
		select {
		case c.got[side] <- string(m.Data):
		default:
			c.fail(errWrongMessage)
		}
		if side == 1 {
			if err := channel.SendText(c.words(1)); err != nil {
				c.fail(err)
			}
		}
	})
}

// words is the message that a side sends.
func (c *call) words(side int) string {
	return fmt.Sprintf("message of side %d in call %d", side, c.number)
}

func (c *call) fail(err error) {
	select {
	case c.failed <- err:
	default:
	}
}

// frame is the payload of each frame of a call.
type frame struct {
	Call int    `json:"call"`
	Type string `json:"type,omitempty"`
	SDP  string `json:"sdp,omitempty"`
	*webrtc.ICECandidateInit
}

func (c *call) send(side int, t messages.Type, f frame) {
	f.Call = c.number
	payload, err := json.Marshal(f)
	if err != nil {
		c.fail(err)
		return
	}
	text := fmt.Appendf(nil, `{"type":"%s","%[1]s":%s,"from":"%s","to":"%s"}`, t, payload, c.pair[side].login, c.pair[1-side].login)
	if err := c.pair[side].client.SendText(c.life, text); err != nil {
		c.fail(err)
	}
}

// trickle tells the other side a candidate of the way's kind.
func (c *call) trickle(side int, found *webrtc.ICECandidate) {
	if found == nil || found.Typ != c.way.only {
		return
	}
	c.mu.Lock()
	c.candidates++
	c.mu.Unlock()
	init := found.ToJSON()
	c.send(side, messages.TypeICECandidate, frame{ICECandidateInit: &init})
}

// setUp returns when the data channel is open at both ends.
func (c *call) setUp(ctx context.Context) error {
	for side, s := range c.pair {
		s.handleWith(func(m client.Message) {
			if err := c.take(side, m); err != nil {
				c.fail(err)
			}
		})
	}
	if err := c.offer(); err != nil {
		return err
	}
	for _, opened := range c.opened {
		select {
		case <-opened:
		case err := <-c.failed:
			return c.sharpen(err)
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return c.sharpen(errNoWay)
		}
	}
	return nil
}

// sharpen returns a better reason than errNoWay, if there is one.
func (c *call) sharpen(err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !errors.Is(err, errNoWay):
		return err
	case !c.described:
		return errNoAnswer
	case c.candidates == 0:
		return errNoCandidate
	case c.way.policy == webrtc.ICETransportPolicyRelay:
		return errRelaysApart
	}
	return err
}

// offer begins the call. The offer is sent before the local description is set, because candidates are found from then on.
func (c *call) offer() error {
	channel, err := c.peers[0].CreateDataChannel("probe", nil)
	if err != nil {
		return err
	}
	c.channel = channel
	c.use(0, channel)
	offer, err := c.peers[0].CreateOffer(nil)
	if err != nil {
		return err
	}
	c.signaling.Lock() // take waits with the answer
	defer c.signaling.Unlock()
	c.send(0, messages.TypeOffer, frame{Type: "offer", SDP: offer.SDP})
	return c.peers[0].SetLocalDescription(offer)
}

// take handles a frame that arrived at a side.
func (c *call) take(side int, m client.Message) error {
	if err := m.Err(); err != nil {
		return err
	}
	var f frame
	if json.Unmarshal(m.Payload, &f) != nil || f.Call != c.number {
		return nil // it belongs to an earlier call
	}
	c.signaling.Lock()
	defer c.signaling.Unlock()
	peer := c.peers[side]
	switch m.Type {
	case messages.TypeOffer.String():
		if err := peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: f.SDP}); err != nil {
			return err
		}
		answer, err := peer.CreateAnswer(nil)
		if err != nil {
			return err
		}
		c.send(side, messages.TypeAnswer, frame{Type: "answer", SDP: answer.SDP})
		return peer.SetLocalDescription(answer)
	case messages.TypeAnswer.String():
		c.mu.Lock()
		c.described = true
		c.mu.Unlock()
		return peer.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: f.SDP})
	case messages.TypeICECandidate.String():
		if f.ICECandidateInit == nil {
			return nil
		}
		return peer.AddICECandidate(*f.ICECandidateInit) // it comes behind the description, from one sender in order
	}
	return nil
}

// converse sends a message each way.
func (c *call) converse(ctx context.Context) error {
	if err := c.channel.SendText(c.words(0)); err != nil {
		return err
	}
	for _, side := range []int{1, 0} {
		select {
		case got := <-c.got[side]:
			if got != c.words(1-side) {
				return errWrongMessage
			}
		case err := <-c.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// end returns when nothing of the call is left.
func (c *call) end() {
	for _, s := range c.pair {
		s.handleWith(nil)
	}
	c.stop()
	var ending sync.WaitGroup
	for _, peer := range c.peers {
		if peer != nil {
			ending.Go(func() { _ = peer.GracefulClose() }) // the other end may have closed already
		}
	}
	ending.Wait()
}
