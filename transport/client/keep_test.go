package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"p2p-messaging/messages"
	"p2p-messaging/transport/client"
)

// kept is a client with WithKeep, and the service's ends of its connections.
type kept struct {
	*client.Client
	t     *testing.T
	conns <-chan net.Conn
	*fake // the newest connection
}

// keptLogin is the login of a client that asks for a kept session.
type keptLogin struct {
	Type     string `json:"type"`
	Login    string `json:"login"`
	Keep     bool   `json:"keep"`
	Resume   string `json:"resume"`
	Received *int   `json:"received"`
}

// connectKept dials a fake service. It must be called in a synctest bubble.
func connectKept(t *testing.T, options ...client.Option) *kept {
	t.Helper()
	dialer, conns := pipe()
	k := &kept{t: t, conns: conns}
	dialed := make(chan error, 1)
	go func() {
		var err error
		k.Client, err = client.Dial(t.Context(), "ws://service.test", append([]client.Option{dialer, client.WithKeep()}, options...)...)
		dialed <- err
	}()
	k.accepts()
	if err := <-dialed; err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(k.CloseNow)
	return k
}

// accepts takes the client's next connection.
func (k *kept) accepts() {
	k.t.Helper()
	select {
	case conn := <-k.conns:
		k.fake = newFake(k.t, conn)
		k.accept(nil)
	case <-time.After(time.Hour):
		k.t.Fatal("the client has not come back")
	}
}

// staysAway fails the test if the client comes back. The client must have ended.
func (k *kept) staysAway() error {
	k.t.Helper()
	err := ended(k.t, k.Client)
	select {
	case <-k.conns:
		k.t.Error("the client came back")
	default:
	}
	return err
}

// login reads the client's login, which must have received so many messages.
func (k *kept) login(received int) keptLogin {
	k.t.Helper()
	first, payload, err := k.read()
	if err != nil || first != text {
		k.t.Fatalf("reading a login: %#x %q, %v", first, payload, err)
	}
	var l keptLogin
	if err := json.Unmarshal(payload, &l); err != nil || l.Type != "login" || !l.Keep || l.Received == nil || *l.Received != received {
		k.t.Fatalf("the client sent %s; wanted the login of a kept session that has received %d", payload, received)
	}
	return l
}

// logsIn does the first login. The next secret is "next-secret-00001".
func (k *kept) logsIn() {
	k.t.Helper()
	done := begin(func() error { return k.Login(k.t.Context(), "alice") })
	k.fake.t.Helper()
	k.login(0)
	k.send(text, newSession("next-secret-00001"))
	if err := <-done; err != nil {
		k.t.Fatalf("Login: %v", err)
	}
	k.expect(text, `{"type":"ping","received":0}`)
	k.send(text, `{"type":"pong","received":0}`)
}

// drops cuts the connection.
func (k *kept) drops() { k.fake.conn.Close() }

// resumes takes the next connection and resumes the session on it. Received is what the client should have, m what the service has.
func (k *kept) resumes(received, m int) {
	k.t.Helper()
	k.accepts()
	if l := k.login(received); l.Resume != "next-secret-00001" {
		k.t.Errorf("the client brought the secret %q; wanted its newest one", l.Resume)
	}
	k.send(text, resumed(m))
}

func (k *kept) relays(n int) { k.t.Helper(); k.send(text, offerTo(n)) }

// says sends offer n.
func (k *kept) says(n int) {
	k.t.Helper()
	if err := k.Send(k.t.Context(), messages.TypeOffer, "bob", n); err != nil {
		k.t.Errorf("Send: %v", err)
	}
}

func (k *kept) hears(n int) {
	k.t.Helper()
	if m := receive(k.t, k.Client); string(m.Payload) != fmt.Sprint(n) {
		k.t.Errorf("received %s; wanted offer %d", m.Text, n)
	}
}

