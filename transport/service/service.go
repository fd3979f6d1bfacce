// Package service runs the signaling service in a process. It serves an open port and prints where the page is. At the end
// it tells every client that the service goes away.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
)

const (
	// goodbye is how long clients have to read that the service goes away. After 3 s the server stops waiting for clients
	// that have read it and do not close their side. Then the server takes up to 250 ms to cut off the rest. Together with
	// handover and cleanup, this ends the process of a service that is alone within 5 s.
	goodbye = 4 * time.Second
	// handover is how long a service goes on to accept connections after it has left the port to another process. Then those
	// connections are accepted whose clients had begun them before: that takes a round trip.
	handover = 250 * time.Millisecond
	// cleanup is how long sessions have to end after their connections have ended.
	cleanup = 500 * time.Millisecond
)

// Service is a server and an actor system that run.
type Service struct {
	logger     *slog.Logger
	supervisor supervisor
	listener   net.Listener
	system     *actors.System
	server     *transport.Server

	stopping atomic.Bool   // Stop was called
	ended    chan struct{} // closed when serving has ended
	err      error         // why serving has ended; read it after ended is closed
}

// Start begins to serve the connections of l, and does not wait. The program that supervises this one learns that the service
// is ready.
func Start(logger *slog.Logger, system *actors.System, server *transport.Server, l net.Listener) *Service {
	s := &Service{logger: logger, supervisor: supervisor{logger}, listener: l, system: system, server: server, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		s.err = server.Serve(l)
	}()
	s.supervisor.tell(daemon.SdNotifyReady)
	go s.supervisor.watch(l.Addr(), server, s.ended)
	return s
}

// Wait returns when ctx is done or serving has failed. Clients stay connected in both cases. Call it when
// everything has started: it gives up the memory that only the start needed.
func (s *Service) Wait(ctx context.Context) {
	forgetProgram()
	select {
	case <-s.ended:
	case <-ctx.Done():
	}
}

// Ready reports whether the service takes connections. It does until Stop is called or serving has failed.
func (s *Service) Ready() bool {
	select {
	case <-s.ended:
		return false
	default:
		return !s.stopping.Load()
	}
}

// Stop tells every client that the service goes away. It returns when all connections and sessions have ended, or after
// 5 s. With a cluster it waits for up to [actors.Options.DrainTimeout] more. New connections go to the other process that
// listens at the same port, if there is one. The error says why serving failed, if it did.
func (s *Service) Stop() error {
	s.stopping.Store(true)
	s.supervisor.tell(daemon.SdNotifyStopping)
	s.logger.Info("stopping", slog.Int("sessions", s.system.Sessions()))
	if leavePort(s.listener) {
		select {
		case <-time.After(handover):
		case <-s.ended:
		}
	}
	told, cancelTold := context.WithTimeout(context.Background(), goodbye)
	defer cancelTold()
	if err := s.server.Shutdown(told); err != nil {
		s.logger.Warn("some clients did not take the news", slog.Any("error", err))
	}
	s.system.Drain()
	cleaned, cancelCleaned := context.WithTimeout(context.Background(), cleanup)
	defer cancelCleaned()
	if err := s.system.Stop(cleaned); err != nil {
		s.logger.Warn("some sessions did not end", slog.Any("error", err))
	}
	<-s.ended
	if !errors.Is(s.err, http.ErrServerClosed) {
		return fmt.Errorf("serving: %w", s.err)
	}
	return nil
}
