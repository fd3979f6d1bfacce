package transport_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

// sockets returns the number of sockets, epoll instances and eventfds that the process has open.
func sockets(t *testing.T) (n int) {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, f := range files {
		target, _ := os.Readlink("/proc/self/fd/" + f.Name())
		if strings.HasPrefix(target, "socket:") || strings.HasPrefix(target, "anon_inode:") {
			n++
		}
	}
	return n
}

// TestThousandsOfConnectionsComeAndGoWithoutATrace runs many clients at the same time. They connect, log in, relay, and end
// in every possible way. Afterwards no session, socket or goroutine may be left.
func TestThousandsOfConnectionsComeAndGoWithoutATrace(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	clients, lasting := 2000, time.Second
	switch {
	case raceEnabled:
		clients, lasting = 500, 3*time.Second // each takes ten times as long to serve
	case os.Getenv("P2P_TEST_LONG") != "": // .ci/run sets it
		lasting = 5 * time.Second
	}
	// The first listener makes the process open descriptors that it keeps. They must not count as leaks.
	if l, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
	}
	before, goroutines := sockets(t), runtime.NumGoroutine()
	t.Run("", func(t *testing.T) {
		s := onLoops.listen(t, func(o *transport.Options) { o.WriteTimeout = 200 * time.Millisecond })
		end := time.Now().Add(lasting)
		var lives, answered atomic.Int64
		var living sync.WaitGroup
		for i := range clients {
			living.Go(func() {
				random := rand.New(rand.NewPCG(3, uint64(i)))
				time.Sleep(time.Duration(random.Int64N(int64(lasting) / 2))) // otherwise all clients would dial at once
				for time.Now().Before(end) {
					ok, err := s.live(random, fmt.Sprint("client", i), fmt.Sprint("client", random.IntN(clients)))
					if err != nil {
						t.Error(err)
						return
					}
					if lives.Add(1); ok {
						answered.Add(1)
					}
				}
			})
		}
		living.Wait()
		t.Logf("%d connections, %d of which logged in", lives.Load(), answered.Load())
		for begun := time.Now(); s.system.Sessions() > 0; time.Sleep(10 * time.Millisecond) {
			if time.Since(begun) > patience {
				t.Fatalf("%d sessions are left", s.system.Sessions())
			}
		}
		s.wantRelays(t)
	})
	// The service is shut down now, because the subtest has ended.
	for begun := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		after, now := sockets(t), runtime.NumGoroutine()
		if after <= before && now <= goroutines {
			break
		}
		if time.Since(begun) > patience {
			t.Fatalf("%d sockets are open and %d goroutines run, %d and %d more than before", after, now, after-before, now-goroutines)
		}
	}
}

// live opens one connection, uses it, and ends it in a random way. It reports whether the login was accepted. The error
// describes something that must never happen.
func (s *service) live(random *rand.Rand, login, other string) (loggedIn bool, err error) {
	socket, err := s.dial()
	if err != nil {
		return false, err
	}
	defer socket.Close()
	_ = socket.SetDeadline(time.Now().Add(2 * time.Minute)) // far more than one of many takes on a busy machine
	tcp := socket.(*takingConn).tcp()
	message := rawws.Message(`{"type":"login","login":"` + login + `"}`)
	way := random.IntN(9)
	if way == 0 { // ends before the service answers the handshake
		_, _ = socket.Write([]byte(rawws.Request("/", s.host)))
		if random.IntN(2) == 0 {
			_ = tcp.SetLinger(0)
		}
		return false, nil
	}
	c, err := rawws.Open(socket, rawws.Request("/", s.host), message...)
	if err != nil {
		return false, err
	}
	if way == 1 { // ends before the service answers the login
		_ = tcp.SetLinger(0)
		return false, nil
	}
	answer, err := c.ReadText()
	if err != nil {
		return false, err
	}
	loggedIn = answer == loginAccepted
	if !loggedIn && errorCode(answer) != "login-taken" {
		return false, fmt.Errorf("the login was answered with %s", answer)
	}
	var relays []byte
	count := random.IntN(20)
	for range count {
		relays = append(relays, rawws.Message(offer(login, other, random.IntN(4000)))...)
		relays = append(relays, rawws.Message(offer(login, login, random.IntN(4000)))...)
	}
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(relays)
		sent <- err
	}()
	defer func() {
		socket.Close()
		<-sent
	}()
	for range random.IntN(count + 1) { // at least count answers come
		if _, err := c.ReadFrame(); err != nil {
			break // on a busy machine the service may give up on this client
		}
	}
	switch way {
	case 2, 3:
		_ = tcp.SetLinger(0)
	case 4: // ends its sending direction, then reads to the end
		<-sent
		sent <- nil
		_ = tcp.CloseWrite()
		_, err = io.Copy(io.Discard, socket)
	case 5: // reads nothing for a while
		time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
	case 6: // ends with a close frame
		<-sent
		sent <- nil
		_, _ = c.Write(rawws.CloseFrame(1000, ""))
		_, err = io.Copy(io.Discard, socket)
	case 7: // breaks RFC 6455, and does not read the answer
		_, _ = c.Write([]byte{0xFF})
	case 8: // ends in the middle of a frame
		<-sent
		sent <- nil
		_, _ = c.Write(rawws.Message(login)[:5])
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return loggedIn, fmt.Errorf("the service has not ended the connection: %w", err)
	}
	return loggedIn, nil
}
