package turn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/pion/stun/v4"
	pion "github.com/pion/turn/v5"

	"p2p-messaging/messages"
	"p2p-messaging/transport/turn"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

// start starts a server whose public address is 127.0.0.1.
func start(t testing.TB, change ...func(*turn.Options)) *turn.Server {
	t.Helper()
	o := turn.DefaultOptions()
	o.Public = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	o.Listen = "127.0.0.1:0"
	o.Secret = []byte("secret of the test")
	o.Logger = slog.New(slog.DiscardHandler)
	for _, f := range change {
		f(&o)
	}
	s, err := turn.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

// way is how a client reaches the server.
type way struct {
	name string
	dial func(t testing.TB, s *turn.Server) net.PacketConn
}

func ways() []way {
	return []way{
		{"UDP", func(t testing.TB, _ *turn.Server) net.PacketConn {
			c, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			return c
		}},
		{"TCP", func(t testing.TB, s *turn.Server) net.PacketConn {
			c, err := net.Dial("tcp4", address(s))
			if err != nil {
				t.Fatal(err)
			}
			return pion.NewSTUNConn(c)
		}},
		{"a connection that is given", func(t testing.TB, s *turn.Server) net.PacketConn {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			c, err := net.Dial("tcp4", l.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			given, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			s.ServeConn(given)
			return pion.NewSTUNConn(c)
		}},
	}
}

// address is where the server listens.
func address(s *turn.Server) string {
	return strings.TrimPrefix(s.ICEServers("nobody")[0].URLs[0], "stun:")
}

// credentials returns those of a login.
func credentials(s *turn.Server, login string) messages.ICEServer {
	servers := s.ICEServers(login)
	return servers[len(servers)-1]
}

// client connects to the server as the owner of credentials.
func (w way) client(t testing.TB, s *turn.Server, who messages.ICEServer) *pion.Client {
	t.Helper()
	c, err := pion.NewClient(&pion.ClientConfig{
		STUNServerAddr: address(s), TURNServerAddr: address(s), Conn: w.dial(t, s),
		Username: who.Username, Password: who.Credential, RTO: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func allocate(t testing.TB, c *pion.Client) net.PacketConn {
	t.Helper()
	relayed, err := c.Allocate()
	if err != nil {
		t.Fatalf("Allocate: %v", err)
	}
	return relayed
}

// wantRead reads a datagram.
func wantRead(t *testing.T, c net.PacketConn, want string) net.Addr {
	t.Helper()
	b := make([]byte, 1600)
	_ = c.SetReadDeadline(time.Now().Add(patience))
	n, from, err := c.ReadFrom(b)
	if err != nil || string(b[:n]) != want {
		t.Fatalf("read %q, %v; want %q", b[:n], err, want)
	}
	return from
}

func TestTwoClientsOfOneServerReachEachOtherByEveryWay(t *testing.T) {
	for _, a := range ways() {
		for _, b := range ways() {
			t.Run(a.name+" and "+b.name, func(t *testing.T) {
				t.Parallel()
				s := start(t)
				alice := allocate(t, a.client(t, s, credentials(s, "alice")))
				bob := allocate(t, b.client(t, s, credentials(s, "bob")))
				// The first datagram of each makes its permission, so that of the other may be lost before.
				if _, err := bob.WriteTo([]byte("lost"), alice.LocalAddr()); err != nil {
					t.Fatal(err)
				}
				for i := range 3 {
					said := fmt.Sprintf("datagram %d", i)
					if _, err := alice.WriteTo([]byte(said), bob.LocalAddr()); err != nil {
						t.Fatal(err)
					}
					if from := wantRead(t, bob, said); from.String() != alice.LocalAddr().String() {
						t.Errorf("it came from %v, want %v", from, alice.LocalAddr())
					}
				}
				if n := s.Allocations(); n != 2 {
					t.Errorf("there are %d allocations, want 2", n)
				}
			})
		}
	}
}

func TestABindingRequestTellsTheClientItsAddress(t *testing.T) {
	for _, w := range ways() {
		s := start(t)
		c := w.client(t, s, messages.ICEServer{})
		mapped, err := c.SendBindingRequest()
		if err != nil || !strings.HasPrefix(mapped.String(), "127.0.0.1:") {
			t.Errorf("by %s: %v, %v", w.name, mapped, err)
		}
	}
}

func TestCredentialsCountOnlyForWhomTheyWereMadeAndForAnHour(t *testing.T) {
	s := start(t)
	good := credentials(s, "Zoë: a name with a colon")
	until, login, _ := strings.Cut(good.Username, ":")
	if login != "Zoë%3A%20a%20name%20with%20a%20colon" {
		t.Errorf("the username is %q", good.Username)
	}
	allocate(t, ways()[0].client(t, s, good))
	for name, who := range map[string]messages.ICEServer{
		"another password":         {Username: good.Username, Credential: "AAAA"},
		"no password":              {Username: good.Username},
		"another login":            {Username: until + ":bob", Credential: good.Credential},
		"a later end":              {Username: "9" + good.Username, Credential: good.Credential},
		"no end":                   {Username: "bob", Credential: good.Credential},
		"nothing":                  {},
		"another server's secret":  credentials(start(t, func(o *turn.Options) { o.Secret = []byte("another") }), "bob"),
		"credentials that expired": turn.Servers{URLs: []string{"turn:x"}, Secret: []byte("secret of the test")}.For("bob", time.Now().Add(-time.Hour-time.Second))[0],
		"credentials of next week": turn.Servers{URLs: []string{"turn:x"}, Secret: []byte("secret of the test")}.For("bob", time.Now().Add(7*24*time.Hour))[0],
	} {
		if _, err := ways()[0].client(t, s, who).Allocate(); err == nil {
			t.Errorf("with %s there is an allocation", name)
		}
	}
	if n := s.Allocations(); n != 1 {
		t.Errorf("there are %d allocations, want the one", n)
	}
}

func TestALoginMayHaveALongNormalForm(t *testing.T) {
	s := start(t)
	key, ok := messages.LoginKey(nil, []byte(strings.Repeat("\ufdfa", messages.MaxLoginCharacters)))
	if !ok || len(key) < 1000 {
		t.Fatalf("the normal form has %d bytes, %v; this test needs a long one", len(key), ok)
	}
	who := credentials(s, string(key))
	if len(who.Username) > 508 || !utf8.ValidString(who.Username) { // RFC 8489, section 14.3
		t.Errorf("the username has %d bytes", len(who.Username))
	}
	allocate(t, ways()[0].client(t, s, who))
}

func TestNoWayLeadsInside(t *testing.T) {
	// The public address is another one than that of the service inside, so that loopback is not the server's own.
	inside, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	port := inside.LocalAddr().(*net.UDPAddr).Port
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			s := start(t)
			c := w.client(t, s, credentials(s, "mallory"))
			relayed := allocate(t, c)
			for _, peer := range []string{"10.0.0.1", "169.254.169.254", "192.168.0.1", "100.64.0.1", "0.0.0.0", "224.0.0.1", "127.0.0.2", "255.255.255.255"} {
				if err := c.CreatePermission(&net.UDPAddr{IP: net.ParseIP(peer), Port: port}); err == nil {
					t.Errorf("there is a permission for %s", peer)
				}
				if _, err := relayed.WriteTo([]byte("knock"), &net.UDPAddr{IP: net.ParseIP(peer), Port: port}); err == nil {
					t.Errorf("something was sent to %s", peer)
				}
			}
			// The public address may get a permission, for the allocations of others, but no other port of it anything.
			if _, err := relayed.WriteTo([]byte("knock"), inside.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			other := allocate(t, w.client(t, s, credentials(s, "bob")))
			_, _ = other.WriteTo([]byte("lost"), relayed.LocalAddr())
			if _, err := relayed.WriteTo([]byte("after"), other.LocalAddr()); err != nil {
				t.Fatal(err)
			}
			wantRead(t, other, "after")                                       // So what was sent before has been dealt with.
			_ = inside.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) // what is there is read only before the deadline
			if n, _, err := inside.ReadFrom(make([]byte, 100)); err == nil {
				t.Errorf("%d bytes came to a port of the machine itself", n)
			}
		})
	}
}

func TestWhatTheOperatorAllowsIsReached(t *testing.T) {
	inside, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inside.Close()
	s := start(t, func(o *turn.Options) { o.AllowPeers = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	relayed := allocate(t, ways()[0].client(t, s, credentials(s, "alice")))
	if _, err := relayed.WriteTo([]byte("hello"), inside.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	from := wantRead(t, inside, "hello")
	if _, err := inside.WriteTo([]byte("hello to you"), from); err != nil {
		t.Fatal(err)
	}
	if got := wantRead(t, relayed, "hello to you"); got.String() != inside.LocalAddr().String() {
		t.Errorf("the answer came from %v, want %v", got, inside.LocalAddr())
	}
}

func TestAllocationsAreBounded(t *testing.T) {
	s := start(t, func(o *turn.Options) { o.AllocationsPerLogin, o.Allocations = 2, 3 })
	udp := ways()[0]
	alice := credentials(s, "alice")
	first := allocate(t, udp.client(t, s, alice))
	allocate(t, udp.client(t, s, alice))
	if _, err := udp.client(t, s, alice).Allocate(); err == nil {
		t.Error("a third allocation of one login is made")
	}
	allocate(t, udp.client(t, s, credentials(s, "bob")))
	if _, err := udp.client(t, s, credentials(s, "carol")).Allocate(); err == nil {
		t.Error("a fourth allocation is made")
	}
	// One that is given up makes room.
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	allocate(t, udp.client(t, s, credentials(s, "carol")))
}

func TestWhatIsOverTheRateIsDropped(t *testing.T) {
	const limit = 1000
	s := start(t, func(o *turn.Options) { o.RatePerLogin = limit })
	alice := allocate(t, ways()[1].client(t, s, credentials(s, "alice")))
	bob := allocate(t, ways()[1].client(t, s, credentials(s, "bob")))
	_, _ = bob.WriteTo([]byte("lost"), alice.LocalAddr())
	const size, sent = 1000, 200
	began := time.Now()
	for range sent {
		if _, err := alice.WriteTo(bytes.Repeat([]byte{1}, size), bob.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	received := 0
	b := make([]byte, 1600)
	for received < sent {
		_ = bob.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		if _, _, err := bob.ReadFrom(b); err != nil {
			break
		}
		received++
	}
	// The first ones are within the burst. The rate allows one more each second.
	if most := (64<<10)/size + 2 + int(time.Since(began).Seconds())*limit/size; received == 0 || received > most {
		t.Errorf("%d of %d datagrams came, want %d at most", received, sent, most)
	}
}

// exchange sends bytes to the server by UDP, and returns what comes back before the answer to a binding request behind them.
func exchange(t *testing.T, s *turn.Server, sent []byte) []byte {
	t.Helper()
	c, err := net.Dial("udp4", address(s))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	behind := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
	for _, b := range [][]byte{sent, behind.Raw} {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	var got []byte
	b := make([]byte, 1600)
	for {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		n, err := c.Read(b)
		if err != nil {
			t.Fatalf("behind %x: %v", sent, err)
		}
		answer := &stun.Message{Raw: b[:n]}
		if answer.Decode() == nil && answer.TransactionID == behind.TransactionID {
			return got
		}
		got = append(got, b[:n]...)
	}
}

func TestWithoutCredentialsNobodyGetsMuchBack(t *testing.T) {
	s := start(t)
	transport := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
	for name, m := range map[string]*stun.Message{
		"allocate":   stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), transport),
		"refresh":    stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodRefresh, stun.ClassRequest)),
		"permission": stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodCreatePermission, stun.ClassRequest)),
		"channel":    stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodChannelBind, stun.ClassRequest)),
	} {
		got := exchange(t, s, m.Raw)
		answer := &stun.Message{Raw: got}
		if err := answer.Decode(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var nonce stun.Nonce
		var realm stun.Realm
		if err := errors.Join(nonce.GetFrom(answer), realm.GetFrom(answer)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// An error code takes some more: 4 bytes of header, 4 of code, and the reason.
		if most := len(m.Raw) + len(nonce) + len(realm) + 40; len(got) > most {
			t.Errorf("%s: %d bytes for %d, want %d at most", name, len(got), len(m.Raw), most)
		}
	}
	for name, sent := range map[string][]byte{
		"nothing":                     {},
		"one byte":                    {0},
		"a header that is cut off":    stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw[:19],
		"a length that is a lie":      append([]byte{0, 1, 255, 255}, stun.MustBuild(stun.TransactionID, stun.BindingRequest).Raw[4:]...),
		"another cookie":              append([]byte{0, 1, 0, 0, 1, 2, 3, 4}, make([]byte, 12)...),
		"data for no channel":         {0x40, 0, 0, 4, 1, 2, 3, 4},
		"data with a length of a lie": {0x40, 0, 255, 255, 1},
		"an indication to nobody":     stun.MustBuild(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication)).Raw,
		"an answer":                   stun.MustBuild(stun.TransactionID, stun.BindingSuccess).Raw,
		"HTTP":                        []byte("GET / HTTP/1.1\r\n\r\n"),
	} {
		if got := exchange(t, s, sent); len(got) > len(sent) {
			t.Errorf("%s: %d bytes come back for %d", name, len(got), len(sent))
		}
	}
}

func TestAStreamThatSendsNoSTUNIsClosed(t *testing.T) {
	s := start(t)
	for name, sent := range map[string]string{
		"HTTP": "GET / HTTP/1.1\r\nHost: chat.example.org\r\n\r\n",
		"TLS":  "\x16\x03\x01\x00\xff" + strings.Repeat("x", 255), "a length of a lie": "\x00\x01\x7f\xfc" + strings.Repeat("\x00", 40000), "noise": strings.Repeat("\xff", 4000),
	} {
		c, err := net.Dial("tcp4", address(s))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte(sent)); err != nil {
			t.Fatal(err)
		}
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if n, err := c.Read(make([]byte, 100)); err == nil || errors.Is(err, context.DeadlineExceeded) || n > 0 {
			t.Errorf("%s: read %d bytes, %v; want the end of the connection", name, n, err)
		} else if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
			t.Errorf("%s: the connection stays open", name)
		}
		c.Close()
	}
}

