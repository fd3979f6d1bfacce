package transport_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/memnet"
	"p2p-messaging/transport/internal/rawws"
)

// FuzzStream sends arbitrary bytes after a handshake. For any bytes, the service must answer with valid frames. A close
// frame must be the last frame. The connection must end, and the service must log no failure.
func FuzzStream(f *testing.F) {
	for _, row := range framing {
		if len(row.send) < 4096 {
			f.Add(row.send)
		}
	}
	log := new(record)
	o := transport.DefaultOptions()
	o.Logger = slog.New(log)
	o.Rate = 0
	system := actors.NewSystem(actors.Options{Logger: o.Logger})
	s, err := transport.New(system, o)
	if err != nil {
		f.Fatal(err)
	}
	l := memnet.Listen(1 << 20)
	go s.Serve(l)
	f.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := errors.Join(s.Shutdown(ctx), system.Stop(ctx)); err != nil {
			f.Errorf("a connection did not come to its end: %v", err)
		}
	})
	f.Fuzz(func(t *testing.T, stream []byte) {
		socket, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer socket.Close()
		_ = socket.SetDeadline(time.Now().Add(patience))
		c, err := rawws.Open(socket, rawws.Request("/ws", "service.test"), stream...)
		if err != nil {
			t.Fatal(err)
		}
		if err := socket.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		for closed := false; ; {
			frame, err := c.ReadFrame()
			if err == io.EOF {
				break
			}
			switch {
			case err != nil && !errors.Is(err, net.ErrClosed):
				t.Fatalf("the service sent what is no frame: %v", err)
			case closed:
				t.Fatalf("%v came behind the close frame", frame)
			case frame.More || frame.Opcode != rawws.Text && frame.Opcode != rawws.Pong && frame.Opcode != rawws.Ping && frame.Opcode != rawws.Close:
				t.Fatalf("the service sent %v", frame)
			}
			closed = frame.Opcode == rawws.Close
		}
		if failures := log.failures(); failures != "" {
			t.Fatalf("the service logged:\n%s", failures)
		}
	})
}
