package service

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// supervisor is the program that started this one and wants to know how it is, such as systemd (sd_notify(3)). Without one, its
// methods do nothing.
type supervisor struct{ logger *slog.Logger }

// tell sends a state.
func (s supervisor) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.logger.Warn("the program that supervises this one cannot be told", slog.Any("error", err))
	}
}

// watch tells the supervisor that the service lives, as often as the supervisor asks for that (WATCHDOG_USEC), until ended is
// closed. While the server at address does not live, it tells nothing, and the supervisor restarts the service.
func (s supervisor) watch(address net.Addr, server watched, ended <-chan struct{}) {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		s.logger.Warn("the watchdog's time cannot be read", slog.Any("error", err))
	}
	if within <= 0 {
		return
	}
	ticker := time.NewTicker(within / 3)
	defer ticker.Stop()
	for {
		if err := lives(address, server, within/3); err == nil {
			s.tell(daemon.SdNotifyWatchdog)
		} else {
			s.logger.Error("this service does not answer itself", slog.Any("error", err))
		}
		select {
		case <-ticker.C:
		case <-ended:
			return
		}
	}
}

// watched is what the watchdog asks a *[transport.Server].
type watched interface {
	Arrivals() uint64
	LoopsAnswer(context.Context) bool
}

// lives returns an error if the service at address does not answer in time. If newcomers are many, the question waits behind them.
// Then the service lives if it goes on with them, and its loops serve the others. A restart would harm those for nothing.
func lives(address net.Addr, server watched, within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	served := make(chan bool, 1)
	go func() { served <- server.LoopsAnswer(ctx) }()
	before := server.Arrivals()
	err := answers(ctx, address)
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() && server.Arrivals() != before && <-served {
		return nil
	}
	return err
}

// handshake asks for a WebSocket, which a loop answers.
const handshake = "GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// answers asks the service at address for a WebSocket. Any answer will do: over TLS the service says that it speaks TLS, and a
// service that expects a PROXY header closes the connection.
func answers(ctx context.Context, address net.Addr) error {
	c, err := new(net.Dialer).DialContext(ctx, address.Network(), reachable(address))
	if err != nil {
		return err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	_ = c.SetDeadline(deadline)
	if _, err := io.WriteString(c, handshake); err != nil {
		return err
	}
	var timeout net.Error
	if _, err := c.Read(make([]byte, 1)); errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	return nil
}

// reachable returns an address at which this machine reaches its own listener.
func reachable(address net.Addr) string {
	tcp, ok := address.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() && len(tcp.IP) > 0 {
		return address.String()
	}
	loopback := net.IPv4(127, 0, 0, 1)
	if tcp.IP.To4() == nil && len(tcp.IP) > 0 {
		loopback = net.IPv6loopback
	}
	return (&net.TCPAddr{IP: loopback, Port: tcp.Port}).String()
}

// Hangups returns a channel that gets SIGHUP. From then on the signal does not end the process, at no time: not before the
// service is ready, and not while it stops.
func Hangups() <-chan os.Signal {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	return hangups
}

// OnHangup calls reload for each signal of hangups, until the service ends. The service keeps its configuration if reload returns
// an error.
func (s *Service) OnHangup(hangups <-chan os.Signal, reload func() error) {
	go func() {
		for {
			select {
			case <-s.ended:
				return
			case <-hangups:
			}
			s.supervisor.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
			if err := reload(); err != nil {
				s.logger.Error("the configuration stays as it was: correct it and send SIGHUP again", slog.Any("error", err))
			}
			s.supervisor.tell(daemon.SdNotifyReady)
		}
	}()
}
