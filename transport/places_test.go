package transport_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"p2p-messaging/transport"
	"p2p-messaging/transport/internal/rawws"
)

// wantScarce checks that the service has logged one warning, that it is full, and forgets it.
func (s *service) wantScarce(t *testing.T) {
	t.Helper()
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	warnings := 0
	for _, line := range s.log.lines {
		if strings.HasPrefix(line, "WARN the service is full") {
			warnings++
		}
	}
	if warnings != 1 {
		t.Errorf("%d warnings that the service is full, want one:\n%s", warnings, strings.Join(s.log.lines, "\n"))
	}
	s.log.lines = nil
}

// relays checks that both clients, with the logins a and b, can send to each other.
func relays(t *testing.T, a, b *rawws.Conn, loginA, loginB string) {
	t.Helper()
	text := offer(loginA, loginB, 10)
	write(t, a, rawws.Message(text))
	wantText(t, b, text)
	text = offer(loginB, loginA, 10)
	write(t, b, rawws.Message(text))
	wantText(t, a, text)
}

func TestWhoDoesNotLogInDoesNotLockOthersOut(t *testing.T) {
	for name, open := range map[string]func(*testing.T, *service) net.Conn{
		"WebSockets": func(t *testing.T, s *service) net.Conn { return s.connect(t) },
		"WebSockets whose logins are refused": func(t *testing.T, s *service) net.Conn {
			c := s.connect(t)
			write(t, c, rawws.Message(`{"type":"login","login":""}`))
			if _, err := c.ReadText(); err != nil {
				t.Error(err)
			}
			return c
		},
		"WebSockets that have logged out": func(t *testing.T, s *service) net.Conn {
			c := s.connect(t)
			write(t, c, rawws.Message(`{"type":"login","login":"passing"}`))
			wantText(t, c, loginAccepted)
			write(t, c, rawws.Message(`{"type":"logout","login":"passing"}`))
			write(t, c, rawws.Message("{}"))
			wantError(t, c, "malformed")
			return c
		},
		"halves of a request": func(t *testing.T, s *service) net.Conn {
			c, err := s.dial()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			write(t, c, []byte("GET / HTTP/1.1\r\n"))
			return c
		},
		"pages that were read": func(t *testing.T, s *service) net.Conn {
			c, err := s.dial()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { c.Close() })
			write(t, c, []byte("GET / HTTP/1.1\r\nHost: service.test\r\n\r\n"))
			response, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			eachCarrier(t, func(t *testing.T, by carrier) {
				const most, idlers = 20, 50
				s := by.listen(t, func(o *transport.Options) { o.MaxConnections = most })
				early := s.login(t, "early")
				var idle []net.Conn
				for range idlers {
					idle = append(idle, open(t, s))
				}
				var users []*rawws.Conn
				for i := range most / 2 {
					users = append(users, s.login(t, fmt.Sprint("user ", i)))
				}
				for i, user := range users {
					relays(t, early, user, "early", fmt.Sprint("user ", i))
				}
				// Those who came first have gone first.
				for i, c := range idle[:idlers-most] {
					ws, ok := c.(*rawws.Conn)
					if !ok {
						_ = c.SetReadDeadline(time.Now().Add(patience))
						if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
							t.Errorf("connection %d is still open: %v", i, err)
						}
					} else if reason := wantClose(t, ws, 1013); reason == "" {
						t.Error("there is no reason")
					}
				}
				last := idle[idlers-1]
				_ = last.SetReadDeadline(time.Now().Add(time.Millisecond))
				if _, err := last.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("the connection that came last: %v, want it open", err)
				}
				s.wantScarce(t)
			})
		})
	}
}

func TestAFullServiceRefusesNewcomersInWords(t *testing.T) {
	eachCarrier(t, func(t *testing.T, by carrier) {
		const most = 4
		s := by.listen(t, func(o *transport.Options) { o.MaxConnections = most })
		var users []*rawws.Conn
		for i := range most {
			users = append(users, s.login(t, fmt.Sprint("user ", i)))
		}
		for range 10 {
			c, err := s.dial()
			if err != nil {
				t.Fatal(err)
			}
			write(t, c, []byte(rawws.Request("/ws", s.host)))
			response, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			words, err := io.ReadAll(response.Body)
			if seconds, number := strconv.Atoi(response.Header.Get("Retry-After")); response.StatusCode != http.StatusServiceUnavailable || number != nil || seconds < 1 {
				t.Errorf("the answer is %s with Retry-After %q, want 503 and some seconds", response.Status, response.Header.Get("Retry-After"))
			}
			if !strings.Contains(string(words), "full") || err != nil {
				t.Errorf("the words are %q, %v", words, err)
			}
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("behind the refusal: %v, want the end", err)
			}
			c.Close()
		}
		relays(t, users[0], users[1], "user 0", "user 1")
		s.wantScarce(t)
		// When one leaves, the next gets its place.
		write(t, users[0], rawws.CloseFrame(1000, ""))
		wantClose(t, users[0], 1000)
		users[0].Close()
		for {
			c, err := s.connectAs("newcomer")
			if err == nil {
				relays(t, c, users[1], "newcomer", "user 1")
				c.Close()
				break
			}
			if !strings.Contains(err.Error(), "503") {
				t.Fatal(err)
			}
		}
		s.log.mu.Lock()
		s.log.lines = nil
		s.log.mu.Unlock()
	})
}
