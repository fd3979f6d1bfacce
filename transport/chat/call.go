package chat

import (
	"crypto/sha256"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/logging"
	"github.com/pion/webrtc/v4"
)

const (
	textsID = 100 // the negotiated channel for texts
	bulkID  = 101 // the negotiated channel for the bytes of files

	setupTimeout = 20 * time.Second       // from the first offer until texts can pass
	probeTimeout = 800 * time.Millisecond // for the answer to a ping, of a page that may be gone
	leaveTimeout = time.Second            // for the goodbye to go out

	maxCandidates = 256 // of one side
)

// phase is how far a call has got.
type phase int

const (
	calling    phase = iota // the offer is out
	connecting              // both descriptions are there or on their way
	open                    // texts can pass
	over
)

// call is one call, from the offer to the end of its connection. Its methods run on the goroutine of its chat.
type call struct {
	chat     *chat
	id       string
	with     *conversation
	outgoing bool
	restores string // id of the lost call in whose place this one is
	phase    phase
	wasOpen  bool

	connection  *webrtc.PeerConnection
	texts, bulk *webrtc.DataChannel
	described   bool                      // the description of the other side is set
	early       []webrtc.ICECandidateInit // of the other side, until then
	released    bool                      // the other side has this side's description
	held        []webrtc.ICECandidateInit // of this side, until then
	other       string                    // fingerprint in the other side's description
	setup       *time.Timer
	channel
}

// newAPI returns a factory of connections without media.
func newAPI() *webrtc.API { return apiWith(settings()) }

// settings are those of all connections.
func settings() (s webrtc.SettingEngine) {
	s.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	s.SetIncludeLoopbackCandidate(true) // two peers on one machine need no network
	return s
}

func apiWith(s webrtc.SettingEngine) *webrtc.API {
	return webrtc.NewAPI(webrtc.WithSettingEngine(s), webrtc.WithMediaEngine(&webrtc.MediaEngine{}),
		webrtc.WithInterceptorRegistry(&interceptor.Registry{}))
}

// newCall makes the connection of a call and its channels.
func (c *chat) newCall(with *conversation, id string, outgoing bool) (*call, error) {
	l := &call{chat: c, id: id, with: with, outgoing: outgoing, phase: calling}
	if !outgoing {
		l.phase = connecting
	}
	var err error
	if l.connection, err = c.api.NewPeerConnection(c.configuration()); err != nil {
		// A server that the library refuses must not keep two people apart who need none.
		if l.connection, err = c.api.NewPeerConnection(webrtc.Configuration{Certificates: c.configuration().Certificates}); err != nil {
			return nil, err
		}
	}
	for _, channel := range []struct {
		is    **webrtc.DataChannel
		label string
		id    uint16
	}{{&l.texts, "p2p-messaging", textsID}, {&l.bulk, "p2p-messaging-files", bulkID}} {
		negotiated := true
		if *channel.is, err = l.connection.CreateDataChannel(channel.label, &webrtc.DataChannelInit{Negotiated: &negotiated, ID: &channel.id}); err != nil {
			_ = l.connection.Close()
			return nil, err
		}
	}
	l.listen()
	l.setup = c.after(c.setup, func() {
		switch l.phase {
		case calling:
			l.finish(endNoAnswer)
		case connecting:
			l.finish(endNoConnection)
		}
	})
	c.calls[id] = l
	with.call = l
	return l, nil
}