func TestCloseEndsStreamsAndAllocations(t *testing.T) {
	s := start(t)
	c, err := net.Dial("tcp4", address(s))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	relayed := allocate(t, ways()[1].client(t, s, credentials(s, "alice")))
	port := relayed.LocalAddr().(*net.UDPAddr).Port
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("a stream goes on")
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		again, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
		if err == nil {
			again.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the port of the allocation is still taken: %v", err)
		}
	}
}

func TestOptionsThatCannotWorkAreRefused(t *testing.T) {
	for name, change := range map[string]func(*turn.Options){
		"no public address":   func(o *turn.Options) { o.Public = nil },
		"two of one family":   func(o *turn.Options) { o.Public = append(o.Public, netip.MustParseAddr("192.0.2.1")) },
		"nobody's address":    func(o *turn.Options) { o.Public = []netip.Addr{netip.MustParseAddr("0.0.0.0")} },
		"no ports":            func(o *turn.Options) { o.MinPort = 0 },
		"ports the other way": func(o *turn.Options) { o.MinPort, o.MaxPort = 2, 1 },
		"no secret":           func(o *turn.Options) { o.Secret = nil },
	} {
		o := turn.DefaultOptions()
		o.Public, o.Listen, o.Secret = []netip.Addr{netip.MustParseAddr("127.0.0.1")}, "127.0.0.1:0", []byte("x")
		change(&o)
		if s, err := turn.Start(o); err == nil {
			t.Errorf("%s: it starts", name)
			s.Close()
		}
	}
}
