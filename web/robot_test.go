package web_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
)

// Kinds of frames on the channel of two pages (src/call/framing.ts).
const (
	frameHello   = 1
	frameText    = 2
	frameReceipt = 3
	frameGoodbye = 4
	framePing    = 5
	framePong    = 6
	frameRead    = 7
	frameTyping  = 8
	frameFile    = 9
	frameNext    = 10
)

// Ids of the negotiated data channels.
const (
	channelID     = 100
	bulkChannelID = 101
)

// maxUnacknowledged is how many bytes of a channel may be on their way. Even in the shortest messages they fit, with all their headers,
// into the buffer of the other browser's socket, so that none is lost where that browser is starved: pion/sctp from 1.9 to 1.12.1 at
// least does not always recover from losses (with every tenth packet lost, about one run in four got stuck for good; with 1.8.41 none).
const maxUnacknowledged = 16 * 1024

// peer is one who speaks as the page does, and is no page: a client of the service with WebRTC by pion. It does what a test says,
// also what a page never would.
type peer struct {
	t      testing.TB
	login  string
	client *client.Client
	// certificate is what the calls made from now on show, as a browser that keeps its own.
	certificate webrtc.Certificate
	// api makes the connections of the calls made from now on; nil: ordinary ones.
	api *webrtc.API
	// mute: it does nothing by itself, no hello and no receipt, but for a sign of life when it is asked for one.
	mute bool
	// alter, if not nil, may change a frame before it goes out to the service; false holds it back.
	alter func(fields map[string]any) bool

	life     context.Context
	incoming chan *line // calls of others, answered

	mu    sync.Mutex
	lines map[string]*line // by call id
	calls int
}

// peer logs one in.
func (s *service) peer(login string) *peer {
	s.t.Helper()
	return dialPeer(s.t, "ws://"+s.address+"/ws", login)
}

func dialPeer(t testing.TB, url, login string) *peer {
	t.Helper()
	life, end := context.WithCancel(context.Background())
	c, err := client.Dial(life, url)
	if err != nil {
		end()
		t.Fatal(err)
	}
	p := &peer{
		t: t, login: login, client: c, certificate: newCertificate(t), life: life, incoming: make(chan *line, 16), lines: map[string]*line{},
	}
	ended := make(chan struct{})
	close(ended)
	t.Cleanup(func() {
		end()
		_ = c.Close()
		<-ended
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, l := range p.lines {
			_ = l.connection.Close() // The page may have closed before.
		}
	})
	if err := c.Login(life, login); err != nil {
		t.Fatal(err)
	}
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		for {
			m, err := c.Receive(life)
			if err != nil {
				return
			}
			p.take(m)
		}
	}()
	return p
}

func newCertificate(t testing.TB) webrtc.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := webrtc.GenerateCertificate(key)
	if err != nil {
		t.Fatal(err)
	}
	return *certificate
}

// newPeerAPI makes connections on this machine's loopback interface.
var newPeerAPI = sync.OnceValue(func() *webrtc.API { return webrtc.NewAPI(webrtc.WithSettingEngine(peerSettings())) })

func peerSettings() webrtc.SettingEngine {
	var s webrtc.SettingEngine
	s.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	s.SetIncludeLoopbackCandidate(true)
	s.SetIPFilter(net.IPv4(127, 0, 0, 1).Equal)
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	return s
}

// line is a peer's end of one call.
type line struct {
	t          testing.TB
	peer       *peer
	id, other  string
	connection *webrtc.PeerConnection
	channel    *webrtc.DataChannel
	bulk       *webrtc.DataChannel
	// bye gets the reason of a bye by way of the service.
	bye            chan string
	opened, closed chan struct{}
	// lastText is the id of the last text that hears has returned.
	lastText uint32

	// room tells whoever waits to send that what was sent has arrived, or that the line is closed.
	room sync.Cond

	mu      sync.Mutex
	frames  [][]byte // that came on the channel and were not looked at yet
	chunks  [][]byte // that came on the files' channel
	to      *line    // where all of these go instead
	texts   int      // of the frames that went there, those that had a text, a read mark or typing in them
	changed chan struct{}
}