// lost receives the report of a lost session.
func (k *kept) lost() *client.SessionLostError {
	k.t.Helper()
	_, err := k.Receive(k.t.Context())
	var lost *client.SessionLostError
	if !errors.As(err, &lost) {
		k.t.Fatalf("Receive: %v; wanted a SessionLostError", err)
	}
	return lost
}

// logsOut takes the client's logout.
func (k *kept) logsOut() {
	k.t.Helper()
	k.expect(text, `{"type":"logout","login":"alice"}`)
	k.expect(text, `{"type":"ping","id":"logout"}`)
	k.send(text, `{"type":"pong","id":"logout"}`)
}

// newSession is the answer to alice's login that begins a kept session.
func newSession(secret string) string {
	return fmt.Sprintf(`{"type":"login","success":true,"login":"alice","resume":%q,"window":30,"resumed":false}`, secret)
}

// resumed is the answer to alice's login that goes on with a session whose service has received so many messages.
func resumed(received int) string {
	return fmt.Sprintf(`{"type":"login","success":true,"login":"alice","resume":"next-secret-00001","window":30,"resumed":true,"received":%d}`, received)
}

func offerTo(n int) string {
	return fmt.Sprintf(`{"type":"offer","offer":%d,"from":"bob","to":"alice"}`, n)
}

func offerFrom(n int) string {
	return fmt.Sprintf(`{"type":"offer","offer":%d,"from":"alice","to":"bob"}`, n)
}

func bubble(t *testing.T, f func(t *testing.T)) { t.Helper(); synctest.Test(t, f) }

// inSession runs a test in a bubble, with a client that has logged in as alice.
func inSession(t *testing.T, f func(t *testing.T, k *kept)) {
	t.Helper()
	bubble(t, func(t *testing.T) {
		k := connectKept(t)
		k.logsIn()
		f(t, k)
	})
}

func TestAKeptLoginBringsASecretOfItsOwn(t *testing.T) {
	secrets := map[string]bool{}
	for range 3 {
		bubble(t, func(t *testing.T) {
			k := connectKept(t)
			done := begin(func() error { return k.Login(t.Context(), "alice") })
			l := k.login(0)
			if l.Login != "alice" || len(l.Resume) < 22 || !messages.IsSecret([]byte(l.Resume)) {
				t.Errorf("the login is %+v; wanted alice, with a secret of 128 bits at least", l)
			}
			secrets[l.Resume] = true
			k.send(text, newSession("next-secret-00001"))
			if err := <-done; err != nil || k.LoggedInAs() != "alice" {
				t.Errorf("Login: %v, as %q; wanted alice", err, k.LoggedInAs())
			}
			k.expect(text, `{"type":"ping","received":0}`)
		})
	}
	if len(secrets) != 3 {
		t.Errorf("three clients brought the secrets %v; wanted three", secrets)
	}
}

func TestASessionGoesOnBehindADrop(t *testing.T) {
	inSession(t, func(t *testing.T, k *kept) {
		for n := range 3 {
			k.says(n)
			k.expect(text, offerFrom(n))
		}
		k.relays(0)
		k.hears(0)
		k.relays(1) // nobody receives it before the drop
		synctest.Wait()
		k.drops()
		synctest.Wait()
		k.says(3)

		k.resumes(1, 1)
		k.expect(text, offerFrom(1))
		k.expect(text, offerFrom(2))
		k.expect(text, `{"type":"ping","received":1}`)
		k.expect(text, offerFrom(3))
		k.send(text, `{"type":"pong","received":3}`)
		k.relays(1) // comes again
		k.relays(2)
		k.hears(1)
		k.hears(2)

		k.drops()
		k.resumes(3, 4)
		k.expect(text, `{"type":"ping","received":3}`)
	})
}

