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
	"time"

	"p2p-messaging/actors"
	"p2p-messaging/transport"
)

const (
	// goodbye is how long clients have to read that the service goes away. After 3 s the server stops waiting for clients
	// that have read it and do not close their side. Then the server takes up to 250 ms to cut off the rest. Together with
	// cleanup, this ends the process within 5 s.
	goodbye = 4250 * time.Millisecond
	// cleanup is how long sessions have to end after their connections have ended.
	cleanup = 500 * time.Millisecond
)

// Service is a server and an actor system that run.
type Service struct {
	logger *slog.Logger
	system *actors.System
	server *transport.Server

	ended chan struct{} // closed when serving has ended
	err   error         // why serving has ended; read it after ended is closed
}

// Start begins to serve the connections of l, and does not wait.
func Start(logger *slog.Logger, system *actors.System, server *transport.Server, l net.Listener) *Service {
	s := &Service{logger: logger, system: system, server: server, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		s.err = server.Serve(l)
	}()
	return s
}

// Wait returns when ctx is done or serving has failed. Clients stay connected in both cases.
func (s *Service) Wait(ctx context.Context) {
	select {
	case <-s.ended:
	case <-ctx.Done():
	}
}

// Stop tells every client that the service goes away. It returns when all connections and sessions have ended, or after
// 5 s. The error says why serving failed, if it did.
func (s *Service) Stop() error {
	s.logger.Info("stopping", slog.Int("sessions", s.system.Sessions()))
	told, cancelTold := context.WithTimeout(context.Background(), goodbye)
	defer cancelTold()
	if err := s.server.Shutdown(told); err != nil {
		s.logger.Warn("some clients did not take the news", slog.Any("error", err))
	}
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