// newLine makes an end of a call; p.mu is held.
func (p *peer) newLine(id, other string) (*line, error) {
	api := p.api
	if api == nil {
		api = newPeerAPI()
	}
	connection, err := api.NewPeerConnection(webrtc.Configuration{Certificates: []webrtc.Certificate{p.certificate}})
	if err != nil {
		return nil, err
	}
	l := &line{
		t: p.t, peer: p, id: id, other: other, connection: connection, bye: make(chan string, 16),
		opened: make(chan struct{}), closed: make(chan struct{}), changed: make(chan struct{}, 1),
	}
	l.room.L = &sync.Mutex{}
	p.lines[id] = l
	negotiate := func(label string, number uint16) (*webrtc.DataChannel, error) {
		yes := true
		return connection.CreateDataChannel(label, &webrtc.DataChannelInit{Negotiated: &yes, ID: &number})
	}
	if l.channel, err = negotiate("p2p-messaging", channelID); err != nil {
		return nil, err
	}
	if l.bulk, err = negotiate("p2p-messaging-files", bulkChannelID); err != nil {
		return nil, err
	}
	for _, channel := range []*webrtc.DataChannel{l.channel, l.bulk} {
		channel.SetBufferedAmountLowThreshold(maxUnacknowledged / 2)
		channel.OnBufferedAmountLow(l.wakeSenders)
	}
	mute := p.mute
	l.channel.OnOpen(func() {
		if !mute {
			l.post(helloFrame(p.login + "'s page"))
		}
		close(l.opened)
	})
	var once sync.Once
	l.channel.OnClose(func() {
		once.Do(func() { close(l.closed) })
		l.wakeSenders()
	})
	l.channel.OnMessage(func(m webrtc.DataChannelMessage) {
		select { // The hello goes first: an answer in front of it ends the call.
		case <-l.opened:
		case <-l.closed:
		}
		switch {
		case len(m.Data) > 0 && m.Data[0] == framePing:
			l.post([]byte{framePong})
		case !mute && len(m.Data) >= 6 && m.Data[0] == frameText && m.Data[1] == 1:
			l.post(receiptFrame(binary.BigEndian.Uint32(m.Data[2:])))
		}
		l.got(&l.frames, m.Data)
	})
	l.bulk.OnMessage(func(m webrtc.DataChannelMessage) { l.got(&l.chunks, m.Data) })
	return l, nil
}