// Until the client has confirmed for itself, the answer to a ping would confirm what nobody has received.
func TestTheFirstConfirmationGoesBeforeAnyPong(t *testing.T) {
	inSession(t, func(t *testing.T, k *kept) {
		k.says(0)
		k.expect(text, offerFrom(0))
		k.drops()
		k.resumes(0, 0)
		k.relays(0)
		k.send(ping, "a")
		k.send(ping, "b")
		synctest.Wait()
		k.expect(text, offerFrom(0))
		k.expect(text, `{"type":"ping","received":0}`)
		k.expect(pong, "b")
		k.send(ping, "c")
		k.expect(pong, "c")
	})
}

func TestALostReplyCostsNothing(t *testing.T) {
	for name, l := range map[string]func(t *testing.T, k *kept) keptLogin{
		"of the first login": func(t *testing.T, k *kept) keptLogin {
			go k.Login(t.Context(), "alice")
			return k.login(0)
		},
		"of a resume": func(t *testing.T, k *kept) keptLogin {
			k.logsIn()
			k.drops()
			k.accepts()
			return k.login(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				k := connectKept(t)
				before := l(t, k)
				for range 3 {
					k.drops()
					k.accepts()
					if again := k.login(0); again.Resume != before.Resume {
						t.Errorf("the client brought %q; wanted %q again", again.Resume, before.Resume)
					}
				}
			})
		})
	}
}

func TestALostSessionIsToldWithWhatNobodyKnows(t *testing.T) {
	inSession(t, func(t *testing.T, k *kept) {
		for n := range 3 {
			k.says(n)
			k.expect(text, offerFrom(n))
		}
		k.send(text, `{"type":"pong","received":1}`)
		synctest.Wait()
		k.drops()
		synctest.Wait()
		k.says(3)
		k.accepts()
		k.login(0)
		k.send(text, newSession("next-secret-00002"))
		k.expect(text, `{"type":"ping","received":0}`)
		lost := k.lost()
		if got, want := fmt.Sprintf("%s %s", lost.Unknown, lost.Unsent), fmt.Sprintf("[%s %s] [%s]", offerFrom(1), offerFrom(2), offerFrom(3)); got != want {
			t.Errorf("lost %s; wanted %s", got, want)
		}
		if lost.Err != nil {
			t.Errorf("the reason is %v; wanted none: the client goes on", lost.Err)
		}

		k.says(4) // counts have begun again
		k.expect(text, offerFrom(4))
		k.relays(0)
		k.hears(0)
		k.drops()
		k.accepts()
		if l := k.login(1); l.Resume != "next-secret-00002" {
			t.Errorf("the client brought the secret %q; wanted that of the new session", l.Resume)
		}
		k.send(text, `{"type":"login","success":true,"login":"alice","resume":"next-secret-00003","window":30,"resumed":true,"received":0}`)
		k.expect(text, offerFrom(4))
	})
}

func TestWhatIsUnconfirmedIsConfirmed(t *testing.T) {
	long := strings.Repeat("x", 20_000)
	for name, c := range map[string]struct {
		do    func(k *kept)
		after time.Duration
		want  string
	}{
		"one received, 5 s": {func(k *kept) { k.relays(0); k.hears(0) }, 5 * time.Second, `{"type":"ping","received":1}`},
		"one sent, 5 s":     {func(k *kept) { k.says(0); k.expect(text, offerFrom(0)) }, 5 * time.Second, `{"type":"ping","received":0}`},
		"64 received": {func(k *kept) {
			for n := range 64 {
				k.relays(n)
				k.hears(n)
			}
		}, 0, `{"type":"ping","received":64}`},
		"64 sent": {func(k *kept) {
			for n := range 64 {
				k.says(n)
				k.expect(text, offerFrom(n))
			}
		}, 0, `{"type":"ping","received":0}`},
		"32 KB received": {func(k *kept) {
			for range 2 {
				k.send(text, `{"type":"offer","offer":"`+long+`"}`)
				receive(k.t, k.Client)
			}
		}, 0, `{"type":"ping","received":2}`},
		"32 KB sent": {func(k *kept) {
			for range 2 {
				if err := k.Send(k.t.Context(), messages.TypeOffer, "bob", long); err != nil {
					k.t.Error(err)
				}
				_, _, _ = k.read()
			}
		}, 0, `{"type":"ping","received":0}`},
		"errors count": {func(k *kept) {
			k.send(text, `{"type":"error","code":"peer-unavailable","message":"Gone.","to":"bob"}`)
			receive(k.t, k.Client)
		}, 5 * time.Second, `{"type":"ping","received":1}`},
		"presence, pings and pongs do not": {func(k *kept) {
			k.send(text, `{"type":"presence","online":["bob"],"offline":[]}`)
			k.send(text, `{"type":"pong","id":1}`)
			receive(k.t, k.Client)
			receive(k.t, k.Client)
		}, 30 * time.Second, `{"type":"ping","received":0}`}, // the service has been silent
	} {
		t.Run(name, func(t *testing.T) {
			inSession(t, func(t *testing.T, k *kept) {
				begun := time.Now()
				c.do(k)
				k.expect(text, c.want)
				if took := time.Since(begun); took != c.after {
					t.Errorf("the ping came after %v; wanted %v", took, c.after)
				}
			})
		})
	}
}

