package transport

import (
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
		var pings []byte
		const count = 5
		for range count {
			pings = rawws.Frame{Opcode: rawws.Ping}.Append(pings)
		}
		c := openOutbox(t, &lastGasp{near, pings}, new(returns), func(o *Options) {
			o.Rate, o.Burst = 1, 1
			o.PingInterval, o.IdleTimeout = 1<<61, 1<<62
		})
		start := time.Now()
		go c.read(nil)
		sent, err := io.ReadAll(far)
		far.Close()
		if err != nil || len(sent) != 2*count {
			t.Errorf("%x came, %v; want %d pongs", sent, err, count)
		}
		if took, want := time.Since(start), (count-1)*time.Second; took != want {
			t.Errorf("it took %v, want %v", took, want)
		}
		_ = c.server.connections.wait(t.Context())
	})
}