func (l *line) got(list *[][]byte, data []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.to != nil {
		l.pass(list, data)
		return
	}
	*list = append(*list, data)
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// forward passes on to another line whatever came and comes on this one, as one in the middle does. The peers of both are mute.
func (l *line) forward(to *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
	for _, list := range []*[][]byte{&l.frames, &l.chunks} {
		for _, data := range *list {
			l.pass(list, data)
		}
		*list = nil
	}
}

func (l *line) pass(list *[][]byte, data []byte) {
	if list == &l.frames && len(data) > 0 && (data[0] == frameText || data[0] == frameRead || data[0] == frameTyping || data[0] == frameFile) {
		l.texts++
	}
	if list == &l.chunks {
		l.to.sendBulk(data)
	} else {
		l.to.send(data)
	}
}

// call calls a page and returns once the channel is open.
func (p *peer) call(to string) *line {
	p.t.Helper()
	l := p.offer(to)
	l.open()
	return l
}

// offer calls a page, and does not wait.
func (p *peer) offer(to string) *line {
	p.t.Helper()
	p.mu.Lock()
	p.calls++
	l, err := p.newLine(fmt.Sprintf("%s's call %d", p.login, p.calls), to)
	p.mu.Unlock()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := l.describe(); err != nil {
		p.t.Fatal(err)
	}
	return l
}

// accept waits for a page's call, which the peer takes by itself.
func (p *peer) accept() *line {
	p.t.Helper()
	select {
	case l := <-p.incoming:
		l.open()
		return l
	case <-time.After(patience):
		p.t.Fatalf("%s: nobody called within %v", p.login, patience)
		return nil
	}
}

func (l *line) open() {
	l.t.Helper()
	select {
	case <-l.opened:
	case <-time.After(patience):
		l.t.Fatalf("%s: the channel to %s did not open within %v", l.peer.login, l.other, patience)
	}
}

// describe sends the offer or the answer whose turn it is, with every candidate in it.
func (l *line) describe() error {
	var description webrtc.SessionDescription
	var err error
	if l.connection.SignalingState() == webrtc.SignalingStateHaveRemoteOffer {
		description, err = l.connection.CreateAnswer(nil)
	} else {
		description, err = l.connection.CreateOffer(nil)
	}
	if err != nil {
		return err
	}
	gathered := webrtc.GatheringCompletePromise(l.connection)
	if err := l.connection.SetLocalDescription(description); err != nil {
		return err
	}
	<-gathered
	kind := description.Type.String()
	l.signal(map[string]any{"type": kind, kind: map[string]any{"type": kind, "sdp": l.connection.LocalDescription().SDP}})
	return nil
}

// signal sends a frame about this call by way of the service.
func (l *line) signal(fields map[string]any) {
	l.t.Helper()
	fields["from"], fields["to"], fields["call"] = l.peer.login, l.other, l.id
	if l.peer.alter != nil && !l.peer.alter(fields) {
		return
	}
	l.peer.tell(fields)
}

// tell sends any frame to the service.
func (p *peer) tell(fields map[string]any) {
	p.t.Helper()
	text, err := json.Marshal(fields)
	if err != nil {
		p.t.Error(err)
		return
	}
	if err := p.client.SendText(p.life, text); err != nil && p.life.Err() == nil {
		p.t.Errorf("%s: send %.200s: %v", p.login, text, err)
	}
}

// take acts on a frame from the service.
func (p *peer) take(m client.Message) {
	var frame struct {
		From, Call, Reason string
		Offer, Answer      webrtc.SessionDescription
		Candidate          webrtc.ICECandidateInit `json:"ice-candidate"`
	}
	if json.Unmarshal(m.Text, &frame) != nil {
		return // An error of the service, or what only a test that looks for it would send.
	}
	p.mu.Lock()
	l := p.lines[frame.Call]
	isNew := l == nil && m.Type == messages.TypeOffer.String()
	if isNew {
		var err error
		if l, err = p.newLine(frame.Call, frame.From); err != nil {
			p.t.Error(err)
		}
	}
	p.mu.Unlock()
	if l == nil {
		return
	}
	var err error
	switch m.Type {
	case messages.TypeOffer.String():
		if err = l.connection.SetRemoteDescription(frame.Offer); err == nil {
			err = l.describe()
		}
		if isNew && err == nil {
			p.incoming <- l
		}
	case messages.TypeAnswer.String():
		err = l.connection.SetRemoteDescription(frame.Answer)
	case messages.TypeICECandidate.String():
		// Where a test has broken the call, its candidates lead nowhere.
		_ = l.connection.AddICECandidate(frame.Candidate)
	case "bye":
		select {
		case l.bye <- frame.Reason:
		default:
		}
	}
	if err != nil && p.life.Err() == nil {
		p.t.Errorf("%s: %s: %v", p.login, m.Type, err)
	}
}

// send sends one frame on the channel when there is room for it. Whether it arrives is for the test to see: the page may have closed.
func (l *line) send(frame []byte) {
	l.awaitRoom(l.channel)
	l.post(frame)
}

// sendBulk sends one message on the files' channel, likewise.
func (l *line) sendBulk(data []byte) {
	l.awaitRoom(l.bulk)
	_ = l.bulk.Send(data)
}

// post sends one frame on the channel at once: what answers the page waits for nothing.
func (l *line) post(frame []byte) { _ = l.channel.Send(frame) }

// awaitRoom returns once the other browser (its network, not its page) has taken nearly all that was sent, or the line is closed.
func (l *line) awaitRoom(channel *webrtc.DataChannel) {
	l.room.L.Lock()
	defer l.room.L.Unlock()
	for channel.ReadyState() == webrtc.DataChannelStateOpen && channel.BufferedAmount() > maxUnacknowledged {
		l.room.Wait()
	}
}

func (l *line) wakeSenders() {
	l.room.L.Lock()
	defer l.room.L.Unlock()
	l.room.Broadcast()
}

// say sends a text in one frame.
func (l *line) say(id uint32, text string) { l.send(textFrame(id, true, []byte(text))) }

// await returns the next frame of a kind, and passes over others.
func (l *line) await(kind byte) []byte {
	l.t.Helper()
	return l.next(fmt.Sprintf("a frame of kind %d", kind), &l.frames, func(frame []byte) bool { return len(frame) > 0 && frame[0] == kind })
}

// confirmed waits for a receipt for a text and all before it.
func (l *line) confirmed(id uint32) {
	l.t.Helper()
	l.next(fmt.Sprintf("a receipt for text %d", id), &l.frames, func(frame []byte) bool {
		return len(frame) == 5 && frame[0] == frameReceipt && binary.BigEndian.Uint32(frame[1:]) >= id
	})
}

// hears waits for the next text of the page and returns it.
func (l *line) hears() string {
	l.t.Helper()
	var text []byte
	for {
		frame := l.await(frameText)
		l.lastText = binary.BigEndian.Uint32(frame[2:])
		text = append(text, frame[6:]...)
		if frame[1] == 1 {
			return string(text)
		}
	}
}

// next takes the first of what has come or will come that fits, and drops those before it.
func (l *line) next(what string, list *[][]byte, fits func([]byte) bool) []byte {
	l.t.Helper()
	late := time.After(patience)
	for {
		l.mu.Lock()
		for i, data := range *list {
			if fits(data) {
				*list = (*list)[i+1:]
				l.mu.Unlock()
				return data
			}
		}
		*list = nil
		l.mu.Unlock()
		select {
		case <-l.changed:
		case <-late:
			l.t.Fatalf("%s: %s did not come from %s within %v: %s", l.peer.login, what, l.other, patience, l.state())
		}
	}
}

// state says in words how the line is, for those who look for what went wrong.
func (l *line) state() string {
	channel := "open"
	select {
	case <-l.closed:
		channel = "closed"
	default:
	}
	return fmt.Sprintf("ICE is %v, the channel %s with %d bytes that wait, byes from the page: %d",
		l.connection.ICEConnectionState(), channel, l.channel.BufferedAmount(), len(l.bye))
}

// ended waits until the page has ended this call.
func (l *line) ended() {
	l.t.Helper()
	select {
	case <-l.bye:
	case <-l.closed:
	case <-time.After(patience):
		l.t.Fatalf("%s: %s did not end the call within %v", l.peer.login, l.other, patience)
	}
}

// drop ends the connection without a word, as one who loses power does.
func (l *line) drop() { _ = l.connection.Close() }

func helloFrame(instance string) []byte {
	body, err := json.Marshal(map[string]any{"version": 1, "instance": instance})
	if err != nil {
		panic(err) // A string is always JSON.
	}
	return append([]byte{frameHello}, body...)
}

// helloFrameAfter says, besides, which of the other page's texts came last.
func helloFrameAfter(instance, other string, id uint32) []byte {
	body, err := json.Marshal(map[string]any{"version": 1, "instance": instance, "received": map[string]any{"instance": other, "id": id}})
	if err != nil {
		panic(err) // Strings and numbers are always JSON.
	}
	return append([]byte{frameHello}, body...)
}

// instance waits for the page's hello and returns what it calls itself.
func (l *line) instance() string {
	l.t.Helper()
	var hello struct{ Instance string }
	if err := json.Unmarshal(l.await(frameHello)[1:], &hello); err != nil {
		l.t.Fatalf("the page's hello: %v", err)
	}
	return hello.Instance
}

func textFrame(id uint32, last bool, part []byte) []byte {
	flags := byte(0)
	if last {
		flags = 1
	}
	return append(binary.BigEndian.AppendUint32([]byte{frameText, flags}, id), part...)
}

func receiptFrame(id uint32) []byte { return binary.BigEndian.AppendUint32([]byte{frameReceipt}, id) }

func readFrame(id uint32) []byte { return binary.BigEndian.AppendUint32([]byte{frameRead}, id) }

func typingFrame(typing bool) []byte {
	if typing {
		return []byte{frameTyping, 1}
	}
	return []byte{frameTyping, 0}
}

// fileFrame is a control frame about files (src/files/frames.ts).
func fileFrame(fields map[string]any) []byte {
	body, err := json.Marshal(fields)
	if err != nil {
		panic(err) // What tests say is always JSON.
	}
	return append([]byte{frameFile}, body...)
}