func TestASilentConnectionIsGivenUp(t *testing.T) {
	for name, do := range map[string]func(k *kept){
		"a ping is not answered":     func(k *kept) { k.says(0); k.expect(text, offerFrom(0)); _, _, _ = k.read() },
		"a message is not read":      func(k *kept) { k.says(0) },
		"nothing came for a while":   func(k *kept) { _, _, _ = k.read() },
		"the login is not answered":  func(k *kept) { k.drops(); k.accepts(); k.login(0) },
		"the logout is not answered": func(k *kept) { go k.Logout(k.t.Context()); _, _, _ = k.read(); _, _, _ = k.read() },
	} {
		t.Run(name, func(t *testing.T) {
			inSession(t, func(t *testing.T, k *kept) {
				do(k)
				k.accepts()
				k.login(0)
			})
		})
	}
}

func TestAConnectionIsNotSilentWhileNobodyReceives(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := connectKept(t, client.WithBuffer(1))
		k.logsIn()
		k.says(0)
		k.expect(text, offerFrom(0))
		for n := range 2 {
			k.relays(n)
		}
		pong := make(chan struct{})
		go func() {
			defer close(pong)
			k.expect(text, `{"type":"ping","received":0}`)
			k.send(text, `{"type":"pong","received":1}`) // the client does not read it yet
		}()
		time.Sleep(time.Hour)
		k.hears(0)
		k.hears(1)
		<-pong
		synctest.Wait()
		select {
		case <-k.conns:
			t.Error("the client made another connection; wanted it to know that it has not read itself")
		default:
		}
	})
}

// A message that the client had read, but had no room for, comes again.
func TestAMessageThatNobodyTookComesAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := connectKept(t, client.WithBuffer(1))
		k.logsIn()
		for n := range 2 {
			k.relays(n)
		}
		synctest.Wait()
		k.drops()
		for range 100 { // a drop is found by writing
			k.says(0)
		}
		k.resumes(0, 0)
		go io.Copy(io.Discard, k.conn)
		go func() {
			for n := range 3 {
				k.relays(n)
			}
		}()
		for n := range 3 {
			k.hears(n)
		}
	})
}

