package transport

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/transport/internal/memnet"
	"p2p-messaging/transport/internal/rawws"
)

// lastGasp is a socket whose Read returns the last bytes and io.EOF in the same call, as a tls.Conn does.
type lastGasp struct {
	*memnet.Conn
	bytes []byte
}

func (l *lastGasp) Read(p []byte) (int, error) {
	n := copy(p, l.bytes)
	l.bytes = l.bytes[n:]
	if len(l.bytes) == 0 {
		return n, io.EOF
	}
	return n, nil
}

func TestWhatComesTogetherWithTheEndIsActedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(1 << 10)
		const count = 5
		received := 0
		w := newWitness()
		c := openOutbox(t, &lastGasp{near, bytes.Repeat(rawws.Message(loginMessage), count)}, w)
		w.decide = func() bool {
			received++
			time.AfterFunc(time.Second, c.Resume)
			return false
		}
		start := time.Now()
		go c.read(nil, nil)
		_, err := io.ReadAll(far)
		far.Close()
		if err != nil || received != count {
			t.Errorf("%d messages were acted on, %v; want %d", received, err, count)
		}
		if took, want := time.Since(start), count*time.Second; took != want {
			t.Errorf("it took %v, want %v", took, want)
		}
		_ = c.server.connections.wait(t.Context())
	})
}

func TestWhatTheRateDoesNotAllowAtTheEndIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := memnet.Pipe(1 << 10)
		const count, burst = 5, 2
		pings := bytes.Repeat(rawws.Frame{Opcode: rawws.Ping}.Append(nil), count)
		c := openOutbox(t, &lastGasp{near, pings}, new(returns), func(o *Options) { o.Rate, o.Burst = 1, burst })
		start := time.Now()
		go c.read(nil, nil)
		sent, err := io.ReadAll(far)
		far.Close()
		if err != nil || len(sent) != 2*burst {
			t.Errorf("%x came, %v; want %d pongs", sent, err, burst)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v, want no time", took)
		}
		_ = c.server.connections.wait(t.Context())
	})
}
