// Package service runs the signaling service as a process does: from the open port, over the line that says where the
// page is, to the end, when every client hears that the service goes away.
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
	// goodbye is how long clients have to read that the service goes away. After 3 s the sweep lets go of clients that
	// never close their side. The process ends within 5 s, with the time that the server needs to cut off the rest.
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
	err   error         // why serving has ended; to be read after that
}

// Start serves the connections of l.
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

// Stop tells every client that the service goes away, and returns when all connections and sessions have ended. It
// takes at most 5 s. The error says why serving has failed, if it had.
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