func TestCloseCodesSayWhetherToComeBack(t *testing.T) {
	for name, c := range map[string]struct {
		code   uint16
		reason string
		back   bool
		wait   time.Duration // at least; with retry= exactly
	}{
		"going down":           {code: 1001, reason: "retry=2300", back: true, wait: 2300 * time.Millisecond},
		"restarting":           {code: 1012, reason: "retry=45000", back: true, wait: 45 * time.Second},
		"restarting, at once":  {code: 1012, reason: "retry=0", back: true},
		"restarting, nonsense": {code: 1012, reason: "retry=-5", back: true},
		"going down, no delay": {code: 1001, back: true},
		"full":                 {code: 1013, back: true},
		"failed":               {code: 1011, back: true},
		"too slow":             {code: 4000, back: true},
		"no sign of life":      {code: 4001, back: true},
		"the token has ended":  {code: 4002, back: true},
		"unfinished":           {code: 1008, reason: "a message begun and not finished", back: true},
		"refused too often":    {code: 1008, reason: "too many refused logins in a row"},
		"wrong UTF-8":          {code: 1007},
		"wrong frame":          {code: 1002},
		"binary":               {code: 1003},
		"too long":             {code: 1009},
		"taken over":           {code: 4100},
		"by the operator":      {code: 4101},
		"done":                 {code: 1000},
	} {
		t.Run(name, func(t *testing.T) {
			inSession(t, func(t *testing.T, k *kept) {
				k.says(0)
				k.expect(text, offerFrom(0))
				begun := time.Now()
				k.write(closeFrame(c.code, c.reason))
				go io.Copy(io.Discard, k.conn)
				if c.back {
					k.resumes(0, 1)
					if took := time.Since(begun); took < c.wait || c.wait > 0 && took > c.wait {
						t.Errorf("the client came back after %v; wanted %v", took, c.wait)
					}
					return
				}
				err := k.staysAway()
				var closed *client.CloseError
				if !errors.As(err, &closed) || uint16(closed.Code) != c.code {
					t.Errorf("Err: %v; wanted close code %d", err, c.code)
				}
				var lost *client.SessionLostError
				if !errors.As(err, &lost) || len(lost.Unknown) != 1 || string(lost.Unknown[0]) != offerFrom(0) {
					t.Errorf("Err: %#v; wanted it to have the message that nobody confirmed", err)
				}
				if _, err := k.Receive(t.Context()); !errors.As(err, &lost) {
					t.Errorf("Receive: %v; wanted the same", err)
				}
			})
		})
	}
}

// An earlier attempt may come late and take the session over from the later one. Then nobody has it.
func TestTakenOverByItselfAClientComesBackOnce(t *testing.T) {
	inSession(t, func(t *testing.T, k *kept) {
		for range 2 { // the first attempt is lost, the second one is answered
			k.drops()
			k.accepts()
			k.login(0)
		}
		k.send(text, resumed(0))
		k.expect(text, `{"type":"ping","received":0}`)
		k.write(closeFrame(4100, ""))
		go io.Copy(io.Discard, k.conn)
		k.resumes(0, 0)
		k.expect(text, `{"type":"ping","received":0}`)
		k.write(closeFrame(4100, ""))
		go io.Copy(io.Discard, k.conn)
		k.staysAway()
	})
}

func TestALoginIsGivenUpWithoutAConnection(t *testing.T) {
	for name, giveUp := range map[string]func(k *kept) error{
		"by Logout": func(k *kept) error { return k.Logout(k.t.Context()) },
		"by Close":  func(k *kept) error { return k.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			inSession(t, func(t *testing.T, k *kept) {
				k.says(0)
				k.expect(text, offerFrom(0))
				k.drops()
				synctest.Wait()
				done := begin(func() error { return giveUp(k) })
				k.resumes(0, 0)
				k.expect(text, offerFrom(0))
				k.expect(text, `{"type":"ping","received":0}`)
				k.logsOut()
				if name == "by Close" {
					k.expect(closing, "\x03\xe8")
					k.write(closeFrame(1000, ""))
				}
				if err := <-done; err != nil {
					t.Errorf("%v; wanted nil", err)
				}
				if k.LoggedInAs() != "" {
					t.Errorf("logged in as %q; wanted nobody", k.LoggedInAs())
				}
			})
		})
	}
}

