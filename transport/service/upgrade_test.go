package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
	"p2p-messaging/transport/client"
	"p2p-messaging/transport/internal/memnet"
)

// A new process serves before the old one is ended. All clients are back within the time over which they are spread, and not at once.
func TestClientsAreBackWithinTheSpreadOnAnUpgrade(t *testing.T) {
	const clients, spread = 200, 20 * time.Second
	synctest.Test(t, func(t *testing.T) {
		var serving atomic.Pointer[memnet.Listener]
		begin := func() *Service {
			logger := slog.New(slog.DiscardHandler)
			system := actors.NewSystem(actors.Options{Logger: logger, ResumeWindow: actors.DefaultResumeWindow})
			o := transport.DefaultOptions()
			o.Logger, o.RetrySpread = logger, spread
			server, err := transport.New(system, o)
			if err != nil {
				t.Fatal(err)
			}
			l := memnet.Listen(64 << 10)
			serving.Store(l)
			return Start(logger, system, server, l)
		}
		old := begin()
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var back []time.Time
		var receiving sync.WaitGroup
		for i := range clients {
			c, err := client.Dial(ctx, "ws://service.test", client.WithKeep(), client.WithDialContext(func(context.Context, string, string) (net.Conn, error) {
				return serving.Load().Dial()
			}))
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Login(ctx, fmt.Sprint("login", i)); err != nil {
				t.Fatal(err)
			}
			receiving.Go(func() {
				defer c.CloseNow()
				for {
					_, err := c.Receive(ctx)
					if _, begunAgain := errors.AsType[*client.SessionLostError](err); !begunAgain || ctx.Err() != nil {
						return
					}
					mu.Lock()
					back = append(back, time.Now())
					mu.Unlock()
				}
			})
		}
		next := begin()
		told := time.Now()
		if err := old.Stop(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Until(told.Add(spread + handover)))
		synctest.Wait()
		mu.Lock()
		early := 0
		for _, at := range back {
			if at.Sub(told) < spread/2 {
				early++
			}
		}
		if len(back) != clients || next.system.Sessions() != clients {
			t.Errorf("%d clients are back after the spread, want %d", len(back), clients)
		}
		if early < clients/4 || early > clients*3/4 {
			t.Errorf("%d of %d clients are back in the first half of the spread", early, clients)
		}
		mu.Unlock()
		cancel()
		receiving.Wait()
		if err := next.Stop(); err != nil {
			t.Error(err)
		}
	})
}