// listen passes the events of the connection on to the goroutine of the chat.
func (l *call) listen() {
	post := func(f func()) {
		l.chat.post(func() {
			if l.phase != over {
				f()
			}
		})
	}
	l.connection.OnICECandidate(func(found *webrtc.ICECandidate) {
		if found != nil {
			post(func() { l.found(found.ToJSON()) })
		}
	})
	l.connection.OnConnectionStateChange(func(state webrtc.PeerConnectionState) {
		if state == webrtc.PeerConnectionStateFailed || state == webrtc.PeerConnectionStateClosed {
			post(l.failed)
		}
	})
	l.texts.SetBufferedAmountLowThreshold(bufferLow)
	l.bulk.SetBufferedAmountLowThreshold(bufferLow)
	l.texts.OnOpen(func() { post(l.opened) })
	l.texts.OnClose(func() { post(l.failed) })
	l.texts.OnBufferedAmountLow(func() { post(l.flush) })
	l.texts.OnMessage(func(m webrtc.DataChannelMessage) {
		post(func() {
			l.opened() // a message may overtake the news that the channel is open
			l.check(l.take(m))
		})
	})
	l.bulk.OnBufferedAmountLow(func() { post(func() { l.with.out.pump() }) })
	l.bulk.OnOpen(func() { post(func() { l.with.out.pump() }) })
	l.bulk.OnMessage(func(m webrtc.DataChannelMessage) {
		post(func() {
			l.alive()
			l.check(l.with.in.takeBytes(l, m.Data))
		})
	})
}

// check ends the call if the other side has broken the protocol, or reads no answers.
func (l *call) check(err error) {
	if err != nil || l.sending.full() {
		l.finish(endGarbled)
	}
}

// failed: the connection is gone.
func (l *call) failed() {
	if l.wasOpen {
		l.finish(endLost)
	} else {
		l.finish(endNoConnection)
	}
}

// offer sends the offer.
func (l *call) offer() error {
	description, err := l.connection.CreateOffer(nil)
	if err != nil {
		return err
	}
	fields := map[string]any{"type": "offer", "offer": description}
	if l.restores != "" {
		fields["restores"] = l.restores
	}
	l.signal(fields)
	return l.connection.SetLocalDescription(description)
}

// receiveOffer answers an offer: the one that the call began with, or a later one, which restarts ICE (RFC 8445, section 2.4).
func (l *call) receiveOffer(sdp string) {
	if !l.describe(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp}) {
		return
	}
	description, err := l.connection.CreateAnswer(nil)
	if err == nil {
		l.signal(map[string]any{"type": "answer", "answer": description})
		l.release()
		err = l.connection.SetLocalDescription(description)
	}
	if err != nil {
		l.failed()
	}
}

// receiveAnswer takes the answer to the offer.
func (l *call) receiveAnswer(sdp string) {
	if l.connection.SignalingState() != webrtc.SignalingStateHaveLocalOffer {
		return // it was sent twice
	}
	if l.phase == calling {
		l.phase = connecting
	}
	if l.describe(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: sdp}) {
		l.release()
	}
}

func (l *call) describe(description webrtc.SessionDescription) bool {
	fingerprint := fingerprintIn(description.SDP)
	if fingerprint == "" || (l.other != "" && l.other != fingerprint) {
		l.finish(endUnproven)
		return false
	}
	if l.described {
		_ = l.connection.SetConfiguration(l.chat.configuration()) // the ICE servers of now; those of before serve, too
	}
	if err := l.connection.SetRemoteDescription(description); err != nil {
		if !l.wasOpen {
			l.finish(endNoConnection)
		}
		return false // a restart that fails leaves the connection as it is
	}
	l.described, l.other = true, fingerprint
	early := l.early
	l.early = nil
	for _, candidate := range early {
		l.receiveCandidate(candidate)
	}
	return true
}

// receiveCandidate takes a candidate of the other side. One that cannot be used is left out: the others may do.
func (l *call) receiveCandidate(candidate webrtc.ICECandidateInit) {
	if l.described {
		_ = l.connection.AddICECandidate(candidate)
	} else if len(l.early) < maxCandidates {
		l.early = append(l.early, candidate)
	}
}

// found: this side has another candidate. It does not leave before the other side is known to be there.
func (l *call) found(candidate webrtc.ICECandidateInit) {
	if l.released {
		l.signal(map[string]any{"type": "ice-candidate", "ice-candidate": candidate})
	} else {
		l.held = append(l.held, candidate)
	}
}