func TestALogoutIsCertain(t *testing.T) {
	for name, reply := range map[string]string{
		"the session was still there": resumed(0),
		"it has ended":                newSession("next-secret-00002"),
		"somebody else has the login": `{"type":"login","success":false,"code":"login-taken","message":"In use."}`,
	} {
		t.Run(name, func(t *testing.T) {
			inSession(t, func(t *testing.T, k *kept) {
				done := begin(func() error { return k.Logout(t.Context()) })
				k.expect(text, `{"type":"logout","login":"alice"}`)
				k.drops()
				k.accepts()
				k.login(0)
				k.send(text, reply)
				if strings.Contains(reply, "true") {
					_, payload, err := k.read()
					if string(payload) == `{"type":"ping","received":0}` { // it may come before the logout, and not behind it
						_, payload, err = k.read()
					}
					if err != nil || string(payload) != `{"type":"logout","login":"alice"}` {
						t.Fatalf("the client sent %s, %v; wanted the logout again", payload, err)
					}
					k.expect(text, `{"type":"ping","id":"logout"}`)
					k.send(text, `{"type":"pong","id":"logout"}`)
				}
				if err := <-done; err != nil {
					t.Errorf("Logout: %v", err)
				}
				go k.Login(t.Context(), "bob")
				if l := k.login(0); l.Login != "bob" || l.Resume == "next-secret-00001" {
					t.Errorf("the next login is %+v; wanted bob with a secret of his own", l)
				}
			})
		})
	}
}

// A full service refuses the resume. It still has the session, so the client tries again.
func TestALogoutWaitsForAFullService(t *testing.T) {
	inSession(t, func(t *testing.T, k *kept) {
		k.drops()
		synctest.Wait()
		done := begin(func() error { return k.Logout(t.Context()) })
		k.accepts()
		k.login(0)
		k.send(text, `{"type":"login","success":false,"code":"capacity","message":"Full."}`)
		k.resumes(0, 0)
		k.expect(text, `{"type":"ping","received":0}`)
		k.logsOut()
		if err := <-done; err != nil {
			t.Errorf("Logout: %v", err)
		}
	})
}

func TestALoginWhoseContextEndsIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := connectKept(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		done := begin(func() error { return k.Login(ctx, "alice") })
		k.login(0)
		if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Login: %v; wanted the context's error", err)
		}
		go func() { done <- k.Login(t.Context(), "alice") }()
		synctest.Wait()
		k.send(text, newSession("next-secret-00001"))
		k.expect(text, `{"type":"ping","received":0}`)
		k.logsOut()
		k.login(0)
		k.send(text, newSession("next-secret-00002"))
		if err := <-done; err != nil {
			t.Errorf("the second Login: %v", err)
		}
	})
}

func TestARefusedKeptLoginIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := connectKept(t)
		done := begin(func() error { return k.Login(t.Context(), "alice") })
		k.login(0)
		k.send(text, `{"type":"login","success":false,"code":"login-taken","message":"In use."}`)
		var refused *client.RefusedError
		if err := <-done; !errors.As(err, &refused) || refused.Code != messages.CodeLoginTaken {
			t.Errorf("Login: %v; wanted login-taken", err)
		}
		k.logsIn() // the connection is still there
		if err := k.Login(t.Context(), "bob"); !errors.As(err, &refused) || refused.Code != messages.CodeAlreadyLoggedIn {
			t.Errorf("the second Login: %v; wanted already-logged-in", err)
		}
	})
}

func TestAResumeThatIsRefusedEndsTheClientUnlessItPasses(t *testing.T) {
	for code, passes := range map[messages.Code]bool{
		messages.CodeLoginTaken: false, messages.CodeAuthRequired: false, messages.CodeCapacity: true, messages.CodeTooMany: true,
	} {
		t.Run(string(code), func(t *testing.T) {
			inSession(t, func(t *testing.T, k *kept) {
				k.drops()
				k.accepts()
				k.login(0)
				k.send(text, `{"type":"login","success":false,"code":"`+string(code)+`","message":"No."}`)
				if passes {
					k.resumes(0, 0)
					return
				}
				var refused *client.RefusedError
				if err := k.staysAway(); !errors.As(err, &refused) || refused.Code != code {
					t.Errorf("Err: %v; wanted the refusal", err)
				}
			})
		})
	}
}

