package fleet

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/loadtest/figures"
	"p2p-messaging/transport/loadtest/internal/services"
	"p2p-messaging/transport/loadtest/options"
)

// counter is a TCP proxy in front of a service. It counts the frames that pass. It has its own reader of frames (RFC
// 6455, section 5.2) and reads messages with encoding/json. It shares no code with what it checks.
type counter struct {
	t       *testing.T
	url     string
	passing sync.WaitGroup

	mu             sync.Mutex
	logins         int64 // logins that the tool asked for
	accepted       int64
	sent           int64 // frames to be relayed, from the tool
	sentBytes      int64
	delivered      int64 // relayed frames, to the tool
	deliveredBytes int64
	errors         map[string]int64 // by code
	errorBytes     int64
}

// countBefore puts a counter in front of a service.
func countBefore(t *testing.T, service string) *counter {
	t.Helper()
	target, err := url.Parse(service)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{t: t, url: "ws://" + listener.Addr().String() + target.Path, errors: map[string]int64{}}
	c.passing.Go(func() {
		for {
			tool, err := listener.Accept()
			if err != nil {
				return
			}
			behind, err := net.Dial("tcp", target.Host)
			if err != nil {
				t.Errorf("dial the service: %v", err)
				_ = tool.Close()
				continue
			}
			c.passing.Go(func() { c.pass(tool, behind, true) })
			c.passing.Go(func() { c.pass(behind, tool, false) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		c.passing.Wait()
	})
	return c
}

// pass copies bytes from one end to the other, and counts the frames among them.
func (c *counter) pass(from, to net.Conn, fromTool bool) {
	defer to.Close()
	defer from.Close()
	stream := bufio.NewReader(io.TeeReader(from, to))
	for { // skip the handshake
		line, err := stream.ReadString('\n')
		if err != nil {
			return
		}
		if strings.TrimSpace(line) == "" {
			break
		}
	}
	for {
		opcode, payload, err := readFrame(stream)
		if err != nil {
			if errors.Is(err, errFragment) {
				c.t.Error("a message came in fragments, which nobody here makes")
			}
			return
		}
		if opcode == 1 {
			c.count(payload, fromTool)
		}
	}
}

var errFragment = errors.New("a fragment")

func readFrame(stream *bufio.Reader) (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(stream, head[:]); err != nil {
		return 0, nil, err
	}
	if head[0]&0x80 == 0 || head[0]&0x0F == 0 {
		return 0, nil, errFragment
	}
	length := uint64(head[1] & 0x7F)
	for code, size := range map[uint64]int{126: 2, 127: 8} {
		if uint64(head[1]&0x7F) == code {
			extended := make([]byte, 8)
			if _, err := io.ReadFull(stream, extended[8-size:]); err != nil {
				return 0, nil, err
			}
			length = binary.BigEndian.Uint64(extended)
		}
	}
	var mask [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(stream, mask[:]); err != nil {
			return 0, nil, err
		}
	}
	payload = make([]byte, length)
	_, err = io.ReadFull(stream, payload)
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return head[0] & 0x0F, payload, err
}

func (c *counter) count(text []byte, fromTool bool) {
	var m struct {
		Type    string
		Success bool
		Code    string
	}
	if err := json.Unmarshal(text, &m); err != nil {
		c.t.Errorf("%q is no JSON: %v", text, err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case m.Type == "login" && fromTool:
		c.logins++
	case m.Type == "login" && m.Success:
		c.accepted++
	case m.Type == "error" && !fromTool:
		c.errors[m.Code]++
		c.errorBytes += int64(len(text))
	case (m.Type == "offer" || m.Type == "answer" || m.Type == "ice-candidate") && fromTool:
		c.sent++
		c.sentBytes += int64(len(text))
	case m.Type == "offer" || m.Type == "answer" || m.Type == "ice-candidate":
		c.delivered++
		c.deliveredBytes += int64(len(text))
	default:
		c.t.Errorf("%s passed, which belongs to no relay run", text)
	}
}

// compare compares the figures of a run with what has passed.
func (c *counter) compare(t *testing.T, r *figures.Result) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &r.Snapshot
	var reported int64
	for _, n := range c.errors {
		reported += n
	}
	for what, of := range map[string]struct{ figure, passed int64 }{
		"logins sent":     {s.Count(figures.CounterLoginsSent), c.logins - 1}, // one login is the probe's
		"logins accepted": {s.Count(figures.CounterLoggedIn), c.accepted - 1},
		"frames sent":     {s.Count(figures.CounterRelaysSent), c.sent},
		"delivered":       {s.Count(figures.CounterRelaysDelivered), c.delivered},
		"refused":         {s.Count(figures.CounterRelaysRefused), reported},
		"bytes sent":      {s.Count(figures.CounterBytesSent), c.sentBytes},
		"bytes received":  {s.Count(figures.CounterBytesReceived), c.deliveredBytes + c.errorBytes},
		"latencies":       {s.Distribution(figures.MetricRelay).Count(), c.delivered},
		"send lags":       {s.Distribution(figures.MetricSendLag).Count(), c.sent},
		"verified":        {r.Verification.Checked, c.delivered},
	} {
		if of.figure != of.passed {
			t.Errorf("%s: the figures say %d; %d have passed", what, of.figure, of.passed)
		}
	}
	if got := s.Errors(); !maps.Equal(got, c.errors) && len(got)+len(c.errors) > 0 {
		t.Errorf("the figures have the errors %v; %v have passed", got, c.errors)
	}
	if c.sent == 0 {
		t.Error("nothing was sent")
	}
}

func TestTheFiguresAgreeWithAnIndependentCount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(o *options.Options)
	}{
		{"closed loop", func(*options.Options) {}},
		{"closed loop with a window", func(o *options.Options) { o.Window = 16 }},
		{"large frames", func(o *options.Options) { o.Window, o.Size = 4, 60_000 }},
		{"more than a connection takes at once", func(o *options.Options) { o.Window, o.Size = 16, 60_000 }},
		{"open loop", func(o *options.Options) { o.RelaysPerSecond = 2000 }},
		{"open loop at even distances", func(o *options.Options) { o.RelaysPerSecond, o.Arrivals = 500, options.ArrivalsConstant }},
		{"open loop beyond what the service takes", func(o *options.Options) { o.RelaysPerSecond = 50_000 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			between := countBefore(t, services.Serve(t))
			o := briefly(between.url)
			o.Pairs = 5
			c.change(&o)
			r := mustRun(t, o)
			between.compare(t, r)
			if n := r.Verification.Count(); n != 0 {
				t.Errorf("%d violations: %+v", n, r.Verification.Findings)
			}
			sent, delivered, refused := r.Snapshot.Count(figures.CounterRelaysSent), r.Snapshot.Count(figures.CounterRelaysDelivered), r.Snapshot.Count(figures.CounterRelaysRefused)
			if sent != delivered+refused {
				t.Errorf("%d frames were sent, %d delivered and %d refused by a service that loses none", sent, delivered, refused)
			}
		})
	}
}

func TestTheFiguresAgreeWithAnIndependentCountWhereTheServiceLimitsTheRate(t *testing.T) {
	t.Parallel()
	between := countBefore(t, services.Serve(t, func(o *transport.Options) { o.Rate, o.Burst = 1000, 50 }))
	o := briefly(between.url)
	o.Pairs, o.Window = 3, 8
	r := mustRun(t, o)
	between.compare(t, r)
}

func TestTheFiguresAgreeWithAnIndependentCountOfRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(o *options.Options)
	}{
		{"closed loop", func(o *options.Options) { o.Window = 8 }},
		{"open loop", func(o *options.Options) { o.RelaysPerSecond = 5000 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := services.NewRelay(t, services.Refuses, 10, 1<<30)
			between := countBefore(t, s.URL)
			o := briefly(between.url)
			o.Pairs = 4
			c.change(&o)
			r := mustRun(t, o)
			between.compare(t, r)
			if n := r.Verification.Count(); n != 0 {
				t.Errorf("%d violations: %+v", n, r.Verification.Findings)
			}
			own := s.Count()
			sent, delivered, refused := r.Snapshot.Count(figures.CounterRelaysSent), r.Snapshot.Count(figures.CounterRelaysDelivered), r.Snapshot.Count(figures.CounterRelaysRefused)
			if int64(own.Taken) != sent || int64(own.Delivered) != delivered || int64(own.Refused) != refused || refused == 0 {
				t.Errorf("the service counts %+v; the figures say %d sent, %d delivered and %d refused", own, sent, delivered, refused)
			}
		})
	}
}

func TestTheWarmUpIsNotAmongTheFigures(t *testing.T) {
	t.Parallel()
	between := countBefore(t, services.Serve(t))
	o := briefly(between.url)
	o.Pairs, o.Window, o.Warmup = 3, 64, 200*time.Millisecond
	r := mustRun(t, o)
	sent, delivered := r.Snapshot.Count(figures.CounterRelaysSent), r.Snapshot.Count(figures.CounterRelaysDelivered)
	if latencies, lags := r.Snapshot.Distribution(figures.MetricRelay).Count(), r.Snapshot.Distribution(figures.MetricSendLag).Count(); delivered != sent || latencies != sent || lags != sent {
		t.Errorf("%d frames of the measured phase were sent: %d arrived, %d latencies, %d send lags; wanted the same number", sent, delivered, latencies, lags)
	}
	if sent == 0 || sent >= between.sent {
		t.Errorf("%d frames were sent in the measured phase, of %d; wanted some, and fewer", sent, between.sent)
	}
	if r.Verification.Checked != between.delivered || r.Verification.Count() != 0 {
		t.Errorf("of %d frames that were delivered %d were verified; wanted all: %+v", between.delivered, r.Verification.Checked, r.Verification.Findings)
	}
}