func (l *call) release() {
	l.released = true
	held := l.held
	l.held = nil
	for _, candidate := range held {
		l.found(candidate)
	}
}

// signal sends a frame about this call by way of the service.
func (l *call) signal(fields map[string]any) {
	fields["call"] = l.id
	l.chat.send(l.with.peer, fields)
}

// proves returns the fingerprint of the certificate that the other side has shown, or "" if it is not the one of its description.
func (l *call) proves() string {
	der := l.connection.SCTP().Transport().GetRemoteCertificate()
	sum := sha256.Sum256(der)
	if shown := fingerprintText(sum[:]); len(der) > 0 && shown == l.other {
		return shown
	}
	return ""
}

// receiveBye: the other side, or somebody with its login, says by way of the service that it has ended the call.
func (l *call) receiveBye(b bye) {
	switch {
	case b.reason == byeLost && !l.wasOpen:
		l.over(endNoConnection)
	case l.phase != open:
		l.over(b.end())
	default:
		// A goodbye comes on the channel, too, unless the page is gone. A page that replies has not left.
		l.probe(func(there bool) {
			if !there && l.phase == open {
				l.over(b.end())
			}
		})
	}
}

// finish ends the call from this side, and tells the other side.
func (l *call) finish(e end) {
	if l.phase == over {
		return
	}
	if farewell := e.farewell(); farewell != "" {
		l.signal(bye{farewell}.fields())
	}
	l.over(e)
}

// over ends the call. A goodbye says that the person has left.
func (l *call) over(e end) {
	if l.phase == over {
		return
	}
	l.phase = over
	l.setup.Stop()
	l.stopHeartbeat()
	l.with.detach(l)
	connection, texts := l.connection, l.texts
	goodbye := l.wasOpen && (e == endHungUp || e == endUnproven)
	if goodbye {
		_ = texts.Send([]byte{frameGoodbye})
	}
	l.chat.closing.Go(func() {
		if goodbye || e == endLeft {
			drain(texts)
		}
		_ = connection.GracefulClose() // the other end may have closed already
	})
	delete(l.chat.calls, l.id)
	l.chat.ended.add(l.id, e)
	if l.with.call == l {
		l.with.call = nil
	}
	l.with.ended(l, e)
}

// drain waits a moment until what was sent on a channel has arrived.
func drain(channel *webrtc.DataChannel) {
	late := time.After(leaveTimeout)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for channel.ReadyState() == webrtc.DataChannelStateOpen && channel.BufferedAmount() > 0 {
		select {
		case <-tick.C:
		case <-late:
			return
		}
	}
}

// fingerprintIn returns the SHA-256 fingerprint of a session description (RFC 8122). It is "" unless there is exactly one.
func fingerprintIn(sdp string) string {
	line := regexp.MustCompile(`(?i)^[ \t]*a[ \t]*=[ \t]*fingerprint[ \t]*:[ \t]*([!-~]+)[ \t]+([!-~]+)[ \t]*$`)
	value := regexp.MustCompile(`^[0-9A-F]{2}(?::[0-9A-F]{2}){31}$`)
	var all []string
	for text := range strings.FieldsFuncSeq(sdp, func(c rune) bool { return c == '\r' || c == '\n' }) {
		visible := strings.Map(func(c rune) rune {
			if c < '!' || c > '~' {
				return -1
			}
			return c
		}, text)
		if !strings.HasPrefix(strings.ToLower(visible), "a=fingerprint") {
			continue
		}
		parts := line.FindStringSubmatch(text)
		switch {
		case parts == nil:
			return ""
		case !strings.EqualFold(parts[1], "sha-256"):
			continue
		}
		found := strings.ToUpper(parts[2])
		if !value.MatchString(found) {
			return ""
		}
		if !slices.Contains(all, found) {
			all = append(all, found)
		}
	}
	if len(all) != 1 {
		return ""
	}
	return all[0]
}