func TestTheQueueIsBounded(t *testing.T) {
	inSession(t, func(t *testing.T, k *kept) {
		k.drops()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		payload := strings.Repeat("x", 50_000)
		var err error
		sent := 0
		for ; err == nil && sent < 100; sent++ {
			err = k.Send(ctx, messages.TypeOffer, "bob", payload)
		}
		if !errors.Is(err, context.DeadlineExceeded) || sent != 6 {
			t.Errorf("message %d of 50 KB: %v; wanted the sixth not to fit in 256 KiB", sent, err)
		}
		done := begin(func() error { return k.Send(t.Context(), messages.TypeOffer, "bob", payload) })
		k.accepts()
		k.login(0)
		k.send(text, resumed(0))
		go func() {
			for n := 0; ; {
				_, payload, err := k.read()
				switch {
				case err != nil:
					return
				case strings.Contains(string(payload), "ping"):
					_, _ = k.conn.Write(frame(text, fmt.Appendf(nil, `{"type":"pong","received":%d}`, n))) // the test may have ended
				default:
					n++
				}
			}
		}()
		if err := <-done; err != nil {
			t.Errorf("Send, once there is room: %v", err)
		}
	})
}

func TestAWatchOutlivesTheSession(t *testing.T) {
	inSession(t, func(t *testing.T, k *kept) {
		if err := k.Watch(t.Context(), "bob", "Zoë"); err != nil {
			t.Fatalf("Watch: %v", err)
		}
		k.expect(text, `{"type":"watch","logins":["bob","Zoë"]}`)
		k.send(text, `{"type":"presence","online":["bob"],"offline":["Zoë"]}`)
		if m := receive(t, k.Client); m.Type != "presence" || fmt.Sprint(m.Online, m.Offline) != "[bob] [Zoë]" {
			t.Errorf("received %+v; wanted bob online and Zoë offline", m)
		}
		k.drops()
		k.resumes(0, 1) // a resumed session has its watch
		k.expect(text, `{"type":"ping","received":0}`)
		k.drops()
		k.accepts()
		k.login(0)
		k.send(text, newSession("next-secret-00002"))
		k.expect(text, `{"type":"ping","received":0}`)
		k.expect(text, `{"type":"watch","logins":["bob","Zoë"]}`)
		if lost := k.lost(); len(lost.Unknown)+len(lost.Unsent) != 0 {
			t.Errorf("lost %s, %s; wanted nothing", lost.Unknown, lost.Unsent)
		}
		if err := k.Watch(t.Context()); err != nil {
			t.Fatalf("Watch of nobody: %v", err)
		}
		k.expect(text, `{"type":"watch","logins":[]}`)
	})
}

func TestWatchWithoutKeep(t *testing.T) {
	c, f := connect(t, nil)
	if err := c.Watch(t.Context(), "bob"); !errors.Is(err, client.ErrNotLoggedIn) {
		t.Errorf("Watch before a login: %v; wanted ErrNotLoggedIn", err)
	}
	f.login(c, "alice")
	if err := c.Watch(t.Context(), make([]string, 257)...); err == nil {
		t.Error("Watch of 257 logins succeeded; wanted an error")
	}
	if err := c.Watch(t.Context(), "\xff"); err == nil {
		t.Error("Watch of what is no UTF-8 succeeded; wanted an error")
	}
	done := begin(func() error { return c.Watch(t.Context(), "bob") })
	f.expect(text, `{"type":"watch","logins":["bob"]}`)
	if err := <-done; err != nil {
		t.Errorf("Watch: %v", err)
	}
}

func TestSendTextOfAKeptClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := connectKept(t)
		done := begin(func() error { return k.SendText(t.Context(), []byte(`{"type":"ping"}`)) })
		k.expect(text, `{"type":"ping"}`)
		if err := <-done; err != nil {
			t.Errorf("SendText without a login: %v", err)
		}
		k.logsIn()
		for _, s := range []string{`{"type":"login","login":"bob"}`, `{"type":"logout","login":"alice"}`} {
			if err := k.SendText(t.Context(), []byte(s)); err == nil {
				t.Errorf("SendText of %s succeeded; wanted an error", s)
			}
		}
		// All but pings count, whatever they are.
		sent := []string{`no JSON`, `{"type":"nonsense"}`, `{"type":"ping","id":7}`, `{"type":"ice-servers"}`, `{"type":"ping","id":[]}`}
		for _, s := range sent {
			go func() { done <- k.SendText(t.Context(), []byte(s)) }()
			k.expect(text, s)
			if err := <-done; err != nil {
				t.Errorf("SendText of %s: %v", s, err)
			}
		}
		k.drops()
		k.resumes(0, 1)
		k.expect(text, `{"type":"nonsense"}`)
		k.expect(text, `{"type":"ice-servers"}`)
	})
}

func TestAServiceThatKeepsNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		k := connectKept(t)
		done := begin(func() error { return k.Login(t.Context(), "alice") })
		k.login(0)
		k.send(text, `{"type":"login","success":true}`)
		if err := <-done; err != nil {
			t.Fatalf("Login: %v", err)
		}
		for n := range 100 {
			k.says(n)
			k.expect(text, offerFrom(n)) // no ping comes between
		}
		k.drops()
		synctest.Wait()
		k.says(100)
		k.accepts()
		k.login(0)
		k.send(text, `{"type":"login","success":true}`)
		if lost := k.lost(); len(lost.Unknown) != 0 || len(lost.Unsent) != 1 {
			t.Errorf("lost %s, %s; wanted the one that was not sent", lost.Unknown, lost.Unsent)
		}
		go func() { done <- k.Logout(t.Context()) }()
		k.expect(text, `{"type":"logout","login":"alice"}`)
		if err := <-done; err != nil {
			t.Errorf("Logout: %v", err)
		}
	})
}

func TestCountsThatCannotBeTrueEndTheClient(t *testing.T) {
	for name, do := range map[string]func(k *kept){
		"a pong confirms too much": func(k *kept) { k.send(text, `{"type":"pong","received":1}`) },
		"a resume has too much": func(k *kept) {
			k.drops()
			k.resumes(0, 1)
		},
		"a resume has no count": func(k *kept) {
			k.drops()
			k.accepts()
			k.login(0)
			k.send(text, `{"type":"login","success":true,"login":"alice","resume":"next-secret-00001","window":30,"resumed":true,"received":1.0}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inSession(t, func(t *testing.T, k *kept) {
				do(k)
				go io.Copy(io.Discard, k.conn)
				if err := k.staysAway(); !strings.Contains(err.Error(), "confirms what was not sent") {
					t.Errorf("Err: %v; wanted the wrong count", err)
				}
			})
		})
	}
}

func TestCloseNowLeavesTheSessionToTheService(t *testing.T) {
	inSession(t, func(t *testing.T, k *kept) {
		k.CloseNow()
		if first, payload, err := k.read(); err == nil {
			t.Errorf("the client sent %#x %q; wanted nothing", first, payload)
		}
		if err := k.Err(); !errors.Is(err, client.ErrClosed) {
			t.Errorf("Err: %v; wanted ErrClosed", err)
		}
		if err := k.Send(t.Context(), messages.TypeOffer, "bob", 1); !errors.Is(err, client.ErrClosed) {
			t.Errorf("Send: %v; wanted ErrClosed", err)
		}
	})
}

func TestCloseWithoutAConnectionTakesAMomentOnly(t *testing.T) {
	inSession(t, func(t *testing.T, k *kept) {
		k.drops()
		begun := time.Now()
		if err := k.Close(); err == nil {
			t.Error("Close returned nil; wanted an error: the login was not given up")
		}
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("Close took %v; wanted 5 s at most", took)
		}
	})
}
